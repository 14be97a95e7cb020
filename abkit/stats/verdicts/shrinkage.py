"""The winner's curse: what shipped winners are really worth, and how far significance exaggerates."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from abkit.errors import InvalidInput
from abkit.records import Record
from abkit.stats.estimate import Estimate
from abkit.stats.tails import check_level, normal_below, quantile, reach_of
from abkit.vocabulary import TWO_SIDED, Alternative


@dataclass(frozen=True, slots=True)
class EffectPrior(Record):
    """How true effects scatter over past tests.

    Attributes:
        mean: Mean of the true effects.
        sd: Standard deviation of the true effects.
        tests: Number of tests that it was fitted to.
        method: How it was fitted.
    """

    mean: float
    sd: float
    tests: int
    method: str


@dataclass(frozen=True, slots=True)
class Exaggeration(Record):
    """What a significant result would be worth at a given true effect.

    Attributes:
        power: Chance of significance.
        type_s: Chance that a significant estimate has the wrong sign.
        exaggeration: Expected |significant estimate| ÷ |true effect|.
    """

    power: float
    type_s: float
    exaggeration: float


def fit_effect_prior(effects: Sequence[float], standard_errors: Sequence[float]) -> EffectPrior:
    """Fit the normal law of true effects that explains the estimates of past tests: empirical Bayes.

    Paule & Mandel's moment estimator (statsmodels' `combine_effects(method_re="iterated")`).

    Args:
        effects: Estimates of past tests (all of them, not only the winners), in one unit, such as log lift.
        standard_errors: Their standard errors, above 0.

    Raises:
        InvalidInput: There are fewer than 10 tests, or a standard error is not above 0.

    >>> prior = fit_effect_prior([0.1, -0.1, 0.2, -0.2, 0.0, 0.1, -0.1, 0.2, -0.2, 0.0], [0.05] * 10)
    >>> round(prior.mean, 3), round(prior.sd, 3)
    (0.0, 0.14)
    """
    from statsmodels.stats.meta_analysis import combine_effects

    values, errors = np.asarray(effects, dtype=float), np.asarray(standard_errors, dtype=float)
    if len(values) != len(errors) or len(values) < 10:
        raise InvalidInput(f"{len(values)} past tests; a prior takes at least 10, each with its standard error")
    if not (np.isfinite(values).all() and np.isfinite(errors).all() and (errors > 0).all()):
        raise InvalidInput("a past test has no finite effect or no standard error above 0; leave it out")
    fit = combine_effects(values, errors**2, method_re="iterated")
    return EffectPrior(float(fit.mean_effect_re), math.sqrt(max(float(fit.tau2), 0.0)), len(values), "Paule–Mandel")


def shrink(effect: float, standard_error: float, prior: EffectPrior, *, level: float = 0.95) -> Estimate:
    """Draw an estimate towards what past tests were like: return the posterior mean and its interval.

    Source: Efron (2011), doi 10.1198/jasa.2011.tm11181. Right for a shipped winner, which selection flatters.

    >>> shrunk = shrink(0.3, 0.1, EffectPrior(0.0, 0.1, 200, "Paule–Mandel"))
    >>> round(shrunk.estimate, 3), round(shrunk.ci_low, 3)
    (0.15, 0.011)
    """
    check_level(level)
    if not standard_error > 0:
        raise InvalidInput(f"the standard error is {standard_error}; expected a number above 0")
    mean = float(shrink_many(effect, standard_error, prior))
    reach = quantile((1 + level) / 2) * prior.sd * standard_error / math.hypot(prior.sd, standard_error)
    return Estimate(mean, mean - reach, mean + reach)


def shrink_many(effects: ArrayLike, standard_errors: ArrayLike, prior: EffectPrior) -> NDArray[np.float64]:
    """Return the estimates of `shrink`, on arrays.

    >>> shrink_many([0.3, 0.0], [0.1, 0.1], EffectPrior(0.0, 0.1, 200, "Paule–Mandel")).round(3).tolist()
    [0.15, 0.0]
    """
    values, errors = np.asarray(effects, dtype=float), np.asarray(standard_errors, dtype=float)
    return np.asarray(prior.mean + prior.sd**2 / (prior.sd**2 + errors**2) * (values - prior.mean))


def exaggeration(
    true_effect: float,
    standard_error: float,
    *,
    alpha: float = 0.05,
    alternative: Alternative = TWO_SIDED,
    reach: float | None = None,
) -> Exaggeration:
    """Return the type-S error and the exaggeration of a test at a true effect.

    Source: Gelman & Carlin (2014), doi 10.1177/1745691614551642; in closed form as in Lu, Qiu & Deng (2019).

    Args:
        true_effect: The true effect, in the unit of the standard error.
        standard_error: Standard error of the estimate, above 0.
        alpha: Error rate of the test.
        alternative: Which estimates may be significant.
        reach: Standard errors from which on it is significant, for a test that is not normal at one look.

    >>> result = exaggeration(0.1, 0.1)
    >>> round(result.power, 3), round(result.type_s, 3), round(result.exaggeration, 2)
    (0.17, 0.009, 2.49)
    """
    if not standard_error > 0:
        raise InvalidInput(f"the standard error is {standard_error}; expected a number above 0")
    d = true_effect / standard_error
    c = reach_of(alpha if alternative is TWO_SIDED else 2 * alpha) if reach is None else reach
    above = below = mean = 0.0
    if alternative is not Alternative.LESS:
        above = normal_below(d - c)
        mean += d * above + _density(c - d)
    if alternative is not Alternative.GREATER:
        below = normal_below(-d - c)
        mean += _density(c + d) - d * below
    power = above + below
    if d == 0:
        return Exaggeration(power, 0.5, math.inf)
    return Exaggeration(power, (below if d > 0 else above) / power, mean / power / abs(d))


def _density(z: float) -> float:
    return math.exp(-0.5 * z * z) / math.sqrt(2 * math.pi)
