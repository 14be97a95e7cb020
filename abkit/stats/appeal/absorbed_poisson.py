"""Poisson regression of counts in which every cell has a level of its own, so that only differences inside cells count.

A cell is what should not matter: a campaign on a day in a placement. Given the total of a cell, its counts are
multinomial with shares proportional to exposure · exp(x·β), and the levels drop out (conditional Poisson; Hausman,
Hall & Griliches 1984, Econometrica 52).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from abkit.stats.within_groups import group_index, group_sums

Floats = NDArray[np.float64]

_STEPS = 30


@dataclass(frozen=True)
class PoissonFit:
    """Effects on the log of the rate.

    Attributes:
        coefficients: Shape (p,); 0 for a column that does not vary inside any cell.
        standard_errors: Shape (p,): the largest of the cluster-robust ones; infinite for such a column.
    """

    coefficients: Floats
    standard_errors: Floats


def absorbed_poisson(
    count: ArrayLike, exposure: ArrayLike, columns: ArrayLike, cell: ArrayLike, clusters: Sequence[ArrayLike]
) -> PoissonFit:
    """Fit the regression by Newton's method.

    Standard errors are sandwich estimates that allow any dependence inside a cluster. With several clusterings (by
    creative and by day) the largest one is taken.

    Args:
        count: Shape (n,), e.g. clicks.
        exposure: Shape (n,), e.g. impressions, above zero.
        columns: Shape (n, p).
        cell: Shape (n,), labels.
        clusters: Labels of shape (n,), one array for each clustering.

    >>> fit = absorbed_poisson([10, 20, 30, 60], [100] * 4, [[0], [1], [0], [1]], [0, 0, 1, 1], [[0, 1, 2, 3]])
    >>> round(float(np.exp(fit.coefficients[0])), 6)
    2.0
    """
    y, e = np.asarray(count, np.float64), np.asarray(exposure, np.float64)
    X = np.asarray(columns, np.float64).reshape(len(y), -1)
    index, size = group_index(cell)
    told = (size[index] > 1) & (np.bincount(index, y, len(size))[index] > 0)
    y, e, X = y[told], e[told], X[told]
    p = X.shape[1]
    if not len(y):
        return PoissonFit(np.zeros(p), np.full(p, np.inf))
    index, size = group_index(index[told])
    cells = len(size)
    total = group_sums(index, y, cells)

    X = X - _cell_means(X, np.ones_like(y), index, cells)
    spread = np.sqrt((X**2).mean(axis=0))
    varies = spread > 1e-9
    if not varies.any():
        return PoissonFit(np.zeros(p), np.full(p, np.inf))
    X = X[:, varies] / spread[varies]
    beta = np.zeros(X.shape[1])
    for _ in range(_STEPS):
        mu, centered, hessian = _moments(X, beta, e, index, total)
        step = np.linalg.pinv(hessian, rcond=1e-10) @ (centered.T @ (y - mu))
        step *= min(1.0, 2.0 / max(1e-12, float(np.abs(step).max(initial=0))))
        beta = beta + step
        if np.abs(step).max(initial=0) < 1e-8:
            break
    mu, centered, hessian = _moments(X, beta, e, index, total)
    bread = np.linalg.pinv(hessian, rcond=1e-10)
    scores = centered * (y - mu)[:, None]
    variance = np.zeros(len(beta))
    for labels in clusters:
        variance = np.maximum(variance, np.diag(bread @ _meat(scores, np.asarray(labels)[told]) @ bread))

    coefficients, errors = np.zeros(p), np.full(p, np.inf)
    coefficients[varies] = beta / spread[varies]
    errors[varies] = np.sqrt(variance) / spread[varies]
    return PoissonFit(coefficients, errors)


def _cell_means(X: Floats, weight: Floats, index: NDArray[np.int64], cells: int) -> Floats:
    of_weight = group_sums(index, weight, cells)
    means = np.empty_like(X)
    for column in range(X.shape[1]):
        means[:, column] = (group_sums(index, weight * X[:, column], cells) / of_weight)[index]
    return means


def _moments(
    X: Floats, beta: Floats, e: Floats, index: NDArray[np.int64], total: Floats
) -> tuple[Floats, Floats, Floats]:
    rate = np.asarray(e * np.exp(np.clip(X @ beta, -30, 30)), np.float64)
    mu = rate * (total / group_sums(index, rate, len(total)))[index]
    centered = X - _cell_means(X, rate, index, len(total))
    return mu, centered, (centered * mu[:, None]).T @ centered


def _meat(scores: Floats, labels: NDArray[np.generic]) -> Floats:
    index, size = group_index(labels)
    sums = np.column_stack([group_sums(index, column, len(size)) for column in scores.T])
    return np.asarray(sums.T @ sums * (len(size) / max(1, len(size) - 1)), np.float64)
