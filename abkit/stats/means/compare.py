"""Two means compared, from aggregates or from single values: Welch's t, a confidence sequence, or the normal model."""

from __future__ import annotations

import math
from dataclasses import replace

from numpy.typing import ArrayLike
from scipy.special import ndtr

from abkit.errors import InvalidInput
from abkit.stats.arms import Moments
from abkit.stats.estimate import ArmMean, Comparison, Estimate, PosteriorComparison
from abkit.stats.means.estimates import compare_estimates
from abkit.stats.sequential.always_valid import DEFAULT_TUNING
from abkit.stats.tails import check_level, quantile
from abkit.vocabulary import Alternative, LiftMethod, Method

_WELCH, _AUTO, _BAYES = Method.WELCH, Method.AUTO, Method.BAYES


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
    one, other = _mean(control), _mean(treatment)
    if method == _BAYES:
        return _with_posterior(compare_estimates(one, other, level=level), prior, practical_lift)
    return compare_estimates(
        one,
        other,
        method=_WELCH if method == _AUTO else method,
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


def _with_posterior(fixed: Comparison, prior: tuple[float, float], practical_lift: float) -> Comparison:
    """Return a comparison of two means by the normal model: the standard error as known, a prior on the difference."""
    control, treatment = fixed.control, fixed.treatment
    assert isinstance(control, ArmMean)  # noqa: S101 - proportions have the Beta-binomial model
    assert isinstance(treatment, ArmMean)  # noqa: S101
    estimate, posterior = normal_posterior(
        fixed.difference.estimate,
        math.hypot(control.standard_error, treatment.standard_error),
        prior_mean=prior[0],
        prior_sd=prior[1],
        level=fixed.level,
        practical=practical_lift * abs(control.mean),
    )
    conventions = {
        "p_value": "none: see chance_to_win",
        "difference": f"posterior mean, central credible interval; prior {posterior.prior}",
        "lift": f"without the prior: {fixed.conventions['lift']}",
    }
    return replace(
        fixed,
        difference=estimate,
        p_value=math.nan,
        statistic=math.nan,
        method="bayes",
        conventions=conventions,
        bayes=replace(posterior, practical_lift=practical_lift),
    )


def normal_posterior(
    difference: float,
    standard_error: float,
    *,
    prior_mean: float = 0.0,
    prior_sd: float = math.inf,
    level: float = 0.95,
    practical: float = 0.0,
) -> tuple[Estimate, PosteriorComparison]:
    """Return the posterior of a difference (or of a lift) with a known standard error: the normal model.

    Args:
        difference: The estimate.
        standard_error: Its standard error, above 0.
        prior_mean: Where effects usually are.
        prior_sd: How far they scatter; inf for a flat prior.
        level: Level of the credible interval.
        practical: The smallest effect that matters, in the same unit.

    Returns:
        The posterior estimate with its interval, and the chances.

    >>> estimate, posterior = normal_posterior(0.02, 0.01, prior_sd=0.01)
    >>> round(estimate.estimate, 6), round(posterior.chance_to_win, 4)
    (0.01, 0.9214)
    """
    check_level(level)
    if not math.isfinite(prior_mean) or not math.isfinite(practical):
        raise InvalidInput(f"the prior's mean is {prior_mean} and the practical effect {practical}; expected numbers")
    if not standard_error > 0:
        raise InvalidInput(f"the standard error is {standard_error}; expected a number above 0")
    if not prior_sd > 0:
        raise InvalidInput(f"the prior's standard deviation is {prior_sd}; expected a number above 0")
    precision = 1 / standard_error**2 + 1 / prior_sd**2
    mean = (difference / standard_error**2 + (prior_mean / prior_sd**2 if math.isfinite(prior_sd) else 0.0)) / precision
    sd = math.sqrt(1 / precision)
    reach = quantile((1 + level) / 2) * sd
    z = mean / sd
    density = math.exp(-0.5 * z * z) / math.sqrt(2 * math.pi)
    prior = "flat" if math.isinf(prior_sd) else f"Normal({prior_mean:g}, sd {prior_sd:g})"
    return Estimate(mean, mean - reach, mean + reach), PosteriorComparison(
        model="normal",
        prior=prior,
        chance_to_win=float(ndtr(z)),
        expected_loss=sd * (density - z * float(ndtr(-z))),
        expected_loss_of_keeping=sd * (density + z * float(ndtr(z))),
        practical_lift=practical,
        chance_of_practical_lift=float(ndtr((mean - practical) / sd)),
    )
