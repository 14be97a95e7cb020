"""Bayesian figures of means: the normal model, with the standard error taken as known."""

from __future__ import annotations

import math
from dataclasses import replace

from scipy.special import ndtr

from abkit.errors import InvalidInput
from abkit.stats.estimate import Comparison, Estimate, check_level
from abkit.stats.means.compare import compare_means
from abkit.stats.moments import Moments
from abkit.stats.normal import quantile
from abkit.stats.proportions.bayes import PosteriorComparison


def compare_means_by_bayes(
    control: Moments,
    treatment: Moments,
    *,
    level: float = 0.95,
    prior_mean: float = 0.0,
    prior_sd: float = math.inf,
    practical_lift: float = 0.0,
) -> Comparison:
    """Two means by the normal model: the standard error as known, a normal or flat prior on the difference.

    Args:
        control: moments of the control.
        treatment: moments of the treatment.
        level: of the credible interval of the difference.
        prior_mean: of the difference, in the metric's unit.
        prior_sd: of the difference; inf for a flat prior.
        practical_lift: the lift that would matter, relative to the control's mean.

    >>> result = compare_means_by_bayes(Moments(100, 10.0, 4.0), Moments(120, 10.6, 5.0))
    >>> round(result.bayes.chance_to_win, 4), round(result.difference.ci_low, 4)
    (0.9821, 0.0399)
    """
    fixed = compare_means(control, treatment, level=level)
    estimate, posterior = normal_posterior(
        fixed.difference.estimate,
        math.sqrt(control.squared_error + treatment.squared_error),
        prior_mean=prior_mean,
        prior_sd=prior_sd,
        level=level,
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
    """Normal model of a difference (or of a lift) with a known standard error.

    Args:
        difference: the estimate.
        standard_error: of it, above 0.
        prior_mean: where effects usually are.
        prior_sd: how far they scatter; inf for a flat prior.
        level: of the credible interval.
        practical: the effect that would matter, in the same unit.

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
        "normal",
        prior,
        float(ndtr(z)),
        sd * (density - z * float(ndtr(-z))),
        sd * (density + z * float(ndtr(z))),
        practical,
        float(ndtr((mean - practical) / sd)),
    )
