"""How many units a test takes, how many days that is, and what a test of a given size can find."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Any

from abkit.errors import InvalidInput
from abkit.records import Record
from abkit.stats.arms import PairMoments
from abkit.stats.design.power import Design, Mean, Rate
from abkit.stats.means.pairs import ratio_of_means
from abkit.stats.sequential.always_valid import multiplier
from abkit.stats.sequential.group_sequential import GroupSequentialPlan, inflation, plan_looks
from abkit.vocabulary import Alternative, Monitoring, Spending

Metric = Rate | Mean

MOST_POWER = 1 - 1e-9

DEFAULT = Design()


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


def sample_size(
    baseline: float | PairMoments,
    lift: float | None = None,
    *,
    standard_deviation: float | None = None,
    per_variant: float | None = None,
    power: float = 0.8,
    alpha: float = 0.05,
    arms: int = 2,
    ratio: float = 1.0,
    alternative: Alternative | str = Alternative.TWO_SIDED,
    monitoring: Monitoring | str = Monitoring.FIXED,
    looks: int = 5,
    spending: Spending | str = Spending.OBRIEN_FLEMING,
    daily_traffic: float | None = None,
) -> SampleSize:
    """Return how many units a test takes to find a lift.

    With `per_variant` the size is given instead: without a lift the result has the smallest lift that a test of this
    size finds with the wanted power, with a lift the power to find it.

    Args:
        baseline: The control's rate, in (0, 1); its mean, with a standard deviation; or moments of units seen before,
            for a ratio of means such as clicks per session.
        lift: The relative effect to find, such as 0.10; negative for a loss.
        standard_deviation: Standard deviation of a single unit, above 0: the metric is a mean instead of a rate.
        per_variant: Units in each treatment.
        power: Wanted chance to find the effect, in (0, 1).
        alpha: Error rate of the whole test, in (0, 1).
        arms: Number of arms, the control included.
        ratio: Units of a treatment ÷ units of the control.
        alternative: `two-sided`, `greater` or `less`.
        monitoring: `fixed` (one look at the end), `anytime` (any look) or `group` (planned looks).
        looks: `group` only: number of planned looks, evenly spaced.
        spending: `group` only: `obrien-fleming` or `pocock`.
        daily_traffic: Units per day over all arms; with it the result has the days.

    Raises:
        InvalidInput: Neither a lift nor a size is given, or a value is out of range.

    >>> sample_size(0.02, 0.10).per_variant
    80682
    >>> round(sample_size(0.02, per_variant=80_682).lift, 4)
    0.1
    >>> sample_size(10.0, 0.05, standard_deviation=5.0).per_variant
    1571
    """
    if lift is None and per_variant is None:
        raise InvalidInput("neither a lift nor units per variant are given; expected at least one of them")
    design = Design(
        power=power,
        alpha=alpha,
        arms=arms,
        ratio=ratio,
        alternative=alternative,  # type: ignore[arg-type] # the design parses its choices
        monitoring=monitoring,  # type: ignore[arg-type]
        looks=looks,
        spending=spending,  # type: ignore[arg-type]
        daily_traffic=daily_traffic,
    )
    if isinstance(baseline, PairMoments):
        if standard_deviation is not None:
            raise InvalidInput("moments have the standard deviation in them: leave out standard_deviation")
        seen = ratio_of_means(baseline)
        metric: Metric = Mean(seen.mean, seen.standard_error * math.sqrt(seen.n))
    else:
        metric = Rate(baseline) if standard_deviation is None else Mean(baseline, standard_deviation)
    if lift is None:
        size = size_of(metric, smallest_lift(metric, per_variant or 0.0, design), design)
        size = replace(size, **_arms(per_variant or 0.0, design))
    else:
        size = size_of(metric, lift, design)
        if per_variant is not None:
            units = _arms(per_variant, design)
            size = replace(size, **units, power=power_of(metric, lift, per_variant, design))
    if isinstance(baseline, PairMoments):
        size = replace(size, method=f"{size.method}, delta-method variance of a ratio")
    return size


def size_of(metric: Metric, lift: float, design: Design = DEFAULT) -> SampleSize:
    """Return the units that a test of a metric takes to find a lift, by the metric's test.

    >>> plan = size_of(Rate(0.02), 0.10)
    >>> plan.per_variant, plan.total
    (80682, 161364)
    """
    effect = metric.effect(lift)
    if {Alternative.GREATER: effect < 0, Alternative.LESS: effect > 0}.get(design.alternative):
        raise InvalidInput(
            f"the lift is {lift} and the alternative {design.alternative.value!r}: they contradict each other"
        )
    units, plan = _units(metric, effect, design)
    method = metric.test
    if design.monitoring is Monitoring.ANYTIME:
        method += ", confidence sequence tuned to the total; power by the last look"
    elif design.monitoring is Monitoring.GROUP:
        method += f", {design.looks} planned looks ({design.spending} spending)"
    return SampleSize(
        **_arms(max(units, metric.fewest, metric.fewest * design.ratio), design),
        power=design.power,
        alpha=design.alpha,
        alpha_per_comparison=design.alpha_per_comparison,
        baseline=metric.baseline,
        effect=effect,
        lift=effect / metric.baseline,
        arms=design.arms,
        ratio=design.ratio,
        alternative=design.alternative,
        monitoring=design.monitoring,
        method=method,
        plan=plan,
    )


def _units(metric: Metric, effect: float, design: Design) -> tuple[float, GroupSequentialPlan | None]:
    """Return the units of a treatment before they are rounded up, and the boundaries of planned looks."""
    if design.monitoring is Monitoring.ANYTIME:
        # Tuned to its own end the multiplier does not depend on n, so one evaluation solves for it.
        return metric.units_at(multiplier(1e6, alpha=2 * design.tail, tuning=1e6), effect, design), None
    units = metric.units(effect, design)
    if design.monitoring is not Monitoring.GROUP:
        return units, None
    shares = [(look + 1) / design.looks for look in range(design.looks)]
    plan = plan_looks(shares, alpha=2 * design.tail, spending=design.spending)
    return units * inflation(plan, power=design.power), plan


def power_of(metric: Metric, lift: float, per_variant: float, design: Design = DEFAULT) -> float:
    """Return the chance that a test of this size finds the lift.

    One look: the metric's test. Any-time and planned looks: the power whose sample size it is.

    >>> round(power_of(Rate(0.02), 0.10, 80682), 4), round(power_of(Mean(10.0, 5.0), 0.05, 1571), 4)
    (0.8, 0.8001)
    """
    from scipy.optimize import brentq

    effect = size_of(metric, lift, replace(design, monitoring=Monitoring.FIXED)).effect
    _check_units(per_variant, metric)
    if design.monitoring is Monitoring.FIXED:
        return metric.power(effect, per_variant, design)

    def missing(power: float) -> float:
        return _units(metric, effect, replace(design, power=power))[0] - per_variant

    low = max(design.alpha, 2 * design.tail) * 1.001
    if missing(MOST_POWER) <= 0:
        return MOST_POWER
    return low if missing(low) >= 0 else float(brentq(missing, low, MOST_POWER, xtol=1e-7))


def smallest_lift(metric: Metric, per_variant: float, design: Design = DEFAULT) -> float:
    """Return the minimum detectable effect: the smallest lift that a test of this size finds with the wanted power.

    Negative where the alternative is `less`.

    >>> round(smallest_lift(Rate(0.02), 80682), 4), round(smallest_lift(Mean(10.0, 5.0), 1571), 4)
    (0.1, 0.05)
    """
    from scipy.optimize import brentq

    _check_units(per_variant, metric)
    sign, low, high = metric.lifts(design)

    def missing(lift: float) -> float:
        # Before rounding up: of all lifts that take so many units the smallest one is asked for.
        return _units(metric, metric.effect(sign * lift), design)[0] - per_variant

    if missing(high) > 0:
        raise InvalidInput(f"{per_variant:g} units per variant cannot find any lift; expected more")
    return sign * (low if missing(low) < 0 else float(brentq(missing, low, high, xtol=1e-10 * low, rtol=1e-8)))


def _arms(units: float, design: Design) -> dict[str, Any]:
    """Return the units of the arms, rounded up, and the days that they take."""
    treatment, control = (math.ceil(n * (1 - 1e-12)) for n in (units, units / design.ratio))
    total = control + treatment * (design.arms - 1)
    days = None if design.daily_traffic is None else math.ceil(total / design.daily_traffic)
    return {"per_variant": treatment, "control": control, "total": total, "days": days}


def _check_units(per_variant: float, metric: Metric) -> None:
    if not (math.isfinite(per_variant) and per_variant >= metric.fewest):
        raise InvalidInput(f"{per_variant:g} units per variant are given; expected {metric.fewest} or more")
