"""Did impressions follow events? A platform that shows winners more makes delivery depend on appeal, and on luck.

The life of each creative beside others is cut in half by days. Where delivery has nothing to do with what came before,
the rate of the first half says nothing about who is shown more in the second. Ranks of both inside a campaign are
correlated; campaigns with few creatives are tested together.
"""

from __future__ import annotations

import math

import numpy as np

from abkit.stats.appeal.rows import Arranged, Bools, Floats, Ints
from abkit.stats.tails import normal_below
from abkit.stats.within_groups import group_index, group_sums, pooled_spearman

ALPHA = 0.01
ENOUGH_CREATIVES = 8
COUNTS_LESS = 2.0
"""How much larger the variance of appeal is taken to be where impressions followed events."""


def steered(rows: Arranged, age_effect: Floats) -> Bools:
    """Return of each unit whether in its campaign impressions are shown to have followed events, shape (m,).

    One-sided at 1 % for each campaign with 8 creatives or more; the others are tested together.

    Args:
        rows: The delivery; nothing is shown where its days have no order.
        age_effect: Shape (n,): effect of age on the log of the rate.
    """
    result = np.zeros(rows.units, bool)
    if rows.time is None or not rows.shared.any():
        return result
    early_rate, later_share, told = _halves(rows, rows.time, age_effect)
    unit = np.flatnonzero(told)
    campaign = group_index(rows.campaign)[0]
    size = np.bincount(campaign[unit], minlength=int(campaign.max()) + 1)
    large = size >= ENOUGH_CREATIVES
    # All small campaigns are one test, each with ranks of its own.
    test = np.where(large[campaign], campaign, -1)
    for number in np.unique(test[unit]):
        inside = unit[test[unit] == number]
        if _goes_with(early_rate[inside], later_share[inside], campaign[inside]):
            result |= test == number
    return result


def _goes_with(one: Floats, other: Floats, campaign: Ints) -> bool:
    found = pooled_spearman(one, other, campaign)
    freedom = found.n - found.groups - 2
    if freedom < 2 or not math.isfinite(found.estimate):
        return False
    r = min(found.estimate, 1 - 1 / found.n**2)
    return normal_below(-math.atanh(r) * math.sqrt(freedom / (1 + r * r / 2))) < ALPHA


def _halves(rows: Arranged, days: Ints, age_effect: Floats) -> tuple[Floats, Floats, Bools]:
    """Return the rate of the first half, the share of the second, and for which units there are both; shape (m,) each.

    The rate is events over those expected at the rate of the cell; the share is exposure over that of all creatives of
    the campaign on those days. A creative that is shown no more has a share of 0.
    """
    keep = rows.shared
    unit, cell, time = rows.unit[keep], rows.cell[keep], days[keep]
    events, exposure = rows.events[keep], rows.exposure[keep]
    base = exposure * np.exp(np.clip(age_effect[keep], -30, 30))
    in_cell = group_sums(cell, events, rows.cells) / group_sums(cell, base, rows.cells).clip(1e-300)
    campaign = group_index(rows.campaign)[0]
    first = np.full(rows.units, np.iinfo(np.int64).max)
    np.minimum.at(first, unit, time)
    last = np.full(int(campaign.max(initial=0)) + 1, np.iinfo(np.int64).min)
    np.maximum.at(last, campaign[unit], time)
    middle = np.where(rows.group >= 0, (first / 2 + last[campaign] / 2), np.inf)
    early = time <= middle[unit]
    expected = group_sums(unit, np.where(early, base * in_cell[cell], 0.0), rows.units)
    got = group_sums(unit, np.where(early, events, 0.0), rows.units)
    later = group_sums(unit, np.where(early, 0.0, exposure), rows.units)
    # Of all that the campaign showed after the middle of this creative's life.
    order = np.lexsort((time, campaign[unit]))
    sums = np.concatenate([[0.0], np.cumsum(exposure[order])])
    key = campaign[unit][order] * 1.0
    total = np.zeros(rows.units)
    starts, ends = np.searchsorted(key, campaign, "left"), np.searchsorted(key, campaign, "right")
    times = time[order]
    for one in np.flatnonzero(rows.group >= 0):
        begin = starts[one] + np.searchsorted(times[starts[one] : ends[one]], middle[one], "right")
        total[one] = sums[ends[one]] - sums[begin]
    told = (rows.group >= 0) & (expected > 0) & (total > 0)
    rate = np.where(told, got / expected.clip(1e-300), 0.0)
    return rate, np.where(told, later / total.clip(1e-300), 0.0), told
