"""Which of several figures per creative have moved: what the queries say, or how bright and colorful images are."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import ArrayLike
from scipy import stats

from abkit.records import Record
from abkit.stats.false_discovery import q_values
from abkit.stats.monitoring.shifts.distribution_shift import Floats

_FEWEST = 4
#: How many of the creatives that moved a figure most are named.
MOVERS = 12


@dataclass(frozen=True, kw_only=True)
class FigureShift(Record):
    """How one figure moved between two windows.

    Attributes:
        name: Of the figure.
        effect: How far new creatives lie above those of the reference, in standard deviations; below 0 where they lie
            below. None where there is none, and `note` says why.
        p_value: Two-sided p-value of "as in the reference".
        q_value: The same, raised for the number of figures: among those with a q of 0.05 or less, no more than 5 %
            are expected to have stayed (Benjamini & Hochberg 1995).
        reference, current: Medians of both windows; the mean of the reference where only its moments are known.
        n_reference, n_current: Number of finite values.
        movers: Places in the current window of the creatives furthest out on the side to which the figure moved.
        note: Why there is no effect.
    """

    name: str
    effect: float | None = None
    p_value: float | None = None
    q_value: float | None = None
    reference: float | None = None
    current: float | None = None
    n_reference: int
    n_current: int
    movers: tuple[int, ...] = ()
    note: str = ""


def figure_shifts(names: Sequence[str], reference: ArrayLike, current: ArrayLike) -> list[FigureShift]:
    """Compare each figure by ranks.

    Wilcoxon's rank sum test with correction for ties and continuity (scipy's `mannwhitneyu`): exact up to 8 values a
    window without ties, else by the normal distribution. The effect is √2·Φ⁻¹ of the chance that a new creative lies
    above one of the reference: the difference in standard deviations if both windows were normal. It does not grow with
    n, and a file of a hundred megabytes counts no more than the largest of the others.

    Args:
        names: Of the k figures.
        reference: Shape (n, k); values that are not finite are left out.
        current: Shape (m, k).

    >>> rng = np.random.default_rng(0)
    >>> old, new = rng.normal(size=(200, 2)), rng.normal((0, 1), 1, size=(100, 2))
    >>> [(one.name, round(one.effect), one.q_value < 0.05) for one in figure_shifts(["calm", "moved"], old, new)]
    [('calm', 0, False), ('moved', 1, True)]
    """
    x, y = (np.asarray(v, np.float64).reshape(-1, len(names)) for v in (reference, current))
    return _with_q([_by_ranks(name, x[:, k], y[:, k]) for k, name in enumerate(names)])


def shifts_from_moments(
    names: Sequence[str], means: Sequence[float], deviations: Sequence[float], n_reference: int, current: ArrayLike
) -> list[FigureShift]:
    """Compare each figure with the mean and standard deviation that it had over the reference.

    Welch's t test; the effect is the difference of the means in standard deviations of the reference.

    Args:
        names: Of the k figures.
        means, deviations: Shape (k,), over the reference.
        n_reference: How many creatives these are of.
        current: Shape (m, k); values that are not finite are left out.

    >>> new = np.random.default_rng(0).normal(5.8, 1, size=(60, 1))
    >>> one = shifts_from_moments(["query 1"], [5.0], [1.0], 600, new)[0]
    >>> round(one.effect, 1), one.p_value < 0.001
    (0.9, True)
    """
    y = np.asarray(current, np.float64).reshape(-1, len(names))
    columns = enumerate(zip(names, means, deviations, strict=True))
    return _with_q([_by_moments(name, mean, spread, n_reference, y[:, k]) for k, (name, mean, spread) in columns])


def _by_ranks(name: str, x: Floats, y: Floats) -> FigureShift:
    places = np.flatnonzero(np.isfinite(y))
    x, y = x[np.isfinite(x)], y[places]
    row = FigureShift(name=name, n_reference=len(x), n_current=len(y))
    if min(len(x), len(y)) < _FEWEST:
        return replace(row, note=_too_few(row))
    found = stats.mannwhitneyu(y, x, alternative="two-sided")
    # Half a pair short of certain: windows that do not overlap are not infinitely far apart.
    edge = 0.5 / (len(x) * len(y))
    above = min(1 - edge, max(edge, float(found.statistic) / (len(x) * len(y))))
    p = float(found.pvalue)
    return replace(
        row,
        effect=math.sqrt(2) * float(stats.norm.ppf(above)),
        p_value=1.0 if math.isnan(p) else max(p, np.finfo(float).tiny),
        reference=float(np.median(x)),
        current=float(np.median(y)),
        movers=_movers(y, places, upward=above >= 0.5),
    )


def _by_moments(name: str, mean: float, spread: float, n: int, y: Floats) -> FigureShift:
    places = np.flatnonzero(np.isfinite(y))
    y = y[places]
    row = FigureShift(name=name, n_reference=n, n_current=len(y))
    if min(n, len(y)) < _FEWEST:
        return replace(row, note=_too_few(row))
    if not (math.isfinite(mean) and math.isfinite(spread) and spread > 0):
        return replace(row, note="it does not vary in the reference")
    found = stats.ttest_ind_from_stats(
        y.mean(), max(float(y.std(ddof=1)), 1e-12 * spread), len(y), mean, spread, n, equal_var=False
    )
    return replace(
        row,
        effect=float(y.mean() - mean) / spread,
        p_value=max(float(found.pvalue), np.finfo(float).tiny),
        reference=float(mean),
        current=float(np.median(y)),
        movers=_movers(y, places, upward=float(y.mean()) >= mean),
    )


def _movers(y: Floats, places: np.ndarray, *, upward: bool) -> tuple[int, ...]:
    return tuple(places[np.argsort(-y if upward else y, kind="stable")[:MOVERS]].tolist())


def _too_few(row: FigureShift) -> str:
    return f"{row.n_reference} reference and {row.n_current} current values; at least {_FEWEST} of each are needed"


def _with_q(rows: list[FigureShift]) -> list[FigureShift]:
    return [replace(row, q_value=q) for row, q in zip(rows, q_values([row.p_value for row in rows]), strict=True)]
