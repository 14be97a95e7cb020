"""Two means compared, from aggregates or from single values: Welch's t, a confidence sequence, or the normal model."""

from __future__ import annotations

import math

from numpy.typing import ArrayLike

from abkit.errors import InvalidInput
from abkit.stats.arms import Moments
from abkit.stats.estimate import ArmMean, Comparison
from abkit.stats.means.estimates import compare_estimates
from abkit.stats.means.normal_model import with_posterior
from abkit.stats.sequential.always_valid import DEFAULT_TUNING
from abkit.vocabulary import Alternative, LiftMethod, Method, parse_choice


def compare_means(
    control: Moments | ArrayLike,
    treatment: Moments | ArrayLike,
    *,
    method: Method | str = Method.WELCH,
    level: float = 0.95,
    alternative: Alternative | str = Alternative.TWO_SIDED,
    lift_method: LiftMethod | str = LiftMethod.FIELLER,
    tuning: float = DEFAULT_TUNING,
    prior: tuple[float, float] = (0.0, math.inf),
    practical_lift: float = 0.0,
) -> Comparison:
    """Compare two means without assuming equal variances.

    Source: Welch (1947), doi 10.1093/biomet/34.1-2.28; the p-value is that of scipy's `ttest_ind_from_stats` with
    `equal_var=False`. The lift is Fieller's by default; `log-delta` is tea-tasting's convention, `delta` GrowthBook's,
    `plug-in` spotify-confidence's.

    Args:
        control: Moments of the control, or its values, one per unit.
        treatment: The same of the treatment.
        method: `welch` (fixed horizon), `sequential` (valid at any look) or `bayes` (normal model); `auto` is `welch`.
        level: Confidence level of the intervals, in (0, 1).
        alternative: `two-sided`, or whether the treatment is `greater` or `less` than the control; one-sided
            intervals are open on the other side.
        lift_method: fieller, log-delta, delta or plug-in.
        tuning: `sequential` only: the planned number of units in all.
        prior: `bayes` only: mean and standard deviation of the prior of the difference, in the metric's unit; flat by
            default.
        practical_lift: `bayes` only: the smallest lift that matters, relative to the control's mean.

    Raises:
        InvalidInput: Neither arm varies, an arm has fewer than two units, or an option is unknown.

    >>> result = compare_means(Moments(100, 10.0, 4.0), Moments(120, 10.6, 5.0))
    >>> round(result.p_value, 5), round(result.difference.ci_low, 4), round(result.difference.ci_high, 4)
    (0.03692, 0.0368, 1.1632)
    >>> compare_means([3.0, 4.0, 5.0], [5.0, 6.0, 8.5]).difference.estimate
    2.5
    """
    one, other, method = _mean(control), _mean(treatment), parse_choice(Method, method, name="method")
    if method is Method.BAYES:
        return with_posterior(compare_estimates(one, other, level=level), prior=prior, practical_lift=practical_lift)
    return compare_estimates(
        one,
        other,
        method=Method.WELCH if method is Method.AUTO else method,
        level=level,
        alternative=alternative,
        lift_method=lift_method,
        tuning=tuning,
    )


def _mean(arm: Moments | ArrayLike) -> ArmMean:
    moments = arm if isinstance(arm, Moments) else Moments.from_values(arm)
    if moments.n < 2:
        raise InvalidInput(f"an arm has {moments.n:g} unit; a variance takes at least 2", hint="wait for more data")
    return ArmMean(moments.n, moments.mean, math.sqrt(moments.variance / moments.n))
