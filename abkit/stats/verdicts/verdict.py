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
    if blocking:
        reasons = "; ".join(f"{guard.message} → {guard.action}" for guard in blocking)
        return Conclusion(
            Verdict.BLOCKED, f"no verdict on {treatment}: {reasons}", causal, tuple(guard.name for guard in blocking)
        )
    difference = comparison.difference
    figures = f"{difference.estimate:.4f} [{difference.ci_low:.4f}, {difference.ci_high:.4f}]"
    alpha = 1 - comparison.level
    significant = difference.excludes(0.0) and (adjusted_p is None or adjusted_p <= alpha)
    if significant:
        up = difference.estimate > 0
        if causal:
            sentence = f"{treatment} caused a {'higher' if up else 'lower'} rate than {control}: {figures}"
        else:
            sentence = (
                f"{treatment}'s rate was {'higher' if up else 'lower'} than {control}'s by "
                f"{_absolute(comparison)}; who saw it was not random, so other causes remain"
            )
        return Conclusion(Verdict.BETTER if up else Verdict.WORSE, sentence, causal, ())
    if planned_lift is not None and planned_lift > 0 and comparison.lift.ci_high < planned_lift:
        return Conclusion(
            Verdict.FUTILE,
            f"{treatment} does not reach the planned lift of {percent(planned_lift, 1)}: "
            f"at most {percent(comparison.lift.ci_high, 1)}",
            causal,
            (),
        )
    return Conclusion(
        Verdict.UNDECIDED, f"no difference shown between {treatment} and {control}: {figures}", causal, ()
    )


def _absolute(comparison: Comparison) -> str:
    low, high = sorted((abs(comparison.difference.ci_low), abs(comparison.difference.ci_high)))
    return f"{abs(comparison.difference.estimate):.4f} [{low:.4f}, {high:.4f}]"
