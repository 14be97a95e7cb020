"""When figures of two ads that are equal prove that they are one: no chance makes so many digits agree."""

from __future__ import annotations

from collections.abc import Collection
from typing import TYPE_CHECKING

from sqlalchemy import ColumnElement, select
from sqlalchemy.orm import Session

from abkit.store.database.statements import among, total
from abkit.store.schema import Kpi

if TYPE_CHECKING:
    import polars as pl

PERIOD, COUNTED = ["period_start", "period_end"], ["impressions", "clicks"]
#: Digits that agree: 1,000 impressions and 20 clicks are 4.3. Names that fit need less proof than figures alone.
DIGITS_RELATED, DIGITS_ALONE = 2.5, 6.0
DAYS_ALONE = 3  # different figures that agree, where the names say nothing
SHARE_RELATED, SHARE_ALONE = 0.5, 0.9  # of the days that both have


def is_proven(share: float, digits: float, days: float, *, related: bool) -> bool:
    """Return whether so many equal figures prove it.

    Args:
        share: Of the periods that both have, from 0 to 1.
        digits: That agree in all.
        days: How many different figures agree.
        related: Whether the names say so, too.

    >>> is_proven(0.6, 4.3, 1, related=True), is_proven(0.6, 4.3, 1, related=False)
    (True, False)
    """
    if related:
        return share >= SHARE_RELATED and digits >= DIGITS_RELATED
    return share >= SHARE_ALONE and digits >= DIGITS_ALONE and days >= DAYS_ALONE


def digits_of_counts() -> pl.Expr:
    """Return how many digits the impressions and clicks of a row have together."""
    import polars as pl

    return ((pl.col("impressions") + 1) * (pl.col("clicks") + 1)).cast(pl.Float64).log10()


def delivered(session: Session, ads: Collection[int], *where: ColumnElement[bool]) -> pl.DataFrame:
    """Return what ads delivered by period (ad, `PERIOD`, `COUNTED`), of the rows that count and meet the conditions."""
    import polars as pl

    key = (Kpi.ad_id, Kpi.period_start, Kpi.period_end)
    counted = [among(session, Kpi.ad_id, ads), Kpi.left_out == "", Kpi.impressions > 0]
    sums = select(*key, total(Kpi.impressions), total(Kpi.clicks)).where(*counted, *where).group_by(*key)
    kinds = {"ad": pl.Int64, **dict.fromkeys(PERIOD, pl.Date), **dict.fromkeys(COUNTED, pl.Int64)}
    return pl.DataFrame([tuple(row) for row in session.execute(sums)], schema=kinds, orient="row")
