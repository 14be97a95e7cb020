"""A small summary of many scores that can be merged with others, and says how wrong it may be."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import stats

from abkit.records import Record

SIZE = 256
"""Values that a sketch keeps of one lot; as many or fewer are kept as they are."""


@dataclass(frozen=True, kw_only=True)
class ScoreSketch(Record):
    """Sorted values, each of which stands for several.

    Attributes:
        values: Shape (k,), ascending.
        counts: For how many each stands.
        error: For how many values, at most, it is wrong on which side of a cut they lie; wherever the cut is.
        moved: How far all values together are from those that stand for them.
    """

    values: tuple[float, ...] = ()
    counts: tuple[int, ...] = ()
    error: int = 0
    moved: float = 0.0

    @property
    def n(self) -> int:
        """How many values it stands for."""
        return sum(self.counts)


@dataclass(frozen=True, kw_only=True)
class SketchShift(Record):
    """How values differ from those that a sketch stands for.

    Attributes:
        ks, wasserstein: The two distances, as the sketch has them.
        ks_error, wasserstein_error: How far each may be from that of the values themselves, at most.
        p_value: Of the smallest KS distance that the error allows; None without values.
        spread: Standard deviation of the values of the sketch.
        n_reference, n_current: Sample sizes.
    """

    ks: float = 0.0
    ks_error: float = 0.0
    wasserstein: float = 0.0
    wasserstein_error: float = 0.0
    p_value: float | None = None
    spread: float = 0.0
    n_reference: int = 0
    n_current: int = 0


def sketch(values: ArrayLike, size: int = SIZE) -> ScoreSketch:
    """Return the sketch of one lot: groups of equal size along the sorted values, each with its middle value.

    A cut goes through one group at most, and its middle value is on the right side for half of it: with k groups the
    error is at most n / 2k values.

    Args:
        values: Shape (n,); values that are not finite are left out.
        size: Number of groups.

    >>> sketch([3.0, 1.0, 2.0]).values, sketch(range(1000), size=100).error
    ((1.0, 2.0, 3.0), 5)
    """
    finite = np.asarray(values, np.float64).ravel()
    finite = np.sort(finite[np.isfinite(finite)])
    n = len(finite)
    if n <= size:
        return ScoreSketch(values=tuple(finite.tolist()), counts=(1,) * n)
    edges = np.linspace(0, n, size + 1).astype(np.int64)
    counts = np.diff(edges)
    middle = finite[edges[:-1] + (counts - 1) // 2]
    return ScoreSketch(
        values=tuple(middle.tolist()),
        counts=tuple(counts.tolist()),
        error=int(counts.max()) // 2,
        moved=float(np.abs(finite - np.repeat(middle, counts)).sum()),
    )


def merge(sketches: Iterable[ScoreSketch]) -> ScoreSketch:
    """Return the sketch of all lots together: its errors are the sums of theirs, so the share that is wrong stays.

    >>> merge([sketch([1.0, 3.0]), sketch([2.0])]).values
    (1.0, 2.0, 3.0)
    """
    every = list(sketches)
    pairs = sorted(pair for one in every for pair in zip(one.values, one.counts, strict=True))
    return ScoreSketch(
        values=tuple(value for value, _ in pairs),
        counts=tuple(count for _, count in pairs),
        error=sum(one.error for one in every),
        moved=math.fsum(one.moved for one in every),
    )


def sketch_shift(reference: ScoreSketch, current: ArrayLike) -> SketchShift:
    """Compare values with those that a sketch stands for.

    KS: the largest gap of the cumulative distributions, which is off by `error / n` at most. Wasserstein: the sketch is
    as far from its values as these moved on average, and no distance changes by more than that.

    Args:
        reference: The sketch.
        current: Shape (m,); values that are not finite are left out.
    """
    now = np.asarray(current, np.float64).ravel()
    now = np.sort(now[np.isfinite(now)])
    n, m = reference.n, len(now)
    if not n or not m:
        return SketchShift(n_reference=n, n_current=m)
    values, counts = np.array(reference.values), np.array(reference.counts, np.float64)
    cuts = np.concatenate([values, now])
    ks = float(np.abs(_below(values, counts, cuts) / n - np.searchsorted(now, cuts, side="right") / m).max())
    ks_error = reference.error / n
    at_least = max(0.0, ks - ks_error)
    mean = float(counts @ values) / n
    return SketchShift(
        ks=ks,
        ks_error=ks_error,
        wasserstein=float(stats.wasserstein_distance(values, now, counts)),
        wasserstein_error=reference.moved / n,
        p_value=float(np.clip(stats.kstwo.sf(at_least, max(1, round(n * m / (n + m)))), np.finfo(float).tiny, 1.0)),
        spread=math.sqrt(float(counts @ (values - mean) ** 2) / n),
        n_reference=n,
        n_current=m,
    )


def _below(values: NDArray[np.float64], counts: NDArray[np.float64], cuts: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return how many values of the sketch lie at or below each cut."""
    total = np.concatenate([[0.0], np.cumsum(counts)])
    found: NDArray[np.float64] = total[np.searchsorted(values, cuts, side="right")]
    return found
