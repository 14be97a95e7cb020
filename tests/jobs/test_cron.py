"""Cron lines mean what crontab(5) says."""

import time
from datetime import UTC, datetime, timedelta

import pytest

from abkit.errors import InvalidInput
from abkit.jobs.cron import Cron

SUNDAY = datetime(2026, 11, 22, tzinfo=UTC)


def _days(line: str) -> list[str]:
    return [tick.strftime("%a") for tick in Cron(line).between(SUNDAY, SUNDAY + timedelta(days=6, hours=23), 100)]


@pytest.mark.parametrize(
    ("field", "days"),
    [
        ("0", ["Sun"]),
        ("7", ["Sun"]),
        ("1", ["Mon"]),
        ("1-5", ["Mon", "Tue", "Wed", "Thu", "Fri"]),
        ("6,0", ["Sun", "Sat"]),
        ("5-7", ["Sun", "Fri", "Sat"]),
        ("fri-sun", ["Sun", "Fri", "Sat"]),
        ("*/2", ["Sun", "Tue", "Thu", "Sat"]),
        ("MON", ["Mon"]),
    ],
)
def test_weekdays_are_numbered_as_in_crontab_and_not_as_in_apscheduler(field: str, days: list[str]) -> None:
    assert _days(f"0 12 * * {field}") == days


def test_day_and_weekday_together_mean_either() -> None:
    ticks = Cron("0 0 13 * 5").between(datetime(2026, 11, 1, tzinfo=UTC), datetime(2026, 11, 30, tzinfo=UTC), 100)
    assert [tick.day for tick in ticks] == [6, 13, 20, 27]
    ticks = Cron("0 0 10 * 5").between(datetime(2026, 11, 1, tzinfo=UTC), datetime(2026, 11, 30, tzinfo=UTC), 100)
    assert [tick.day for tick in ticks] == [6, 10, 13, 20, 27]


def test_six_fields_begin_with_seconds() -> None:
    first = Cron("*/10 * * * * *").after(SUNDAY)
    assert first == SUNDAY + timedelta(seconds=10)


@pytest.mark.parametrize(
    "line",
    [
        *("", "* * * *", "61 * * * *", "* * * * 8", "* * * * mon-", "0 0 30 2 *", "every day", "* * * * 5-2"),
        *("a b c d e", "* * * * */0", "* * * * * * *", "*/99 * * * *", "1; DROP TABLE run * * * *"),
    ],
)
def test_a_bad_line_is_refused_in_one_sentence(line: str) -> None:
    with pytest.raises(InvalidInput, match="is not a cron line") as refused:
        Cron(line)
    assert "\n" not in refused.value.message


def test_the_local_zone_and_its_daylight_saving_do_not_matter(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TZ", "Europe/Berlin")
    time.tzset()
    try:
        for change in (datetime(2026, 3, 28, tzinfo=UTC), datetime(2026, 10, 24, tzinfo=UTC)):
            ticks = Cron("30 1 * * *").between(change, change + timedelta(days=3), 10)
            assert [tick - ticks[0] for tick in ticks] == [timedelta(days=day) for day in range(3)]
            assert len(Cron("@hourly").between(change, change + timedelta(days=3), 1000)) == 73
    finally:
        monkeypatch.undo()
        time.tzset()


def test_looking_back_finds_the_last_tick_whatever_the_distance() -> None:
    year = timedelta(days=365)
    leap_day, summer = datetime(2024, 2, 29, tzinfo=UTC), datetime(2026, 6, 1, tzinfo=UTC)
    assert Cron("* * * * * *").last_until(SUNDAY, SUNDAY + year + timedelta(milliseconds=400)) == SUNDAY + year
    assert Cron("0 0 29 2 *").last_until(leap_day, leap_day + 3 * year) == leap_day
    assert Cron("0 6 * * 1").last_until(summer + timedelta(hours=6), summer + timedelta(days=20)).day == 15
    assert Cron("*/5 * 0-3 * * *").last_until(summer, summer + timedelta(hours=23)).hour == 3
