"""Several exports in one file: the same header again is no fault, and no row is read by the header of another."""

from pathlib import Path

import pytest

from abkit.store.database.engine import Store
from tests.kpi_files import figures, rows, run_import, write

HEADER = "Day,Ad ID,Impressions,Clicks,Cost,Revenue"


def test_the_same_header_again_is_set_aside(sqlite_store: Store, tmp_path: Path) -> None:
    lines = ["2026-01-01,1,1000,5,1.5,2.5", HEADER, "2026-01-02,1,2000,7,1,2", HEADER.upper()]
    lines += ["2026-01-03,1,3000,7,1,2"]
    summary = run_import(sqlite_store, write(tmp_path / "k.csv", rows(*lines, header=HEADER)))[0]
    assert (summary.imported, summary.rejected, summary.set_aside) == (3, 0, 2)
    assert summary.aside == {"the header once more": 2}


@pytest.mark.parametrize(
    "other",
    ["Day,Ad ID,Impressions,Clicks,Revenue,Cost", "Day,Ad ID,Clicks,Impressions,Cost,Revenue",
     "Day,Ad ID,Impressions,Clicks,Cost,Reach"],
)  # fmt: skip
def test_rows_below_another_header_are_refused_until_the_first_comes_again(
    sqlite_store: Store, tmp_path: Path, other: str
) -> None:
    lines = ["2026-01-01,1,1000,500,1,2", other, "2026-01-02,1,900,700,1,2", "Total,,900,700,1,2", HEADER]
    summary = run_import(
        sqlite_store, write(tmp_path / "k.csv", rows(*lines, "2026-01-03,1,800,10,1,2", header=HEADER))
    )[0]
    assert (summary.imported, summary.rejected) == (2, 2), summary
    assert [row[1] for row in figures(sqlite_store)] == [1000, 800]
    assert "below another header" in next(iter(summary.reasons))


def test_an_ad_that_is_called_like_a_column_is_an_ad(sqlite_store: Store, tmp_path: Path) -> None:
    lines = ["2026-01-01,Impressions,1000,5", "2026-01-01,Clicks,n/a,5"]
    summary = run_import(sqlite_store, write(tmp_path / "k.csv", rows(*lines, header="day,ad,impressions,clicks")))[0]
    assert (summary.imported, summary.rejected, summary.set_aside) == (1, 1, 0)


@pytest.mark.parametrize("times", [("00:00", "06:30", "12:00"), ("00:00:00", "00:15:00", "00:30:00")])
def test_midnight_is_not_the_day_where_other_times_stand_beside_it(
    sqlite_store: Store, tmp_path: Path, times: tuple[str, ...]
) -> None:
    lines = [f"2026-01-01 {time},1,100,2" for time in times] + ["2026-01-02 00:00,1,700,5"]
    summary = run_import(sqlite_store, write(tmp_path / "k.csv", rows(*lines, header="day,ad,impressions,clicks")))[0]
    assert (summary.imported, summary.rejected) == (1, 3)
    assert [row[1] for row in figures(sqlite_store)] == [700]
