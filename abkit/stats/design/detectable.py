"""What a test of a given size can find: its power, and its smallest detectable lift."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace

from abkit.errors import InvalidInput
from abkit.stats.design.power import (
    SMALLEST_EFFECT,
    Design,
    SampleSize,
    check_baseline,
    sample_size_for_means,
    sample_size_for_rates,
)
from abkit.vocabulary import Alternative, Monitoring

SizeOf = Callable[[Design], SampleSize]

MOST_POWER = 1 - 1e-9


def power_for_rates(baseline: float, *, lift: float, per_variant: float, design: Design | None = None) -> float:
    """Return the chance that a test of this size finds the lift.

    One look: statsmodels' `normal_power_het`. Any-time and planned looks: the power whose sample size it is.

    >>> round(power_for_rates(0.02, lift=0.10, per_variant=80682), 4)
    0.8
    """
    from statsmodels.stats.power import normal_power_het

    design = design or Design()
    size = sample_size_for_rates(baseline, lift=lift, design=replace(design, monitoring=Monitoring.FIXED))
    _check_units(per_variant)
    if design.monitoring is not Monitoring.FIXED:
        return _power_of_size(lambda d: sample_size_for_rates(baseline, lift=lift, design=d), per_variant, design)
    treatment, ratio = baseline + size.effect, 1 / design.ratio
    pooled = (treatment + baseline * ratio) / (1 + ratio)
    return float(
        normal_power_het(
            -size.effect if design.alternative is Alternative.LESS else size.effect,
            per_variant,
            design.alpha_per_comparison,
            std_null=math.sqrt(pooled * (1 - pooled) * (1 + 1 / ratio)),
            std_alternative=math.sqrt(treatment * (1 - treatment) + baseline * (1 - baseline) / ratio),
            alternative=_side(design),
        )
    )


def power_for_means(
    baseline: float, standard_deviation: float, *, lift: float, per_variant: float, design: Design | None = None
) -> float:
    """Return the same for means: statsmodels' `TTestIndPower` for one look.

    >>> round(power_for_means(10.0, 5.0, lift=0.05, per_variant=1571), 4)
    0.8001
    """
    from statsmodels.stats.power import TTestIndPower

    design = design or Design()
    size = sample_size_for_means(
        baseline, standard_deviation, lift=lift, design=replace(design, monitoring=Monitoring.FIXED)
    )
    _check_units(per_variant, fewest=2)
    if design.monitoring is not Monitoring.FIXED:
        return _power_of_size(
            lambda d: sample_size_for_means(baseline, standard_deviation, lift=lift, design=d), per_variant, design
        )
    return float(
        TTestIndPower().power(
            abs(size.effect) / standard_deviation,
            per_variant / design.ratio,
            design.alpha_per_comparison,
            ratio=design.ratio,
            alternative=_side(design),
        )
    )


def smallest_lift_for_rates(baseline: float, *, per_variant: float, design: Design | None = None) -> float:
    """Return the minimum detectable effect: the smallest lift that a test of this size finds with the wanted power.

    Negative where the alternative is `less`.

    >>> round(smallest_lift_for_rates(0.02, per_variant=80682), 4)
    0.1
    """
    design = design or Design()
    _check_units(per_variant)
    check_baseline(baseline)
    sign = -1.0 if design.alternative is Alternative.LESS else 1.0
    most = (1.0 if sign < 0 else (1 - baseline) / baseline) * (1 - 1e-9)
    return sign * _smallest(
        lambda lift: sample_size_for_rates(baseline, lift=sign * lift, design=design), per_variant, 1e-6, most
    )


def smallest_lift_for_means(
    baseline: float, standard_deviation: float, *, per_variant: float, design: Design | None = None
) -> float:
    """Return the same for means.

    >>> round(smallest_lift_for_means(10.0, 5.0, per_variant=1571), 4)
    0.05
    """
    design = design or Design()
    _check_units(per_variant, fewest=2)
    if not (baseline != 0 and math.isfinite(baseline) and 0 < standard_deviation < math.inf):
        raise InvalidInput(
            f"the baseline is {baseline} and the standard deviation {standard_deviation}; expected a mean other than "
            "0 and a standard deviation above 0"
        )
    # A lift is relative to the baseline: for a negative one it points the other way.
    sign = math.copysign(1.0, baseline) * (-1.0 if design.alternative is Alternative.LESS else 1.0)
    one = standard_deviation / abs(baseline)
    return sign * _smallest(
        lambda lift: sample_size_for_means(baseline, standard_deviation, lift=sign * lift, design=design),
        per_variant,
        2 * SMALLEST_EFFECT * one,
        5 * one,
    )


def resized(size: SampleSize, per_variant: float, power: float, design: Design) -> SampleSize:
    """Return the record of a test of another size, with the power that it has."""
    treatment, control = math.ceil(per_variant), math.ceil(per_variant / design.ratio)
    total = control + treatment * (design.arms - 1)
    days = None if design.daily_traffic is None else math.ceil(total / design.daily_traffic)
    return replace(size, per_variant=treatment, control=control, total=total, power=power, days=days)


def _smallest(size_of: Callable[[float], SampleSize], per_variant: float, low: float, high: float) -> float:
    from scipy.optimize import brentq

    def missing(lift: float) -> float:
        return size_of(lift).per_variant - per_variant

    if missing(high) > 0:
        raise InvalidInput(f"{per_variant:g} units per variant cannot find any lift; expected more")
    if missing(low) < 0:
        return low
    return float(brentq(missing, low, high, xtol=1e-10 * low, rtol=1e-8))


def _power_of_size(size_of: SizeOf, per_variant: float, design: Design) -> float:
    from scipy.optimize import brentq

    def missing(power: float) -> float:
        return size_of(replace(design, power=power)).per_variant - per_variant

    low = max(design.alpha, 2 * design.tail) * 1.001
    if missing(MOST_POWER) <= 0:
        return MOST_POWER
    if missing(low) >= 0:
        return low
    return float(brentq(missing, low, MOST_POWER, xtol=1e-7))


def _side(design: Design) -> str:
    return "two-sided" if design.alternative is Alternative.TWO_SIDED else "larger"


def _check_units(per_variant: float, fewest: int = 1) -> None:
    if not (math.isfinite(per_variant) and per_variant >= fewest):
        raise InvalidInput(f"{per_variant:g} units per variant are given; expected {fewest} or more")
