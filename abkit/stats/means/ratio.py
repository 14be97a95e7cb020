"""Ratio metrics (clicks per session, revenue per click) by the delta method, and cluster-robust figures.

When the unit of randomisation is coarser than the unit of analysis (users are randomised, impressions are counted),
impressions of one user are not independent. Then the units here are the users (or days, or geographies), y their
clicks and x their impressions: the ratio is still the CTR, and its variance is that between units.
"""

from __future__ import annotations

import math

from abkit.errors import InvalidInput
from abkit.stats.estimate import Alternative, ArmMean, Comparison
from abkit.stats.means.compare import MeanMethod, compare_estimates
from abkit.stats.moments import PairMoments
from abkit.stats.sequential.always_valid import DEFAULT_TUNING


def ratio_of_means(arm: PairMoments) -> ArmMean:
    """Mean y ÷ mean x over units, with its standard error by the delta method.

    Var(ȳ/x̄) ≈ (s²_y − 2·r·s_xy + r²·s²_x) / (n·x̄²), r = ȳ/x̄.
    Source: Deng, Knoblich & Lu (2018), arXiv 1803.06336; the same as tea-tasting's `RatioOfMeans`.

    Raises:
        InvalidInput: a denominator whose mean is zero, or a single unit.

    >>> arm = ratio_of_means(PairMoments(100, 2.0, 40.0, 3.0, 250.0, 20.0))
    >>> round(arm.mean, 4), round(arm.standard_error, 6)
    (0.05, 0.003187)
    """
    if arm.mean_x == 0:
        raise InvalidInput("the denominator of a ratio metric is 0 in an arm; expected units with a positive sum")
    if arm.n < 2:
        raise InvalidInput(f"an arm has {arm.n:g} unit; the variance between units takes at least 2")
    ratio = arm.mean_y / arm.mean_x
    variance = arm.variance_y - 2 * ratio * arm.covariance + ratio**2 * arm.variance_x
    return ArmMean(arm.n, ratio, math.sqrt(max(variance, 0.0) / arm.n) / abs(arm.mean_x))


def compare_ratios(
    control: PairMoments,
    treatment: PairMoments,
    *,
    method: MeanMethod = "welch",
    level: float = 0.95,
    alternative: Alternative = "two-sided",
    lift_method: str = "fieller",
    tuning: float = DEFAULT_TUNING,
) -> Comparison:
    """Compare a ratio of means; also the cluster-robust comparison of rates, with clusters as units.

    Args:
        control: moments of numerator (y) and denominator (x) over the control's units of randomisation.
        treatment: the same of the treatment.
        method: `welch` or `sequential`.
        level: of the intervals.
        alternative: of the treatment against the control.
        lift_method: fieller, log-delta, delta or plug-in.
        tuning: `sequential` only: the planned number of units in all.

    >>> control = PairMoments(100, 2.0, 40.0, 3.0, 250.0, 20.0)
    >>> treatment = PairMoments(100, 2.4, 40.0, 3.4, 250.0, 21.0)
    >>> round(compare_ratios(control, treatment).p_value, 4)
    0.0314
    """
    return compare_estimates(
        ratio_of_means(control),
        ratio_of_means(treatment),
        method=method,
        level=level,
        alternative=alternative,
        lift_method=lift_method,
        tuning=tuning,
    )
