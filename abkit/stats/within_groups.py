"""Pooled correlation inside groups, with the influence that each row has on it.

A correlation over several campaigns mixes two questions: do campaigns with better creatives do better, and does the
better creative of one campaign do better. Centering inside the group leaves the second. With one group this is the
plain correlation.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


@dataclass(frozen=True)
class Pooled:
    """A pooled correlation.

    Attributes:
        estimate: The coefficient, −1…1; NaN when one of the variables is constant inside every group.
        influence: Influence of each row, shape (n,): the estimate moves by about −influence when the row is left out.
        part: What each row adds to it, shape (n,): it moves by about −Σ part when whole groups are left out.
        n: Number of rows in groups of two or more; the others say nothing about what happens inside a group.
        groups: Number of such groups.
    """

    estimate: float
    influence: Floats
    part: Floats
    n: int
    groups: int


def pooled_pearson(x: ArrayLike, y: ArrayLike, group: ArrayLike) -> Pooled:
    """Return Pearson's correlation of what is left after the group means are taken out.

    Each group counts by its sums of squares. The influence is the exact change when a row is left out (jackknife).

    Args:
        x: Shape (n,), finite.
        y: Shape (n,), finite.
        group: Shape (n,), any labels.

    >>> round(pooled_pearson([1, 2, 3, 11, 12, 13], [5, 6, 8, 1, 2, 3], list("aaabbb")).estimate, 3)
    0.968
    """
    index, size = group_index(group)
    x, y = (centered(np.asarray(values, np.float64), index, size) for values in (x, y))
    many = size[index] > 1
    # Leaving row i out takes n_g / (n_g − 1) · x_i · y_i from the sum of products of its group.
    factor = np.where(many, size[index] / np.maximum(size[index] - 1, 1), 0.0)
    sxx, syy, sxy = float(x @ x), float(y @ y), float(x @ y)
    n, groups = int(many.sum()), int((size > 1).sum())
    if not (_varies(sxx, x) and _varies(syy, y)):
        return Pooled(float("nan"), np.zeros_like(x), np.zeros_like(x), n, groups)
    estimate = sxy / np.sqrt(sxx * syy)
    rest = np.maximum((sxx - factor * x * x) * (syy - factor * y * y), np.finfo(float).tiny)
    without = np.clip((sxy - factor * x * y) / np.sqrt(rest), -1, 1)
    part = _parts(x, y, sxx, syy, estimate)
    return Pooled(float(np.clip(estimate, -1, 1)), estimate - without, part, n, groups)


def pooled_spearman(x: ArrayLike, y: ArrayLike, group: ArrayLike) -> Pooled:
    """Return Spearman's correlation inside groups: ranks within the group, divided by its size plus one, centered.

    Each group of n counts by n(n − 1)/(n + 1). The influence is that of the rank functional (infinitesimal jackknife;
    Borkowf 2002, Computational Statistics & Data Analysis 39): leaving a row out also moves the ranks of the others.

    >>> pooled_spearman([1, 2, 3, 11, 12, 13], [5, 6, 8, 1, 2, 3], list("aaabbb")).estimate
    1.0
    """
    index, size = group_index(group)
    above_x, above_y = (_Above(np.asarray(values, np.float64), index, size) for values in (x, y))
    u, v = (centered(above.mid_rank / (size[index] + 1), index, size) for above in (above_x, above_y))
    suu, svv, suv = float(u @ u), float(v @ v), float(u @ v)
    many = size[index] > 1
    n, groups = int(many.sum()), int((size > 1).sum())
    if not (suu > 0 and svv > 0):
        return Pooled(float("nan"), np.zeros_like(u), np.zeros_like(u), n, groups)
    estimate = suv / np.sqrt(suu * svv)
    d_uv = u * v + above_x.mean_of(v) + above_y.mean_of(u)
    d_uu = u * u + 2 * above_x.mean_of(u)
    d_vv = v * v + 2 * above_y.mean_of(v)
    influence = d_uv / np.sqrt(suu * svv) - estimate / 2 * (d_uu / suu + d_vv / svv)
    influence = np.where(many, centered(influence, index, size), 0.0)
    return Pooled(float(np.clip(estimate, -1, 1)), influence, _parts(u, v, suu, svv, estimate), n, groups)


def group_index(labels: ArrayLike) -> tuple[Ints, Ints]:
    """Number the groups: return the number of each row's group, and the size of each group.

    >>> group_index(["b", "a", "b"])
    (array([1, 0, 1]), array([1, 2]))
    """
    _, index, size = np.unique(np.asarray(labels), return_inverse=True, return_counts=True)
    return index.reshape(-1).astype(np.int64), size.astype(np.int64)


def group_sums(index: Ints, values: Floats, groups: int) -> Floats:
    """Return the sum of the values in each group.

    >>> group_sums(np.array([1, 0, 1]), np.array([1.0, 2.0, 4.0]), 2).tolist()
    [2.0, 5.0]
    """
    return np.asarray(np.bincount(index, values, groups), np.float64)


def centered(values: Floats, index: Ints, size: Ints) -> Floats:
    """Return the values less the means of their groups.

    >>> centered(np.array([1.0, 2.0, 4.0]), np.array([1, 0, 1]), np.array([1, 2])).tolist()
    [-1.5, 0.0, 1.5]
    """
    return np.asarray(values - (group_sums(index, values, len(size)) / size)[index], np.float64)


def _parts(x: Floats, y: Floats, sxx: float, syy: float, estimate: float) -> Floats:
    """Return what each row adds to a correlation of centered values: all together nothing."""
    return np.asarray(x * y / np.sqrt(sxx * syy) - estimate / 2 * (x * x / sxx + y * y / syy), np.float64)


def _varies(sum_of_squares: float, values: Floats) -> bool:
    # Centering leaves rounding errors of constants behind; they are no variation.
    return bool(sum_of_squares > 0 and np.abs(values).max() > 1e-12)


class _Above:
    """Who is above whom inside the groups; ties are half above."""

    def __init__(self, values: Floats, index: Ints, size: Ints) -> None:
        n = len(values)
        self.order = np.lexsort((values, index))
        self.share = size[index]
        starts = np.concatenate([[0], np.cumsum(size)[:-1]])
        ordered, group = values[self.order], index[self.order]
        new = np.ones(n, bool)
        new[1:] = (ordered[1:] != ordered[:-1]) | (group[1:] != group[:-1])
        first = np.flatnonzero(new)
        run = np.cumsum(new) - 1
        # Positions, in the sorted order, of the run of ties of each row and of the end of its group.
        self.begin = first[run]
        self.end = np.append(first[1:], n)[run]
        self.group_end = (starts + size)[group]
        self.mid_rank = np.empty(n)
        self.mid_rank[self.order] = (self.begin + self.end + 1) / 2 - starts[group]

    def mean_of(self, values: Floats) -> Floats:
        """Return for each row the sum of the values of the rows above it, ties half, over the size of the group."""
        sums = np.concatenate([[0.0], np.cumsum(values[self.order])])
        result = np.empty(len(values))
        result[self.order] = sums[self.group_end] - (sums[self.begin] + sums[self.end]) / 2
        return result / self.share
