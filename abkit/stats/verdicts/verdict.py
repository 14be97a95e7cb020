"""From figures and guards to one sentence: what may be said, and with which words."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from abkit.records import Record, percent
from abkit.stats.estimate import Comparison
from abkit.stats.verdicts.guards import Guard
from abkit.vocabulary import Allocation, GuardStatus, Verdict


@dataclass(frozen=True, slots=True)
class Conclusion(Record):
    """What a test says about one treatment.

    Attributes:
        state: `blocked` (a guard failed), `better`, `worse`, `undecided`, or `futile` (even the upper end of the
            lift is below what the plan looks for).
        sentence: The verdict for the reader. It says "caused" only where allocation was random.
        causal: Whether it may be read as cause and effect.
        blocked_by: The guards that failed.
    """

    state: Verdict
    sentence: str
    causal: bool
    blocked_by: tuple[str, ...]


def judge(
    comparison: Comparison,
    guards: Sequence[Guard],
    *,
    allocation: Allocation | str,
    treatment: str,
    control: str,
    adjusted_p: float | None = None,
    planned_lift: float | None = None,
) -> Conclusion:
    """Return the verdict on one treatment.

    Args:
        comparison: The figures that decide.
        guards: The guards of the experiment.
        allocation: Whether chance or the platform decided who saw what.
        treatment: Name of the treatment.
        control: Name of the control.
        adjusted_p: The p-value after the correction for several treatments; it decides when given.
        planned_lift: The lift that the test was planned to find, for futility.

    >>> from abkit.stats.arms import Counts
    >>> from abkit.stats.proportions.compare import compare
    >>> comparison = compare(Counts(480, 10_000), Counts(580, 10_000))
    >>> judge(comparison, [], allocation="random", treatment="b", control="a").sentence
    'b caused a higher rate than a: 0.0100 [0.0038, 0.0162]'
    >>> judge(comparison, [], allocation="optimized", treatment="b", control="a").causal
    False
    """
    causal = allocation == Allocation.RANDOM
    blocking = [guard for guard in guards if guard.status is GuardStatus.BLOCK]
    difference, most = comparison.difference, comparison.lift.ci_high
    estimate, low, high = difference.estimate, difference.ci_low, difference.ci_high
    figures = f"{estimate:.4f} [{low:.4f}, {high:.4f}]"
    if blocking:
        state, reasons = Verdict.BLOCKED, "; ".join(f"{guard.message} → {guard.action}" for guard in blocking)
        sentence = f"no verdict on {treatment}: {reasons}"
    elif difference.excludes(0.0) and (adjusted_p is None or adjusted_p <= 1 - comparison.level):
        state, more = (Verdict.BETTER, "higher") if estimate > 0 else (Verdict.WORSE, "lower")
        sentence = f"{treatment} caused a {more} rate than {control}: {figures}"
        if not causal:
            low, high = sorted((abs(low), abs(high)))
            sentence = (
                f"{treatment}'s rate was {more} than {control}'s by {abs(estimate):.4f} [{low:.4f}, {high:.4f}]; "
                "who saw it was not random, so other causes remain"
            )
    elif planned_lift is not None and planned_lift > 0 and most < planned_lift:
        state = Verdict.FUTILE
        planned, reached = percent(planned_lift, 1), percent(most, 1)
        sentence = f"{treatment} does not reach the planned lift of {planned}: at most {reached}"
    else:
        state, sentence = Verdict.UNDECIDED, f"no difference shown between {treatment} and {control}: {figures}"
    return Conclusion(state, sentence, causal, tuple(guard.name for guard in blocking))
