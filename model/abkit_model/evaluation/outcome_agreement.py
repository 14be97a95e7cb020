"""Do scores agree with outcomes: inside a campaign, does the image with the higher score draw more clicks?

Everything is inside of groups: the images of one campaign that one model scored. What a campaign is liked on the whole
says nothing about its creatives, and no figure uses it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from abkit_model.evaluation.metrics import Estimate, Floats, Positions, clustered_bootstrap
from abkit_model.records import Record


@dataclass(frozen=True, kw_only=True)
class OutcomeFigures(Record):
    """How scores of images agree with their appeals inside campaigns; whole families are resampled.

    Attributes:
        within_srcc: Spearman's rank correlation inside groups, averaged over groups by their size less one; 0 in a
            group whose scores are all the same.
        concordance: Share of pairs inside groups in which the image with the higher appeal has the higher score; a
            group counts by its size less one, equal scores count one half. A coin has 0.5.
        slope: What one step of the score is worth: the rise of the appeal, which is a logarithm of the rate, per step,
            weighted by certainty.
        n: Images and campaigns (rows) that were judged.
        groups: Groups that they lie in.
        families: Families that they are of.
    """

    within_srcc: Estimate
    concordance: Estimate
    slope: Estimate
    n: int
    groups: int
    families: int


@dataclass(frozen=True, kw_only=True)
class Judged:
    """Appeals that scores are held against.

    Attributes:
        appeal: `(n,)`.
        weight: `(n,)`, 1 / (spread² + sampling variance).
        group: `(n,)`, the campaign, and the fold in which the image was held out.
        family: `(n,)`, what is resampled.
    """

    appeal: Floats
    weight: Floats
    group: Positions
    family: Sequence[str]


def against_outcomes(scores: Floats, judged: Judged, *, seed: int = 0, resamples: int = 500) -> OutcomeFigures | None:
    """Hold scores `(n,)` against appeals; None where no group has two images."""
    sizes = np.unique(judged.group, return_counts=True)[1]
    if not (sizes > 1).any():
        return None
    figures = figures_within(scores, judged)
    within, concordance, slope = clustered_bootstrap(figures, judged.family, seed, resamples)
    return OutcomeFigures(
        within_srcc=within,
        concordance=concordance,
        slope=slope,
        n=int(sizes[sizes > 1].sum()),
        groups=int((sizes > 1).sum()),
        families=len(set(judged.family)),
    )


def difference(
    scores: Floats, others: Floats, judged: Judged, *, seed: int = 0, resamples: int = 500
) -> tuple[Estimate, Estimate]:
    """Return rank correlation and concordance of scores minus those of others, on the same resamples."""
    one, other = figures_within(scores, judged), figures_within(others, judged)
    within, concordance, _ = clustered_bootstrap(lambda i: one(i) - other(i), judged.family, seed, resamples)
    return within, concordance


def figures_within(scores: Floats, judged: Judged) -> Callable[[Positions], Floats]:
    """Return a function that takes positions of rows and returns rank correlation, concordance and slope `(3,)`."""
    number = np.unique(judged.group, return_inverse=True)[1]
    first, second = _pairs(number)
    gap, share = scores[first] - scores[second], judged.appeal[first] - judged.appeal[second]
    decided = share != 0
    first, second = first[decided], second[decided]
    right = (1 + np.sign(gap * share)[decided]) / 2

    def figures(rows: Positions) -> Floats:
        group, weight = number[rows], judged.weight[rows]
        drawn = np.bincount(rows, minlength=len(number)).astype(np.float64)
        free = np.asarray(np.bincount(group, minlength=number.max() + 1) - 1.0, dtype=np.float64)
        twice = drawn[first] * drawn[second]
        pairs = np.bincount(number[first], twice, len(free))
        won = np.bincount(number[first], twice * right, len(free))
        x, y = centered(scores[rows], group, weight), centered(judged.appeal[rows], group, weight)
        square = float((weight * x**2).sum())
        return np.array(
            [
                _mean(_rank_correlations(scores[rows], judged.appeal[rows], group, len(free)), free),
                _mean(np.divide(won, pairs, out=np.full(len(free), np.nan), where=pairs > 0), free),
                float((weight * x * y).sum()) / square if square > 0 else np.nan,
            ]
        )

    return figures


def within_srcc(scores: Floats, appeal: Floats, group: Positions) -> float:
    """Return Spearman's rank correlation inside groups, averaged over groups by their size less one.

    >>> within_srcc(np.array([1.0, 2, 3, 9, 8]), np.array([1.0, 2, 3, 4, 5]), np.array([0, 0, 0, 1, 1]))
    0.3333333333333333
    """
    number = np.unique(group, return_inverse=True)[1]
    free = np.asarray(np.bincount(number) - 1.0, dtype=np.float64)
    return _mean(_rank_correlations(scores, appeal, number, len(free)), free)


def centered(values: Floats, group: Positions, weight: Floats) -> Floats:
    """Return values `(n,)` minus the weighted mean of their group."""
    numbers = np.unique(group, return_inverse=True)[1]
    return values - (np.bincount(numbers, weight * values) / np.bincount(numbers, weight))[numbers]


def spread_within(appeal: Floats, variance: Floats, group: Positions) -> float:
    """Return τ², the variance between creatives inside groups beyond that of sampling, by the method of moments.

    Source: DerSimonian & Laird (1986), doi 10.1016/0197-2456(86)90046-2, with groups in the place of one mean.

    >>> appeal = np.array([0.3, -0.3, 0.1, -0.1])
    >>> round(spread_within(appeal, np.zeros(4), np.array([0, 0, 1, 1])), 2)
    0.1
    >>> spread_within(appeal, np.full(4, 0.5), np.array([0, 0, 1, 1]))
    0.0
    """
    numbers = np.unique(group, return_inverse=True)[1]
    known = variance > 0
    weight = 1 / np.where(known, variance, variance[known].mean() if known.any() else 1.0)
    total, squares = np.bincount(numbers, weight), np.bincount(numbers, weight**2)
    free = len(appeal) - len(total)
    divisor = float((total - squares / total).sum())
    if free < 1 or divisor <= 0:
        return 0.0
    around = float((weight * centered(appeal, group, weight) ** 2).sum())
    noise = float((weight * variance * (1 - weight / total[numbers])).sum())
    return max(0.0, (around - noise) / divisor)


def _rank_correlations(scores: Floats, appeal: Floats, group: Positions, groups: int) -> Floats:
    """Return the rank correlation of each group `(groups,)`; 0 for equal scores, NaN for equal appeals."""
    a, b = (_ranks(values, group, groups) for values in (scores, appeal))
    of_appeal = np.bincount(group, b * b, groups)
    scale = np.sqrt(np.bincount(group, a * a, groups) * of_appeal)
    out = np.where(of_appeal > 0, 0.0, np.nan)
    return np.asarray(np.divide(np.bincount(group, a * b, groups), scale, out=out, where=scale > 0))


def _ranks(values: Floats, group: Positions, groups: int) -> Floats:
    """Return ranks inside groups minus their mean; equal values share a rank."""
    order = np.lexsort((values, group))
    new = np.r_[True, (np.diff(values[order]) != 0) | (np.diff(group[order]) != 0)]
    run = np.cumsum(new) - 1
    ranks = np.empty(len(values))
    ranks[order] = (np.bincount(run, np.arange(len(values))) / np.bincount(run))[run]
    size = np.maximum(np.bincount(group, minlength=groups), 1)
    return np.asarray(ranks - (np.bincount(group, ranks, groups) / size)[group])


def _mean(values: Floats, weight: Floats) -> float:
    known = np.isfinite(values) & (weight > 0)
    return float(np.average(values[known], weights=weight[known])) if known.any() else float("nan")


def _pairs(group: Positions) -> tuple[Positions, Positions]:
    """Return positions of both images of all pairs inside groups."""
    order = np.argsort(group, kind="stable")
    parts = np.split(order, np.flatnonzero(np.diff(group[order])) + 1)
    uppers = [(part, np.triu_indices(len(part), 1)) for part in parts]
    first, second = (np.concatenate([part[upper[side]] for part, upper in uppers]) for side in (0, 1))
    return first, second
