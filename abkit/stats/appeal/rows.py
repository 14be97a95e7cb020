"""Rows of delivery as they come, and as the statistics need them: who was shown beside whom."""

from __future__ import annotations

from dataclasses import dataclass, fields

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_array, csr_array
from scipy.sparse.csgraph import connected_components

from abkit.errors import InvalidInput
from abkit.stats.within_groups import group_index, group_sums

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]


@dataclass(frozen=True, kw_only=True)
class DeliveryRows:
    """What creatives delivered, one row per creative, period and segment; every field has shape (n,).

    Attributes:
        events: What is counted: clicks, conversions; amounts in units of an event.
        exposure: What it is counted of: impressions, spend; rows without any say nothing.
        creative, campaign: Labels.
        cell: Labels of campaign, period and segment together: what should not matter.
        age: Days since the creative's first delivery in the campaign; 0 where it is not known.
        idea: Labels: creatives of one idea are no independent observations. Each is its own by default.
        day: Number of the day, in order: each has luck of its own. Without it cells have, and nothing is in order.
    """

    events: Floats
    exposure: Floats
    creative: Ints
    campaign: Ints
    cell: Ints
    age: Floats
    idea: Ints | None = None
    day: Ints | None = None


class Arranged:
    """Rows with integer labels, and who can be compared with whom.

    Attributes:
        events, exposure, age: Shape (n,), of the rows that have exposure.
        kept: Which of the rows given these are.
        unit: Shape (n,): number of the creative in its campaign; `creative`, `campaign`, `idea` are its labels.
        cell: Shape (n,): number of the cell.
        shared: Shape (n,), bool: the cell has several creatives, and events.
        group: Shape (m,): units that cells connect, directly or through others; those of other groups of the same
            campaign were never shown beside them. −1 for a unit that shares no cell.
        day: Shape (n,): number of unit and day.
        time: Shape (n,): the days in order; None where they are not known.
    """

    def __init__(self, rows: DeliveryRows) -> None:
        events, exposure = np.asarray(rows.events, np.float64), np.asarray(rows.exposure, np.float64)
        sizes = {field.name: len(value) for field in fields(rows) if (value := getattr(rows, field.name)) is not None}
        if len(set(sizes.values())) > 1:
            raise InvalidInput(f"columns of delivery have different lengths: {sizes}")
        if not (np.isfinite(events).all() and np.isfinite(exposure).all() and (events >= 0).all()):
            raise InvalidInput("events and exposure must be finite numbers, and events not negative")
        self.kept: Bools = exposure > 0
        self.events, self.exposure = events[self.kept], exposure[self.kept]
        age = np.asarray(rows.age, np.float64)[self.kept]
        self.age = np.where(np.isfinite(age), np.maximum(age, 0), 0.0)
        campaign, creative = np.asarray(rows.campaign)[self.kept], np.asarray(rows.creative)[self.kept]
        in_campaign = group_index(campaign)[0]
        self.unit = _pairs(in_campaign, group_index(creative)[0])
        first = np.unique(self.unit, return_index=True)[1]
        self.units = len(first)
        self.creative, self.campaign = creative[first].astype(np.int64), campaign[first].astype(np.int64)
        idea = creative if rows.idea is None else np.asarray(rows.idea)[self.kept]
        self.idea = idea[first].astype(np.int64)
        self.cell = _pairs(in_campaign, group_index(np.asarray(rows.cell)[self.kept])[0])
        self.cells = int(self.cell.max(initial=-1)) + 1
        self.shared = self._shared()
        self.group = self._groups()
        self.time: Ints | None = None if rows.day is None else np.asarray(rows.day)[self.kept].astype(np.int64)
        self.day = _pairs(self.unit, self.cell if self.time is None else group_index(self.time)[0])

    def _shared(self) -> Bools:
        once = np.unique(_pairs(self.unit, self.cell), return_index=True)[1]
        creatives = np.bincount(self.cell[once], minlength=self.cells)
        return ((creatives > 1) & (group_sums(self.cell, self.events, self.cells) > 0))[self.cell]

    def _groups(self) -> Ints:
        # Units and cells are the two sides of a graph, and rows its edges.
        unit, cell, nodes = self.unit[self.shared], self.cell[self.shared], self.units + self.cells
        graph = coo_array((np.ones(len(unit)), (unit, self.units + cell)), shape=(nodes, nodes))
        label = connected_components(graph, directed=False)[1][: self.units]
        group = np.full(self.units, -1, np.int64)
        compared = np.unique(unit)
        group[compared] = group_index(label[compared])[0]
        return group


def crossed(unit: Ints, cell: Ints, values: Floats, units: int, cells: int) -> csr_array:
    """Return the sums of values as a table of units by cells: to multiply it is quicker than to add up rows.

    >>> crossed(np.array([0, 1, 1]), np.array([0, 0, 1]), np.array([1.0, 2.0, 4.0]), 2, 2).toarray().tolist()
    [[1.0, 0.0], [2.0, 4.0]]
    """
    return coo_array((values, (unit, cell)), shape=(units, cells)).tocsr()


def _pairs(one: Ints, other: Ints) -> Ints:
    """Number the pairs of two labels."""
    return group_index(one * (int(other.max(initial=0)) + 1) + other)[0]
