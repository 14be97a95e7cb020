"""Two means compared, from aggregates or from single values: Welch's t, a confidence sequence, or the normal model."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import TYPE_CHECKING

from abkit.errors import InvalidInput
from abkit.stats.arms import Moments
from abkit.stats.estimate import ArmMean, Comparison, Estimate, PosteriorComparison
from abkit.stats.means.estimates import compare_estimates
from abkit.stats.sequential.always_valid import DEFAULT_TUNING
from abkit.stats.tails import normal_below, quantile
from abkit.vocabulary import Alternative, LiftMethod, Method

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

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
    >>> arms = Moments(100, 1.0, 0.005), Moments(100, 1.02, 0.005)
    >>> round(compare_means(*arms, method="bayes", prior=(0.0, 0.01)).bayes.chance_to_win, 4)
    0.9214
    """
    one, other = _mean(control), _mean(treatment)
    if method == _BAYES:
        fixed = compare_estimates(one, other, level=level, lift_method=lift_method)
        return _with_posterior(fixed, prior, practical_lift)
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
    return ArmMean(moments.n, moments.mean, math.sqrt(moments.variance / moments.n), moments.skewness)


def _with_posterior(fixed: Comparison, prior: tuple[float, float], practical_lift: float) -> Comparison:
    """Return a comparison of two means by the normal model: the standard error as known, a prior on the difference."""
    control, treatment = fixed.control, fixed.treatment
    assert isinstance(control, ArmMean)  # noqa: S101 - proportions have the Beta-binomial model
    assert isinstance(treatment, ArmMean)  # noqa: S101
    (prior_mean, prior_sd), practical = prior, practical_lift * abs(control.mean)
    if not math.isfinite(prior_mean) or not math.isfinite(practical):
        raise InvalidInput(f"the prior's mean is {prior_mean} and the practical effect {practical}; expected numbers")
    if not prior_sd > 0:
        raise InvalidInput(f"the prior's standard deviation is {prior_sd}; expected a number above 0")
    variance = math.hypot(control.standard_error, treatment.standard_error) ** 2
    precision = 1 / variance + 1 / prior_sd**2
    mean = (fixed.difference.estimate / variance + prior_mean / prior_sd**2) / precision
    sd = math.sqrt(1 / precision)
    reach, z = quantile((1 + fixed.level) / 2) * sd, mean / sd
    density = math.exp(-0.5 * z * z) / math.sqrt(2 * math.pi)
    prior_text = "flat" if math.isinf(prior_sd) else f"Normal({prior_mean:g}, sd {prior_sd:g})"
    return replace(
        fixed,
        difference=Estimate(mean, mean - reach, mean + reach),
        p_value=math.nan,
        statistic=math.nan,
        method="bayes",
        conventions={
            "p_value": "none: see chance_to_win",
            "difference": f"posterior mean, central credible interval; prior {prior_text}",
            "lift": f"without the prior: {fixed.conventions['lift']}",
        },
        bayes=PosteriorComparison(
            model="normal",
            prior=prior_text,
            chance_to_win=normal_below(z),
            expected_loss=sd * (density - z * normal_below(-z)),
            expected_loss_of_keeping=sd * (density + z * normal_below(z)),
            practical_lift=practical_lift,
            chance_of_practical_lift=normal_below((mean - practical) / sd),
        ),
    )
