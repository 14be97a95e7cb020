"""How well a score goes with a KPI: Spearman's and Pearson's correlation with intervals, over all and within groups."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import stats

from abkit.stats.monitoring.within_groups import Pooled, pooled_pearson, pooled_spearman

Statistic = Literal["srcc", "plcc"]
Scope = Literal["all", "within_campaign"]

METHOD = (
    "Fisher's z with the larger of the normal-theory standard error (Bonett-Wright for ranks) and the "
    "delete-one-creative jackknife"
)


@dataclass(frozen=True)
class Correlation:
    """One correlation of score and KPI.

    Attributes:
        statistic: "srcc" (Spearman, of ranks) or "plcc" (Pearson).
        scope: "all", or "within_campaign": only differences inside campaigns count.
        estimate: −1…1; None when there is none, and `note` says why.
        ci_low, ci_high: the interval for it; None with it.
        level: of the interval.
        n: creatives it rests on (for "within_campaign": in campaigns with at least two of them).
        groups: campaigns it rests on; 1 for "all".
        method: how the interval was made, and the weights of the campaigns.
        note: why there is no estimate; "" when there is one.
    """

    statistic: Statistic
    scope: Scope
    estimate: float | None
    ci_low: float | None
    ci_high: float | None
    level: float
    n: int
    groups: int
    method: str
    note: str = ""


def correlate(
    score: ArrayLike,
    kpi: ArrayLike,
    *,
    statistic: Statistic,
    campaign: ArrayLike | None = None,
    creative: ArrayLike | None = None,
    level: float = 0.95,
    min_creatives: int = 4,
) -> Correlation:
    """Correlate score and KPI.

    The interval is Fisher's z transform with the larger of two standard errors: that of normal theory,
    √(1/(n − g − 2)) for Pearson and √((1 + r²/2)/(n − g − 2)) for Spearman (Bonett & Wright 2000, Psychometrika 65),
    g being the number of campaigns (1 for "all"), and the jackknife that leaves out one creative at a time, which also
    holds under heavy tails and for creatives that run in several campaigns. Within campaigns, Pearson centres both
    variables on the campaign (a campaign counts by its sums of squares); Spearman ranks within the campaign and weights
    it by n(n − 1)/(n + 1), so it is the mean rank correlation of campaigns of these sizes.

    Assumes that creatives are independent of each other. The KPI is taken as it is: its own noise makes the correlation
    smaller than that with the true rate.

    Args:
        score: shape (n,).
        kpi: shape (n,), e.g. clicks / impressions.
        statistic: "srcc" or "plcc".
        campaign: shape (n,); with it, the correlation within campaigns.
        creative: shape (n,); rows of the same creative are left out together. Each row its own by default.
        level: of the interval.
        min_creatives: below this number there is no estimate, at least 4.

    >>> found = correlate(range(12), [3, 1, 4, 1, 5, 9, 2, 6, 5, 3, 5, 8], statistic="srcc")
    >>> f"{found.estimate:.2f} from {found.ci_low:.2f} to {found.ci_high:.2f}, n = {found.n}"
    '0.53 from -0.11 to 0.86, n = 12'
    >>> correlate([1, 2], [3, 4], statistic="plcc").note
    'creatives with score and KPI: 2; needed: 4'
    """
    x, y = np.asarray(score, np.float64), np.asarray(kpi, np.float64)
    scope: Scope = "all" if campaign is None else "within_campaign"
    group = np.zeros(len(x), np.int64) if campaign is None else np.asarray(campaign)
    cluster = np.arange(len(x)) if creative is None else np.asarray(creative)
    method = METHOD if scope == "all" else f"{METHOD}; campaigns weighted by {_WEIGHTS[statistic]}"
    known = np.isfinite(x) & np.isfinite(y)
    x, y, group, cluster = x[known], y[known], group[known], cluster[known]

    pooled = (pooled_spearman if statistic == "srcc" else pooled_pearson)(x, y, group) if len(x) else _NOTHING
    counted = _count(cluster, group) if scope == "within_campaign" else len(np.unique(cluster))
    note = _why_not(x, y, pooled, counted, scope, max(4, min_creatives))
    if note:
        return Correlation(
            statistic, scope, None, None, None, level, counted, pooled.groups, method, note + _missing(known)
        )
    low, high = _interval(pooled, cluster, statistic, level)
    return Correlation(statistic, scope, pooled.estimate, low, high, level, counted, pooled.groups, method)


_NOTHING = Pooled(math.nan, np.zeros(0), 0, 0)
_WEIGHTS = {"plcc": "their sums of squares", "srcc": "n(n - 1)/(n + 1)"}


def _count(cluster: NDArray[np.generic], group: NDArray[np.generic]) -> int:
    if not len(group):
        return 0
    _, index, size = np.unique(group, return_inverse=True, return_counts=True)
    return len(np.unique(cluster[size[index.reshape(-1)] > 1]))


def _why_not(
    x: NDArray[np.float64], y: NDArray[np.float64], pooled: Pooled, counted: int, scope: Scope, needed: int
) -> str:
    where = " in campaigns with at least two of them" if scope == "within_campaign" else ""
    if counted < needed:
        return f"creatives with score and KPI{where}: {counted}; needed: {needed}"
    if scope == "within_campaign" and pooled.n - pooled.groups - 2 < 2:
        return f"{pooled.n} creatives in {pooled.groups} campaigns leave too little to compare inside campaigns"
    inside = " within every campaign" if scope == "within_campaign" else ""
    if not np.isfinite(pooled.estimate):
        if not np.any(y):
            return "the KPI is zero for every creative"
        what = "score" if np.ptp(x) == 0 else "KPI" if np.ptp(y) == 0 else "score or the KPI"
        return f"the {what} is the same{inside or ' for every creative'}"
    return ""


def _missing(known: NDArray[np.bool_]) -> str:
    lost = int((~known).sum())
    return f" ({lost} more have no number for score or KPI)" if lost else ""


def _interval(pooled: Pooled, cluster: NDArray[np.generic], statistic: Statistic, level: float) -> tuple[float, float]:
    r = pooled.estimate
    # A perfect order of a few creatives is no proof of a perfect relation: the transform needs |r| < 1.
    inside = math.copysign(min(abs(r), 1 - 1 / pooled.n**2), r)
    freedom = pooled.n - pooled.groups - 2
    normal = math.sqrt((1 + r * r / 2 if statistic == "srcc" else 1) / freedom)
    _, index = np.unique(cluster, return_inverse=True)
    by_creative = np.bincount(index.reshape(-1), pooled.influence)
    jackknife = math.sqrt(float(by_creative @ by_creative)) / (1 - inside * inside)
    if statistic == "srcc":
        jackknife *= math.sqrt((freedom + 3) / freedom)
    half = stats.norm.ppf((1 + level) / 2) * max(normal, jackknife)
    z = math.atanh(inside)
    return min(math.tanh(z - half), r), max(math.tanh(z + half), r)
