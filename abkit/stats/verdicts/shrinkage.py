"""The winner's curse: what shipped winners are really worth, and how far significance exaggerates."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import chdtrc, ndtr

from abkit.errors import InvalidInput
from abkit.records import Record
from abkit.stats.estimate import Comparison, Estimate
from abkit.stats.tails import check_level, normal_below, quantile, reach_of
from abkit.vocabulary import TWO_SIDED, Alternative

FEWEST_PAST_TESTS = 200
"""Fewer say too little of what effects are like: the intervals of winners would miss their level."""

MOST_LEARNED_FROM = 2000
"""Of more tests so many are taken, evenly: more would not change what is learned."""

_NULL_SHARES = (0.0, 0.2, 0.4, 0.6, 0.7, 0.8, 0.9, 0.95)
_TAILS = (math.inf, 3.0)
_TRUST = 0.5
"""How much the likelihood counts when laws are weighed: with all of it, rare large effects are ruled out too soon."""

_CAUTION = 0.7
"""The share of 1 − level that the ends of an interval leave outside: what the law's own error takes is added back."""

_STEP = math.sqrt(2.0)
"""Neighbors in the grid of spreads differ by this factor."""


@dataclass(frozen=True, kw_only=True, slots=True)
class EffectPrior(Record):
    """How true effects scatter over past tests: a mixture of normal laws, one of which may be no effect at all.

    Attributes:
        mean: Mean of the true effects.
        sd: Standard deviation of the true effects.
        tests: Number of tests that it was fitted to.
        method: How it was fitted.
        null_share: Share of tests without any effect.
        parts: Weight, center and spread of each law; empty where one normal law of this mean and sd is meant.
    """

    mean: float
    sd: float
    tests: int
    method: str
    null_share: float = 0.0
    parts: tuple[tuple[float, float, float], ...] = ()


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
    """Fit the law of true effects that explains the estimates of past tests: empirical Bayes.

    A share of tests has no effect; the effects of the others are normal or Student's t with 3 degrees of freedom,
    around a center of their own. Shares, spreads and tails are weighed by how well they explain the estimates (each
    equally likely before), not picked: so the intervals of `shrink` know how little the tests say about rare large
    effects.
    The idea of a scale mixture is that of Stephens (2017), doi 10.1093/biostatistics/kxw041.

    Args:
        effects: Estimates of past tests (all of them, not only the winners), in one unit, such as log lift.
        standard_errors: Their standard errors, above 0.

    Raises:
        InvalidInput: There are fewer than 200 tests, or a standard error is not above 0.

    >>> prior = fit_effect_prior([0.1, -0.1, 0.2, -0.2, 0.0] * 40, [0.05] * 200)
    >>> prior.tests, round(abs(prior.mean), 3), round(prior.sd, 2)
    (200, 0.0, 0.16)
    """
    values, errors = np.asarray(effects, dtype=float), np.asarray(standard_errors, dtype=float)
    if len(values) != len(errors) or len(values) < FEWEST_PAST_TESTS:
        raise InvalidInput(
            f"{len(values)} past tests; a prior takes at least {FEWEST_PAST_TESTS}, each with its standard error"
        )
    if not (np.isfinite(values).all() and np.isfinite(errors).all() and (errors > 0).all()):
        raise InvalidInput("a past test has no finite effect or no standard error above 0; leave it out")
    tests = len(values)
    if tests > MOST_LEARNED_FROM:
        taken = np.linspace(0, tests - 1, MOST_LEARNED_FROM).round().astype(np.intp)
        values, errors = values[taken], errors[taken]
    excess = max(float(values.var() - (errors**2).mean()), 0.0)
    weight = 1 / (errors**2 + excess)
    center, blur = float(values @ weight / weight.sum()), float(1 / weight.sum())
    smallest, largest = 0.05 * float(np.median(errors)), 4 * max(float(np.abs(values - center).max()), 1e-12)
    steps = math.ceil(math.log(max(largest / smallest, 2.0), _STEP)) + 1
    spreads: NDArray[np.float64] = smallest * np.power(_STEP, np.arange(steps, dtype=np.float64))
    mixtures = _mixtures(spreads, largest=largest / 4)
    # One row per test, one column per law: how likely its estimate is there. The first law is no effect.
    centers = np.concatenate(([0.0], np.full(steps, center)))
    variances = np.concatenate(([0.0], spreads**2 + blur))
    total = errors[:, None] ** 2 + variances
    logs = -0.5 * ((values[:, None] - centers) ** 2 / total + np.log(total))
    peak = logs.max(axis=1, keepdims=True)
    evidence = (np.log(np.exp(logs - peak) @ mixtures.T + 1e-300)).sum(axis=0)
    chance = np.exp(_TRUST * (evidence - evidence.max()))
    weights = chance @ mixtures / chance.sum()
    mean = float(weights @ centers)
    sd = math.sqrt(float(weights @ (variances + centers**2)) - mean**2)
    kept = weights > 1e-4
    parts = zip(*(column[kept].tolist() for column in (weights, centers, np.sqrt(variances))), strict=True)
    method = "mixture of no effect, normal and t₃ laws, weighed by their likelihood"
    return EffectPrior(mean=mean, sd=sd, tests=tests, method=method, null_share=float(weights[0]), parts=tuple(parts))


def _mixtures(spreads: NDArray[np.float64], *, largest: float) -> NDArray[np.float64]:
    """Return the weights of every law in every mixture looked at: share of no effect × tail × scale."""
    found = []
    for tail in _TAILS:
        for place in range(0, len(spreads), 2):
            scale = spreads[place]
            if scale > largest:
                break
            law = np.zeros(len(spreads))
            if math.isinf(tail):
                law[place] = 1.0
            else:
                # Student's t is normal with variance scale²·ν/χ²: the chance of each spread, between the midpoints.
                edges = np.concatenate(([0.0], spreads[:-1] * math.sqrt(_STEP), [np.inf]))
                with np.errstate(divide="ignore"):
                    below = chdtrc(tail, tail * (scale / edges) ** 2)
                law = np.diff(below)
            found += [np.concatenate(([null], (1 - null) * law)) for null in _NULL_SHARES]
    return np.array(found)


def shrink(effect: float, standard_error: float, prior: EffectPrior, *, level: float = 0.95) -> Estimate:
    """Draw an estimate towards what past tests were like: return the posterior mean and its central interval.

    Source: Efron (2011), doi 10.1198/jasa.2011.tm11181. Right for a shipped winner, which selection flatters: the
    interval at 95 % covers at least 93 % of winners where effects are normal, heavy-tailed, or mostly none
    (docs/statistics.md, benchmarks/coverage.py).

    >>> prior = EffectPrior(mean=0.0, sd=0.1, tests=200, method="one normal law")
    >>> shrunk = shrink(0.3, 0.1, prior)
    >>> round(shrunk.estimate, 3), round(shrunk.ci_low, 3)
    (0.15, 0.001)
    """
    check_level(level)
    if not standard_error > 0:
        raise InvalidInput(f"the standard error is {standard_error}; expected a number above 0")
    mean, low, high = (float(one[0]) for one in shrink_many([effect], [standard_error], prior, level=level))
    return Estimate(mean, low, high)


def shrink_many(
    effects: ArrayLike, standard_errors: ArrayLike, prior: EffectPrior, *, level: float = 0.95
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Return the estimates of `shrink` with both ends of their intervals, on arrays.

    >>> prior = EffectPrior(mean=0.0, sd=0.1, tests=200, method="one normal law")
    >>> shrink_many([0.3, 0.0], [0.1, 0.1], prior)[0].round(3).tolist()
    [0.15, 0.0]
    """
    values, errors = np.asarray(effects, dtype=float)[:, None], np.asarray(standard_errors, dtype=float)[:, None]
    weights, centers, spreads = np.array(prior.parts or ((1.0, prior.mean, prior.sd),)).T
    total = spreads**2 + errors**2
    logs = np.log(weights) - 0.5 * ((values - centers) ** 2 / total + np.log(total))
    share = np.exp(logs - logs.max(axis=1, keepdims=True))
    share /= share.sum(axis=1, keepdims=True)
    drawn = spreads**2 / total
    means, sds = centers + drawn * (values - centers), np.sqrt(drawn) * errors
    tail = _CAUTION * (1 - level) / 2
    center = (share * means).sum(axis=1)
    # By Chebyshev no quantile lies farther out.
    most = np.sqrt((share * (sds**2 + (means - center[:, None]) ** 2)).sum(axis=1) / tail)
    ends = []
    for probability in (tail, 1 - tail):
        low, high = center - most, center + most
        for _ in range(18):
            middle = (low + high) / 2
            gap = middle[:, None] - means
            with np.errstate(divide="ignore", invalid="ignore"):
                # No effect has no spread: its distribution function is a step.
                below = np.where(sds > 0, ndtr(gap / sds), gap >= 0)
            reached = (share * below).sum(axis=1) >= probability
            low, high = np.where(reached, low, middle), np.where(reached, middle, high)
        # The outer side of the last step: an end that lies on no effect must not leave it out by rounding.
        ends.append(low if probability < 0.5 else high)
    return center, ends[0], ends[1]


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


def log_lift(comparison: Comparison | None) -> tuple[float, float] | None:
    """Return the log of treatment ÷ control and its standard error, where the lift's interval is finite.

    >>> from abkit.stats.arms import Counts
    >>> from abkit.stats.proportions.compare import compare
    >>> effect, error = log_lift(compare(Counts(500, 10_000), Counts(560, 10_000)))
    >>> round(effect, 3), round(error, 3)
    (0.113, 0.06)
    """
    if comparison is None:
        return None
    lift = comparison.lift
    if not (-1 < lift.estimate < math.inf and -1 < lift.ci_low < lift.ci_high < math.inf):
        return None
    width = math.log1p(lift.ci_high) - math.log1p(lift.ci_low)
    return math.log1p(lift.estimate), width / (2 * quantile((1 + comparison.level) / 2))
