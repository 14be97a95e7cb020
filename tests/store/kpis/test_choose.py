"""The rule that decides between rows that hold the same delivery, apart from any store."""

from datetime import date

import polars as pl
import pytest

from abkit.store.kpis.once.rule import COLUMNS, choose

DAY = date(2026, 1, 5)


def counted(*conversions: float) -> list[int]:
    """Ids of the rows that count, of equal ones that differ in nothing but these conversions; ids are from 1."""
    same = {"ad": 1, "name": "\n120", "breakdown": "-" * 9, "event": "", "attribution_window": "", "segment_id": 1}
    times = {"period_start": DAY, "period_end": DAY, "impressions": 1000, "clicks": 30, "spend": None}
    rows = [{"id": id_, **same, **times, "conversions": value} for id_, value in enumerate(conversions, 1)]
    return choose(pl.DataFrame(rows).select(*COLUMNS)).filter(pl.col("left_out") == "")["id"].sort().to_list()


@pytest.mark.parametrize(
    ("conversions", "winner"),
    [((2.0, 2.0), 2), ((2.0, 3.0), 2), ((3.0, 2.0), 1), ((1.0, 3.0, 2.0), 2), ((0.5, 0.25), 1)],
)
def test_of_equal_rows_one_counts_the_one_with_more_conversions_or_else_the_later(
    conversions: tuple[float, ...], winner: int
) -> None:
    assert counted(*conversions) == [winner]
