"""Which campaigns a page has room for, where the store has more delivery than one page can be made of."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, timedelta
from typing import TYPE_CHECKING

from abkit.reporting.page.creatives import MOST_CREATIVES
from abkit.store.kpis.delivery import impressions_by_campaign
from abkit.store.leaderboards import kpi_rows, last_day

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

_WEEK = timedelta(days=7)


def campaigns_with_room(
    session: Session, every: Sequence[tuple[int, str, int]], day: date, most_rows: int
) -> Sequence[tuple[int, str, int]]:
    """Return the campaigns that a page is made of where nobody named any: all of them, unless the store is large.

    Of a large store these are the campaigns with the most impressions in the last week of delivery, as many as have
    room with all their creatives, and one at least.

    Args:
        session: A reading session.
        every: Id, key and number of scored creatives of each campaign.
        day: The last day of delivery that counts.
        most_rows: KPI rows up to which a store is not large; 0 is any number.
    """
    last = last_day(session, day)
    if not most_rows or last is None or kpi_rows(session) <= most_rows:
        return every
    shown = impressions_by_campaign(session, last - _WEEK + timedelta(days=1), last)
    room, chosen = MOST_CREATIVES, list[tuple[int, str, int]]()
    for one in sorted(every, key=lambda one: (-shown.get(one[0], 0), one[1])):
        if not chosen or one[2] <= room:
            chosen.append(one)
            room -= one[2]
    return chosen
