"""Which segments explain that the level of a KPI moved: by how much each changed, and what each contributed."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import ArrayLike, NDArray

from abkit.records import Record
from abkit.stats.false_discovery import q_values
from abkit.stats.monitoring.shifts.distribution_shift import Floats
from abkit.stats.student_t import upper_tail
from abkit.stats.within_groups import group_index

_FEWEST_EVENTS = 10


@dataclass(frozen=True, kw_only=True)
class SegmentShift(Record):
    """How one segment changed beside the others of its dimension.

    Attributes:
        dimension, value: Such as "placement" and "feed".
        before, after: Events per exposure; None where the segment was not there.
        share_before, share_after: Share of the exposure.
        contribution: Of the change of the overall rate, in events per exposure; the contributions of a dimension's
            segments sum to it. `by_rate` and `by_mix` are its two parts: the segment's own rate changed, or its share.
        log_ratio: Log of the rate now over that before, shrunken towards that of the dimension's other segments; None
            where there are fewer than 10 events in a window.
        apart: Log ratio of the segment less that of everything else, unshrunken: what p tests.
        p_value: Two-sided p-value of "it changed as the others did".
        q_value: The same, raised for the number of segments (Benjamini & Hochberg 1995).
    """

    dimension: str
    value: str
    before: float | None
    after: float | None
    share_before: float
    share_after: float
    contribution: float
    by_rate: float
    by_mix: float
    log_ratio: float | None = None
    apart: float | None = None
    p_value: float | None = None
    q_value: float | None = None


@dataclass(frozen=True)
class _Cell:
    """Events and exposure of some rows in both windows, and the squared error of the log of their ratio of rates."""

    events: tuple[float, float]
    exposure: tuple[float, float]
    variance: float

    @property
    def log_ratio(self) -> float | None:
        if min(self.events) < _FEWEST_EVENTS:
            return None
        return math.log(self.events[1] / self.exposure[1]) - math.log(self.events[0] / self.exposure[0])


def segment_shifts(
    *,
    events: ArrayLike,
    exposure: ArrayLike,
    unit: ArrayLike,
    current: ArrayLike,
    dimensions: Mapping[str, Sequence[str]],
) -> list[SegmentShift]:
    """Split the change of a rate over the segments of each dimension; the largest contribution first.

    The change of the overall rate is Σ (w₁r₁ − w₀r₀) over segments with shares w and rates r. Each contributes
    (w₀ + w₁)/2 · (r₁ − r₀) by its rate and (w₁ − w₀) · ((r₀ + r₁)/2 − R) by its share, R being the mean of the two
    overall rates: a segment that grows lowers the rate only if it lies below it. Whether a segment changed otherwise
    than everything else is tested on logs, with a standard error between units (creatives), no smaller than that of
    counts, and t with as many degrees of freedom as the fewer units less one. The ratios shown are shrunken towards
    their mean by how much they differ beyond their errors (DerSimonian & Laird 1986). Creatives are not compared at
    equal age here: that is the test of the level, which this explains.

    Args:
        events, exposure: Shape (n,), such as clicks and impressions.
        unit: Shape (n,), labels of what is independent: creatives.
        current: Shape (n,), bool.
        dimensions: By name, the value of each row; "" is not given.

    >>> found = segment_shifts(
    ...     events=[100, 100, 100, 50], exposure=[1000] * 4, unit=[1, 2, 1, 2], current=[False, False, True, True],
    ...     dimensions={"placement": ["feed", "story"] * 2},
    ... )
    >>> [(one.value, round(one.contribution, 3)) for one in found]
    [('story', -0.025), ('feed', 0.0)]
    """
    count, shown, now = np.asarray(events, np.float64), np.asarray(exposure, np.float64), np.asarray(current, bool)
    units = group_index(unit)[0]
    found: list[SegmentShift] = []
    for dimension, values in dimensions.items():
        names = sorted({str(value) for value in values if value})
        if len(names) > 1:
            number = {name: k for k, name in enumerate(names)}
            label = np.array([number.get(value, -1) for value in values], np.int64)
            found += _of_dimension(dimension, names, label, count, shown, units, now)
    q = q_values([one.p_value for one in found])
    found = [replace(one, q_value=value) for one, value in zip(found, q, strict=True)]
    return sorted(found, key=lambda one: -abs(one.contribution))


def _of_dimension(
    dimension: str,
    names: Sequence[str],
    label: NDArray[np.int64],
    count: Floats,
    shown: Floats,
    units: NDArray[np.int64],
    now: NDArray[np.bool_],
) -> list[SegmentShift]:
    many = int(units.max(initial=-1)) + 1
    # The rows of each segment lie together: to look through all of them for each would take long.
    order = np.argsort(label, kind="stable")
    begin = np.searchsorted(label[order], np.arange(len(names) + 1))
    every = _sums(order[begin[0] :], count, shown, units, now, many)
    total = _cell(every)[0]
    if min(total.exposure) <= 0:
        return []
    overall = [total.events[window] / total.exposure[window] for window in (0, 1)]
    rows, cells = [], []
    for k, name in enumerate(names):
        own_sums = _sums(order[begin[k] : begin[k + 1]], count, shown, units, now, many)
        cell, fewest = _cell(own_sums)
        rest, fewest_others = _cell(every - own_sums)
        shares = [cell.exposure[window] / total.exposure[window] for window in (0, 1)]
        rates = [cell.events[w] / cell.exposure[w] if cell.exposure[w] > 0 else None for w in (0, 1)]
        # A segment that one window lacks changed its share, not its rate.
        known = [rate for rate in rates if rate is not None] or [0.0]
        r0, r1 = known[0], known[-1]
        by_rate = (shares[0] + shares[1]) / 2 * (r1 - r0)
        by_mix = (shares[1] - shares[0]) * ((r0 + r1) / 2 - sum(overall) / 2)
        row = SegmentShift(
            dimension=dimension, value=name, before=rates[0], after=rates[1],
            share_before=shares[0], share_after=shares[1],
            contribution=by_rate + by_mix, by_rate=by_rate, by_mix=by_mix,
        )  # fmt: skip
        own, others = cell.log_ratio, rest.log_ratio
        if own is not None and others is not None:
            error = math.sqrt(cell.variance + rest.variance)
            freedom = max(1, min(fewest, fewest_others) - 1)
            p = 2 * upper_tail(abs(own - others) / error, freedom)
            row = replace(row, apart=own - others, p_value=max(p, np.finfo(float).tiny))
        rows.append(row)
        cells.append(cell)
    return _shrunken(rows, cells)


def _sums(
    rows: NDArray[np.int64],
    count: Floats,
    shown: Floats,
    units: NDArray[np.int64],
    now: NDArray[np.bool_],
    many: int,
) -> Floats:
    """Return the number of these rows, and the sums of events and exposure, in both windows; shape (2, 3, many)."""
    of_window = units[rows] + many * now[rows]
    sums = [np.bincount(of_window, weight, 2 * many) for weight in (None, count[rows], shown[rows])]
    return np.stack(sums).astype(np.float64).reshape(3, 2, many).swapaxes(0, 1)


def _cell(sums: Floats) -> tuple[_Cell, int]:
    """Return what some rows had in both windows, and the fewest units in a window; of sums as `_sums` returns them."""
    events, exposure, variance, fewest = [], [], 0.0, sums.shape[2]
    for rows, count, shown in sums:
        there = rows > 0
        count, shown = count[there], shown[there]
        clicks, views = float(count.sum()), float(shown.sum())
        events.append(clicks)
        exposure.append(views)
        n = len(count)
        fewest = min(fewest, n)
        if clicks > 0 and views > 0:
            residual = count - clicks / views * shown
            between = float(residual @ residual) * n / max(1, n - 1) / clicks**2
            variance += max(between, 1 / clicks)
    return _Cell((events[0], events[1]), (exposure[0], exposure[1]), variance), fewest


def _shrunken(rows: list[SegmentShift], cells: list[_Cell]) -> list[SegmentShift]:
    """Return the rows with their log ratios, shrunken towards the mean of the dimension."""
    known = [(k, ratio) for k, cell in enumerate(cells) if (ratio := cell.log_ratio) is not None]
    if len(known) < 2:
        return [replace(rows[k], log_ratio=dict(known).get(k)) for k in range(len(rows))]
    ratios, variances = np.array([ratio for _, ratio in known]), np.array([cells[k].variance for k, _ in known])
    weights = 1 / variances
    mean = float(weights @ ratios / weights.sum())
    surplus = float(weights @ (ratios - mean) ** 2) - (len(known) - 1)
    spread = max(0.0, surplus / float(weights.sum() - weights @ weights / weights.sum()))
    if spread > 0:
        mean = float((1 / (variances + spread)) @ ratios / (1 / (variances + spread)).sum())
    kept = spread / (spread + variances)
    shrunken = {k: mean + float(kept[i]) * (ratio - mean) for i, (k, ratio) in enumerate(known)}
    return [replace(row, log_ratio=shrunken.get(k)) for k, row in enumerate(rows)]
