"""Bayesian figures: chance to win, expected loss, chance that the effect matters. Priors are stated in the result.

All by quadrature over the posteriors, not by simulation: the same input gives the same digits.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from scipy.special import betainc, betaincinv, ndtr, xlog1py, xlogy

from abkit.errors import InvalidInput
from abkit.stats.counts import Counts
from abkit.stats.estimate import ArmRate, Comparison, Estimate, check_level
from abkit.stats.moments import Moments
from abkit.stats.normal import quantile
from abkit.stats.proportions import baseline_notes

Array = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class PosteriorComparison:
    """What the posterior says of one treatment against its control.

    Attributes:
        model: `beta-binomial` or `normal`.
        prior: in words.
        chance_to_win: P(treatment better than control).
        expected_loss: expected loss, in the metric's unit, if the treatment is shipped.
        expected_loss_of_keeping: the same if the control is kept.
        practical_lift: the lift that matters.
        chance_of_practical_lift: P(lift > practical_lift).
    """

    model: str
    prior: str
    chance_to_win: float
    expected_loss: float
    expected_loss_of_keeping: float
    practical_lift: float
    chance_of_practical_lift: float


@dataclass(frozen=True, slots=True)
class PosteriorArm:
    """One of several arms.

    Attributes:
        rate: posterior mean.
        ci_low: lower end of the central credible interval.
        ci_high: upper end.
        chance_to_be_best: P(this arm has the highest rate).
        expected_loss: expected shortfall against the best arm if this one is shipped.
    """

    rate: float
    ci_low: float
    ci_high: float
    chance_to_be_best: float
    expected_loss: float


def compare_by_bayes(
    control: Counts,
    treatment: Counts,
    *,
    level: float = 0.95,
    prior: tuple[float, float] = (1.0, 1.0),
    practical_lift: float = 0.0,
) -> Comparison:
    """Beta-binomial comparison. Intervals are central credible intervals of difference and lift.

    Source: Gelman et al., Bayesian Data Analysis, 3rd ed., section 2.4; expected loss as in Stucchio (2015).

    Args:
        control: counts of the control.
        treatment: counts of the treatment.
        level: of the credible intervals.
        prior: Beta prior of each arm (successes, failures): (1, 1) is uniform; spotify-confidence uses (0.5, 0.5).
        practical_lift: the lift that would matter.

    >>> posterior = compare_by_bayes(Counts(480, 10_000), Counts(560, 10_100)).bayes
    >>> round(posterior.chance_to_win, 4), round(posterior.expected_loss, 7)
    (0.9914, 9e-06)
    """
    check_level(level)
    _check_prior(prior)
    if not (math.isfinite(practical_lift) and practical_lift > -1):
        raise InvalidInput(f"the practical lift is {practical_lift}; expected a number above -1, such as 0.05")
    a0, b0 = control.successes + prior[0], control.trials - control.successes + prior[1]
    a1, b1 = treatment.successes + prior[0], treatment.trials - treatment.successes + prior[1]
    mean0, mean1 = a0 / (a0 + b0), a1 / (a1 + b1)
    marks0, marks1 = _marks(a0, b0), _marks(a1, b1)

    def beats(gap: float = 0.0, factor: float = 1.0) -> float:
        """P(p1 > factor·p0 + gap), on a grid that is dense where either posterior changes."""
        x, weight = _panels((marks0, np.clip((marks1 - gap) / factor, 0.0, 1.0)))
        density = weight * np.exp(_log_density(x, a0, b0))
        return float(density @ betainc(b1, a1, np.clip(1 - (x * factor + gap), 0.0, 1.0)) / density.sum())

    # E[max(p0 − p1, 0)] by parts: the area under P(p0 > t > p1).
    x, weight = _panels((marks0, marks1))
    above0, below1 = betainc(b0, a0, 1 - x), betainc(a1, b1, x)
    loss = float(weight @ (above0 * below1))
    keeping = float(weight @ ((1 - above0) * (1 - below1)))
    tail = (1 - level) / 2
    spread = math.hypot(math.sqrt(_variance(a0, b0)), math.sqrt(_variance(a1, b1)))
    relative = math.hypot(math.sqrt(_variance(a0, b0)) / mean0, math.sqrt(_variance(a1, b1)) / mean1)
    difference = mean1 - mean0
    low, high = (_solve(lambda d: 1 - beats(d), p, difference, spread) for p in (tail, 1 - tail))
    ratios = [
        math.exp(_solve(lambda r: 1 - beats(0.0, math.exp(r)), p, math.log(mean1 / mean0), relative))
        for p in (tail, 0.5, 1 - tail)
    ]
    prior_text = f"Beta({prior[0]:g}, {prior[1]:g}) in each arm"
    return Comparison(
        ArmRate(control.trials, control.successes, control.rate),
        ArmRate(treatment.trials, treatment.successes, treatment.rate),
        Estimate(difference, low, high),
        Estimate(ratios[1] - 1, ratios[0] - 1, ratios[2] - 1),
        math.nan,
        math.nan,
        "bayes",
        level,
        "two-sided",
        {
            "p_value": "none: see chance_to_win",
            "difference": f"posterior mean, central credible interval; {prior_text}",
            "lift": f"posterior median, central credible interval; {prior_text}",
        },
        baseline_notes(control),
        PosteriorComparison(
            "beta-binomial", prior_text, beats(), loss, keeping, practical_lift, beats(0.0, 1 + practical_lift)
        ),
    )


def rank_posteriors(
    arms: Sequence[Counts], *, level: float = 0.95, prior: tuple[float, float] = (1.0, 1.0)
) -> tuple[PosteriorArm, ...]:
    """Several arms at once: the chance to be the best of them, and what is lost by shipping each.

    >>> arms = [Counts(48, 1000), Counts(56, 1000), Counts(50, 1000)]
    >>> [round(arm.chance_to_be_best, 3) for arm in rank_posteriors(arms)]
    [0.149, 0.625, 0.225]
    """
    if len(arms) < 2:
        raise InvalidInput(f"{len(arms)} arm is given; a ranking takes at least 2")
    check_level(level)
    _check_prior(prior)
    shapes = [(arm.successes + prior[0], arm.trials - arm.successes + prior[1]) for arm in arms]
    x, weight = _panels([_marks(a, b) for a, b in shapes])
    cdf = np.array([betainc(a, b, x) for a, b in shapes])
    tail = (1 - level) / 2
    # The law of the best of the others: the product of their distribution functions, those before and those after.
    one = np.ones((1, len(x)))
    before = np.cumprod(np.concatenate((one, cdf[:-1])), axis=0)
    after = np.cumprod(np.concatenate((one, cdf[:0:-1])), axis=0)[::-1]
    result = []
    for index, (a, b) in enumerate(shapes):
        others = before[index] * after[index]
        density = weight * np.exp(_log_density(x, a, b))
        best = float(density @ others / density.sum())
        loss = float(weight @ (cdf[index] * (1 - others)))
        result.append(
            PosteriorArm(a / (a + b), float(betaincinv(a, b, tail)), float(betaincinv(a, b, 1 - tail)), best, loss)
        )
    return tuple(result)


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
    (0.982, 0.0397)
    """
    from abkit.stats.means import compare_means

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


def _check_prior(prior: tuple[float, float]) -> None:
    if not all(0 < value < math.inf for value in prior):
        raise InvalidInput(f"the Beta prior is {prior[0]:g}, {prior[1]:g}; both have to be finite and above 0")


def _variance(a: float, b: float) -> float:
    return a * b / ((a + b) ** 2 * (a + b + 1))


def _log_density(x: Array, a: float, b: float) -> Array:
    logs: Array = xlogy(a - 1, x) + xlog1py(b - 1, -x)
    # Only ratios of densities are used, so the constant serves to keep exp() within range.
    mode = (a - 1) / (a + b - 2) if a > 1 and b > 1 else a / (a + b)
    return logs - float(xlogy(a - 1, mode) + xlog1py(b - 1, -mode))


@lru_cache(maxsize=2)
def _legendre(count: int) -> tuple[Array, Array]:
    return np.polynomial.legendre.leggauss(count)


def _marks(a: float, b: float) -> Array:
    """Quantiles of a Beta law, from where it begins to where it ends."""
    lower = betaincinv(a, b, np.array([1e-13, 1e-8, 1e-5, 1e-3, 0.02, 0.1, 0.3, 0.5, 0.7, 0.9, 0.98, 0.999]))
    marks: Array = np.concatenate(([0.0], lower, 1 - betaincinv(b, a, np.array([1e-5, 1e-8, 1e-13])), [1.0]))
    return marks


def _panels(marks: Sequence[Array]) -> tuple[Array, Array]:
    """Gauss–Legendre points and weights on the panels between the marks."""
    edges = np.unique(np.concatenate(marks))
    nodes, weights = _legendre(16)
    half = np.diff(edges) / 2
    centre = (edges[:-1] + edges[1:]) / 2
    return (centre[:, None] + half[:, None] * nodes).ravel(), (half[:, None] * weights).ravel()


def _solve(cdf: Callable[[float], float], probability: float, guess: float, scale: float) -> float:
    from scipy.optimize import brentq

    low, high = guess - 8 * scale, guess + 8 * scale
    while cdf(low) > probability:
        low -= 8 * scale
    while cdf(high) < probability:
        high += 8 * scale
    return float(brentq(lambda value: cdf(value) - probability, low, high, xtol=1e-10 * scale, rtol=1e-12))
