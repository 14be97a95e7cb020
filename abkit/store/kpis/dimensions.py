"""In which segments of delivery creatives ran: placements, platforms, countries and devices by their impressions."""

from __future__ import annotations

from datetime import date

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from abkit.store.schema import Kpi, Segment
from abkit.vocabulary import Dimension

#: What creatives may do differently in; age and gender are seldom in exports beside these.
_COMPARED = (Dimension.PLATFORM, Dimension.PLACEMENT, Dimension.COUNTRY, Dimension.DEVICE)


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
