"""Dates: one format a column, refused when day and month could be either."""

import re
from datetime import date, datetime

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from abkit.errors import InvalidInput
from abkit.intake.kpis.times import dates
from abkit.intake.kpis.times.dates import ReadDates, read_dates


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
        "2026-01-13 00:00:00.000 UTC",
        "2026-01-13T00:00:00+09:00",
        "1/13/2026 12:00 AM",
        "13.01.2026, 00:00",
        "2026. 1. 13.",
        "2026년 1월 13일 (화)",
        "2026年1月13日(火)",
        "２０２６年１月１３日",
        "Tue, Jan 13, 2026",
        "Dienstag, 13.01.2026",
        "13. Januar 2026",
        "mar. 13 janv. 2026",
        "martes, 13 de enero de 2026",
        "terça-feira, 13 de jan. de 2026",
        "martedì 13 gennaio 2026",
        "dinsdag 13 januari 2026",
        "wtorek, 13 stycznia 2026",
        "46035",
        "46035.0",
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


def test_two_orders_in_one_column_are_said_once_with_both_readings() -> None:
    found = read(*["13/01/2026"] * 5, "14/01/2026", "01/15/2026", "01/16/2026", "01/02/2026", "05/05/2026")
    (note,) = found.notes
    assert "'Date' has dates in two orders: 2 rows with the month first ('01/15/2026' is 2026-01-15" in note
    assert "'13/01/2026' is 2026-01-13, with the day first" in note
    assert "1 row could be either ('01/02/2026' is 2026-02-01 or 2026-01-02)" in note
    assert sum(problem is not None for problem in found.problems["day"]) == 3
    (turned,) = read("01/13/2026", "01/14/2026", "15/01/2026").notes
    assert "1 row with the day first ('15/01/2026' is 2026-01-15" in turned
    assert "either" not in turned
    assert read("13/01/2026", "01/02/2026").notes == ()


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


@pytest.mark.parametrize("hour", ["2026-01-01 13:00", "2026-01-01T13:00Z", "2026010113", "1/1/2026 1:00 PM", "46023.5"])
def test_an_hour_is_never_cut_off_but_marked_on_its_day(hour: str) -> None:
    found = read(hour)
    assert found.timed["day"].to_list() == [True]
    assert found.values["day"].to_list() == [date(2026, 1, 1)]
    assert "time of day" in found.problems["day"][0]
    assert read("2026-01-01").timed["day"].to_list() == [False]


def test_the_day_numbers_of_a_spreadsheet_are_days_and_that_is_said() -> None:
    found = read("46023", "46024")
    assert found.values["day"].to_list() == [date(2026, 1, 1), date(2026, 1, 2)]
    assert "'46023' is read as the day number of a spreadsheet, 2026-01-01" in found.notes[0]
    assert read(46023, 46024).values["day"].to_list() == [date(2026, 1, 1), date(2026, 1, 2)]
    assert read(46023.0).values["day"].to_list() == [date(2026, 1, 1)]
    assert "impossible" in read("12345").problems["day"][0]


def test_years_of_two_digits_are_said_and_refused_where_the_order_is_open() -> None:
    found = read("05/01/26", "13/01/26")
    assert found.values["day"].to_list() == [date(2026, 1, 5), date(2026, 1, 13)]
    assert "'05/01/26' is read as 2026-01-05" in found.notes[0]
    assert read("26-01-05", "26-01-13").values["day"].to_list() == [date(2026, 1, 5), date(2026, 1, 13)]
    with pytest.raises(InvalidInput, match=r"'13/01/26' is 2026-01-13 or 2013-01-26.*or the year"):
        read("13/01/26")
    with pytest.raises(InvalidInput, match="'05/01/26' is 2026-01-05 or 2026-05-01"):
        read("05/01/26")


def test_a_week_day_settles_what_comes_first() -> None:
    assert read("Mon, 05/01/2026").values["day"].to_list() == [date(2026, 1, 5)]
    assert "impossible date" in read("Tue, 05/01/2026").problems["day"][0]


@pytest.mark.parametrize(
    ("text", "first", "last"),
    [
        ("Jan 2026", date(2026, 1, 1), date(2026, 1, 31)),
        ("2026-02", date(2026, 2, 1), date(2026, 2, 28)),
        ("2026年2月", date(2026, 2, 1), date(2026, 2, 28)),
        ("2026-W02", date(2026, 1, 5), date(2026, 1, 11)),
        ("Q1 2026", date(2026, 1, 1), date(2026, 3, 31)),
        ("2026-01-05 - 2026-01-11", date(2026, 1, 5), date(2026, 1, 11)),
        ("Jan 5, 2026 – Jan 11, 2026", date(2026, 1, 5), date(2026, 1, 11)),
        ("05.01.2026 bis 18.01.2026", date(2026, 1, 5), date(2026, 1, 18)),
    ],
)
def test_names_of_longer_times_are_periods(text: str, first: date, last: date) -> None:
    found = read(text)
    assert (found.values["period_start"].to_list(), found.values["period_end"].to_list()) == ([first], [last])
    assert found.problems["day"].to_list() == [None]
    assert "each row is the total of its period" in found.notes[0]


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("Week 2 2026", "may begin on Sunday or on Monday"),
        ("2026", "is a year"),
        ("Jan 5", "no year"),
        ("05.01.", "no year"),
        ("1767225600", "seconds"),
        ("x" * 1000, "impossible"),
    ],
)
def test_what_is_no_day_is_refused_by_name(text: str, reason: str) -> None:
    assert reason in read(text).problems["day"][0]


def test_both_readings_of_a_date_are_in_the_refusal() -> None:
    with pytest.raises(InvalidInput, match="'01/02/2026' is 2026-02-01 or 2026-01-02"):
        read("01/02/2026")
    with pytest.raises(InvalidInput, match="is 2026-11-01 to 2026-11-07 or 2026-01-11 to 2026-07-11"):
        read("01/11/2026 - 07/11/2026")


def test_a_column_of_more_texts_than_there_are_days_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dates, "MOST_DATES", 2)
    with pytest.raises(InvalidInput, match="3 different texts"):
        read("a", "b", "c")


#: Months as the platforms abbreviate them, by language.
MONTHS = [
    "January February March April May June July August September October November December",
    "Jan Feb Mar Apr May Jun Jul Aug Sep Oct Nov Dec",
    "Jan. Feb. März Apr. Mai Juni Juli Aug. Sept. Okt. Nov. Dez.",
    "janv. févr. mars avr. mai juin juil. août sept. oct. nov. déc.",
    "ene feb mar abr may jun jul ago sept oct nov dic",
    "jan. fev. mar. abr. mai. jun. jul. ago. set. out. nov. dez.",
    "gen feb mar apr mag giu lug ago set ott nov dic",
    "jan. feb. mrt. apr. mei jun. jul. aug. sep. okt. nov. dec.",
    "sty lut mar kwi maj cze lip sie wrz paź lis gru",
    "stycznia lutego marca kwietnia maja czerwca lipca sierpnia września października listopada grudnia",
]
WEEK_DAYS = [
    "Mon Tue Wed Thu Fri Sat Sun",
    "Mo. Di. Mi. Do. Fr. Sa. So.",
    "lun. mar. mer. jeu. ven. sam. dim.",
    "lun mar mié jue vie sáb dom",
    "seg. ter. qua. qui. sex. sáb. dom.",
    "ma di wo do vr za zo",
    "pon. wt. śr. czw. pt. sob. niedz.",
]
NUMERIC = ["{y}-{m:02}-{d:02}", "{y}/{m}/{d}", "{y}{m:02}{d:02}", "{y}年{m}月{d}日", "{y}. {m}. {d}."]
NUMERIC += ["{d:02}/{m:02}/{y}", "{m}/{d}/{y}", "{d}.{m}.{y}", "{d:02}-{m:02}-{y}"]
NUMERIC += ["{d}/{m}/{yy:02}", "{m:02}/{d:02}/{yy:02}", "{yy:02}-{m:02}-{d:02}"]
NAMED = ["{d} {month} {y}", "{month} {d}, {y}", "{d}. {month} {y}", "{d}-{month}-{y}", "{d} de {month} de {y}"]


@settings(deadline=None, max_examples=200)
@given(st.data())
def test_days_are_read_back_exactly_or_refused_with_both_readings(data: st.DataObject) -> None:
    days = data.draw(st.lists(st.dates(date(2010, 1, 1), date(2035, 12, 31)), min_size=1, max_size=6))
    form = data.draw(st.sampled_from(NUMERIC) | st.sampled_from(NAMED))
    months = data.draw(st.sampled_from(MONTHS)).split()
    week_days = data.draw(st.none() | st.sampled_from(WEEK_DAYS))
    end = data.draw(st.sampled_from(["", " 00:00:00", "T00:00:00Z", " 12:00 AM"]))
    texts = []
    for day in days:
        values = {"y": day.year, "yy": day.year % 100, "m": day.month, "d": day.day, "month": months[day.month - 1]}
        named = f"{week_days.split()[day.weekday()]}, " if week_days else ""
        texts.append(named + form.format(**values) + end)
    dayfirst = form.find("{d") < form.find("{m")
    said = None if form.startswith("{yy") else dayfirst
    for order in (said, None):
        try:
            found = read(*texts, dayfirst=order)
        except InvalidInput as refused:
            assert order is None, texts
            assert re.search(r"'.*' is \S+ or \S+", refused.message), refused.message  # noqa: PT017
        else:
            assert found.values["day"].to_list() == days, texts
            assert found.problems["day"].null_count() == len(days)


def test_both_ends_of_a_period_share_their_format() -> None:
    frame = pl.DataFrame({"period_start": ["01/02/2026"], "period_end": ["28/02/2026"]})
    found = read_dates(frame, ["period_start", "period_end"], "From", None)
    assert found.values["period_start"].to_list() == [date(2026, 2, 1)]


def test_midnight_is_that_of_the_zone_of_the_column() -> None:
    tokyo = pl.Series("day", [datetime(2026, 1, 13)]).dt.replace_time_zone("Asia/Tokyo")  # noqa: DTZ001
    found = read_dates(tokyo.to_frame(), ["day"], "Date", None)
    assert found.values["day"].to_list() == [date(2026, 1, 13)]
    assert found.problems["day"].to_list() == [None]
