"""How well a score goes with a KPI: Spearman's and Pearson's correlation with intervals, over all and within groups."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from abkit.records import Record
from abkit.stats.account_clusters import clustered_error, effective_number, many_accounts
from abkit.stats.student_t import t_quantile
from abkit.stats.tails import quantile
from abkit.stats.within_groups import Floats, Ints, Pooled, group_index, pooled_pearson, pooled_spearman
from abkit.vocabulary import CorrelationScope as Scope
from abkit.vocabulary import CorrelationStatistic as Statistic
from abkit.vocabulary import parse_choice

METHOD = (
    "Fisher's z with the larger of the normal-theory standard error (Bonett-Wright for ranks) and the "
    "delete-one-creative jackknife, all sizes of an idea left out together"
)
_OF_ACCOUNTS = (
    ", or the jackknife that leaves out an account with all of its campaigns, with Student's t on the effective number "
    "of accounts less one, where that is wider"
)


@dataclass(frozen=True, kw_only=True)
class Correlation(Record):
    """One correlation of score and KPI.

    Attributes:
        statistic: "srcc" (Spearman, of ranks) or "plcc" (Pearson).
        scope: "all", or "within_campaign": only differences inside campaigns count.
        estimate: The coefficient, −1…1; None when there is none, and `note` says why.
        ci_low, ci_high: Its interval; None when there is no estimate.
        level: Confidence level of the interval.
        n: Number of creatives it rests on (for "within_campaign": in campaigns with at least two of them).
        ideas: How many ideas these are: the interval takes sizes of one idea for one observation.
        groups: Number of campaigns it rests on; 1 for "all".
        accounts: Accounts that the interval counts; 0 where fewer than ten are known.
        method: How the interval was made, and the weights of the campaigns.
        note: Why there is no estimate; "" when there is one.
    """

    statistic: Statistic
    scope: Scope
    estimate: float | None
    ci_low: float | None
    ci_high: float | None
    level: float
    n: int
    ideas: int
    groups: int
    method: str
    accounts: int = 0
    note: str = ""


def correlate(
    score: ArrayLike,
    kpi: ArrayLike,
    *,
    statistic: Statistic | str,
    campaign: ArrayLike | None = None,
    creative: ArrayLike | None = None,
    idea: ArrayLike | None = None,
    account: ArrayLike | None = None,
    level: float = 0.95,
    min_creatives: int = 4,
) -> Correlation:
    """Correlate score and KPI.

    The interval is Fisher's z transform with the larger of two standard errors: that of normal theory,
    √(1/(n − g − 2)) for Pearson and √((1 + r²/2)/(n − g − 2)) for Spearman (Bonett & Wright 2000, Psychometrika 65),
    g being the number of campaigns (1 for "all") and n that of ideas in them, and the jackknife that leaves out one
    idea at a time, which also holds under heavy tails and for creatives that run in several campaigns. Within
    campaigns, Pearson centers both variables on the campaign (a campaign counts by its sums of squares); Spearman ranks
    within the campaign and weights it by n(n − 1)/(n + 1), so it is the mean rank correlation of campaigns of these
    sizes. Where ten accounts or more are known, the jackknife that leaves out one account with all of its campaigns is
    the third: what a score knows may be right in one account and wrong in another.

    Assumes that ideas are independent of each other (with accounts: that accounts are). The KPI is taken as it is: its
    own noise makes the correlation smaller than that with the true rate.

    Args:
        score: Shape (n,).
        kpi: Shape (n,), e.g. clicks / impressions.
        statistic: "srcc" or "plcc".
        campaign: Shape (n,); with it, the correlation within campaigns.
        creative: Shape (n,); rows of the same creative are left out together. Each row is its own by default.
        idea: Shape (n,); so are creatives of the same idea. Each creative is its own by default.
        account: Shape (n,), labels of the accounts that campaigns belong to; they count from ten on.
        level: Confidence level of the interval.
        min_creatives: Fewest creatives for an estimate, at least 4.

    >>> found = correlate(range(12), [3, 1, 4, 1, 5, 9, 2, 6, 5, 3, 5, 8], statistic="srcc")
    >>> f"{found.estimate:.2f} from {found.ci_low:.2f} to {found.ci_high:.2f}, n = {found.n}"
    '0.53 from -0.11 to 0.86, n = 12'
    >>> correlate([1, 2], [3, 4], statistic="plcc").note
    'creatives with score and KPI: 2; needed: 4'
    """
    x, y = np.asarray(score, np.float64), np.asarray(kpi, np.float64)
    statistic = parse_choice(Statistic, statistic, name="statistic")
    scope = Scope.ALL if campaign is None else Scope.WITHIN_CAMPAIGN
    group = np.zeros(len(x), np.int64) if campaign is None else np.asarray(campaign)
    unit = np.arange(len(x)) if creative is None else np.asarray(creative)
    cluster = unit if idea is None else np.asarray(idea)
    method = METHOD if scope is Scope.ALL else f"{METHOD}; campaigns weighted by {_WEIGHTS[statistic]}"
    known = np.isfinite(x) & np.isfinite(y)
    x, y, group, unit, cluster = x[known], y[known], group[known], unit[known], cluster[known]

    pooled = (pooled_spearman if statistic is Statistic.SRCC else pooled_pearson)(x, y, group) if len(x) else _NOTHING
    index, size = group_index(group)
    many = np.full(len(x), True) if scope is Scope.ALL else size[index] > 1
    counted, ideas = len(np.unique(unit[many])), len(np.unique(cluster[many]))
    # An idea counts once in each campaign: its sizes there are no independent observations.
    independent = len(np.unique(np.column_stack([index, group_index(cluster)[0]])[many], axis=0))
    note = _why_not(x, y, pooled, counted, independent, scope, max(4, min_creatives))
    if note and not known.all():
        note += f" ({(~known).sum()} more have no number for score or KPI)"
    accounts = None if account is None else many_accounts(np.asarray(account)[known][many])
    half_of_accounts = 0.0
    if accounts and not note:
        method += _OF_ACCOUNTS
        # An account has whole campaigns: inside them nothing moves when it is left out.
        influence = pooled.influence if scope is Scope.ALL else pooled.part
        half_of_accounts = _half_of_accounts(influence[many], accounts[0], level)
    low, high = (None, None) if note else _interval(pooled, cluster, half_of_accounts, independent, statistic, level)
    return Correlation(
        statistic=statistic,
        scope=scope,
        estimate=None if note else pooled.estimate,
        ci_low=low,
        ci_high=high,
        level=level,
        n=counted,
        ideas=ideas,
        groups=pooled.groups,
        method=method,
        accounts=accounts[1] if accounts else 0,
        note=note,
    )


def noise_ceiling(kpi: Sequence[float], standard_errors: Sequence[float | None]) -> float | None:
    """Return the correlation of the true KPI with the measured one: no score can have a higher one with the measured.

    √(1 − mean squared error of the KPIs ÷ their variance), the root of the reliability (Spearman 1904,
    doi 10.2307/1412159). A correlation divided by it is that with the true KPI (Pearson's; of ranks about so). 0 where
    the KPIs vary no more than their errors; None where the errors of fewer than four creatives, or of less than 90 %,
    are known, or the KPIs do not vary.

    >>> round(noise_ceiling([1.0, 2.0, 3.0, 4.0], [0.5, 0.5, 0.5, 0.5]), 3)
    0.922
    >>> noise_ceiling([1.0, 2.0], [0.5, 0.5]) is None
    True
    """
    known = [(value, error) for value, error in zip(kpi, standard_errors, strict=True) if error is not None]
    if len(known) < max(4, 0.9 * len(kpi)):
        return None
    values, errors = np.array(known).T
    variance = float(values.var(ddof=1))
    return math.sqrt(max(0.0, 1 - float(np.mean(errors**2)) / variance)) if variance > 0 else None


_NOTHING = Pooled(math.nan, np.zeros(0), np.zeros(0), 0, 0)
_WEIGHTS = {Statistic.PLCC: "their sums of squares", Statistic.SRCC: "n(n - 1)/(n + 1)"}


def _why_not(
    x: NDArray[np.float64],
    y: NDArray[np.float64],
    pooled: Pooled,
    counted: int,
    independent: int,
    scope: Scope,
    needed: int,
) -> str:
    where = " in campaigns with at least two of them" if scope is Scope.WITHIN_CAMPAIGN else ""
    if counted < needed:
        return f"creatives with score and KPI{where}: {counted}; needed: {needed}"
    if scope is Scope.WITHIN_CAMPAIGN and independent - pooled.groups - 2 < 2:
        return f"{independent} creatives in {pooled.groups} campaigns leave too little to compare inside campaigns"
    if independent < needed:
        return f"the {counted} creatives{where} are {independent} ideas; needed: {needed}"
    inside = " within every campaign" if scope is Scope.WITHIN_CAMPAIGN else ""
    if not np.isfinite(pooled.estimate):
        if not np.any(y):
            return "the KPI is zero for every creative"
        what = "score" if np.ptp(x) == 0 else "KPI" if np.ptp(y) == 0 else "score or the KPI"
        return f"the {what} is the same{inside or ' for every creative'}"
    return ""


def _interval(
    pooled: Pooled,
    cluster: NDArray[np.generic],
    half_of_accounts: float,
    independent: int,
    statistic: Statistic,
    level: float,
) -> tuple[float, float]:
    r = pooled.estimate
    # A perfect order of a few creatives is no proof of a perfect relation: the transform needs |r| < 1.
    inside = math.copysign(min(abs(r), 1 - 1 / independent**2), r)
    freedom = independent - pooled.groups - 2
    normal = math.sqrt((1 + r * r / 2 if statistic is Statistic.SRCC else 1) / freedom)
    by_creative = np.bincount(group_index(cluster)[0], pooled.influence)
    jackknife = math.sqrt(float(by_creative @ by_creative)) / (1 - inside * inside)
    if statistic is Statistic.SRCC:
        jackknife *= math.sqrt((freedom + 3) / freedom)
    half = max(quantile((1 + level) / 2) * max(normal, jackknife), half_of_accounts / (1 - inside * inside))
    z = math.atanh(inside)
    return min(math.tanh(z - half), r), max(math.tanh(z + half), r)


def _half_of_accounts(influence: Floats, account: Ints, level: float) -> float:
    """Return half of the interval that counts accounts, before Fisher's z."""
    clusters = effective_number(np.bincount(account).astype(np.float64))
    error = clustered_error(np.bincount(account, influence))
    return t_quantile((1 + level) / 2, max(clusters - 1, 1.0)) * error
