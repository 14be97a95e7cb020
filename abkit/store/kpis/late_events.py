"""Clicks and conversions of days without impressions: they belong to what was shown before.

An ad is shown before midnight and clicked after it, or bought from a week later: the row of that day has no
impressions, and no rate of its own.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date


@dataclass(frozen=True, kw_only=True, slots=True)
class DeliveryRow:
    """What one creative delivered in one campaign, segment and period."""

    creative_id: int
    campaign_id: int
    segment_id: int
    period_start: date
    period_end: date
    impressions: int
    clicks: int
    conversions: float = 0
    spend: float | None = None
    revenue: float | None = None


def with_late_events(rows: Sequence[DeliveryRow]) -> list[DeliveryRow]:
    """Return the rows with impressions, with what came on days without any.

    It goes to the last row before it of the same creative, campaign and segment, else to the next one; else to a row of
    another segment. A creative without any impressions in a campaign has no rate, and no row.
    """
    late = [row for row in rows if not row.impressions]
    if not late:
        return list(rows)
    shown = [row for row in rows if row.impressions]
    places: dict[tuple[int, int], list[int]] = defaultdict(list)
    for number, row in enumerate(shown):
        places[row.creative_id, row.campaign_id].append(number)
    for row in late:
        near = places.get((row.creative_id, row.campaign_id))
        if near is not None and (row.clicks or row.conversions or row.spend or row.revenue):
            number = min(near, key=lambda place: _distance(row, shown[place]))
            shown[number] = _added(shown[number], row)
    return shown


def _distance(late: DeliveryRow, row: DeliveryRow) -> tuple[bool, bool, int]:
    days = (late.period_start - row.period_start).days
    return row.segment_id != late.segment_id, days < 0, abs(days)


def _added(row: DeliveryRow, late: DeliveryRow) -> DeliveryRow:
    # A day without impressions is not paid for: a blank cell is nothing. An unknown revenue of a conversion is unknown.
    return replace(
        row,
        clicks=row.clicks + late.clicks,
        conversions=row.conversions + late.conversions,
        spend=None if row.spend is None else row.spend + (late.spend or 0.0),
        revenue=_sum(row.revenue, late.revenue),
    )


def _sum(one: float | None, other: float | None) -> float | None:
    return None if one is None or other is None else one + other
