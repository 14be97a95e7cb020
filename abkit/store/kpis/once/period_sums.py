"""Totals of some ads beside the sums of what others delivered inside the same periods."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from datetime import date
from typing import TYPE_CHECKING, Any

from sqlalchemy import ColumnElement, func, select
from sqlalchemy.orm import Session

from abkit.store.database.statements import among, total
from abkit.store.schema import Kpi

if TYPE_CHECKING:
    import polars as pl

#: Columns of both tables; `parts` is the number of different figures in a sum, 0 of a total.
SUMS = ("ad", "period_start", "period_end", "impressions", "clicks", "conversions", "parts")
_MOST_TOTALS = 12  # periods that are looked at; each takes a sum


def totals_and_sums(
    session: Session, ads: Collection[int], others: Collection[int], days: tuple[date, date] | None
) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Return what both sides have of the periods of several days that either has, of the rows that count.

    Args:
        session: A session that reads.
        ads: Ids of the ads of one side.
        others: Ids of the ads of the other.
        days: A period has one of these days; all periods by default.
    """
    totals = [_totals(session, side, days) for side in (ads, others)]
    sums = [_sums(session, side, totals[1 - number]) for number, side in enumerate((ads, others))]
    here, there = (_frame([*exact, *added]) for exact, added in zip(totals, sums, strict=True))
    return here, there


def _totals(session: Session, ads: Collection[int], days: tuple[date, date] | None) -> list[tuple[Any, ...]]:
    longer = [among(session, Kpi.ad_id, ads), Kpi.period_end > Kpi.period_start]
    if days is not None:
        longer += [Kpi.period_start <= days[1], Kpi.period_end >= days[0]]
    found = _summed(session, [Kpi.ad_id, Kpi.period_start, Kpi.period_end], longer)
    periods = sorted({row[1:3] for row in found})
    some = set(periods[:: -(-len(periods) // _MOST_TOTALS) or 1])
    return [(*row[:-1], 0) for row in found if row[1:3] in some]


def _sums(session: Session, ads: Collection[int], totals: Iterable[tuple[Any, ...]]) -> Iterable[tuple[Any, ...]]:
    for start, end in sorted({row[1:3] for row in totals}):
        inside = [Kpi.period_start >= start, Kpi.period_end <= end, among(session, Kpi.ad_id, ads)]
        finer = (Kpi.period_start > start) | (Kpi.period_end < end)
        for ad, *figures in _summed(session, [Kpi.ad_id], [*inside, finer]):
            yield ad, start, end, *figures


def _summed(session: Session, key: list[Any], where: Iterable[ColumnElement[bool]]) -> list[tuple[Any, ...]]:
    different = func.count(Kpi.impressions.distinct())
    figures = (total(Kpi.impressions), total(Kpi.clicks), func.sum(Kpi.conversions), different)
    statement = select(*key, *figures).where(Kpi.left_out == "", *where).group_by(*key)
    return [tuple(row) for row in session.execute(statement)]


def _frame(rows: list[tuple[Any, ...]]) -> pl.DataFrame:
    import polars as pl

    kinds = (pl.Int64, pl.Date, pl.Date, pl.Int64, pl.Int64, pl.Float64, pl.Int64)
    return pl.DataFrame(rows, schema=dict(zip(SUMS, kinds, strict=True)), orient="row")
