"""How a score goes with appeal inside campaigns: the slope, and the correlation with and without the noise of events.

The slope is that of a Poisson regression of events on the score, with a level for each group and creatives weighted by
1 / (τ² + sampling variance): few events make it uncertain, not smaller, and no events need no logarithm. Its
error counts ideas, or accounts with all of their campaigns where there are ten or more: the larger of the two.
The correlation with the true appeal is slope · sd(score) / τ (Spearman 1904, doi 10.2307/1412159), where the data show
that creatives differ at all; else there are "not enough events".
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import partial

import numpy as np
from numpy.typing import ArrayLike

from abkit.records import Record
from abkit.stats.account_clusters import effective_number, many_accounts
from abkit.stats.appeal.absorbed_poisson import absorbed_poisson
from abkit.stats.appeal.appeal import Appeals
from abkit.stats.appeal.rows import Floats, Ints
from abkit.stats.appeal.shrinkage import spread_of
from abkit.stats.student_t import t_quantile
from abkit.stats.within_groups import centered, group_index, group_sums


@dataclass(frozen=True, kw_only=True)
class Relation(Record):
    """How a score goes with appeal inside campaigns.

    Attributes:
        slope: Change of the log rate with one standard deviation of the score inside campaigns; None without any.
        ci_low, ci_high: Its interval.
        raw: Correlation of score and measured appeal, weighted by certainty; the noise of events makes it smaller.
        raw_low, raw_high: Its interval, by Fisher's z.
        ceiling: The correlation that the true appeal has with the measured one: no score can reach more than that.
        disattenuated: Correlation of the score with the true appeal; None where `note` says that events are too few.
        disattenuated_low, disattenuated_high: Its interval.
        level: Confidence level of the intervals.
        n: Creatives, once per campaign.
        clusters: Ideas that these are: creatives of one idea are no independent observations.
        accounts: Accounts that the interval counts; 0 where fewer than ten are known, and it counts ideas alone.
        groups: Groups of creatives that were shown beside each other; at least one per campaign that counts.
        events: How many events they got.
        note: What is missing; "" when nothing is.
    """

    slope: float | None = None
    ci_low: float | None = None
    ci_high: float | None = None
    raw: float | None = None
    raw_low: float | None = None
    raw_high: float | None = None
    ceiling: float | None = None
    disattenuated: float | None = None
    disattenuated_low: float | None = None
    disattenuated_high: float | None = None
    level: float = 0.95
    n: int = 0
    clusters: int = 0
    accounts: int = 0
    groups: int = 0
    events: float = 0.0
    note: str = ""


def relation(
    appeals: Appeals,
    score: ArrayLike,
    *,
    account: ArrayLike | None = None,
    level: float = 0.95,
    min_creatives: int = 4,
    events: str = "clicks",
) -> Relation:
    """Relate a score to appeal inside groups of creatives that were shown beside each other.

    Assumes that ideas are independent of each other (with accounts: that accounts are), and delivery of appeal beyond
    what cells tell apart.

    Args:
        appeals: From `appeals`.
        score: Shape (m,), one for each entry of `appeals`; NaN where there is none.
        account: Shape (m,), labels of the accounts that campaigns belong to; they count from ten on.
        level: Confidence level of the intervals.
        min_creatives: Fewest ideas for an estimate, at least 4.
        events: What the events are, for notes.
    """
    x = np.asarray(score, np.float64)
    known = np.flatnonzero(appeals.identified & np.isfinite(x))
    group, size = group_index(appeals.group[known])
    known = known[size[group] > 1]
    group, size = group_index(appeals.group[known])
    idea, of_idea = group_index(appeals.idea[known])
    many = None if account is None else many_accounts(np.asarray(account)[known])
    x, y, e = x[known], appeals.events[known], appeals.expected[known]
    noise = appeals.variance[known]
    counted = partial(
        Relation,
        level=level,
        n=len(known),
        clusters=len(of_idea),
        accounts=many[1] if many else 0,
        groups=len(size),
        events=float(y.sum()),
    )
    freedom = len(np.unique(group * (len(of_idea) + 1) + idea)) - len(size) - 1
    if len(of_idea) < max(4, min_creatives):
        beside = f"ideas with a score, shown beside others and with {events}: {len(of_idea)}"
        return counted(note=f"{beside}; needed: {max(4, min_creatives)}")
    if freedom < 2:
        return counted(note=f"{len(known)} creatives in {len(size)} campaigns leave too little to compare inside them")
    if not y.sum():
        return counted(note=f"no {events}")
    inside = centered(x, group, size)
    sd = math.sqrt(float(inside @ inside) / (len(x) - len(size)))
    if np.abs(inside).max() <= 1e-9:
        return counted(note="all creatives of each campaign have the same score")

    # That impressions followed events makes appeal count less; it is no noise that could be taken out.
    counting = appeals.counting[known]
    spread = spread_of(y, e, counting, group)
    weight = 1 / (spread.variance + noise)
    slope, error, independent = _slope(y, e, x / sd, weight, group, idea, many)
    quantile = t_quantile((1 + level) / 2, max(1.0, min(freedom, independent - 1)))
    raw, per_slope = _correlation(x / sd, appeals.appeal[known], weight, group)
    found = partial(counted, slope=slope, ci_low=slope - quantile * error, ci_high=slope + quantile * error)
    if raw is not None:
        wide = quantile * max(1 / math.sqrt(freedom), per_slope * error / max(1 - raw * raw, 1e-9))
        low, high = _around(raw, wide)
        found = partial(found, raw=raw, raw_low=low, raw_high=high)
    if not spread.ratio > 2 * spread.ratio_error:
        return found(note=f"not enough {events}: creatives are not shown to differ beyond the noise of their {events}")
    true = math.sqrt(spread.variance)
    r = float(np.clip(slope / true, -0.999, 0.999))
    # The spread is estimated too.
    total = math.hypot(error / true, r * spread.standard_error / (2 * spread.variance))
    low, high = _around(r, quantile * total / (1 - r * r))
    return found(
        ceiling=math.sqrt(spread.variance / (spread.variance + float(weight @ counting) / float(weight.sum()))),
        disattenuated=r,
        disattenuated_low=low,
        disattenuated_high=high,
    )


def _slope(
    y: Floats, e: Floats, x: Floats, weight: Floats, group: Ints, idea: Ints, accounts: tuple[Ints, int] | None
) -> tuple[float, float, float]:
    """Return the slope of the log rate on x, its error, and the effective number of accounts; infinity without any."""
    # Weights on events and expected events alike leave the rate as it is.
    share = weight / e
    fit = absorbed_poisson(y * share, weight, x, group, [idea])
    slope = float(fit.coefficients[0])
    groups = int(group.max()) + 1
    rate = weight * np.exp(np.clip(slope * x, -30, 30))
    in_group = group_sums(group, rate, groups)
    fitted = rate * (group_sums(group, y * share, groups) / in_group)[group]
    mean = (group_sums(group, fitted * x, groups) / group_sums(group, fitted, groups).clip(1e-300))[group]
    inside = x - mean
    told = fitted * inside**2
    information = float(told.sum())
    if information <= 0:
        return slope, math.inf, math.inf
    moved = inside * (y * share - fitted)
    in_level = 1 / group_sums(group, fitted, groups)[group].clip(1e-300)
    own = np.bincount(idea, told / information + fitted * in_level)
    left_out = np.bincount(idea, moved) / (1 - own.clip(0, 0.95))
    error = math.sqrt(float(left_out @ left_out)) / information
    if accounts is None:
        return slope, error, math.inf
    # The level of a campaign goes with its account, and takes nothing from the others.
    mass = np.bincount(accounts[0], told)
    together = np.bincount(accounts[0], moved) / (1 - (mass / information).clip(0, 0.95))
    of_accounts = math.sqrt(float(together @ together)) / information
    return slope, max(error, of_accounts), effective_number(mass)


def _correlation(x: Floats, y: Floats, weight: Floats, group: Ints) -> tuple[float | None, float]:
    """Return the correlation, None where one of them does not vary, and what it is per unit of slope."""
    groups = int(group.max()) + 1
    total = group_sums(group, weight, groups)
    x, y = (values - (group_sums(group, weight * values, groups) / total)[group] for values in (x, y))
    sxx, syy = float(weight @ x**2), float(weight @ y**2)
    if not (sxx > 0 and syy > 0):
        return None, 0.0
    return float(weight @ (x * y)) / math.sqrt(sxx * syy), math.sqrt(sxx / syy)


def _around(r: float, half: float) -> tuple[float, float]:
    """Return the interval of a correlation that is symmetric in Fisher's z."""
    z = math.atanh(min(max(r, -0.9999), 0.9999))
    return math.tanh(z - half), math.tanh(z + half)
