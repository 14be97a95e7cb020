"""The common age curve of creatives: what wears out with age, told apart from what the creative is.

Events are Poisson with a level for each cell, an effect of age and an effect of each creative, which is drawn to 0 by
how much creatives differ (penalized quasi-likelihood; Breslow & Clayton 1993, doi 10.1080/01621459.1993.10594284). With
many events the curve comes from the same creatives at different ages, with few also from young ones beside old ones.
That creatives launched later are no better or worse on average is assumed of the linear part of the curve alone, which
nothing else can tell from it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from abkit.stats.appeal.rows import Arranged, Bools, Floats, Ints, crossed
from abkit.stats.within_groups import group_sums

AGES = 3
_SETTLES = 10.0  # days
_STEPS = 25
_MOST_ROWS = 400_000
_SPREADS = 0.0025, 4.0


@dataclass(frozen=True, kw_only=True)
class Aging:
    """The age curve.

    Attributes:
        effect: Shape (n,): effect of age on the log of the rate.
        curve: Shape (n, 3): what the curve is made of.
        covariance: Shape (3, 3): of its coefficients.
        beside: Shape (p,): coefficients of what was fitted beside it.
        beside_covariance: Shape (p, p): of those.
    """

    effect: Floats
    curve: Floats
    covariance: Floats
    beside: Floats
    beside_covariance: Floats


def aging(rows: Arranged, beside: Floats | None = None) -> Aging:
    """Fit the curve, linear in log(1 + age), in age and in exp(-age / 10); nothing where all of a cell are of one age.

    Args:
        rows: The delivery; of very many rows, those of some campaigns are enough for so few coefficients.
        beside: Shape (n, p): what else may go with the rate and with age, such as a score.
    """
    curve = age_curve(rows.age)
    columns = curve if beside is None else np.column_stack([curve, beside])
    keep = rows.shared & _some_campaigns(rows)
    p = columns.shape[1] - AGES
    flat = Aging(
        effect=np.zeros(len(curve)),
        curve=curve,
        covariance=np.zeros((AGES, AGES)),
        beside=np.zeros(p),
        beside_covariance=np.zeros((p, p)),
    )
    if not keep.any():
        return flat
    fit = _Fit(rows, keep, columns)
    if not fit.varies.any():
        return flat
    coefficients, covariance = fit.solve()
    return Aging(
        effect=curve @ coefficients[:AGES],
        curve=curve,
        covariance=covariance[:AGES, :AGES],
        beside=coefficients[AGES:],
        beside_covariance=covariance[AGES:, AGES:],
    )


def age_curve(age: Floats) -> Floats:
    """Return what the curve is made of at each age, shape (n, 3).

    >>> age_curve(np.zeros(1)).tolist()
    [[0.0, 0.0, 1.0]]
    """
    return np.column_stack([np.log1p(age), age / 30, np.exp(-age / _SETTLES)])


def age_variance(rows: Arranged, found: Aging, fitted: Floats) -> Floats:
    """Return how uncertain the curve makes the log rate of each unit relative to its cells; shape (m,).

    Args:
        rows: The delivery.
        found: The curve.
        fitted: Events by the fit of the rows where `rows.shared` holds.
    """
    if not found.covariance.any():
        return np.zeros(rows.units)
    unit, cell = rows.unit[rows.shared], rows.cell[rows.shared]
    in_cell, of_unit = group_sums(cell, fitted, rows.cells), group_sums(unit, fitted, rows.units)
    off = []
    for column in found.curve[rows.shared].T:
        mean = group_sums(cell, fitted * column, rows.cells) / in_cell.clip(1e-300)
        off.append(group_sums(unit, fitted * (column - mean[cell]), rows.units) / of_unit.clip(1e-300))
    apart = np.array(off)
    variance: Floats = np.einsum("im,ij,jm->m", apart, found.covariance, apart)
    return variance.clip(0)


def _some_campaigns(rows: Arranged) -> Bools:
    if len(rows.unit) <= _MOST_ROWS:
        return np.ones(len(rows.unit), bool)
    campaign = np.unique(rows.campaign, return_inverse=True)[1][rows.unit]
    size = np.bincount(campaign)
    order = np.random.default_rng(0).permutation(len(size))
    before = np.cumsum(size[order]) - size[order]
    chosen = np.zeros(len(size), bool)
    chosen[order[before < _MOST_ROWS]] = True
    return chosen[campaign]


class _Fit:
    """Newton's method for the columns and the creatives together; the levels of cells are absorbed."""

    def __init__(self, rows: Arranged, keep: Bools, columns: Floats) -> None:
        self.unit = _numbered(rows.unit[keep])
        self.cell = _numbered(rows.cell[keep])
        self.units, self.cells = int(self.unit.max()) + 1, int(self.cell.max()) + 1
        self.y, self.base = rows.events[keep], rows.exposure[keep]
        self.total = group_sums(self.cell, self.y, self.cells)
        X = columns[keep]
        X = np.column_stack([column - self._mean(column, np.ones_like(column)) for column in X.T])
        spread = np.sqrt((X**2).mean(axis=0))
        self.varies: Bools = spread > 1e-9
        self.scale = np.where(self.varies, spread, 1.0)
        self.X = (X / self.scale)[:, self.varies]
        groups = len(np.unique(rows.group[np.unique(rows.unit[keep])]))
        # Each group has a level of its own.
        self.freedom = max(1, self.units - groups - self.X.shape[1])

    def solve(self) -> tuple[Floats, Floats]:
        """Return coefficients and their covariance, for all columns; those that do not vary have 0 in both."""
        p = self.X.shape[1]
        beta, own, spread = np.zeros(p), np.zeros(self.units), 0.1
        schur = np.eye(p)
        for _ in range(_STEPS):
            mu = self._fitted(beta, own)
            centered = np.column_stack([column - self._mean(column, mu) for column in self.X.T])
            information = group_sums(self.unit, mu, self.units)
            within = mu * mu / self.total[self.cell].clip(1e-300)
            diagonal = (information - group_sums(self.unit, within, self.units)).clip(0) + 1 / spread
            left = self.y - mu
            slope_own = group_sums(self.unit, left, self.units) - own / spread
            cross = np.column_stack([group_sums(self.unit, mu * column, self.units) for column in centered.T])
            inverse_of = self._inverse(mu, information, diagonal, spread)
            solved = [inverse_of(column) for column in (*cross.T, slope_own)]
            schur = (self.X * mu[:, None]).T @ centered - cross.T @ np.column_stack(solved[:-1])
            step = np.linalg.pinv(schur, rcond=1e-10, hermitian=True) @ (centered.T @ left - cross.T @ solved[-1])
            move = solved[-1] - np.column_stack(solved[:-1]) @ step
            short = min(1.0, 1.0 / max(1e-12, np.abs(step).max(initial=0), np.abs(move).max(initial=0)))
            beta, own = beta + short * step, own + short * move
            # What creatives differ by: what is seen of them, and what the penalty hides.
            seen = float((own**2 + 1 / diagonal).sum()) / self.freedom
            new = min(max(seen, _SPREADS[0]), _SPREADS[1])
            settled = abs(np.log(new / spread)) < 0.02 and np.abs(step).max(initial=0) < 1e-4
            spread = new
            if settled:
                break
        # The spread was estimated from the same creatives: the variance is that of Student's t.
        inverse = np.linalg.pinv(schur, rcond=1e-10, hermitian=True) * self.freedom / max(1, self.freedom - 2)
        coefficients, covariance = np.zeros(len(self.scale)), np.zeros((len(self.scale),) * 2)
        coefficients[self.varies] = beta
        covariance[np.ix_(self.varies, self.varies)] = inverse
        return coefficients / self.scale, covariance / np.outer(self.scale, self.scale)

    def _fitted(self, beta: Floats, own: Floats) -> Floats:
        rate = self.base * np.exp(np.clip(self.X @ beta + own[self.unit], -30, 30))
        fitted: Floats = rate * (self.total / group_sums(self.cell, rate, self.cells).clip(1e-300))[self.cell]
        return fitted

    def _mean(self, values: Floats, weight: Floats) -> Floats:
        """Return the weighted mean of each row's cell."""
        sums = group_sums(self.cell, weight * values, self.cells)
        mean: Floats = (sums / group_sums(self.cell, weight, self.cells).clip(1e-300))[self.cell]
        return mean

    def _inverse(self, mu: Floats, information: Floats, diagonal: Floats, spread: float) -> Callable[[Floats], Floats]:
        """Return what solves for the creatives, by conjugate gradients."""
        table = crossed(self.unit, self.cell, mu, self.units, self.cells)
        by_cell = table.T.tocsr()
        own, weight = information + 1 / spread, group_sums(self.cell, mu, self.cells).clip(1e-300)

        def apply(values: Floats) -> Floats:
            result: Floats = own * values - table @ (by_cell @ values / weight)
            return result

        return lambda target: _conjugate_gradients(apply, target, diagonal)


def _conjugate_gradients(apply: Callable[[Floats], Floats], target: Floats, diagonal: Floats) -> Floats:
    x = target / diagonal
    left = target - apply(x)
    z = left / diagonal
    direction, size = z, float(left @ z)
    enough = 1e-10 * float(target @ (target / diagonal))
    for _ in range(200):
        if size <= enough:
            break
        image = apply(direction)
        length = size / float(direction @ image)
        x, left = x + length * direction, left - length * image
        z = left / diagonal
        new = float(left @ z)
        direction, size = z + new / size * direction, new
    return x


def _numbered(labels: Ints) -> NDArray[np.int64]:
    return np.unique(labels, return_inverse=True)[1].reshape(-1).astype(np.int64)
