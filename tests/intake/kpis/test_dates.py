"""Dates: one format a column, refused when day and month could be either."""

from datetime import date, datetime

import polars as pl
import pytest

from abkit.errors import InvalidInput
from abkit.intake.kpis.dates import ReadDates, read_dates


def read(*texts: object, dayfirst: bool | None = None) -> ReadDates:
    return read_dates(pl.DataFrame({"day": texts}), ["day"], "Date", dayfirst)


@pytest.mark.parametrize(
    "text",
    [
        "2026-01-13",
        "2026/01/13",
        "2026.1.13",
        "20260113",
        "2026年1月13日",
        "13/01/2026",
        "1/13/2026",
        "13.01.2026",
        "13-01-2026",
        "01/13/26",
        "13 Jan 2026",
        "13-Jan-2026",
        "Jan 13, 2026",
        "January 13, 2026",
        "2026-01-13 00:00:00",
        "2026-01-13T00:00:00Z",
    ],
)
def test_usual_formats_are_known(text: str) -> None:
    assert read(text).values["day"].to_list() == [date(2026, 1, 13)]


def test_day_and_month_that_could_be_either_are_refused() -> None:
    with pytest.raises(InvalidInput, match="day or the month first") as refused:
        read("01/02/2026", "03/04/2026")
    assert "--dayfirst" in (refused.value.hint or "")


@pytest.mark.parametrize(("dayfirst", "day"), [(True, date(2026, 2, 1)), (False, date(2026, 1, 2))])
def test_what_was_said_decides(dayfirst: bool, day: date) -> None:
    assert read("01/02/2026", dayfirst=dayfirst).values["day"].to_list() == [day]


def test_one_date_that_fits_only_one_way_decides_for_the_column() -> None:
    assert read("01/02/2026", "13/02/2026").values["day"].to_list() == [date(2026, 2, 1), date(2026, 2, 13)]


def test_dates_that_read_the_same_both_ways_are_not_refused() -> None:
    assert read("01/01/2026", "02/02/2026").values["day"].to_list() == [date(2026, 1, 1), date(2026, 2, 2)]


def test_a_minority_of_the_other_order_is_rejected_with_all_that_could_be_either() -> None:
    found = read("13/01/2026", "14/01/2026", "01/15/2026", "01/02/2026")
    assert found.values["day"].to_list()[:3] == [date(2026, 1, 13), date(2026, 1, 14), None]
    assert "does not fit the format of its column, DD/MM/YYYY" in found.problems["day"][2]
    assert "day or month first" in found.problems["day"][3]


def test_equally_many_of_both_orders_are_refused() -> None:
    with pytest.raises(InvalidInput, match="both kinds"):
        read("13/01/2026", "01/13/2026", "01/02/2026")


def test_another_format_than_that_of_the_column_is_a_problem() -> None:
    found = read("2026-01-01", "2026-01-02", "Jan 3, 2026")
    assert found.values["day"].to_list()[2] is None
    assert "does not fit" in found.problems["day"][2]


@pytest.mark.parametrize("text", ["2026-02-30", "2026-13-01", "0026-01-01", "2999-01-01", "yesterday", "46023"])
def test_impossible_dates_are_problems(text: str) -> None:
    assert "impossible date" in read("2026-01-01", "2026-01-02", text).problems["day"][2]


def test_an_empty_date_says_so() -> None:
    assert read("2026-01-01", "", None).problems["day"].to_list() == [None, "day is empty", "day is empty"]


def test_a_time_of_day_is_not_a_day() -> None:
    assert "time of day" in read("2026-01-01 00:00:00", "2026-01-01 13:00:00").problems["day"][1]
    assert "time of day" in read(datetime(2026, 1, 1), datetime(2026, 1, 1, 13)).problems["day"][1]  # noqa: DTZ001


def test_both_ends_of_a_period_share_their_format() -> None:
    frame = pl.DataFrame({"period_start": ["01/02/2026"], "period_end": ["28/02/2026"]})
    found = read_dates(frame, ["period_start", "period_end"], "From", None)
    assert found.values["period_start"].to_list() == [date(2026, 2, 1)]


def test_midnight_is_that_of_the_zone_of_the_column() -> None:
    tokyo = pl.Series("day", [datetime(2026, 1, 13)]).dt.replace_time_zone("Asia/Tokyo")  # noqa: DTZ001
    found = read_dates(tokyo.to_frame(), ["day"], "Date", None)
    assert found.values["day"].to_list() == [date(2026, 1, 13)]
    assert found.problems["day"].to_list() == [None]
