"""A day is the sum of its hours: of both hours where the clock goes back, and of none where one was refused."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from abkit.store.database.engine import Store
from tests.kpi_files import figures, rows, run_import, write

HEADER = "day,ad,impressions,clicks"


def hours(zone: str, day: tuple[int, int, int], *, offset: bool) -> list[str]:
    """Every hour of a day as the clocks of a place show it."""
    start = datetime(*day, tzinfo=ZoneInfo(zone)).astimezone(UTC)
    moments = [(start + timedelta(hours=n)).astimezone(ZoneInfo(zone)) for n in range(26)]
    here = [moment for moment in moments if (moment.year, moment.month, moment.day) == day]
    return [moment.isoformat() if offset else f"{moment:%Y-%m-%d %H:%M:%S}" for moment in here]


@pytest.mark.parametrize("offset", [True, False])
@pytest.mark.parametrize(
    ("zone", "day", "n"),
    [
        ("Europe/Berlin", (2026, 10, 25), 25),
        ("America/New_York", (2026, 11, 1), 25),
        ("Australia/Sydney", (2026, 4, 5), 25),
        ("Europe/Berlin", (2026, 3, 29), 23),
        ("Asia/Tokyo", (2026, 10, 25), 24),
    ],
)
def test_every_hour_of_a_day_counts_whatever_the_clock_does(
    sqlite_store: Store, tmp_path: Path, zone: str, day: tuple[int, int, int], n: int, offset: bool
) -> None:
    shown = hours(zone, day, offset=offset)
    assert len(shown) == n
    lines = [f"{hour},{ad},{100 + number},1" for number, hour in enumerate(shown) for ad in (1, 2)]
    (summary,) = run_import(sqlite_store, write(tmp_path / "k.csv", rows(*lines, header=HEADER)))
    assert (summary.imported, summary.rejected) == (2 * n, 0)
    total = sum(100 + number for number in range(n))
    assert [row[1:3] for row in figures(sqlite_store)] == [(total, n), (total, n)]


def test_two_hours_with_equal_figures_are_two_where_the_clock_goes_back(sqlite_store: Store, tmp_path: Path) -> None:
    lines = [f"{hour},1,10,1" for hour in hours("Europe/Berlin", (2026, 10, 25), offset=False)]
    run_import(sqlite_store, write(tmp_path / "k.csv", rows(*lines, header=HEADER)))
    assert [row[1:3] for row in figures(sqlite_store)] == [(250, 25)]


def test_a_file_that_was_written_twice_counts_once_on_that_day_too(sqlite_store: Store, tmp_path: Path) -> None:
    lines = [f"2026-10-25 {hour:02}:00:00,1,10,1" for hour in range(24)]
    (summary,) = run_import(sqlite_store, write(tmp_path / "k.csv", rows(*lines, *lines, header=HEADER)))
    assert (summary.imported, summary.rejected) == (24, 24)
    assert [row[1:3] for row in figures(sqlite_store)] == [(240, 24)]


def test_an_hour_that_is_there_twice_on_any_other_day_is_a_contradiction(sqlite_store: Store, tmp_path: Path) -> None:
    lines = [f"2026-10-26 {hour:02}:00:00,1,{10 + hour},1" for hour in range(24)]
    (summary,) = run_import(
        sqlite_store, write(tmp_path / "k.csv", rows(*lines, "2026-10-26 02:00:00,1,99,1", header=HEADER))
    )
    assert (summary.imported, summary.rejected) == (0, 25)


@pytest.mark.parametrize("cell", ["x", "-5", "10.5", "200"])
def test_a_day_of_which_an_hour_is_refused_does_not_count(sqlite_store: Store, tmp_path: Path, cell: str) -> None:
    wrong = "13,1,100,200" if cell == "200" else f"13,1,{cell},1"
    lines = [f"2026-01-05,{hour},{ad},100,1" for hour in range(24) for ad in (1, 2) if (hour, ad) != (13, 1)]
    text = rows(*lines, f"2026-01-05,{wrong}", header="day,hour,ad,impressions,clicks")
    (summary,) = run_import(sqlite_store, write(tmp_path / "k.csv", text))
    if cell == "200":  # clicks are judged over the ad: 223 of 2,400 impressions
        assert summary.rejected == 0
        return
    assert (summary.imported, summary.rejected) == (24, 24)
    assert [row[1:3] for row in figures(sqlite_store)] == [(2400, 24)]
    assert any("a day is the sum of its hours" in reason for reason in summary.reasons)
