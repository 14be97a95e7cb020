"""What a metric is of each creative, how noisy that is, and which creatives have enough delivery for it."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import reduce
from operator import add

from sqlalchemy.orm import Session

from abkit.config import CorrelateSettings
from abkit.errors import AbkitError
from abkit.metrics import MetricDefinition
from abkit.stats.arms import PairMoments
from abkit.stats.means.pairs import ratio_of_means
from abkit.store.kpis.delivery import Delivered, Deliveries, Filters, day_sums
from abkit.store.kpis.money import Figures

Spread = Mapping[tuple[int, int | None], PairMoments]
"""Moments of numerator (y) and denominator (x) over the days of a creative, by creative and campaign."""


def spread_of(
    session: Session, filters: Filters, delivered: Deliveries, definition: MetricDefinition, margin_rate: float
) -> Spread:
    """Return how a metric varies between the days of each creative; nothing for shares of counted trials."""
    if definition.share and not delivered.modeled:
        return {}
    sums = day_sums(session, filters, definition, delivered.money, margin_rate)
    names = ("n", "y", "x", "yy", "xx", "xy")
    return {key: PairMoments.from_sums(**dict(zip(names, row, strict=True))) for key, row in sums.items()}


@dataclass(frozen=True)
class PerCreative:
    """Which creatives have enough delivery for a metric, and what it is for each.

    Attributes:
        definition: The metric.
        limits: Minimum samples.
        margin_rate: For the margin.
        spread: How it varies between the days of a creative.
    """

    definition: MetricDefinition
    limits: CorrelateSettings
    margin_rate: float
    spread: Spread

    @property
    def figure(self) -> str:
        """The figure that has a minimum: what the metric is divided by; impressions where that is an amount."""
        below = self.definition.denominator
        return below if below in ("clicks", "conversions") else "impressions"

    @property
    def minimum(self) -> str:
        """The minimum in words."""
        return f"{getattr(self.limits, f'min_{self.figure}'):,} {self.figure}"

    @property
    def why_without(self) -> str:
        """Why creatives with enough delivery have no value."""
        needs = " and ".join(self.definition.needs)
        return f"{needs} of all their rows is not known, or {self.definition.denominator} is 0"

    def sort(self, rows: Sequence[Delivered]) -> tuple[list[Delivered], list[Delivered], list[Delivered]]:
        """Return the rows with a value, those with too little delivery, and those without a value."""
        needed = getattr(self.limits, f"min_{self.figure}")
        figure = self.figure
        kept: tuple[list[Delivered], list[Delivered], list[Delivered]] = ([], [], [])
        for row in rows:
            kept[1 if getattr(row, figure) < needed else 0 if self.terms(row)[0] else 2].append(row)
        return kept

    def terms(self, row: Delivered) -> tuple[float, float]:
        """Return denominator and numerator; a denominator of 0 where the money is not known."""
        return self.definition.terms(row, margin_rate=self.margin_rate) or (0, 0)

    def value(self, row: Delivered) -> float:
        """Return the metric of a creative."""
        below, above = self.terms(row)
        return above / below

    def error(self, row: Delivered) -> float | None:
        """Return its sampling error."""
        below, above = self.terms(row)
        if self.definition.share and above <= below and float(above).is_integer():
            # Of Laplace's estimate: without a success the share is not known to be 0.
            share = (above + 1) / (below + 2)
            return math.sqrt(share * (1 - share) / below)
        campaigns = (
            [row.campaign_id]
            if row.campaign_id is not None
            else [campaign for creative, campaign in self.spread if creative == row.creative_id]
        )
        parts = [self.spread[key] for one in campaigns if (key := (row.creative_id, one)) in self.spread]
        if not parts:
            return None
        moments = reduce(add, parts)
        return ratio_of_means(moments).standard_error if moments.n >= 2 and moments.mean_x else None


def by_creative(rows: Sequence[Delivered]) -> list[Delivered]:
    """Return one row per creative, over all campaigns."""
    sums: dict[int, Figures] = {}
    for row in rows:
        part = Figures(row.impressions, row.clicks, row.conversions, row.spend, row.revenue)
        sums[row.creative_id] = sums.get(row.creative_id, Figures()).plus(part)
    return [Delivered.of(creative, None, total) for creative, total in sums.items()]


def need_money(definition: MetricDefinition, delivered: Deliveries) -> None:
    """Refuse a metric of money where no row has any."""
    for name in definition.needs:
        if delivered.rows and not any(getattr(row, name) for row in delivered.rows):
            raise AbkitError(
                f"no row has {name}, which {definition.name} is made of",
                hint=f"import an export with a column of it, or name that column: --map 'Column={name}'",
            )
