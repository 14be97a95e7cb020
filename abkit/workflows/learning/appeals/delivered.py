"""What was delivered as columns: events, what they are counted of, and the cells in which creatives compete."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from functools import cached_property
from operator import attrgetter
from typing import Any

import numpy as np
from numpy.typing import NDArray

from abkit.metrics import METRICS, MONEY, MetricDefinition
from abkit.store.kpis.late_events import DeliveryRow
from abkit.vocabulary import Metric

LONG = 7
"""Periods of more days have no day that others share: they are compared with each other, whatever their dates."""


@dataclass(frozen=True, kw_only=True)
class DeliveredRows:
    """Rows of the store for one KPI, as columns of shape (n,).

    Attributes:
        rows: Rows of the store; where the KPI is one of money, those whose money is known.
        age: Days since the first delivery of the creative in the campaign, in the middle of the period.
        idea: Label of the idea of the creative; below 0 where it is one of its own.
        definition: The KPI.
        left_out: Rows whose money is not known.
    """

    rows: list[DeliveryRow]
    age: NDArray[np.float64]
    idea: NDArray[np.int64]
    definition: MetricDefinition = METRICS[Metric.CTR]
    left_out: int = 0

    @cached_property
    def count(self) -> NDArray[np.float64]:
        """What is counted, shape (n,): clicks for CTR and CPC, conversions for CPA; amounts in units of an event."""
        name = self.definition.rate[0]
        values = np.array(self._each(name), np.float64)
        if name not in MONEY:
            return values
        # An amount has the noise of the events that bring it, and not that of as many events as it has units.
        events = sum(getattr(row, self.definition.events) for row in self.rows)
        return values * (events / total if (total := float(values.sum())) > 0 else 1.0)

    @cached_property
    def exposure(self) -> NDArray[np.float64]:
        """What it is counted of, shape (n,): impressions for CTR, the spend for CPC and CPA."""
        return np.array(self._each(self.definition.rate[1]), np.float64)

    @property
    def events(self) -> str:
        """What `count` has, for messages."""
        return events_of(self.definition)

    @cached_property
    def start(self) -> NDArray[np.int64]:
        """First day of each period, as an ordinal; shape (n,)."""
        return np.array([day.toordinal() for day in self._each("period_start")], np.int64)

    @cached_property
    def days(self) -> NDArray[np.int64]:
        """Length of each period; shape (n,)."""
        return np.array([day.toordinal() for day in self._each("period_end")], np.int64) - self.start + 1

    def cells(self, *also: NDArray[Any]) -> NDArray[np.int64]:
        """Return the cell of each row: campaign, segment and period, and whatever else is to be kept apart."""
        campaign, segment = self.column("campaign_id"), self.column("segment_id")
        long = self.days > LONG
        start, days = (np.where(long, -1, column) for column in (self.start, self.days))
        return labels(campaign, segment, start, days, *also)

    def column(self, name: str) -> NDArray[np.int64]:
        """Return an id of each row: `creative_id`, `campaign_id` or `segment_id`."""
        return self._ids[name]

    @cached_property
    def _ids(self) -> Mapping[str, NDArray[np.int64]]:
        names = ("creative_id", "campaign_id", "segment_id")
        return {name: np.array(self._each(name), np.int64) for name in names}

    def _each(self, name: str) -> list[Any]:
        return list(map(attrgetter(name), self.rows))


def events_of(definition: MetricDefinition) -> str:
    """Return what a KPI counts: clicks for CTR and CPC, conversions for revenue."""
    name = definition.rate[0]
    return definition.events if name in MONEY else name


def labels(*columns: NDArray[Any]) -> NDArray[np.int64]:
    """Return one label per row: rows share it where they agree in all columns.

    >>> labels(np.array([7, 7, 8]), np.array([1, 2, 1])).tolist()
    [0, 1, 2]
    """
    found = np.zeros(len(columns[0]), np.int64)
    for column in columns:
        numbers = np.unique(column, return_inverse=True)[1].reshape(-1)
        found = np.unique(found * (int(numbers.max(initial=0)) + 1) + numbers, return_inverse=True)[1].reshape(-1)
    return found


def ages(rows: list[DeliveryRow], first: Mapping[tuple[int, int], date]) -> NDArray[np.float64]:
    """Return the age of each creative in the middle of the period: days since its first delivery in the campaign."""
    return np.array(
        [
            (row.period_start - first.get((row.creative_id, row.campaign_id), row.period_start)).days
            + (row.period_end - row.period_start).days / 2
            for row in rows
        ],
        np.float64,
    )


def ideas_of_rows(rows: list[DeliveryRow], ideas: Mapping[int, int]) -> NDArray[np.int64]:
    """Return the label of the idea of each row; a creative without one is an idea of its own."""
    return np.array([ideas.get(row.creative_id, -row.creative_id) for row in rows], np.int64)
