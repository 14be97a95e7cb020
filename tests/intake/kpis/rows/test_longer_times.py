"""A column of weeks or months holds totals: a day that stands for one is not a day of delivery."""

from datetime import date
from pathlib import Path

import polars as pl
import pytest

from abkit.errors import InvalidInput
from abkit.intake.kpis.rows.longer_times import of_longer_times
from abkit.intake.kpis.times.dates import ReadDates, read_dates
from abkit.store.database.engine import Store
from tests.kpi_files import figures, rows, run_import, write

MONDAYS = ["2026-01-05", "2026-01-12", "2026-01-19"]
FIRSTS = ["2026-01-01", "2026-02-01", "2026-03-01"]


def read(name: str, days: list[str], *, typed: bool = False) -> ReadDates:
    column = pl.Series("day", [date.fromisoformat(day) for day in days] if typed else days)
    return of_longer_times(read_dates(column.to_frame(), ["day"], name, None), name)


@pytest.mark.parametrize("typed", [True, False])
@pytest.mark.parametrize(
    ("name", "days", "start", "end"),
    [
        ("Week", MONDAYS, date(2026, 1, 5), date(2026, 1, 11)),
        ("Week starting", MONDAYS, date(2026, 1, 5), date(2026, 1, 11)),
        ("week_ending", ["2026-01-11", "2026-01-18"], date(2026, 1, 5), date(2026, 1, 11)),
        ("Woche", MONDAYS, date(2026, 1, 5), date(2026, 1, 11)),
        ("Week of", ["2026-01-04"], date(2026, 1, 4), date(2026, 1, 10)),
        ("Month", FIRSTS, date(2026, 1, 1), date(2026, 1, 31)),
        ("Mois", ["2028-02-01"], date(2028, 2, 1), date(2028, 2, 29)),
        ("Quarter", ["2026-01-01", "2026-04-01"], date(2026, 1, 1), date(2026, 3, 31)),
    ],
)
def test_a_day_of_each_week_or_month_stands_for_all_of_it(
    name: str, days: list[str], start: date, end: date, typed: bool
) -> None:
    found = read(name, days, typed=typed)
    assert (found.values["period_start"][0], found.values["period_end"][0]) == (start, end)
    assert "each row is the total of its" in found.notes[-1]


@pytest.mark.parametrize(
    ("name", "days"),
    [("Week", ["2026-01-05", "2026-01-06"]), ("Month", ["2026-01-01", "2026-01-02"]), ("Weekday", MONDAYS[:2])],
)
def test_days_that_are_no_first_days_stay_days(name: str, days: list[str]) -> None:
    found = read(name, days)
    assert "day" in found.values
    assert found.notes == ()


@pytest.mark.parametrize(("days", "said"), [(MONDAYS, "the same day of the week"), (FIRSTS, "the first of a month")])
def test_days_that_look_like_weeks_or_months_are_said(days: list[str], said: str) -> None:
    found = read("Date", days)
    assert found.values["day"].to_list() == [date.fromisoformat(day) for day in days]
    assert said in found.notes[-1]


def test_totals_of_weeks_do_not_count_beside_their_days(sqlite_store: Store, tmp_path: Path) -> None:
    days = [f"2026-01-{day:02},1,{100 + day},1" for day in range(5, 19)]
    weeks = [f"2026-01-{first:02},1,{sum(100 + day for day in range(first, first + 7))},7" for first in (5, 12)]
    run_import(sqlite_store, write(tmp_path / "d.csv", rows(*days, header="Date,Ad ID,Impressions,Clicks")))
    path = write(tmp_path / "w.csv", rows(*weeks, header="Week,Ad ID,Impressions,Clicks"))
    (summary,) = run_import(sqlite_store, path, mapping={"Week": "day"})
    assert [one.rows for one in summary.not_counted] == [2]
    assert len(figures(sqlite_store)) == 16


# What a spreadsheet with the month first makes of 01/02/2026 to 28/02/2026: dates while it can, text from the 13th on.
SWAPPED = [f"2026-{day:02}-02" for day in range(1, 13)]


@pytest.mark.parametrize("last", [14, 20, 24])
@pytest.mark.parametrize("month_first", [True, False])
def test_dates_that_a_spreadsheet_swapped_are_refused(last: int, month_first: bool) -> None:
    texts = [f"02/{day:02}/2026" if month_first else f"{day:02}/02/2026" for day in range(13, last)]
    with pytest.raises(InvalidInput, match="a spreadsheet took the day for the month where it could"):
        read("Date", SWAPPED + texts)


def test_iso_dates_beside_a_few_others_are_not_swapped_where_one_is_late_in_the_month() -> None:
    found = read("Date", [*SWAPPED, "2026-02-14", "13/02/2026"])
    assert found.values["day"].null_count() == 1
