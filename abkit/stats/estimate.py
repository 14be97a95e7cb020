"""The records that analyses are made of: an estimate with its interval, an arm, a posterior, a comparison."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

from abkit.records import Record
from abkit.vocabulary import TWO_SIDED, Alternative

Limits = tuple[float, float]


@dataclass(frozen=True, slots=True)
class Estimate(Record):
    """A figure and its interval.

    Attributes:
        estimate: The figure; NaN when it has no finite value (a lift over a baseline of zero).
        ci_low: Lower end of the interval; -inf when it is open.
        ci_high: Upper end of the interval; inf when it is open.
    """

    estimate: float
    ci_low: float
    ci_high: float

    def excludes(self, value: float) -> bool:
        """Return whether the interval does not contain the value."""
        return value < self.ci_low or value > self.ci_high


def bounded(
    estimate: float, limits: Limits, alternative: Alternative, *, lowest: float = -math.inf, highest: float = math.inf
) -> Estimate:
    """Return an estimate whose interval is open on the side that a one-sided alternative does not bound.

    >>> bounded(0.1, (0.05, 0.15), Alternative.GREATER, highest=1.0)
    Estimate(estimate=0.1, ci_low=0.05, ci_high=1.0)
    """
    if alternative is not TWO_SIDED:
        limits = (limits[0], highest) if alternative is Alternative.GREATER else (lowest, limits[1])
    return Estimate(estimate, *limits)


@dataclass(frozen=True, slots=True)
class ArmRate(Record):
    """A proportion in one arm.

    Attributes:
        n: Trials (impressions, users, …).
        successes: How many of them succeeded (clicks, conversions).
        rate: Successes ÷ trials, in [0, 1].
    """

    n: int
    successes: int
    rate: float


@dataclass(frozen=True, slots=True)
class ArmMean(Record):
    """A mean, or a ratio of means, in one arm.

    Attributes:
        n: Number of units.
        mean: The mean, in the metric's unit.
        standard_error: Standard error of the mean.
        skewness: Skewness of the units; None where it is not known.
    """

    n: float
    mean: float
    standard_error: float
    skewness: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class PosteriorComparison(Record):
    """What the posterior says about one treatment against its control.

    Attributes:
        model: `beta-binomial` or `normal`.
        prior: The prior in words.
        chance_to_win: P(treatment better than control).
        expected_loss: Expected loss, in the metric's unit, if the treatment is shipped.
        expected_loss_of_keeping: Expected loss if the control is kept.
        practical_lift: The smallest lift that matters.
        chance_of_practical_lift: P(lift > practical_lift).
    """

    model: str
    prior: str
    chance_to_win: float
    expected_loss: float
    expected_loss_of_keeping: float
    practical_lift: float
    chance_of_practical_lift: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison(Record):
    """One treatment against one control: everything a reader needs to judge it.

    Attributes:
        control: The control arm.
        treatment: The treatment arm.
        difference: Treatment − control, in the metric's unit, with its interval.
        lift: Treatment ÷ control − 1, with its interval; NaN when the control is zero.
        p_value: P-value of no difference. For `sequential` it is valid at any look; NaN for `bayes`.
        statistic: The test statistic; NaN where the method has none.
        method: The analysis that was made (`newcombe`, `z`, `score`, `exact`, `sequential`, `welch`, …).
        level: Confidence level of the intervals, in (0, 1).
        alternative: Which difference counts, treatment against control.
        conventions: How each figure (`p_value`, `difference`, `lift`) was made, because tools differ there.
        notes: Sentences that a reader must know (no clicks in the control, few clicks for this method, …).
        bayes: The posterior figures when the method is `bayes`.
        warnings: Why the intervals may miss their level; while there is one, nothing is called significant.
    """

    control: ArmRate | ArmMean
    treatment: ArmRate | ArmMean
    difference: Estimate
    lift: Estimate
    p_value: float
    statistic: float
    method: str
    level: float
    alternative: Alternative
    conventions: Mapping[str, str]
    notes: tuple[str, ...] = ()
    bayes: PosteriorComparison | None = None
    warnings: tuple[str, ...] = ()

    @property
    def significant(self) -> bool:
        """Whether the interval of the difference excludes zero, and may be trusted to."""
        return not self.warnings and self.difference.excludes(0.0)
