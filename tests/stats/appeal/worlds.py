"""Worlds whose creatives have a known appeal, for the tests of it."""

from __future__ import annotations

import numpy as np

from abkit.stats.appeal.appeal import Appeals
from abkit.stats.appeal.rows import DeliveryRows, Floats


def deliver(
    rng: np.random.Generator,
    *,
    campaigns: int = 3,
    creatives: int = 10,
    days: int = 10,
    impressions: float = 3000,
    spread: float = 0.3,
    rate: float = 0.02,
    fatigue: float = 0.0,
    staggered: bool = False,
    day_noise: float = 0.0,
    steering: float = 0.0,
) -> tuple[DeliveryRows, Floats]:
    """Return rows and the true log rate of each creative.

    Impressions are those of a creative over all days; with steering, they go by that power of its rate so far.
    """
    n = campaigns * creatives
    truth, volume = rng.normal(0, spread, n), rng.lognormal(0, 0.5, n)
    launch = rng.integers(0, days // 2, n) if staggered else np.zeros(n, np.int64)
    creative, day = (grid.ravel() for grid in np.meshgrid(np.arange(n), np.arange(days), indexing="ij"))
    alive = day >= launch[creative]
    creative, day = creative[alive], day[alive]
    campaign, age = creative // creatives, day - launch[creative]
    level = np.log(rate) + 0.5 * rng.normal(size=(campaigns, days))[campaign, day]
    luck = day_noise * rng.normal(size=len(day))
    mean = np.exp(level + truth[creative] - fatigue * np.log1p(age) + luck)
    shown, events = np.zeros(len(day)), np.zeros(len(day))
    got, had = np.zeros(n), np.zeros(n)
    for today in range(days):
        now = np.flatnonzero(day == today)
        who = creative[now]
        weight = volume[who] * ((got[who] + 5) / (had[who] * rate + 5)) ** steering
        all_weight, all_volume = (np.bincount(campaign[now], each)[campaign[now]] for each in (weight, volume[who]))
        weight *= all_volume / all_weight
        shown[now] = rng.poisson(impressions / days * weight)
        events[now] = rng.poisson(shown[now] * mean[now])
        got[who] += events[now]
        had[who] += shown[now]
    rows = DeliveryRows(
        events=events,
        exposure=shown,
        creative=creative,
        campaign=campaign,
        cell=campaign * 1000 + day,
        age=age.astype(float),
        day=day,
    )
    return rows, truth


def true_appeal(found: Appeals, truth: Floats) -> Floats:
    """Return the log of each creative's true rate over that of its group; NaN without a group."""
    mine = truth[found.creative]
    result = np.full(len(mine), np.nan)
    for group in np.unique(found.group[found.group >= 0]):
        inside = found.group == group
        weight = found.expected[inside]
        result[inside] = mine[inside] - np.log(weight @ np.exp(mine[inside]) / weight.sum())
    return result
