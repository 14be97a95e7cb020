"""How many units a test takes, what it can find, and how many days that is."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

from abkit.errors import InvalidInput
from abkit.stats.estimate import Alternative, check_alternative
from abkit.stats.group_sequential import Spending, inflation, plan_looks
from abkit.stats.normal import quantile
from abkit.stats.sequential import multiplier

Monitoring = Literal["fixed", "anytime", "group"]


@dataclass(frozen=True, slots=True)
class SampleSize:
    """What a test takes.

    Attributes:
        per_variant: units in each treatment arm, rounded up; also in the control unless `ratio` is not 1.
        control: units in the control.
        total: units in all arms.
        power: the chance to find the effect.
        alpha: error rate of the whole test.
        alpha_per_comparison: after Bonferroni's division over the treatments.
        baseline: the control's rate or mean.
        effect: difference to be found, in the metric's unit.
        lift: the same relative to the baseline.
        arms: control and treatments.
        ratio: units of a treatment ÷ units of the control.
        alternative: of the test.
        monitoring: `fixed` (one look at the end), `anytime` (confidence sequence) or `group` (planned looks).
        method: the test that this is the sample size of.
        days: how long it takes at the daily traffic given, or None.
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


@dataclass(frozen=True, slots=True)
class Design:
    """What all sample-size questions have in common.

    Attributes:
        power: wanted chance to find the effect, in (0, 1).
        alpha: error rate of the whole test.
        arms: control and treatments, at least 2; each treatment is compared with the control.
        ratio: units of a treatment ÷ units of the control.
        alternative: two-sided, greater or less.
        monitoring: fixed, anytime or group.
        looks: planned looks, `group` only, evenly spaced.
        spending: `group` only.
        daily_traffic: units that enter the test a day, over all arms; None when not known.
    """

    power: float = 0.8
    alpha: float = 0.05
    arms: int = 2
    ratio: float = 1.0
    alternative: Alternative = "two-sided"
    monitoring: Monitoring = "fixed"
    looks: int = 5
    spending: Spending = "obrien-fleming"
    daily_traffic: float | None = None

    def __post_init__(self) -> None:
        for name, value in (("power", self.power), ("alpha", self.alpha)):
            if not 0 < value < 1:
                raise InvalidInput(f"{name} is {value}; it has to lie between 0 and 1")
        if self.power <= self.alpha:
            raise InvalidInput(f"power is {self.power} and alpha {self.alpha}; power has to be the larger")
        if self.arms < 2:
            raise InvalidInput(f"a test has {self.arms} arm; expected a control and at least one treatment")
        if not (math.isfinite(self.ratio) and self.ratio > 0):
            raise InvalidInput(f"the ratio of treatment to control is {self.ratio}; expected a number above 0")
        if self.monitoring not in ("fixed", "anytime", "group"):
            raise InvalidInput(f"monitoring is {self.monitoring!r}; expected fixed, anytime or group")
        if self.looks < 1:
            raise InvalidInput(f"{self.looks} looks are planned; expected at least 1")
        if self.daily_traffic is not None and not self.daily_traffic > 0:
            raise InvalidInput(f"the daily traffic is {self.daily_traffic}; expected a number above 0")
        check_alternative(self.alternative)

    @property
    def alpha_per_comparison(self) -> float:
        """Bonferroni over the treatments."""
        return self.alpha / (self.arms - 1)

    @property
    def tail(self) -> float:
        """The error rate of the tail that the effect lies in."""
        return self.alpha_per_comparison / (2 if self.alternative == "two-sided" else 1)


def sample_size_for_rates(baseline: float, *, lift: float, design: Design | None = None) -> SampleSize:
    """Units for a difference of two proportions, tested by the pooled z-test.

    Source: statsmodels' `samplesize_proportions_2indep_onetail` (Fleiss, Levin & Paik 2003, eq. 4.14, without the
    continuity correction): pooled variance under no effect, separate variances under the effect.

    Args:
        baseline: the control's rate, in (0, 1).
        lift: relative effect to be found; negative for a loss.
        design: power, arms, split, monitoring.

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
    """Units for a difference of two means with a common standard deviation: t-test, statsmodels' `TTestIndPower`.

    >>> sample_size_for_means(10.0, 5.0, lift=0.05).per_variant
    1571
    """
    from statsmodels.stats.power import TTestIndPower

    design = design or Design()
    if not standard_deviation > 0:
        raise InvalidInput(f"the standard deviation is {standard_deviation}; expected a number above 0")
    if baseline == 0 or lift == 0:
        raise InvalidInput(f"the baseline is {baseline} and the lift {lift}; expected both different from 0")
    _check_direction(lift, design)
    effect = baseline * lift
    size = abs(effect) / standard_deviation
    control = TTestIndPower().solve_power(
        effect_size=size, alpha=design.tail, power=design.power, ratio=design.ratio, alternative="larger"
    )

    def needed(reach: float) -> float:
        return (1 + design.ratio) * ((reach + quantile(design.power)) / size) ** 2

    return _result(float(control) * design.ratio, needed, baseline, effect, design, "t-test of two means")


def sample_size_for_ratios(
    mean_y: float,
    mean_x: float,
    variance_y: float,
    variance_x: float,
    covariance: float,
    *,
    lift: float,
    design: Design | None = None,
) -> SampleSize:
    """Units for a ratio of means (clicks per session): its delta-method variance, then as for means.

    >>> sample_size_for_ratios(2.0, 40.0, 3.0, 250.0, 20.0, lift=0.1).per_variant
    639
    """
    from abkit.stats.moments import PairMoments
    from abkit.stats.ratio import ratio_of_means

    unit = ratio_of_means(PairMoments(2, mean_y, mean_x, variance_y, variance_x, covariance))
    return sample_size_for_means(unit.mean, unit.standard_error * math.sqrt(2), lift=lift, design=design)


def power_for_rates(baseline: float, *, lift: float, per_variant: float, design: Design | None = None) -> float:
    """The chance that a fixed test of this size finds the lift.

    >>> round(power_for_rates(0.02, lift=0.10, per_variant=80682), 4)
    0.8
    """
    from statsmodels.stats.power import normal_power_het

    design = design or Design()
    treatment = _check_rates(baseline, lift)
    ratio = 1 / design.ratio
    pooled = (treatment + baseline * ratio) / (1 + ratio)
    null = math.sqrt(pooled * (1 - pooled) * (1 + 1 / ratio))
    alternative = math.sqrt(treatment * (1 - treatment) + baseline * (1 - baseline) / ratio)
    effect = treatment - baseline
    if design.alternative == "less":
        effect = -effect
    return float(
        normal_power_het(
            effect,
            per_variant,
            design.alpha_per_comparison,
            std_null=null,
            std_alternative=alternative,
            alternative="two-sided" if design.alternative == "two-sided" else "larger",
        )
    )


def smallest_lift_for_rates(baseline: float, *, per_variant: float, design: Design | None = None) -> float:
    """The minimum detectable effect: the smallest positive lift that a test of this size finds with the wanted power.

    >>> round(smallest_lift_for_rates(0.02, per_variant=80682), 4)
    0.1
    """
    from scipy.optimize import brentq

    design = design or Design()
    most = (1 - baseline) / baseline * (1 - 1e-9)

    def missing(lift: float) -> float:
        return sample_size_for_rates(baseline, lift=lift, design=design).per_variant - per_variant

    if missing(most) > 0:
        raise InvalidInput(f"{per_variant:g} units a variant find no lift at a baseline of {baseline:g}; expected more")
    low = 1e-6
    if missing(low) < 0:
        return low
    return float(brentq(missing, low, most, xtol=1e-10, rtol=1e-8))


def _result(
    units: float, needed: Callable[[float], float], baseline: float, effect: float, design: Design, method: str
) -> SampleSize:
    if design.monitoring == "group":
        shares: Sequence[float] = [(look + 1) / design.looks for look in range(design.looks)]
        units *= inflation(plan_looks(shares, alpha=2 * design.tail, spending=design.spending), power=design.power)
        method += f", {design.looks} planned looks ({design.spending} spending)"
    elif design.monitoring == "anytime":
        units = _anytime_units(needed, design)
        method += ", confidence sequence tuned to the total; power by the last look"
    treatment = math.ceil(units * (1 - 1e-12))
    control = math.ceil(units / design.ratio * (1 - 1e-12))
    total = control + treatment * (design.arms - 1)
    days = None if design.daily_traffic is None else math.ceil(total / design.daily_traffic)
    return SampleSize(
        treatment,
        control,
        total,
        design.power,
        design.alpha,
        design.alpha_per_comparison,
        baseline,
        effect,
        effect / baseline,
        design.arms,
        design.ratio,
        design.alternative,
        design.monitoring,
        method,
        days,
    )


def _anytime_units(needed: Callable[[float], float], design: Design) -> float:
    # Tuned to its own end the multiplier does not depend on n, so one evaluation solves for it.
    return needed(multiplier(1e6, alpha=2 * design.tail, tuning=1e6))


def _check_rates(baseline: float, lift: float) -> float:
    if not 0 < baseline < 1:
        raise InvalidInput(
            f"the baseline is {baseline}; expected a rate between 0 and 1, such as 0.02",
            hint="a percentage such as 2 is written 0.02" if baseline >= 1 else None,
        )
    treatment = baseline * (1 + lift)
    if lift == 0 or not math.isfinite(lift) or not 0 < treatment < 1:
        raise InvalidInput(
            f"a lift of {lift} on a baseline of {baseline} gives a rate of {treatment:g}; expected one between 0 and 1 "
            "that differs from the baseline"
        )
    return treatment


def _check_direction(lift: float, design: Design) -> None:
    if (design.alternative == "greater" and lift < 0) or (design.alternative == "less" and lift > 0):
        raise InvalidInput(f"the lift is {lift} and the alternative {design.alternative!r}: they point apart")
