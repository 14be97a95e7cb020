"""Bayesian figures of means: the normal model, with the standard error taken as known."""

from __future__ import annotations

import math
from dataclasses import replace

from scipy.special import ndtr

from abkit.errors import InvalidInput
from abkit.stats.estimate import ArmMean, Comparison, Estimate, PosteriorComparison
from abkit.stats.tails import check_level, quantile


def with_posterior(
    fixed: Comparison, *, prior: tuple[float, float] = (0.0, math.inf), practical_lift: float = 0.0
) -> Comparison:
    """Return a comparison of two means by the normal model: the standard error as known, a prior on the difference.

    Args:
        fixed: The fixed-horizon comparison of the same means.
        prior: Mean and standard deviation of the prior of the difference, in the metric's unit; flat by default.
        practical_lift: The smallest lift that matters, relative to the control's mean.
    """
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
