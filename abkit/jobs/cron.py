"""Cron lines in UTC, as crontab(5) reads them: five fields, or six with seconds in front.

The search for the next instant is APScheduler's. What differs from it is translated here: its weekdays begin with
Monday = 0, crontab's with Sunday = 0; and where day and weekday are both restricted, crontab means either of them.
"""

import re
from datetime import UTC, datetime, timedelta
from functools import lru_cache

from apscheduler.triggers.cron import CronTrigger

from abkit.errors import InvalidInput

_WEEKDAYS = ("sun", "mon", "tue", "wed", "thu", "fri", "sat")
_SHORTHANDS = {
    "@hourly": "0 * * * *",
    "@daily": "0 0 * * *",
    "@weekly": "0 0 * * 0",
    "@monthly": "0 0 1 * *",
}
_FIELD = re.compile(r"[\dA-Za-z*/,-]+")
_FIELDS = {"second": (0, 59), "minute": (0, 59), "hour": (0, 23), "day": (1, 31), "month": (1, 12)}
_TICK = timedelta(microseconds=1)
# Looking back goes through these spans, shortest first, so that it never walks through many ticks.
_SPANS = tuple(timedelta(minutes=minutes) for minutes in (1, 60, 24 * 60, 35 * 24 * 60, 400 * 24 * 60))


class Cron:
    """When something is due.

    Args:
        line: "minute hour day month weekday", or with seconds first; @hourly, @daily, @weekly, @monthly.

    Raises:
        InvalidInput: a line that is not of that form, or that never comes (30 February).

    >>> Cron("30 6 * * 1-5").after(datetime(2026, 11, 20, 7, tzinfo=UTC)).isoformat()
    '2026-11-23T06:30:00+00:00'
    """

    def __init__(self, line: str) -> None:
        self.line = line
        self._triggers = _triggers(line)

    def after(self, instant: datetime) -> datetime:
        """The first tick later than an instant."""
        times = (trigger.get_next_fire_time(None, instant.astimezone(UTC) + _TICK) for trigger in self._triggers)
        found: datetime = min(time for time in times if time is not None)
        return found

    def between(self, first: datetime, last: datetime, limit: int) -> list[datetime]:
        """The ticks from `first` to `last`, both included; at most `limit` of them, the earliest.

        >>> len(Cron("@hourly").between(datetime(2026, 1, 1, tzinfo=UTC), datetime(2026, 1, 2, tzinfo=UTC), 100))
        25
        """
        ticks: list[datetime] = []
        tick = self.after(first - _TICK)
        while tick <= last and len(ticks) < limit:
            ticks.append(tick)
            tick = self.after(tick)
        return ticks

    def last_until(self, first: datetime, last: datetime) -> datetime:
        """The latest tick from `first`, which is a tick itself, to `last`.

        >>> Cron("0 6 * * *").last_until(
        ...     datetime(2026, 1, 1, 6, tzinfo=UTC), datetime(2026, 3, 5, 5, tzinfo=UTC)).isoformat()
        '2026-03-04T06:00:00+00:00'
        """
        for span in _SPANS:
            ticks = self.between(max(first, last - span), last, limit=1_000_000)
            if ticks:
                return ticks[-1]
        return first


@lru_cache(maxsize=256)
def _triggers(line: str) -> tuple[CronTrigger, ...]:
    fields = _SHORTHANDS.get(line.strip().lower(), line).split()
    if len(fields) not in (5, 6) or not all(_FIELD.fullmatch(field) for field in fields):
        raise _bad(line, "it must have five fields (minute hour day month weekday), or six with seconds first")
    second, minute, hour, day, month, weekday = fields if len(fields) == 6 else ["0", *fields]
    weekday = _named_weekdays(line, weekday)
    _check_fields(line, second, minute, hour, day, month)
    # crontab(5): day and weekday both restricted means either.
    days = [(day, "*"), ("*", weekday)] if day[0] != "*" and weekday != "*" else [(day, weekday)]
    try:
        triggers = [
            CronTrigger(second=second, minute=minute, hour=hour, day=d, month=month, day_of_week=w, timezone=UTC)
            for d, w in days
        ]
    except ValueError as error:
        raise _bad(line, str(error)) from error
    coming = tuple(
        trigger for trigger in triggers if trigger.get_next_fire_time(None, datetime(2000, 1, 1, tzinfo=UTC))
    )
    if not coming:
        raise _bad(line, "that day never comes")
    return coming


def _check_fields(line: str, *fields: str) -> None:
    for (name, (low, high)), field in zip(_FIELDS.items(), fields, strict=True):
        try:
            CronTrigger(**{name: field}, timezone=UTC)
        except ValueError as error:
            raise _bad(line, f"the {name} cannot be {field!r}: it goes from {low} to {high}") from error


def _named_weekdays(line: str, field: str) -> str:
    if field == "*":
        return field
    chosen: set[int] = set()
    for part in field.lower().split(","):
        span, _, step = part.partition("/")
        low, dash, high = span.partition("-")
        if span == "*":
            first, last = 0, 6
        else:
            first = _weekday(line, low)
            last = _weekday(line, high) if dash else (6 if step else first)
            last = 7 if dash and last == 0 and first > 0 else last
        if first > last or (step and (not step.isdigit() or int(step) == 0)):
            raise _bad(line, f"the weekday {part!r} is not a range")
        chosen.update(day % 7 for day in range(first, last + 1, int(step or 1)))
    return ",".join(_WEEKDAYS[day] for day in sorted(chosen))


def _weekday(line: str, name: str) -> int:
    if name in _WEEKDAYS:
        return _WEEKDAYS.index(name)
    if name.isdigit() and int(name) <= 7:
        return int(name)
    raise _bad(line, f"there is no weekday {name!r}: 0 to 7 (0 and 7 are Sunday), or sun to sat")


def _bad(line: str, why: str) -> InvalidInput:
    return InvalidInput(
        f"{line!r} is not a cron line: {why}",
        hint='for example "30 6 * * 1-5": 06:30 UTC from Monday to Friday',
    )
