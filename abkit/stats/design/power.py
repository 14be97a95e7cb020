"""How many units a test takes, and how many days that is. `detectable` has what a given size can find."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from abkit.errors import InvalidInput
from abkit.records import Record
from abkit.stats.sequential.always_valid import multiplier
from abkit.stats.sequential.group_sequential import GroupSequentialPlan, inflation, plan_looks
from abkit.stats.tails import quantile
from abkit.vocabulary import Alternative, Monitoring, Spending, parse_choice

MOST_LOOKS = 100
"""More looks than that gain nothing over looking at any time."""

SMALLEST_EFFECT, LARGEST_EFFECT = 1e-5, 10.0
"""In standard deviations: from tens of billions of units to two or three."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SampleSize(Record):
    """What a test takes.

    Attributes:
        per_variant: Units in each treatment arm, rounded up; also in the control unless `ratio` is not 1.
        control: Units in the control.
        total: Units in all arms.
        power: Chance to find the effect.
        alpha: Error rate of the whole test.
        alpha_per_comparison: Error rate after Bonferroni's division over the treatments.
        baseline: The control's rate or mean.
        effect: Difference to be found, in the metric's unit.
        lift: The same relative to the baseline.
        arms: Number of arms: control and treatments.
        ratio: Units of a treatment ÷ units of the control.
        alternative: Which difference counts.
        monitoring: `fixed` (one look at the end), `anytime` (confidence sequence) or `group` (planned looks).
        method: The test that this is the sample size of.
        days: How long it takes at the daily traffic given, or None.
        plan: Boundaries of the planned looks, `group` only.
    """

    per_variant: int
    control: int
    total: int
    power: float
    alpha: float
    alpha_per_comparison: float
    baseline: float
    effect: float
    lift: float
    arms: int
    ratio: float
    alternative: Alternative
    monitoring: Monitoring
    method: str
    days: int | None = None
    plan: GroupSequentialPlan | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Design(Record):
    """What all sample-size questions have in common.

    Attributes:
        power: Wanted chance to find the effect, in (0, 1).
        alpha: Error rate of the whole test, in (0, 1).
        arms: Number of arms, at least 2; each treatment is compared with the control.
        ratio: Units of a treatment ÷ units of the control, above 0.
        alternative: Which difference counts: two-sided, greater or less.
        monitoring: How often the test is looked at: fixed, anytime or group.
        looks: Number of planned looks, `group` only, evenly spaced.
        spending: How the error is spent, `group` only.
        daily_traffic: Units per day that enter the test, over all arms; None when not known.
    """

    power: float = 0.8
    alpha: float = 0.05
    arms: int = 2
    ratio: float = 1.0
    alternative: Alternative = Alternative.TWO_SIDED
    monitoring: Monitoring = Monitoring.FIXED
    looks: int = 5
    spending: Spending = Spending.OBRIEN_FLEMING
    daily_traffic: float | None = None

    def __post_init__(self) -> None:
        for kind, name in ((Alternative, "alternative"), (Monitoring, "monitoring"), (Spending, "spending")):
            object.__setattr__(self, name, parse_choice(kind, getattr(self, name), name=name))
        for name, value in (("power", self.power), ("alpha", self.alpha)):
            if not 0 < value < 1:
                raise InvalidInput(f"{name} is {value}; it has to lie between 0 and 1")
        if self.power <= self.alpha:
            raise InvalidInput(f"power is {self.power} and alpha {self.alpha}; power has to be the larger")
        if self.arms < 2:
            raise InvalidInput(f"a test has {self.arms} arm; expected a control and at least one treatment")
        if not (math.isfinite(self.ratio) and self.ratio > 0):
            raise InvalidInput(f"the ratio of treatment to control is {self.ratio}; expected a number above 0")
        if not 1 <= self.looks <= MOST_LOOKS:
            raise InvalidInput(f"{self.looks} looks are planned; expected 1 to {MOST_LOOKS}", hint="or use anytime")
        if self.daily_traffic is not None and not self.daily_traffic > 0:
            raise InvalidInput(f"the daily traffic is {self.daily_traffic}; expected a number above 0")
        if self.monitoring is Monitoring.GROUP and self.power <= 2 * self.tail:
            raise InvalidInput(f"power is {self.power}; planned looks need more than {2 * self.tail:g}")

    @property
    def alpha_per_comparison(self) -> float:
        """Error rate of each comparison: Bonferroni over the treatments."""
        return self.alpha / (self.arms - 1)

    @property
    def tail(self) -> float:
        """Error rate of the tail that the effect lies in."""
        return self.alpha_per_comparison / (2 if self.alternative is Alternative.TWO_SIDED else 1)


def sample_size_for_rates(baseline: float, *, lift: float, design: Design | None = None) -> SampleSize:
    """Return the units for a difference of two proportions, tested by the pooled z-test.

    Source: statsmodels' `samplesize_proportions_2indep_onetail` (Fleiss, Levin & Paik 2003, eq. 4.14, without the
    continuity correction): pooled variance under no effect, separate variances under the effect.

    Args:
        baseline: The control's rate, in (0, 1).
        lift: Relative effect to be found; negative for a loss.
        design: Power, arms, split, monitoring.

    >>> plan = sample_size_for_rates(0.02, lift=0.10)
    >>> plan.per_variant, plan.total
    (80682, 161364)
    """
    from statsmodels.stats.proportion import samplesize_proportions_2indep_onetail

    design = design or Design()
    treatment = _check_rates(baseline, lift)
    _check_direction(lift, design)
    effect = treatment - baseline
    # statsmodels' first sample is the one whose rate is prop2 + diff: the treatment; ratio is control ÷ treatment.
    units = samplesize_proportions_2indep_onetail(
        effect,
        baseline,
        design.power,
        ratio=1 / design.ratio,
        alpha=2 * design.tail,
        alternative="two-sided",
    )

    def needed(reach: float) -> float:
        pooled = (treatment + baseline / design.ratio) / (1 + 1 / design.ratio)
        null = math.sqrt(pooled * (1 - pooled) * (1 + design.ratio))
        alternative = math.sqrt(treatment * (1 - treatment) + baseline * (1 - baseline) * design.ratio)
        return ((reach * null + quantile(design.power) * alternative) / effect) ** 2

    return _result(float(units), needed, baseline, effect, design, "pooled z-test of two proportions")


def sample_size_for_means(
    baseline: float, standard_deviation: float, *, lift: float, design: Design | None = None
) -> SampleSize:
    """Return the units for a difference of two means with a common standard deviation: statsmodels' `TTestIndPower`.

    >>> sample_size_for_means(10.0, 5.0, lift=0.05).per_variant
    1571
    """
    design = design or Design()
    effect, size = _check_means(baseline, standard_deviation, lift)
    _check_direction(effect, design)

    def needed(reach: float) -> float:
        return (1 + design.ratio) * ((reach + quantile(design.power)) / size) ** 2

    control = _t_test_units(size, design, needed(quantile(1 - design.tail)) / design.ratio)
    return _result(control * design.ratio, needed, baseline, effect, design, "t-test of two means")


def _t_test_units(size: float, design: Design, normal: float) -> float:
    """Return the units of the control; statsmodels' search does not converge where a handful of units is enough."""
    from scipy.optimize import brentq
    from statsmodels.stats.power import TTestIndPower

    model = TTestIndPower()

    def missing(control: float) -> float:
        return float(model.power(size, control, design.tail, ratio=design.ratio, alternative="larger")) - design.power

    fewest = max(2.0, 2.0 / design.ratio)
    if missing(fewest) >= 0:
        return fewest
    most = max(normal, fewest) + 10
    while missing(most) < 0:
        most *= 2
    return float(brentq(missing, fewest, most, rtol=1e-12))


def _result(
    units: float, needed: Callable[[float], float], baseline: float, effect: float, design: Design, method: str
) -> SampleSize:
    plan = None
    if design.monitoring is Monitoring.GROUP:
        shares: Sequence[float] = [(look + 1) / design.looks for look in range(design.looks)]
        plan = plan_looks(shares, alpha=2 * design.tail, spending=design.spending)
        units *= inflation(plan, power=design.power)
        method += f", {design.looks} planned looks ({design.spending} spending)"
    elif design.monitoring is Monitoring.ANYTIME:
        units = _anytime_units(needed, design)
        method += ", confidence sequence tuned to the total; power by the last look"
    treatment = math.ceil(units * (1 - 1e-12))
    control = math.ceil(units / design.ratio * (1 - 1e-12))
    total = control + treatment * (design.arms - 1)
    days = None if design.daily_traffic is None else math.ceil(total / design.daily_traffic)
    return SampleSize(
        per_variant=treatment,
        control=control,
        total=total,
        power=design.power,
        alpha=design.alpha,
        alpha_per_comparison=design.alpha_per_comparison,
        baseline=baseline,
        effect=effect,
        lift=effect / baseline,
        arms=design.arms,
        ratio=design.ratio,
        alternative=design.alternative,
        monitoring=design.monitoring,
        method=method,
        days=days,
        plan=plan,
    )


def _anytime_units(needed: Callable[[float], float], design: Design) -> float:
    # Tuned to its own end the multiplier does not depend on n, so one evaluation solves for it.
    return needed(multiplier(1e6, alpha=2 * design.tail, tuning=1e6))


def check_baseline(baseline: float) -> None:
    """Refuse a baseline that is not a rate."""
    if not 0 < baseline < 1:
        raise InvalidInput(
            f"the baseline is {baseline}; expected a rate between 0 and 1, such as 0.02",
            hint="a percentage such as 2 is written 0.02" if baseline >= 1 else "",
        )


def _check_rates(baseline: float, lift: float) -> float:
    check_baseline(baseline)
    treatment = baseline * (1 + lift)
    if lift == 0 or not math.isfinite(lift) or not 0 < treatment < 1:
        raise InvalidInput(
            f"a lift of {lift} on a baseline of {baseline} gives a rate of {treatment:g}; expected one between 0 and 1 "
            "that differs from the baseline"
        )
    return treatment


def _check_means(baseline: float, standard_deviation: float, lift: float) -> tuple[float, float]:
    """Return the effect in the metric's unit, and in standard deviations."""
    if not 0 < standard_deviation < math.inf:
        raise InvalidInput(f"the standard deviation is {standard_deviation}; expected a number above 0")
    effect = baseline * lift
    if effect == 0 or not math.isfinite(effect):
        raise InvalidInput(f"the baseline is {baseline} and the lift {lift}; expected numbers different from 0")
    size = abs(effect) / standard_deviation
    if not SMALLEST_EFFECT <= size <= LARGEST_EFFECT:
        raise InvalidInput(
            f"a lift of {lift:g} on a mean of {baseline:g} is {size:g} standard deviations of {standard_deviation:g}; "
            f"expected {SMALLEST_EFFECT:g} to {LARGEST_EFFECT:g}",
            hint="give the standard deviation of single units",
        )
    return effect, size


def _check_direction(lift: float, design: Design) -> None:
    if (design.alternative is Alternative.GREATER and lift < 0) or (
        design.alternative is Alternative.LESS and lift > 0
    ):
        raise InvalidInput(
            f"the lift is {lift} and the alternative {design.alternative.value!r}: they contradict each other"
        )
