"""Averages over campaigns, with intervals that count campaigns, not creatives."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import betaincinv

from abkit.stats.account_clusters import effective_number
from abkit.stats.estimate import Estimate
from abkit.stats.listening.sample import Clusters, Floats, Ints
from abkit.stats.student_t import t_quantile

FEWEST_CLUSTERS = 5
"""With fewer independent campaigns an interval is of these campaigns only, and says nothing about others."""


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
    clusters: Clusters,
    *,
    chance: Sequence[ByChance],
    weight: ArrayLike | None = None,
    level: float = 0.95,
) -> Estimate:
    """Return the mean of a figure over campaigns with its interval.

    Two errors are known, and the interval is the wider of theirs: how the figure differs between independent campaigns
    (cluster-robust, Student's t), where there are at least five, or between accounts, where ten are known; and how much
    it would scatter inside these campaigns if the score were drawn at random. With fewer campaigns only the second is
    known.

    Args:
        values: Shape (campaigns,).
        clusters: Which campaigns are not independent.
        chance: The scatter of each campaign's figure under random scores.
        weight: Shape (campaigns,), such as their traffic; all equal by default.
        level: Confidence level of the interval.

    >>> by_chance = [ByChance(variance=0.01, freedom=9)] * 6
    >>> found = mean_over_campaigns([0.1, 0.2, 0.0, 0.1, 0.3, -0.1], Clusters.of(range(6)), chance=by_chance)
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
    if clusters.number >= FEWEST_CLUSTERS:
        half = max(half, _half_between(figures - mean, share, clusters.related, level))
    if clusters.account is not None:
        half = max(half, _half_between(figures - mean, share, clusters.account, level))
    return Estimate(mean, mean - half, mean + half)


def share_of_campaigns(hits: ArrayLike, clusters: Clusters, level: float = 0.95) -> Estimate:
    """Return a share of campaigns with its exact interval (Clopper & Pearson 1934).

    Campaigns that share ideas count once in its width. Where ten accounts or more are known, they count as so many
    campaigns as would have the variance that is seen between accounts (Korn & Graubard 1998, Survey Methodology 24,
    193), at least as one for each account. The interval covers at least its level, so a score drawn at random is told
    from chance in at most 1 − level of cases.

    Args:
        hits: Shape (campaigns,): 1, 0, or a chance between them where scores are tied.
        clusters: Which campaigns are not independent.
        level: Confidence level of the interval.

    >>> found = share_of_campaigns([1, 1, 1, 0], Clusters.of(range(4)))
    >>> found.estimate, round(found.ci_low, 2), round(found.ci_high, 2)
    (0.75, 0.19, 0.99)
    """
    found = np.asarray(hits, np.float64)
    if not len(found):
        return Estimate(math.nan, 0.0, 1.0)
    share, tail = float(found.mean()), (1 - level) / 2
    n = _told_apart(found, clusters, level)
    successes = share * n
    low = float(betaincinv(successes, n - successes + 1, tail)) if successes > 0 else 0.0
    high = float(betaincinv(successes + 1, n - successes, 1 - tail)) if successes < n else 1.0
    return Estimate(share, low, high)


def _told_apart(hits: Floats, clusters: Clusters, level: float) -> float:
    """Return how many independent campaigns would tell as much of their share."""
    if clusters.account is None:
        return clusters.number
    share, equal = float(hits.mean()), np.full(len(hits), 1 / len(hits))
    if share * (1 - share) <= 1e-12:
        return min(clusters.number, clusters.accounts)  # nothing is seen to vary, neither inside accounts nor between
    half = _half_between(hits - share, equal, clusters.account, level)
    per_campaign = share * (1 - share) * t_quantile((1 + level) / 2, max(clusters.number - 1, 1)) ** 2
    told = per_campaign / half**2 if half > 0 else math.inf
    return min(max(told, clusters.accounts), clusters.number)


def _half_between(away: Floats, share: Floats, cluster: Ints, level: float) -> float:
    """Return half of the interval that goes by how clusters differ: shares are of the weight, and sum to 1."""
    sums, mass = np.bincount(cluster, share * away), np.bincount(cluster, share)
    between = float(sums @ sums) * len(sums) / (len(sums) - 1)
    # Unequal weights leave fewer clusters than there are.
    return t_quantile((1 + level) / 2, max(effective_number(mass) - 1, 1.0)) * math.sqrt(between)


def _satterthwaite(parts: Floats, freedom: Floats) -> float:
    squares = float((parts**2 / freedom).sum())
    return float(parts.sum()) ** 2 / squares if squares > 0 else math.inf
