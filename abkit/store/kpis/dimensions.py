"""In which segments of delivery creatives ran: placements, platforms, countries and devices by their impressions."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from abkit.store.database.statements import in_parts
from abkit.store.schema import Campaign, Kpi, Segment
from abkit.vocabulary import Dimension

#: What creatives may do differently in; age and gender are seldom in exports beside these.
_COMPARED = (Dimension.PLATFORM, Dimension.PLACEMENT, Dimension.COUNTRY, Dimension.DEVICE)


def segment_values(session: Session, segments: Sequence[int], campaigns: Sequence[int]) -> dict[str, list[str]]:
    """Return where rows of delivery belong, by dimension: their platform, placement, country, device and campaign.

    Args:
        session: A reading session.
        segments, campaigns: Ids of each row.
    """
    columns = [getattr(Segment, dimension.value) for dimension in _COMPARED]
    known: dict[int, tuple[str, ...]] = {}
    keys: dict[int, str] = {}
    for part in in_parts(sorted(set(segments))):
        rows = session.execute(select(Segment.id, *columns).where(Segment.id.in_(part)))
        known |= {row[0]: tuple(row[1:]) for row in rows}
    for part in in_parts(sorted(set(campaigns))):
        named = session.execute(select(Campaign.id, Campaign.key).where(Campaign.id.in_(part)))
        keys |= {id_: key for id_, key in named}  # noqa: C416  # rows are not pairs to mypy
    nowhere = ("",) * len(_COMPARED)
    places = [known.get(segment, nowhere) for segment in segments]
    found = {dimension.value: [place[number] for place in places] for number, dimension in enumerate(_COMPARED)}
    return {**found, "campaign": [keys.get(campaign, "") for campaign in campaigns]}


def largest_segments(session: Session, first: date, last: date, limit: int) -> list[str]:
    """Return the segments with the most impressions between two days, such as "placement=feed", the largest first.

    A dimension with one value only is no segment of its own.
    """
    found: list[tuple[int, str]] = []
    for dimension in _COMPARED:
        column = getattr(Segment, dimension.value)
        rows = session.execute(
            select(column, func.sum(Kpi.impressions))
            .join(Segment, Segment.id == Kpi.segment_id)
            .where(Kpi.left_out == "", Kpi.period_end >= first, Kpi.period_start <= last, column != "")
            .group_by(column)
        ).all()
        if len(rows) > 1:
            found += [(int(total), f"{dimension.value}={value}") for value, total in rows if "," not in value]
    return [name for _, name in sorted(found, key=lambda one: (-one[0], one[1]))[:limit]]


def segment_names(session: Session) -> dict[int, tuple[str, ...]]:
    """Return what each segment is, such as ("placement=feed", "country=DE"), by id."""
    columns = [getattr(Segment, dimension.value) for dimension in _COMPARED]
    return {
        id_: tuple(f"{name.value}={value}" for name, value in zip(_COMPARED, values, strict=True) if value)
        for id_, *values in session.execute(select(Segment.id, *columns))
    }
