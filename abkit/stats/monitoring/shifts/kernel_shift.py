"""Do the embeddings of two windows come from one distribution? Energy distance and MMD, from one pass over all pairs.

The pairs are gone through in blocks, in single precision, so that memory grows with the creatives and not with their
square. What a permutation needs of the pairs is how near each creative is to the permuted first window: one column of
a product of matrices, for many permutations at once.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import ArrayLike, NDArray

from abkit.records import Record
from abkit.stats.monitoring.shifts.distribution_shift import Floats, Shift
from abkit.stats.permutations import BATCH, permutation_ps

Rows = NDArray[np.float32]
Groups = tuple[ArrayLike, ArrayLike]

#: How many of the most typical new creatives are named.
TYPICAL = 12
_BLOCK = 512
_WAYS = 10  # times as many as permutations, at least
_ROWS_FOR_THE_MEDIAN = 1_000
# Of the upper end, in standard errors: more than 1.645, as a small effect comes with a small error.
_WIDE = 1.96


@dataclass(frozen=True, kw_only=True)
class EmbeddingShift(Record):
    """Two measures of how the embeddings of two windows differ.

    Attributes:
        energy: Energy distance; its statistic is the effect.
        mmd: Maximum mean discrepancy; its statistic is the unbiased estimate of its square.
    """

    energy: Shift
    mmd: Shift


def embedding_shift(
    reference: ArrayLike,
    current: ArrayLike,
    *,
    permutations: int = BATCH,
    most: int = 2_000,
    seed: int = 0,
    groups: Groups | None = None,
) -> EmbeddingShift:
    """Compare the pooled embeddings of two windows by their energy distance and by their maximum mean discrepancy.

    Features are divided by their pooled standard deviation. The energy's effect is Székely & Rizzo's coefficient of
    inhomogeneity, (2·E|X−Y| − E|X−X'| − E|Y−Y'|) / (2·E|X−Y|) (2013, J. Statistical Planning and Inference 143); the
    upper end of its interval is from the two parts of the variance of such means (Hoeffding 1948): what single
    creatives add, and what is left of it when nothing moved. MMD²
    is E k(X,X') + E k(Y,Y') − 2·E k(X,Y) (Gretton et al. 2012, JMLR 13) with k = exp(−|x−y|²/(2h²)), h being the median
    distance of 1,000 pooled rows at most; its effect is MMD² / (E k(X,X') + E k(Y,Y')). All means leave out pairs of
    a creative with itself, so that both effects are 0 on average when nothing moved, whatever n. Both read as a share:
    if every feature moved by d standard deviations, they are about d²/4: 0.01 for a small, 0.06 for a medium, 0.16 for
    a large shift. p = (1 + #)/(1 + B) by permuting which window a creative belongs to; exact if creatives are
    independent.

    Args:
        reference: Shape (n, D); rows that are not finite are left out.
        current: Shape (m, D).
        permutations: Most permutations B; they are drawn until 25 of them are as extreme.
        most: Most creatives per window; of more, so many are drawn at random, and `method` says so.
        seed: Seed of the draw and of the permutations.
        groups: Labels of the rows of both windows, such as campaigns: creatives of one group may look alike, so each is
            dealt as a whole, and p is exact if groups are independent. Of so few groups that they can be dealt in fewer
            ways than ten times B, creatives are dealt one by one, and `method` says so.

    Raises:
        ValueError: The windows do not have the same features.

    >>> rng = np.random.default_rng(0)
    >>> a, b = rng.normal(size=(100, 20)), rng.normal(0.5, 1, size=(100, 20))
    >>> found = embedding_shift(a, b)
    >>> found.energy.effect > 0.03, found.mmd.effect > 0.03, found.energy.p_value, found.mmd.p_value
    (True, True, 0.002, 0.002)
    """
    rng = np.random.default_rng(seed)
    both = Windows.of(reference, current, most=most, rng=rng, groups=groups, permutations=permutations)
    if both.note:
        return EmbeddingShift(energy=both.shift("energy"), mmd=both.shift("mmd"))
    dealt = f"{permutations} permutations at most{both.dealt}{both.drawn}"
    pairs = _Pairs(both.rows, both.blocks)
    methods = {
        "energy": f"energy distance of features in pooled standard deviations, {dealt}",
        "mmd": f"unbiased, Gaussian kernel of width {pairs.width:.3g} (median distance), {dealt}",
    }
    if not both.rows.any():
        energy, mmd = (
            both.shift(test, statistic=0.0, p_value=1.0, effect=0.0, method=method) for test, method in methods.items()
        )
        return EmbeddingShift(energy=energy, mmd=mmd)
    observed = pairs.compare(both.columns(0, rng))
    # permutation_ps takes what is large where windows differ: the two tested figures of each column.
    ps = permutation_ps(
        observed.tested[0], lambda times: pairs.compare(both.columns(times, rng)).tested[1:], permutations
    )
    effect = float(observed.energy[0])
    return EmbeddingShift(
        energy=both.shift(
            "energy",
            statistic=effect,
            p_value=float(ps[0]),
            effect=effect,
            upper=effect + _WIDE * observed.energy_error,
            resolution=_WIDE * observed.energy_error,
            method=methods["energy"],
        ),
        mmd=both.shift(
            "mmd",
            statistic=float(observed.mmd[0]),
            p_value=float(ps[1]),
            effect=float(observed.mmd_effect[0]),
            method=methods["mmd"],
            most_typical=both.most(observed.nearness[both.n :], TYPICAL),
        ),
    )


@dataclass(frozen=True, kw_only=True)
class Windows:
    """The rows of two windows, ready to be compared.

    Attributes:
        rows: Shape (n + m, D), first those of the reference; in pooled standard deviations around the pooled mean.
        n: How many rows of the reference there are.
        places: Shape (m,): where the current rows stood in what was given.
        given: Finite rows of both windows, before any were drawn.
        blocks: Shape (n + m,): which rows are dealt together, first those of the reference; None for one by one.
        dealt: Says what is dealt, where rows have groups.
        drawn: Says what was drawn; "" where all rows are used.
        note: Why nothing can be compared; "" otherwise.
    """

    rows: Rows
    n: int
    places: NDArray[np.intp]
    given: tuple[int, int]
    blocks: NDArray[np.intp] | None = None
    dealt: str = ""
    drawn: str = ""
    note: str = ""

    @classmethod
    def of(
        cls,
        reference: ArrayLike,
        current: ArrayLike,
        *,
        most: int,
        rng: np.random.Generator,
        groups: Groups | None = None,
        permutations: int = BATCH,
    ) -> Windows:
        """Leave out rows that are not finite, draw from those that are too many, and standardize.

        Raises:
            ValueError: The windows do not have the same features.
        """
        (x, before), (y, places) = _finite_rows(reference), _finite_rows(current)
        n, m = len(x), len(y)
        if n < 2 or m < 2:
            note = f"{n} reference and {m} current creatives; at least 2 of each are needed"
            return cls(rows=np.zeros((0, 1), np.float32), n=0, places=places, given=(n, m), note=note)
        if x.shape[1] != y.shape[1]:
            raise ValueError(f"the windows have {x.shape[1]} and {y.shape[1]} features; they must be of one encoder")
        of_x = _draw(n, most, rng)
        x, kept = x[of_x], _draw(m, most, rng)
        pooled = np.concatenate([x, y[kept]])
        spread = pooled.std(axis=0, dtype=np.float64)
        varying = spread > 1e-6 * (1 + np.abs(pooled).max())
        pooled -= pooled.mean(axis=0, dtype=np.float64).astype(np.float32)
        pooled *= np.where(varying, 1 / np.where(varying, spread, 1), 0).astype(np.float32)
        drawn = f"; {most:,} drawn at random from each larger window" if max(n, m) > most else ""
        blocks, dealt = None, ""
        if groups is not None:
            labels = (np.asarray(groups[0])[before[of_x]], np.asarray(groups[1])[places[kept]])
            blocks, dealt = _blocks(labels, permutations)
        return cls(rows=pooled, n=len(x), places=places[kept], given=(n, m), blocks=blocks, dealt=dealt, drawn=drawn)

    def columns(self, times: int, rng: np.random.Generator) -> Rows:
        """Return who belongs to the first window, (n + m, 1 + times): as it is, then as dealt at random."""
        total = len(self.rows)
        first = np.zeros((total, 1 + times), np.float32)
        first[: self.n, 0] = 1
        if self.blocks is None:
            for column in range(1, 1 + times):
                first[rng.permutation(total)[: self.n], column] = 1
            return first
        many, of_first = int(self.blocks.max()) + 1, int(self.blocks[: self.n].max()) + 1
        chosen = np.zeros(many, np.float32)
        for column in range(1, 1 + times):
            chosen[:] = 0
            chosen[rng.permutation(many)[:of_first]] = 1
            first[:, column] = chosen[self.blocks]
        return first

    def most(self, values: NDArray[np.floating], many: int) -> tuple[int, ...]:
        """Return the places of the current rows with the largest values, largest first."""
        return tuple(self.places[np.argsort(-values, kind="stable")[:many]].tolist())

    def shift(
        self,
        test: str,
        *,
        statistic: float | None = None,
        p_value: float | None = None,
        effect: float | None = None,
        upper: float | None = None,
        resolution: float | None = None,
        method: str = "",
        most_typical: tuple[int, ...] = (),
    ) -> Shift:
        """Return a measure of these windows."""
        return Shift(
            test=test,
            statistic=statistic,
            p_value=p_value,
            effect=effect,
            upper=upper,
            resolution=resolution,
            n_reference=self.given[0],
            n_current=self.given[1],
            method=method,
            note=self.note,
            most_typical=most_typical,
        )


def _finite_rows(values: ArrayLike) -> tuple[Rows, NDArray[np.intp]]:
    array = np.asarray(values, np.float32)
    if array.size == 0:
        return np.zeros((0, 1), np.float32), np.zeros(0, np.intp)
    array = array.reshape(len(array), -1)
    places = np.flatnonzero(np.isfinite(array).all(axis=1))
    return array[places], places


def _blocks(
    labels: tuple[NDArray[np.generic], NDArray[np.generic]], permutations: int
) -> tuple[NDArray[np.intp] | None, str]:
    """Return which rows are dealt together and what that is in words; None where there are too few ways to deal."""
    (old, x), (new, y) = (np.unique(part, return_inverse=True) for part in labels)
    if len(old) == len(x) and len(new) == len(y):
        return None, ""  # every creative is a group of its own
    said = f" of {len(old)} and {len(new)} groups"
    if math.comb(len(old) + len(new), len(new)) < _WAYS * permutations:
        return None, f" of single creatives, as{said} there are too few to deal"
    return np.concatenate([x, len(old) + y]), said


def _draw(n: int, most: int, rng: np.random.Generator) -> NDArray[np.intp]:
    return np.arange(n) if n <= most else np.sort(rng.choice(n, most, replace=False))


@dataclass(frozen=True, kw_only=True)
class _Compared:
    """What pairs say about some ways to split the creatives in two; shape (columns,).

    Attributes:
        energy: The energy coefficient.
        energy_error: Standard error of that of the first column.
        mmd, mmd_effect: MMD², and its share of the similarity inside the windows.
        nearness: Shape (n + m,): how much nearer each creative is to the second window than to the first, of the first
            column.
    """

    energy: Floats
    energy_error: float
    mmd: Floats
    mmd_effect: Floats
    nearness: Floats

    @property
    def tested(self) -> Floats:
        """What is held against permutations, (columns, 2)."""
        return np.column_stack([self.energy, self.mmd])


@dataclass(frozen=True)
class _Pairs:
    """All pairs of some rows, never all in memory."""

    rows: Rows
    blocks: NDArray[np.intp] | None = None

    @cached_property
    def norms(self) -> Rows:
        norms: Rows = np.einsum("ij,ij->i", self.rows, self.rows)
        return norms

    @cached_property
    def width(self) -> float:
        """The median distance of rows evenly spaced, or 1 where most are the same."""
        few = self.rows[:: max(1, -(-len(self.rows) // _ROWS_FOR_THE_MEDIAN))].astype(np.float64)
        norms = np.einsum("ij,ij->i", few, few)
        squared = norms[:, None] + norms - 2 * few @ few.T
        width = float(np.sqrt(np.median(np.maximum(squared[np.triu_indices(len(few), 1)], 0))))
        return width or 1.0

    def compare(self, first: Rows) -> _Compared:
        """Compare the first window with the second, for each column that says who belongs to the first.

        Args:
            first: Shape (N, columns), 1 or 0; at least two of each in every column.
        """
        n = first.sum(axis=0, dtype=np.float64)
        m = len(first) - n
        # One more column of ones sums over everything.
        apart, alike = self._products(np.column_stack([first, np.ones(len(first), np.float32)]))
        xx, xy, yy = _means(apart, first, n, m)
        energy = (2 * xy - xx - yy) / np.maximum(2 * xy, np.finfo(float).tiny)
        xx, xy, yy = _means(alike, first, n, m)
        mmd = xx + yy - 2 * xy
        to_first, to_all = alike[:, 0].astype(np.float64), alike[:, -1].astype(np.float64)
        return _Compared(
            energy=energy,
            energy_error=self._energy_error(apart, first[:, 0] > 0),
            mmd=mmd,
            mmd_effect=mmd / np.maximum(xx + yy, np.finfo(float).tiny),
            nearness=(to_all - to_first) / m[0] - to_first / n[0],
        )

    def _energy_error(self, apart: Rows, first: NDArray[np.bool_]) -> float:
        """Return the standard error of the energy coefficient, from the distances of each creative to both windows."""
        to_first, to_all = apart[:, 0].astype(np.float64), apart[:, -1].astype(np.float64)
        n, m = int(first.sum()), int((~first).sum())
        own, others = np.where(first, to_first, to_all - to_first), np.where(first, to_all - to_first, to_first)
        own, others = own / np.where(first, n - 1, m - 1), others / np.where(first, m, n)
        inside, between = own[first].mean() + own[~first].mean(), others.mean()
        if between <= 0:
            return 0.0
        added = inside / (2 * between**2) * others - own / between
        added -= np.where(first, added[first].mean(), added[~first].mean())
        added /= np.where(first, n, m)
        # The creatives of a block move together.
        single = float((added**2 if self.blocks is None else np.bincount(self.blocks, added) ** 2).sum())
        # Distances centered by rows and columns are what pairs say beyond their creatives.
        mean = to_all / (n + m - 1)
        pairs = 2 * float(self.norms.mean(dtype=np.float64)) - 2 * float((mean**2).mean()) + float(mean.mean()) ** 2
        left = 2 * max(0.0, pairs) * (1 / n + 1 / m) ** 2 / (2 * between) ** 2
        return float(np.sqrt(single + left))

    def _products(self, columns: Rows) -> tuple[Rows, Rows]:
        """Return distances and similarities, summed over the creatives of each column: (N, columns) each."""
        total, scale = len(self.rows), np.float32(-0.5 / self.width**2)
        apart, alike = np.zeros_like(columns), np.zeros_like(columns)
        for start in range(0, total, _BLOCK):
            here, on = slice(start, start + _BLOCK), slice(start, total)
            squared = self.rows[here] @ self.rows[on].T
            squared *= -2
            squared += self.norms[here, None]
            squared += self.norms[None, on]
            np.maximum(squared, 0, out=squared)
            size = len(squared)
            np.fill_diagonal(squared[:, :size], 0)
            for block, sums in ((np.sqrt(squared), apart), (np.exp(squared * scale), alike)):
                np.fill_diagonal(block[:, :size], 0)  # no creative is a pair with itself
                sums[here] += block @ columns[on]
                sums[start + size :] += block[:, size:].T @ columns[here]
        return apart, alike


def _means(sums: Rows, first: Rows, n: Floats, m: Floats) -> tuple[Floats, Floats, Floats]:
    """Return the means over pairs inside the first window, between both and inside the second."""
    to_first, to_all = sums[:, :-1], sums[:, -1]
    within_x = np.einsum("ij,ij->j", first, to_first, dtype=np.float64)
    from_x = first.T.astype(np.float64) @ to_all.astype(np.float64)
    within_y = float(to_all.sum(dtype=np.float64)) - 2 * from_x + within_x
    pairs_x, pairs_y = np.maximum(n * (n - 1), 1), np.maximum(m * (m - 1), 1)
    return within_x / pairs_x, (from_x - within_x) / (n * m), within_y / pairs_y
