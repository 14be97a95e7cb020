"""Averages over campaigns, with intervals that count campaigns, not creatives."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import betaincinv

from abkit.stats.estimate import Estimate
from abkit.stats.listening.sample import Floats, Ints
from abkit.stats.student_t import t_quantile

FEWEST_CLUSTERS = 5
"""With fewer independent campaigns an interval is of these campaigns only, and says nothing of others."""


@dataclass(frozen=True, kw_only=True)
class ByChance:
    """How much a campaign's figure scatters where the score is drawn at random.

    Attributes:
        variance: Variance of the figure.
        freedom: Degrees of freedom of that variance.
    """

    variance: float
    freedom: float


def mean_over_campaigns(
    values: ArrayLike,
    cluster: Ints,
    *,
    chance: Sequence[ByChance],
    weight: ArrayLike | None = None,
    level: float = 0.95,
) -> Estimate:
    """Return the mean of a figure over campaigns with its interval.

    Two errors are known, and the interval is the wider of theirs: how the figure differs between independent campaigns
    (cluster-robust, Student's t), where there are at least five; and how much it would scatter inside these campaigns
    if the score were drawn at random. With fewer campaigns only the second is known.

    Args:
        values: Shape (campaigns,).
        cluster: Shape (campaigns,): campaigns with the same number are not independent.
        chance: The scatter of each campaign's figure under random scores.
        weight: Shape (campaigns,), such as their traffic; all equal by default.
        level: Confidence level of the interval.

    >>> by_chance = [ByChance(variance=0.01, freedom=9)] * 6
    >>> found = mean_over_campaigns([0.1, 0.2, 0.0, 0.1, 0.3, -0.1], np.arange(6), chance=by_chance)
    >>> round(found.estimate, 3), round(found.ci_low, 2), round(found.ci_high, 2)
    (0.1, -0.05, 0.25)
    """
    figures = np.asarray(values, np.float64)
    if not len(figures):
        return Estimate(math.nan, -math.inf, math.inf)
    share = np.ones(len(figures)) if weight is None else np.asarray(weight, np.float64)
    share = share / share.sum()
    mean = float(share @ figures)
    parts = share**2 * np.array([one.variance for one in chance])
    of_chance = float(parts.sum())
    freedom = np.array([max(one.freedom, 1.0) for one in chance])
    half = t_quantile((1 + level) / 2, _satterthwaite(parts, freedom)) * math.sqrt(of_chance) if of_chance > 0 else 0.0
    clusters = int(cluster.max()) + 1
    if clusters >= FEWEST_CLUSTERS:
        sums = np.bincount(cluster, share * (figures - mean), clusters)
        of_cluster = np.bincount(cluster, share, clusters)
        between = float(sums @ sums) * clusters / (clusters - 1)
        # Unequal weights leave fewer campaigns than there are.
        effective = 1 / float(of_cluster @ of_cluster)
        half = max(half, t_quantile((1 + level) / 2, max(effective - 1, 1.0)) * math.sqrt(between))
    return Estimate(mean, mean - half, mean + half)


def share_of_campaigns(hits: ArrayLike, cluster: Ints, level: float = 0.95) -> Estimate:
    """Return a share of campaigns with its exact interval (Clopper & Pearson 1934).

    Campaigns that share ideas count once in its width. The interval covers at least its level, so a score drawn at
    random is told from chance in at most 1 − level of cases.

    Args:
        hits: Shape (campaigns,): 1, 0, or a chance between them where scores are tied.
        cluster: Shape (campaigns,): campaigns with the same number are not independent.
        level: Confidence level of the interval.

    >>> found = share_of_campaigns([1, 1, 1, 0], np.arange(4))
    >>> found.estimate, round(found.ci_low, 2), round(found.ci_high, 2)
    (0.75, 0.19, 0.99)
    """
    found = np.asarray(hits, np.float64)
    if not len(found):
        return Estimate(math.nan, 0.0, 1.0)
    share, n, tail = float(found.mean()), int(cluster.max()) + 1, (1 - level) / 2
    successes = share * n
    low = float(betaincinv(successes, n - successes + 1, tail)) if successes > 0 else 0.0
    high = float(betaincinv(successes + 1, n - successes, 1 - tail)) if successes < n else 1.0
    return Estimate(share, low, high)


def _satterthwaite(parts: Floats, freedom: Floats) -> float:
    squares = float((parts**2 / freedom).sum())
    return float(parts.sum()) ** 2 / squares if squares > 0 else math.inf
