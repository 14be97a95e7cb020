"""Of more delivery than an analysis can read at once: whole campaigns, drawn by chance, that stand for all.

Creatives are compared inside campaigns, so campaigns are what is drawn. Where there are few, all of them are looked at,
and creatives are drawn inside them. The draw is a hash of the ids: the same store gives the same sample, and a store
that grows keeps the campaigns it had, but for those that no longer fit.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from typing import Any

from sqlalchemy import func, literal, select
from sqlalchemy.orm import Session

from abkit.records import Record, percent
from abkit.store.database.statements import count_rows
from abkit.store.schema import Ad, Kpi

FEWEST_CAMPAIGNS = 50
"""Of so many campaigns, none is left out: creatives are drawn inside them instead."""

# Any odd factor spreads consecutive ids over the range evenly.
_FACTOR, _RANGE = 40_503, 65_536


@dataclass(frozen=True, kw_only=True)
class Portion(Record):
    """The part of the delivery that was looked at.

    Attributes:
        ads: Ids of its ads.
        campaigns, of_campaigns: How many campaigns they are in, and how many there are.
        share: About which share of all rows that is, 0 … 1.
        rows: How many rows there are in all.
    """

    ads: tuple[int, ...]
    campaigns: int
    of_campaigns: int
    share: float
    rows: int

    def __str__(self) -> str:
        """Say it in a line."""
        drawn = f"{self.campaigns:,} of {self.of_campaigns:,} campaigns"
        if self.campaigns == self.of_campaigns:
            drawn = "creatives"
        return (
            f"{drawn}, drawn by chance, stand for all: they have about {percent(self.share, 0)} of {self.rows:,} KPI "
            "rows (`analysis_rows` under [kpi] says how many are read)"
        )


def portion(session: Session, first: date | None, last: date | None, most_rows: int) -> Portion | None:
    """Return the ads that an analysis of some days looks at; None where it can look at all.

    Args:
        session: A reading session.
        first, last: The days; None is open.
        most_rows: How many rows it may read; 0 is any number.
    """
    # By the index of last days alone: near enough.
    days = [] if first is None else [Kpi.period_end >= first]
    days += [] if last is None else [Kpi.period_end <= last]
    rows = count_rows(session, Kpi, *days) if most_rows else 0
    if rows <= most_rows:
        return None
    share = most_rows / rows
    campaigns = session.scalar(select(func.count(Ad.campaign_id.distinct()))) or 0
    of_campaigns = min(1.0, max(share, FEWEST_CAMPAIGNS / campaigns if campaigns else 1.0))
    inside = share / of_campaigns
    home = func.coalesce(Ad.campaign_id, literal(0))
    ad = func.coalesce(Ad.same_as, Ad.id)
    drawn = _hash(home) < round(of_campaigns * _RANGE), _hash(ad) < round(inside * _RANGE)
    found = session.execute(select(Ad.id, Ad.campaign_id).where(*drawn)).all()
    return Portion(
        ads=tuple(row.id for row in found),
        campaigns=len({row.campaign_id for row in found}),
        of_campaigns=campaigns,
        share=share,
        rows=rows,
    )


def _hash(column: Any) -> Any:
    return column * _FACTOR % _RANGE
