"""A click after midnight is real: clicks are held against the impressions of the ad, not against those of its row."""

from pathlib import Path

import pytest

from abkit.store.database.engine import Store
from tests.kpi_files import figures, rows, run_import, write

HEADER = "day,ad,impressions,clicks,spend"


def lands(store: Store, path: Path, *lines: str, header: str = HEADER) -> tuple[int, int]:
    summary = run_import(store, write(path, rows(*lines, header=header)))[0]
    return summary.imported, summary.rejected


def test_a_click_without_an_impression_is_imported_with_its_cost(store: Store, tmp_path: Path) -> None:
    lines = ["2026-01-01,7001,1204,35,11.52", "2026-01-02,7001,0,1,0.30"]
    assert lands(store, tmp_path / "k.csv", *lines) == (2, 0)
    assert [row[1:3] for row in figures(store)] == [(1204, 35), (0, 1)]


@pytest.mark.parametrize("late", ["2026-01-02,7001,0,1,0.30", "2026-01-02,7001,3,40,0.30"])
def test_the_impressions_may_have_come_with_an_earlier_file(sqlite_store: Store, tmp_path: Path, late: str) -> None:
    assert lands(sqlite_store, tmp_path / "one.csv", "2026-01-01,7001,1204,35,11.52") == (1, 0)
    assert lands(sqlite_store, tmp_path / "two.csv", late) == (1, 0)


def test_a_few_late_clicks_of_an_ad_that_was_never_seen_are_imported(sqlite_store: Store, tmp_path: Path) -> None:
    assert lands(sqlite_store, tmp_path / "k.csv", "2026-01-02,7001,0,2,0.30", "2026-01-03,7001,0,1,0") == (2, 0)


def test_an_ad_with_more_clicks_than_impressions_altogether_loses_those_rows(
    sqlite_store: Store, tmp_path: Path
) -> None:
    lines = ["2026-01-01,7001,20,1,1", "2026-01-02,7001,20,1000,1"]
    lines += ["2026-01-01,7002,1000,20,1", "2026-01-02,7003,0,11,1"]
    summary = run_import(sqlite_store, write(tmp_path / "k.csv", rows(*lines, header=HEADER)))[0]
    assert (summary.imported, summary.rejected) == (2, 2)
    reason = "clicks above impressions over all rows of the ad … clicks, … impressions"
    assert summary.reasons == {reason: 2}


def test_swapped_columns_are_refused_row_by_row(sqlite_store: Store, tmp_path: Path) -> None:
    lines = [f"2026-01-{day:02},7001,{day},{100 + day},1" for day in range(1, 8)]
    assert lands(sqlite_store, tmp_path / "k.csv", *lines) == (0, 7)
