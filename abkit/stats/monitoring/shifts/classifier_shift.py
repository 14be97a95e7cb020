"""Can new creatives be told from those of the reference? A classifier two-sample test, and what is most typical."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike
from scipy import stats

from abkit.stats.monitoring.shifts.distribution_shift import Floats, Shift
from abkit.stats.monitoring.shifts.kernel_shift import TYPICAL, Groups, Rows, Windows
from abkit.stats.permutations import BATCH, permutation_p

_FOLDS = 5
_MOST_COMPONENTS = 64
_ROWS_PER_COMPONENT = 5
_SHRINKAGE = 0.1


def classifier_shift(
    reference: ArrayLike,
    current: ArrayLike,
    *,
    permutations: int = BATCH,
    most: int = 500,
    seed: int = 0,
    groups: Groups | None = None,
) -> Shift:
    """Learn to tell the windows apart, and return how well that works on creatives that were not learned from.

    The classifier is a regularized linear discriminant in closed form: ridge regression of the window on the leading
    principal components of the pooled features, one for every 5 creatives and 64 at most, each at unit variance.
    Statistic and effect are the area under the ROC curve over all creatives, each judged by the four fifths of them
    that it is not in (Lopez-Paz & Oquab 2017, ICLR, with AUC for accuracy): 0.5 where nothing moved, 1 where windows
    can be told apart without error. p = (1 + #)/(1 + B) by permuting which window a creative belongs to; components and
    folds do not look at the windows, so it is exact if creatives are independent. A classifier learns more from more
    creatives: a draw of `most` in each window keeps its figure comparable.

    Args:
        reference: Shape (n, D); rows that are not finite are left out.
        current: Shape (m, D).
        permutations: Most permutations B; they are drawn until 25 of them are as extreme.
        most: Most creatives per window.
        seed: Seed of draw, folds and permutations.
        groups: Labels of the rows of both windows: creatives of one group are dealt together, as in `embedding_shift`,
            and judged by other groups.

    Raises:
        ValueError: The windows do not have the same features.

    >>> rng = np.random.default_rng(0)
    >>> a, b = rng.normal(size=(100, 20)), rng.normal(size=(60, 20))
    >>> classifier_shift(a, b).p_value > 0.05
    True
    >>> found = classifier_shift(a, b + np.eye(20)[3] * 3)
    >>> found.effect > 0.9, found.p_value
    (True, 0.002)
    """
    rng = np.random.default_rng(seed)
    both = Windows.of(reference, current, most=most, rng=rng, groups=groups, permutations=permutations)
    if both.note or len(both.rows) < 2 * _FOLDS:
        total = sum(both.given)
        note = both.note or f"{total} creatives in both windows; at least {2 * _FOLDS} are needed"
        return Shift(test="classifier", n_reference=both.given[0], n_current=both.given[1], note=note)
    components = _components(both.rows)
    blocks = np.arange(len(components)) if both.blocks is None else both.blocks
    folds = (rng.permutation(int(blocks.max()) + 1) % _FOLDS)[blocks]

    def areas(first: Rows) -> tuple[Floats, Floats]:
        judged = _judged_by_others(components, folds, 1 - first.astype(np.float64))
        ranks = stats.rankdata(judged, axis=0)
        n = first.sum(axis=0, dtype=np.float64)
        m = len(judged) - n
        above = np.einsum("ij,ij->j", ranks, 1 - first) - m * (m + 1) / 2
        return above / (n * m), judged[:, 0]

    observed, judged = areas(both.columns(0, rng))
    p = permutation_p(float(observed[0]), lambda times: areas(both.columns(times, rng))[0][1:], permutations)
    method = (
        f"AUC of a linear discriminant on {components.shape[1]} principal components, {_FOLDS} folds, "
        f"{permutations} permutations at most{both.dealt}{both.drawn}"
    )
    return both.shift(
        "classifier",
        statistic=float(observed[0]),
        p_value=p,
        effect=float(observed[0]),
        method=method,
        most_typical=both.most(judged[both.n :], TYPICAL),
    )


def _components(rows: Rows) -> Floats:
    """Return the leading principal components of centered rows, at unit variance: (N, r)."""
    wanted = min(_MOST_COMPONENTS, max(1, len(rows) // _ROWS_PER_COMPONENT), rows.shape[1])
    x = rows.astype(np.float64)
    if len(x) <= x.shape[1]:
        values, left = np.linalg.eigh(x @ x.T)
        left = left[:, ::-1][:, :wanted]
        values = values[::-1][:wanted]
    else:
        values, right = np.linalg.eigh(x.T @ x)
        values = values[::-1][:wanted]
        left = x @ right[:, ::-1][:, :wanted] / np.sqrt(np.maximum(values, np.finfo(float).tiny))
    real = values > 1e-9 * max(float(values[0]), np.finfo(float).tiny)
    found: Floats = left[:, real] * np.sqrt(len(x))
    return found


def _judged_by_others(components: Floats, folds: np.ndarray, labels: Floats) -> Floats:
    """Return how much each creative looks like a new one to a discriminant of the other folds, for each column.

    Args:
        components: Shape (N, r).
        folds: Shape (N,).
        labels: Shape (N, columns): 1 for new creatives, 0 for others.
    """
    judged = np.zeros_like(labels)
    for fold in range(_FOLDS):
        out = folds == fold
        x, y = components[~out], labels[~out]
        middle = x.mean(axis=0)
        x = x - middle
        ridge = x.T @ x + _SHRINKAGE * len(x) * np.eye(x.shape[1])
        judged[out] = (components[out] - middle) @ np.linalg.solve(ridge, x.T @ (y - y.mean(axis=0)))
    return judged
