"""The sample size of a test in one call: how many units it takes, which lift it can find, or with what power."""

from __future__ import annotations

import math
from dataclasses import replace

from abkit.errors import InvalidInput
from abkit.stats.arms import PairMoments
from abkit.stats.design import detectable
from abkit.stats.design.power import Design, SampleSize, sample_size_for_means, sample_size_for_rates
from abkit.stats.means.pairs import ratio_of_means
from abkit.vocabulary import Alternative, Monitoring, Spending


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
    if not isinstance(baseline, PairMoments):
        return _answer(baseline, standard_deviation, lift, per_variant, design)
    if standard_deviation is not None:
        raise InvalidInput("moments have the standard deviation in them: leave out standard_deviation")
    seen = ratio_of_means(baseline)
    size = _answer(seen.mean, seen.standard_error * math.sqrt(seen.n), lift, per_variant, design)
    return replace(size, method=f"{size.method}, delta-method variance of a ratio")


def _answer(
    baseline: float, sd: float | None, lift: float | None, per_variant: float | None, design: Design
) -> SampleSize:
    if lift is None:
        assert per_variant is not None  # noqa: S101 - one of the two is given
        if sd is None:
            lift = detectable.smallest_lift_for_rates(baseline, per_variant=per_variant, design=design)
        else:
            lift = detectable.smallest_lift_for_means(baseline, sd, per_variant=per_variant, design=design)
        per_variant = None
    if sd is None:
        size = sample_size_for_rates(baseline, lift=lift, design=design)
    else:
        size = sample_size_for_means(baseline, sd, lift=lift, design=design)
    if per_variant is None:
        return size
    if sd is None:
        power = detectable.power_for_rates(baseline, lift=lift, per_variant=per_variant, design=design)
    else:
        power = detectable.power_for_means(baseline, sd, lift=lift, per_variant=per_variant, design=design)
    return detectable.resized(size, per_variant, power, design)
