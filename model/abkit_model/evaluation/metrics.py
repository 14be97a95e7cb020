"""How good a scorer is on images of subjects that it never saw: folds, figures, intervals, coverage."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import ceil

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import stats

from abkit_model.records import Record

Floats = NDArray[np.float64]
Positions = NDArray[np.intp]
#: Of every interval of a figure.
LEVEL = 0.95


@dataclass(frozen=True)
class Estimate(Record):
    """A figure with its percentile-bootstrap interval; whole subjects are resampled.

    Attributes:
        value: On the images as they are. NaN where it is not defined (constant predictions).
        low: 2.5th percentile.
        high: 97.5th percentile.
    """

    value: float
    low: float
    high: float


UNDEFINED = Estimate(float("nan"), float("nan"), float("nan"))


@dataclass(frozen=True, kw_only=True)
class Evaluation(Record):
    """Figures on held-out images, each scored by a model that saw no image of its subject.

    Attributes:
        n: Images.
        subjects: Groups of near-duplicates among them.
        srcc: Spearman's rank correlation of predicted and observed mean opinion.
        plcc: Pearson's correlation of the same.
        accuracy: Share of images put on the right side of the median observed mean opinion.
        emd: Mean earth mover's distance (r = 1, in rating steps) of predicted and observed distribution.
        spread_srcc: Rank correlation of predicted and observed standard deviation of opinions.
        srcc_by_fold: `srcc` of each fold on its own.
    """

    n: int
    subjects: int
    srcc: Estimate
    plcc: Estimate
    accuracy: Estimate
    emd: Estimate
    spread_srcc: Estimate
    srcc_by_fold: tuple[float, ...]


def grouped_folds(groups: Sequence[str], *, folds: int = 5, seed: int = 0) -> Positions:
    """Deal images into folds without splitting a group; return the fold of each, shape (n,).

    Groups are dealt in random order, each to the fold with the fewest images so far.

    >>> fold_of = grouped_folds(["dog", "dog", "cat", "sea"], folds=2)
    >>> bool(fold_of[0] == fold_of[1]), sorted(set(fold_of.tolist()))
    (True, [0, 1])
    """
    names, member, size = np.unique(np.asarray(groups), return_inverse=True, return_counts=True)
    if len(names) < folds:
        raise ValueError(f"{len(names)} groups cannot be dealt into {folds} folds")
    load = np.zeros(folds, dtype=np.intp)
    fold_of = np.zeros(len(names), dtype=np.intp)
    for name in np.random.default_rng(seed).permutation(len(names)):
        fold_of[name] = int(load.argmin())
        load[fold_of[name]] += size[name]
    return fold_of[member]


def correlation(x: Floats, y: Floats) -> Floats:
    """Return Pearson's correlation of each row of `(…, n)` with `(n,)`; NaN where one is constant or n is below 3."""
    defined = (np.ptp(x, axis=-1) > 0) & (np.ptp(y) > 0) & (len(y) > 2)
    x, y = x - x.mean(axis=-1, keepdims=True), y - y.mean()
    scale = np.sqrt((x**2).sum(axis=-1) * (y**2).sum())
    return np.asarray(np.divide(x @ y, scale, out=np.full(scale.shape, np.nan), where=defined))


def rank_correlation(x: Floats, y: Floats) -> Floats:
    """Return Spearman's rank correlation of each row of `(…, n)` with `(n,)`; NaN as in `correlation`."""
    return correlation(stats.rankdata(x, axis=-1), stats.rankdata(y))


def spearman(x: Floats, y: Floats) -> float:
    """Return Spearman's rank correlation; NaN when one of the two is constant or they are fewer than three."""
    return float(rank_correlation(x, y))


def figures_of(predicted: Floats, observed: Floats, values: Floats) -> Callable[[Positions], Floats]:
    """Return a function that compares predicted `(…, n, S)` with observed distributions `(n, S)` on some images.

    It takes positions of images and returns `(6, …)`: SRCC, PLCC, accuracy, EMD, SRCC of spreads, bias of spreads.
    """
    p, y = predicted @ values, observed @ values
    p_spread, y_spread = spread(predicted, values), spread(observed, values)
    step = float(values[1] - values[0])
    distance = np.abs(predicted.cumsum(axis=-1) - observed.cumsum(axis=-1)).sum(axis=-1) * step
    right = (p > np.median(p, axis=-1, keepdims=True)) == (y > np.median(y))

    def figures(i: Positions) -> Floats:
        return np.array(
            [
                rank_correlation(p[..., i], y[i]),
                correlation(p[..., i], y[i]),
                right[..., i].mean(axis=-1),
                distance[..., i].mean(axis=-1),
                rank_correlation(p_spread[..., i], y_spread[i]),
                (p_spread[..., i] - y_spread[i]).mean(axis=-1),
            ]
        )

    return figures


def evaluate(
    predicted: Floats,
    observed: Floats,
    values: Floats,
    groups: Sequence[str],
    folds: Positions,
    *,
    seed: int = 0,
    resamples: int = 1000,
) -> Evaluation:
    """Compare predicted with observed distributions, both `(n, S)`, of images held out.

    Args:
        predicted: From models that saw no image of the same group.
        observed: Shares of ratings.
        values: `(S,)`, the rating that each bin stands for.
        groups: Subject of each image: what the bootstrap resamples.
        folds: Fold in which each image was held out.
        seed: Seed of the bootstrap.
        resamples: Resamples of the bootstrap.
    """
    estimates = clustered_bootstrap(figures_of(predicted, observed, values), groups, seed, resamples)
    p, y = predicted @ values, observed @ values
    return Evaluation(
        n=len(y),
        subjects=len(set(groups)),
        **dict(zip(("srcc", "plcc", "accuracy", "emd", "spread_srcc"), estimates[:5], strict=True)),
        srcc_by_fold=tuple(spearman(p[folds == k], y[folds == k]) for k in np.unique(folds)),
    )


def spread(distributions: Floats, values: Floats) -> Floats:
    """Return the standard deviation of each distribution `(…, S)`."""
    mean = distributions @ values
    return np.asarray(np.sqrt(np.maximum(distributions @ values**2 - mean**2, 0)))


def clustered_bootstrap(
    figures: Callable[[Positions], ArrayLike],
    groups: Sequence[str],
    seed: int = 0,
    resamples: int = 1000,
    level: float = LEVEL,
) -> list[Estimate]:
    """Return percentile intervals of figures of image positions, resampling whole groups with replacement.

    All figures see the same resamples, so differences between models are paired.
    Source: Field & Welsh (2007), Bootstrapping clustered data, doi 10.1111/j.1467-9868.2007.00593.x.
    """
    names, member = np.unique(np.asarray(groups), return_inverse=True)
    images = [np.flatnonzero(member == g) for g in range(len(names))]
    rng = np.random.default_rng(seed)
    drawn = [
        figures(np.concatenate([images[g] for g in rng.integers(len(names), size=len(names))]))
        for _ in range(resamples)
    ]
    return percentile_intervals(figures(np.arange(len(member))), np.asarray(drawn), level)


def percentile_intervals(values: ArrayLike, drawn: Floats, level: float = LEVEL) -> list[Estimate]:
    """Return figures `(F,)` with the percentile intervals of their resamples `(R, F)`; NaN where never defined."""
    tail = (1 - level) / 2
    ends = np.full((2, drawn.shape[1]), np.nan)
    defined = ~np.isnan(drawn).all(axis=0)
    if defined.any():
        ends[:, defined] = np.nanquantile(drawn[:, defined], [tail, 1 - tail], axis=0)
    return [Estimate(float(v), float(a), float(b)) for v, a, b in zip(np.asarray(values), *ends, strict=True)]


def conformal_half_width(residuals: Floats, level: float) -> float | None:
    """Return the half-width of the split-conformal interval from absolute residuals of held-out images.

    The ⌈(n + 1) · level⌉-th smallest; None when n is too small for the level.
    Source: Lei et al. (2018), doi 10.1080/01621459.2017.1307116.

    >>> conformal_half_width(np.arange(1.0, 20.0), 0.9)
    18.0
    """
    rank = ceil((len(residuals) + 1) * level)
    return float(np.sort(residuals)[rank - 1]) if 0 < rank <= len(residuals) else None


def conformal_coverage(residuals: Floats, folds: Positions, level: float) -> float | None:
    """Return the share of images whose residual lies within the half-width of the *other* folds."""
    inside = np.zeros(len(residuals), dtype=bool)
    for fold in np.unique(folds):
        half = conformal_half_width(residuals[folds != fold], level)
        if half is None:
            return None
        inside[folds == fold] = residuals[folds == fold] <= half
    return float(inside.mean())
