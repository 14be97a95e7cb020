"""Two metrics of the same units: ratios (clicks per session, revenue per click), and CUPED with what was known before.

When the unit of randomization is coarser than the unit of analysis (users are randomized, impressions are counted),
impressions of one user are not independent. Then the units here are the users (or days, or geographies), y their
clicks and x their impressions: the ratio is still the CTR, and its variance is that between units.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Unpack

from abkit.errors import InvalidInput
from abkit.records import Record
from abkit.stats.arms import PairMoments
from abkit.stats.estimate import ArmMean, Comparison
from abkit.stats.means.estimates import MeanOptions, compare_estimates
from abkit.vocabulary import Method


def ratio_of_means(arm: PairMoments) -> ArmMean:
    """Return mean y ÷ mean x over units, with its standard error by the delta method.

    Var(ȳ/x̄) ≈ (s²_y − 2·r·s_xy + r²·s²_x) / (n·x̄²), r = ȳ/x̄.
    Source: Deng, Knoblich & Lu (2018), arXiv 1803.06336; the same as tea-tasting's `RatioOfMeans`.

    Raises:
        InvalidInput: The denominator's mean is zero, or there is a single unit.

    >>> arm = ratio_of_means(
    ...     PairMoments(n=100, mean_y=2.0, mean_x=40.0, variance_y=3.0, variance_x=250.0, covariance=20.0)
    ... )
    >>> round(arm.mean, 4), round(arm.standard_error, 6)
    (0.05, 0.003187)
    """
    if arm.mean_x == 0:
        raise InvalidInput("the denominator of a ratio metric is 0 in an arm; expected units with a positive sum")
    if arm.n < 2:
        raise InvalidInput(f"an arm has {arm.n:g} unit; the variance between units takes at least 2")
    ratio = arm.mean_y / arm.mean_x
    return ArmMean(arm.n, ratio, _residual_error(arm, ratio) / abs(arm.mean_x), arm.skewness)


def compare_ratios(control: PairMoments, treatment: PairMoments, **options: Unpack[MeanOptions]) -> Comparison:
    """Compare a ratio of means; also the cluster-robust comparison of rates, with clusters as units.

    Args:
        control: Moments of numerator (y) and denominator (x) over the control's units of randomization.
        treatment: The same of the treatment.
        options: See `MeanOptions`.

    >>> control = PairMoments(n=100, mean_y=2.0, mean_x=40.0, variance_y=3.0, variance_x=250.0, covariance=20.0)
    >>> treatment = PairMoments(n=100, mean_y=2.4, mean_x=40.0, variance_y=3.4, variance_x=250.0, covariance=21.0)
    >>> round(compare_ratios(control, treatment).p_value, 4)
    0.0314
    """
    return compare_estimates(ratio_of_means(control), ratio_of_means(treatment), **options)


@dataclass(frozen=True, slots=True)
class CupedComparison(Record):
    """The adjusted comparison beside the raw one.

    Attributes:
        adjusted: Comparison of the adjusted means.
        raw: Comparison without the covariate.
        coefficient: θ, how much of the covariate is taken out.
        variance_kept: Variance of the adjusted difference ÷ variance of the raw one.
    """

    adjusted: Comparison
    raw: Comparison
    coefficient: float
    variance_kept: float


def compare_with_covariate(
    control: PairMoments, treatment: PairMoments, **options: Unpack[MeanOptions]
) -> CupedComparison:
    """Compare means of y adjusted by x, a covariate of the time before the test: CUPED, from aggregates alone.

    y − θ·(x − x̄) with one θ = cov(y, x)/var(x) over both arms together (tea-tasting's convention; GrowthBook pools
    within arms). Source: Deng, Xu, Kohavi & Walker (2013), doi 10.1145/2433396.2433413.

    Args:
        control: Moments of metric (y) and covariate (x) in the control.
        treatment: The same of the treatment.
        options: See `MeanOptions`.

    Raises:
        InvalidInput: The covariate does not vary, or an arm has fewer than two units.

    >>> control = PairMoments(n=1000, mean_y=10.0, mean_x=9.8, variance_y=4.0, variance_x=4.0, covariance=3.0)
    >>> treatment = PairMoments(n=1000, mean_y=10.2, mean_x=9.8, variance_y=4.0, variance_x=4.0, covariance=3.0)
    >>> result = compare_with_covariate(control, treatment)
    >>> round(result.raw.p_value, 4), round(result.adjusted.p_value, 5), round(result.variance_kept, 3)
    (0.0255, 0.00074, 0.438)
    """
    arms, both = (control, treatment), control + treatment
    if both.variance_x == 0:
        raise InvalidInput(
            f"the covariate is {both.mean_x:g} for every unit; CUPED needs one that varies between units",
            hint="analyze without it",
        )
    if min(control.n, treatment.n) < 2:
        raise InvalidInput(f"an arm has {min(control.n, treatment.n):g} unit; a variance takes at least 2")
    theta = both.covariance / both.variance_x
    adjusted = [
        ArmMean(arm.n, arm.mean_y - theta * (arm.mean_x - both.mean_x), _residual_error(arm, theta)) for arm in arms
    ]
    raw = [ArmMean(arm.n, arm.mean_y, math.sqrt(arm.variance_y / arm.n)) for arm in arms]
    before, after = (sum(arm.standard_error**2 for arm in means) for means in (raw, adjusted))
    return CupedComparison(
        compare_estimates(*adjusted, label=f"cuped {options.get('method', Method.WELCH)}", **options),
        compare_estimates(*raw, **options),
        theta,
        after / before if before else math.nan,
    )


def _residual_error(arm: PairMoments, slope: float) -> float:
    """Return the standard error of the mean of y − slope·x."""
    variance = arm.variance_y - 2 * slope * arm.covariance + slope * slope * arm.variance_x
    return math.sqrt(max(variance, 0.0) / arm.n)
