"""From figures and guards to one sentence: what may be said, and with which words."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from abkit.metrics import METRICS, MetricDefinition
from abkit.records import Record, percent
from abkit.stats.estimate import ArmMean, ArmRate, Comparison
from abkit.stats.verdicts.equivalence import MarginTest
from abkit.stats.verdicts.guards import Guard
from abkit.vocabulary import Allocation, Direction, GuardStatus, Metric, Recommendation, Verdict

_NOT_RANDOM = "who saw it was not random, so other causes remain"


@dataclass(frozen=True, kw_only=True, slots=True)
class Conclusion(Record):
    """What a test says about one treatment.

    Attributes:
        state: `blocked` (a guard failed), `better`, `worse`, `undecided`, or `futile` (even the upper end of the
            lift is below what the plan looks for).
        sentence: The verdict for the reader. It says "caused" only where allocation was random.
        causal: Whether it may be read as cause and effect.
        blocked_by: The guards that failed.
        action: What to do: `ship`, `keep` the control, `hold` (a guardrail fails, or a guard blocks), `run-on`; None
            in analyses from before there were recommendations.
        action_reason: Why, where it does not follow from the state alone; "" elsewhere.
    """

    state: Verdict
    sentence: str
    causal: bool
    blocked_by: tuple[str, ...]
    action: Recommendation | None = None
    action_reason: str = ""

    @property
    def advice(self) -> str:
        """The action with its reason, for the reader; "" where none is recommended."""
        if self.action is None:
            return ""
        return f"{self.action.replace('-', ' ')}: {self.action_reason}" if self.action_reason else str(self.action)


_ACTIONS = {
    Verdict.BETTER: Recommendation.SHIP,
    Verdict.WORSE: Recommendation.KEEP,
    Verdict.FUTILE: Recommendation.KEEP,
    Verdict.UNDECIDED: Recommendation.RUN_ON,
    Verdict.BLOCKED: Recommendation.HOLD,
}


def advise(conclusion: Conclusion, guardrails: Mapping[Metric, MarginTest | None]) -> Conclusion:
    """Return the conclusion with what to do: a better treatment is held while a guardrail is not shown to hold.

    Args:
        conclusion: Of `judge`.
        guardrails: Metric → its test; None where there is too little to test.

    >>> found = Conclusion(state=Verdict.BETTER, sentence="b caused a higher rate than a", causal=True, blocked_by=())
    >>> advise(found, {}).advice, advise(found, {Metric.CVR: None}).advice
    ('ship', 'hold: the guardrail cvr has too little data')
    """
    action, why = _ACTIONS[conclusion.state], ""
    failing = [metric for metric, test in guardrails.items() if test is not None and not test.holds]
    unknown = [metric for metric, test in guardrails.items() if test is None]
    if action is Recommendation.SHIP and (failing or unknown):
        action = Recommendation.HOLD
        parts = [f"the guardrail {metric} is not shown to hold" for metric in failing]
        why = "; ".join(parts + [f"the guardrail {metric} has too little data" for metric in unknown])
    return replace(conclusion, action=action, action_reason=why)


def judge(
    comparison: Comparison,
    guards: Sequence[Guard],
    *,
    allocation: Allocation | str,
    treatment: str,
    control: str,
    adjusted_p: float | None = None,
    planned_lift: float | None = None,
    metric: MetricDefinition = METRICS[Metric.CTR],
    currency: str = "",
) -> Conclusion:
    """Return the verdict on one treatment.

    Args:
        comparison: The figures that decide.
        guards: The guards of the experiment.
        allocation: Whether chance or the platform decided who saw what.
        treatment: Name of the treatment.
        control: Name of the control.
        adjusted_p: The p-value after the correction for several treatments; it decides when given.
        planned_lift: The lift that the test was planned to find, for futility; below 0 where lower is better.
        metric: What is compared: which way of it is good, and how it is said.
        currency: That of its amounts.

    >>> from abkit.stats.arms import Counts
    >>> from abkit.stats.proportions.compare import compare
    >>> comparison = compare(Counts(480, 10_000), Counts(580, 10_000))
    >>> judge(comparison, [], allocation="random", treatment="b", control="a").sentence
    'b caused a higher rate than a: 0.0100 [0.0038, 0.0162]'
    >>> judge(comparison, [], allocation="optimized", treatment="b", control="a").causal
    False
    >>> from abkit.stats.arms import Moments
    >>> from abkit.stats.means.compare import compare_means
    >>> costs = compare_means(Moments(100, 3.50, 1.0), Moments(100, 3.08, 1.0))
    >>> cpa = METRICS[Metric.CPA]
    >>> judge(costs, [], allocation="random", treatment="b", control="a", metric=cpa, currency="EUR").sentence
    'b costs 12.0 % less per conversion than a [4.2 % to 19.2 % less], caused by the variant: 3.08 EUR v 3.50 EUR'
    """
    causal = allocation == Allocation.RANDOM
    blocking = [guard for guard in guards if guard.status is GuardStatus.BLOCK]
    good = 1 if metric.direction is Direction.HIGHER else -1
    lift = comparison.lift
    # The end of the lift's interval that is best for the treatment.
    most = lift.ci_high if good > 0 else lift.ci_low
    if blocking:
        state, reasons = Verdict.BLOCKED, "; ".join(f"{guard.message} → {guard.action}" for guard in blocking)
        sentence = f"no verdict on {treatment}: {reasons}"
    elif comparison.warnings:
        state, sentence = Verdict.BLOCKED, f"{treatment}: {'; '.join(comparison.warnings)}"
    elif comparison.significant and (adjusted_p is None or adjusted_p <= 1 - comparison.level):
        state = Verdict.BETTER if comparison.difference.estimate * good > 0 else Verdict.WORSE
        said = _rates if metric.share else _amounts
        sentence = said(comparison, treatment, control, metric, currency, causal=causal)
    elif planned_lift is not None and planned_lift * good > 0 and most * good < planned_lift * good:
        state = Verdict.FUTILE
        planned, reached = percent(planned_lift, 1), percent(most, 1)
        sentence = f"{treatment} does not reach the planned lift of {planned}: at most {reached}"
    else:
        state = Verdict.UNDECIDED
        figures = _interval(comparison) if metric.share else _amount_interval(comparison, metric, currency)
        sentence = f"no difference shown between {treatment} and {control}: {figures}"
    by = tuple(guard.name for guard in blocking) or (("shape",) if comparison.warnings else ())
    return Conclusion(state=state, sentence=sentence, causal=causal, blocked_by=by)


def _rates(
    comparison: Comparison, treatment: str, control: str, metric: MetricDefinition, currency: str, *, causal: bool
) -> str:
    difference = comparison.difference
    more = "higher" if difference.estimate > 0 else "lower"
    if causal:
        return f"{treatment} caused a {more} rate than {control}: {_interval(comparison)}"
    low, high = sorted((abs(difference.ci_low), abs(difference.ci_high)))
    return (
        f"{treatment}'s rate was {more} than {control}'s by {abs(difference.estimate):.4f} [{low:.4f}, {high:.4f}]; "
        f"{_NOT_RANDOM}"
    )


def _amounts(
    comparison: Comparison, treatment: str, control: str, metric: MetricDefinition, currency: str, *, causal: bool
) -> str:
    """Return what an amount or a quotient of amounts says: by how much, for what, and both values."""
    before, after = (metric.show(arm_value(arm), currency) for arm in (comparison.control, comparison.treatment))
    words = metric.more if comparison.difference.estimate > 0 else metric.less
    lift = comparison.lift
    if arm_value(comparison.control) > 0 and math.isfinite(lift.ci_low) and math.isfinite(lift.ci_high):
        by = percent(abs(lift.estimate), 1)
        ends = sorted((lift.ci_low, lift.ci_high), key=abs)
        # The interval of a verdict lies on one side of zero.
        interval = " to ".join(percent(abs(end), 1) for end in ends) + (" more" if lift.estimate > 0 else " less")
        found = f"{treatment} {words.format(by=by)} than {control} [{interval}]"
    else:
        by = metric.show(abs(comparison.difference.estimate), currency)
        found = f"{treatment} {words.format(by=by)} than {control} [{_amount_interval(comparison, metric, currency)}]"
    cause = ", caused by the variant" if causal else ""
    return f"{found}{cause}: {after} v {before}" + ("" if causal else f"; {_NOT_RANDOM}")


def arm_value(arm: ArmRate | ArmMean) -> float:
    """Return the rate or the mean of an arm."""
    return arm.rate if isinstance(arm, ArmRate) else arm.mean


def _interval(comparison: Comparison) -> str:
    difference = comparison.difference
    return f"{difference.estimate:.4f} [{difference.ci_low:.4f}, {difference.ci_high:.4f}]"


def _amount_interval(comparison: Comparison, metric: MetricDefinition, currency: str) -> str:
    difference = comparison.difference
    return f"difference {metric.show(difference.estimate, currency)}, " + " to ".join(
        metric.show(end, currency) for end in (difference.ci_low, difference.ci_high)
    )
