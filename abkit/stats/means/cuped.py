"""CUPED: less variance from what was known of the units before the test, from aggregates alone."""

from __future__ import annotations

import math
from dataclasses import dataclass

from abkit.errors import InvalidInput
from abkit.stats.estimate import Alternative, ArmMean, Comparison
from abkit.stats.means.compare import MeanMethod, compare_estimates, compare_means
from abkit.stats.moments import Moments, PairMoments
from abkit.stats.sequential.always_valid import DEFAULT_TUNING


@dataclass(frozen=True, slots=True)
class CupedComparison:
    """The adjusted comparison beside the raw one.

    Attributes:
        adjusted: the comparison of the adjusted means.
        raw: the comparison without the covariate.
        coefficient: θ, how much of the covariate is taken out.
        variance_kept: variance of the adjusted difference ÷ variance of the raw one.
    """

    adjusted: Comparison
    raw: Comparison
    coefficient: float
    variance_kept: float


def compare_with_covariate(
    control: PairMoments,
    treatment: PairMoments,
    *,
    method: MeanMethod = "welch",
    level: float = 0.95,
    alternative: Alternative = "two-sided",
    lift_method: str = "fieller",
    tuning: float = DEFAULT_TUNING,
) -> CupedComparison:
    """Compare means of y adjusted by x, a covariate of the time before the test.

    y − θ·(x − x̄) with one θ = cov(y, x)/var(x) over both arms together (tea-tasting's convention; GrowthBook pools
    within arms). Source: Deng, Xu, Kohavi & Walker (2013), doi 10.1145/2433396.2433413.

    Args:
        control: moments of metric (y) and covariate (x) in the control.
        treatment: the same in the treatment.
        method: `welch` or `sequential`.
        level: of the intervals.
        alternative: of the treatment against the control.
        lift_method: fieller, log-delta, delta or plug-in.
        tuning: `sequential` only: the planned number of units in all.

    Raises:
        InvalidInput: a covariate that does not vary.

    >>> control = PairMoments(1000, 10.0, 9.8, 4.0, 4.0, 3.0)
    >>> treatment = PairMoments(1000, 10.2, 9.8, 4.0, 4.0, 3.0)
    >>> result = compare_with_covariate(control, treatment)
    >>> round(result.raw.p_value, 4), round(result.adjusted.p_value, 5), round(result.variance_kept, 3)
    (0.0255, 0.00074, 0.438)
    """
    both = control + treatment
    if both.variance_x == 0:
        raise InvalidInput(
            f"the covariate is {both.mean_x:g} for every unit; CUPED needs one that varies between units",
            hint="analyse without it",
        )
    theta = both.covariance / both.variance_x
    options = {"method": method, "level": level, "alternative": alternative, "lift_method": lift_method}
    arms = [_adjusted(arm, theta, both.mean_x) for arm in (control, treatment)]
    adjusted = compare_estimates(*arms, tuning=tuning, label=f"cuped {method}", **options)  # type: ignore[arg-type]
    raw = compare_means(
        Moments(control.n, control.mean_y, control.variance_y),
        Moments(treatment.n, treatment.mean_y, treatment.variance_y),
        tuning=tuning,
        **options,  # type: ignore[arg-type]
    )
    before = control.variance_y / control.n + treatment.variance_y / treatment.n
    after = sum(arm.standard_error**2 for arm in arms)
    return CupedComparison(adjusted, raw, theta, after / before if before else math.nan)


def _adjusted(arm: PairMoments, theta: float, centre: float) -> ArmMean:
    variance = arm.variance_y - 2 * theta * arm.covariance + theta**2 * arm.variance_x
    return ArmMean(arm.n, arm.mean_y - theta * (arm.mean_x - centre), math.sqrt(max(variance, 0.0) / arm.n))
