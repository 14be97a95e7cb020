"""The gain curve: the best of k by score against the best of k at random, and what is missed of the best of all."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from abkit.records import Record
from abkit.stats.estimate import Estimate
from abkit.stats.listening.averages import ByChance, mean_over_campaigns
from abkit.stats.listening.sample import CampaignSample, Floats, ListeningSample

DRAWS = 200
SHUFFLES = 100
_SEED = 20_260_315


@dataclass(frozen=True, kw_only=True)
class GainPoint(Record):
    """What keeping k ideas of a campaign leaves, where the best of those kept is found and used.

    All figures are shares of the campaign's average rate: 0.08 is 8 % of it.

    Attributes:
        k: How many ideas are kept; 0 where it is a share of each campaign's.
        campaigns: Campaigns with more than k ideas.
        gain: Best of k by score less best of k at random, with its interval.
        regret: Best of all less best of k by score, with its interval.
        regret_by_chance: Best of all less best of k at random.
    """

    k: int
    campaigns: int
    gain: Estimate
    regret: Estimate
    regret_by_chance: float


def gain_curve(
    sample: ListeningSample, *, most: int = 10, level: float = 0.95, seed: int = _SEED
) -> tuple[GainPoint, ...]:
    """Return the gain for each number of ideas that are kept.

    The best of several noisy figures flatters; so the true appeals are drawn from what the clicks say about each, and
    the best of the draws is taken. These draws know nothing of the score: with few clicks gain is understated and
    regret overstated.

    Args:
        sample: The campaigns.
        most: The largest k.
        level: Confidence level of the intervals.
        seed: Seed of the draws.
    """
    rng = np.random.default_rng(seed)
    parts: list[list[_Row]] = [[] for _ in range(most)]
    for number, one in enumerate(sample):
        for place, row in enumerate(_of_campaign(one, number, min(most, one.n - 1), rng)):
            parts[place].append(row)
    return tuple(_point(sample, place + 1, rows, level) for place, rows in enumerate(parts) if rows)


def gain_when_dropping(
    sample: ListeningSample, share: float, *, level: float = 0.95, seed: int = _SEED
) -> GainPoint | None:
    """Return the gain where a share of each campaign's ideas is dropped; None where that drops none.

    Args:
        sample: The campaigns.
        share: The share that is dropped, 0 to 1; at least one idea of each campaign is kept.
        level: Confidence level of the intervals.
        seed: Seed of the draws.
    """
    rng = np.random.default_rng(seed)
    rows = []
    for number, one in enumerate(sample):
        k = max(1, math.ceil(round((1 - share) * one.n, 9)))
        if k < one.n:
            rows.append(_of_campaign(one, number, k, rng)[-1])
    return _point(sample, 0, rows, level) if rows else None


@dataclass(frozen=True, kw_only=True)
class _Row:
    """One campaign, which is at `place` of the sample, at one k."""

    gain: float
    regret: float
    by_chance: float
    scatter: ByChance
    place: int
    campaign: int


def _of_campaign(one: CampaignSample, number: int, reach: int, rng: np.random.Generator) -> list[_Row]:
    """Return the figures of a campaign for k = 1 … reach."""
    drawn = np.exp(one.shrunk + one.shrunk_sd * rng.standard_normal((DRAWS, one.n)))
    drawn /= drawn.mean(axis=1, keepdims=True)
    by_score = _best_of_first(drawn, np.array([one.order(rng) for _ in range(_orders(one))]), reach).mean(axis=0)
    shuffled = _best_of_first(drawn, rng.random((SHUFFLES, one.n)).argsort(axis=1), reach)
    at_random = best_of_random(drawn, reach)
    best = float(drawn.max(axis=1).mean())
    variances = shuffled.var(axis=0, ddof=1)
    return [
        _Row(
            gain=float(by_score[place] - at_random[place]),
            regret=float(best - by_score[place]),
            by_chance=float(best - at_random[place]),
            scatter=ByChance(variance=float(variances[place]), freedom=one.n - 1),
            place=number,
            campaign=one.campaign,
        )
        for place in range(reach)
    ]


def best_of_random(values: Floats, most: int) -> Floats:
    """Return the expected best of k of n values chosen at random, for k = 1 … most, as the mean over the rows.

    >>> best_of_random(np.array([[1.0, 2.0, 3.0]]), 3).round(3).tolist()
    [2.0, 2.667, 3.0]
    """
    ordered = np.sort(values, axis=1).mean(axis=0)
    n = len(ordered)
    found = np.empty(most)
    # The j-th smallest is the best of k with chance C(j − 1, k − 1) / C(n, k).
    weight = np.full(n, 1.0 / n)
    for k in range(1, most + 1):
        found[k - 1] = weight @ ordered
        j = np.arange(1, n + 1)
        weight = weight * np.maximum(j - k, 0) / k * (k + 1) / max(n - k, 1)
    return found


def _best_of_first(drawn: Floats, orders: np.ndarray, reach: int) -> Floats:
    """Return the best of the first 1 … `reach` of each order, shape (orders, reach), as the mean over the draws."""
    return np.asarray(np.maximum.accumulate(drawn[:, orders[:, :reach]], axis=2).mean(axis=0), np.float64)


def _orders(one: CampaignSample) -> int:
    """Return how many orders are averaged: ties in the score are broken at random."""
    return 1 if len(np.unique(one.score)) == one.n else 20


def _point(sample: ListeningSample, k: int, rows: Sequence[_Row], level: float) -> GainPoint:
    clusters = sample.clusters([row.place for row in rows])
    scatter = [row.scatter for row in rows]
    return GainPoint(
        k=k,
        campaigns=len({row.campaign for row in rows}),
        gain=mean_over_campaigns([row.gain for row in rows], clusters, chance=scatter, level=level),
        regret=mean_over_campaigns([row.regret for row in rows], clusters, chance=scatter, level=level),
        regret_by_chance=float(np.mean([row.by_chance for row in rows])),
    )
