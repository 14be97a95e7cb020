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


def sums_of_pairs(session: Session, pairs: Collection[tuple[int, int]]) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Return both tables for pairs of ads alone: every period of several days that either ad of a pair has.

    Args:
        session: A session that reads.
        pairs: Two ads each.
    """
    import polars as pl

    ads = {ad for pair in pairs for ad in pair}
    mine = among(session, Kpi.ad_id, ads)
    if not session.scalar(select(Kpi.id).where(mine, Kpi.period_end > Kpi.period_start).limit(1)):
        return _frame([]), _frame([])
    columns = (Kpi.ad_id, Kpi.period_start, Kpi.period_end, Kpi.impressions, Kpi.clicks, Kpi.conversions)
    found = session.execute(select(*columns).where(Kpi.left_out == "", mine))
    rows = _frame([(*row, 0) for row in found]).with_row_index("number")
    key = ["ad", "period_start", "period_end"]
    figures = pl.col("impressions", "clicks", "conversions").sum()
    longer = rows.filter(pl.col("period_end") > pl.col("period_start"))
    totals = longer.group_by(key).agg(figures, pl.col("parts").sum())
    schema = {"one": pl.Int64, "ad": pl.Int64}
    both = pl.DataFrame([*pairs, *((two, one) for one, two in pairs)], schema=schema, orient="row")
    asked = both.join(totals.select(pl.col("ad").alias("one"), "period_start", "period_end"), on="one")
    inside = asked.join(rows, on="ad", suffix="_of_row").filter(
        pl.col("period_start_of_row") >= pl.col("period_start"),
        pl.col("period_end_of_row") <= pl.col("period_end"),
        (pl.col("period_end_of_row") - pl.col("period_start_of_row")) < (pl.col("period_end") - pl.col("period_start")),
    )
    # Several ads may ask for the same sum.
    inside = inside.unique(["ad", "period_start", "period_end", "period_start_of_row", "period_end_of_row", "number"])
    sums = inside.group_by(key).agg(figures, parts=pl.col("impressions").n_unique().cast(pl.Int64))
    everything = pl.concat([totals.select(SUMS), sums.select(SUMS)])
    sides = [pl.Series("ad", sorted({pair[side] for pair in pairs}), dtype=pl.Int64).to_frame() for side in (0, 1)]
    here, there = (everything.join(side, on="ad", how="semi") for side in sides)
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
