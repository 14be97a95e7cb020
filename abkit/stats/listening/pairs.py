"""Pairs: how often the idea with the higher score wins, of two of one campaign."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from abkit.records import Record
from abkit.stats.estimate import Estimate
from abkit.stats.listening.averages import ByChance, mean_over_campaigns
from abkit.stats.listening.sample import TIED, CampaignSample, Floats, ListeningSample

MOST_IN_A_CAMPAIGN = 2000
"""Of larger campaigns so many ideas are compared, spread evenly over the order in which they came."""


@dataclass(frozen=True, kw_only=True)
class PairsRight(Record):
    """Of two ideas of one campaign, how often the one with the higher score has the higher rate.

    Attributes:
        share: Share of pairs, 0 to 1; 0.5 is chance. With its interval.
        ceiling: The share that the true appeals would get right, because rates are noisy.
        pairs: Number of pairs.
        campaigns: Number of campaigns.
    """

    share: Estimate
    ceiling: float
    pairs: int
    campaigns: int


def pairs_right(sample: ListeningSample, *, level: float = 0.95) -> PairsRight:
    """Return how often the higher score wins, over pairs inside campaigns; ties count as half right.

    A campaign counts by its ideas, not by its pairs, which grow with their square.

    Args:
        sample: The campaigns.
        level: Confidence level of the interval.
    """
    values, ceilings, weights, scatter, total = [], [], [], [], 0
    for one in sample:
        right, ceiling, pairs, variance = _of_campaign(one)
        values.append(right)
        ceilings.append(ceiling)
        weights.append(float(one.n - 1))
        scatter.append(ByChance(variance=variance, freedom=math.inf))
        total += pairs
    if not values:
        return PairsRight(share=Estimate(math.nan, 0.0, 1.0), ceiling=math.nan, pairs=0, campaigns=0)
    clusters = sample.clusters(range(len(values)))
    share = mean_over_campaigns(values, clusters, chance=scatter, weight=weights, level=level)
    return PairsRight(
        share=Estimate(share.estimate, max(share.ci_low, 0.0), min(share.ci_high, 1.0)),
        ceiling=float(np.average(ceilings, weights=weights)),
        pairs=total,
        campaigns=sample.size,
    )


def _of_campaign(one: CampaignSample) -> tuple[float, float, int, float]:
    """Return share right, ceiling, number of pairs, and the variance of the share under random scores."""
    kept = np.unique(np.linspace(0, one.n - 1, min(one.n, MOST_IN_A_CAMPAIGN)).astype(np.int64))
    ratio, score = one.ratio[kept], np.round(one.score[kept] / TIED)
    first, second = np.triu_indices(len(kept), 1)
    agree = np.sign(score[first] - score[second]) * np.sign(ratio[first] - ratio[second])
    # Kendall's S has variance m(m − 1)(2m + 5)/18 over m random ranks; the share is (1 + S / pairs) / 2.
    m = len(kept)
    variance = (2 * m + 5) / (18 * m * (m - 1))
    return float((1 + agree.mean()) / 2), _ceiling(one, kept, first, second), len(first), variance


def _ceiling(one: CampaignSample, kept: np.ndarray, first: np.ndarray, second: np.ndarray) -> float:
    """Return how often the measured order of two is the true one."""
    from scipy.special import ndtr

    shrunk, sd = one.shrunk[kept], one.shrunk_sd[kept]
    gap: Floats = shrunk[first] - shrunk[second]
    noise = np.sqrt(sd[first] ** 2 + sd[second] ** 2)
    with np.errstate(divide="ignore", invalid="ignore"):
        chance = np.where(noise > 0, ndtr(np.abs(gap) / noise), np.where(gap == 0, 0.5, 1.0))
    return float(chance.mean())
