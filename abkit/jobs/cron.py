"""When a schedule is due: cron lines in UTC as crontab(5) reads them, jitter, and what happens to missed ticks.

cronsim finds the ticks. Handled here: the shorthands, ranges of weekdays that end on Sunday, and errors that name the
field.
"""

import hashlib
import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from cronsim import CronSim, CronSimError

from abkit.errors import InvalidInput
from abkit.vocabulary import MissedTicks

_SHORTHANDS = {
    "@hourly": "0 * * * *",
    "@daily": "0 0 * * *",
    "@weekly": "0 0 * * 0",
    "@monthly": "0 0 1 * *",
}
_FIELDS = {"second": (0, 59), "minute": (0, 59), "hour": (0, 23), "day": (1, 31), "month": (1, 12), "weekday": (0, 7)}
_ALLOWED = re.compile(r"[\dA-Za-z*/,-]+")
_TO_SUNDAY = re.compile(r"(?<![\w])(mon|tue|wed|thu|fri|sat|[1-6])-(sun|0)(?![\w])", re.IGNORECASE)
_INSTANT = timedelta(microseconds=1)
MOST_COUNTED = 1000


class Cron:
    """A cron line: five fields, or six with seconds first.

    Args:
        line: "minute hour day month weekday", or with seconds first; @hourly, @daily, @weekly, @monthly.

    Raises:
        InvalidInput: The line does not have that form, or its day never comes (30 February).

    >>> Cron("30 6 * * 1-5").after(datetime(2026, 11, 20, 7, tzinfo=UTC)).isoformat()
    '2026-11-23T06:30:00+00:00'
    """

    def __init__(self, line: str) -> None:
        self.line = line
        self._fields = _checked(line)
        try:
            self.after(datetime(2000, 1, 1, tzinfo=UTC))
        except (CronSimError, StopIteration) as error:
            raise _bad(line, "that day never comes") from error

    def after(self, instant: datetime) -> datetime:
        """Return the first tick later than an instant."""
        return next(CronSim(self._fields, instant.astimezone(UTC)))

    def between(self, first: datetime, last: datetime, limit: int) -> list[datetime]:
        """Return the ticks from `first` to `last`, both included; at most `limit` of them, the earliest.

        >>> len(Cron("@hourly").between(datetime(2026, 1, 1, tzinfo=UTC), datetime(2026, 1, 2, tzinfo=UTC), 100))
        25
        """
        ticks: list[datetime] = []
        for tick in CronSim(self._fields, (first - _INSTANT).astimezone(UTC)):
            if tick > last or len(ticks) == limit:
                break
            ticks.append(tick)
        return ticks

    def last_until(self, first: datetime, last: datetime) -> datetime:
        """Return the latest tick from `first`, which is a tick itself, to `last`.

        >>> Cron("0 6 * * *").last_until(
        ...     datetime(2026, 1, 1, 6, tzinfo=UTC), datetime(2026, 3, 5, 5, tzinfo=UTC)).isoformat()
        '2026-03-04T06:00:00+00:00'
        """
        return max(first, next(CronSim(self._fields, (last + _INSTANT).astimezone(UTC), reverse=True)))


@dataclass(frozen=True)
class TickPlan:
    """What to do now with a schedule whose tick is due.

    Attributes:
        tick: The tick to run, or to record as skipped.
        run: Whether to run it.
        next_run_at: The tick that follows.
        late: Whether the tick that was due could not start within its grace period.
        missed: Number of ticks that are never run; counting stops at `MOST_COUNTED`.
    """

    tick: datetime
    run: bool
    next_run_at: datetime
    late: bool
    missed: int


def in_words(line: str) -> str:
    """Return a cron line in words; the line itself where it has no valid form.

    >>> in_words("0 6 * * *"), in_words("30 6 * * 1-5")
    ('at 06:00 every day', 'at 06:30 on Monday through Friday')
    """
    try:
        said = CronSim(_checked(line), datetime(2000, 1, 1, tzinfo=UTC)).explain()
    except (CronSimError, InvalidInput):
        return line
    return said[:1].lower() + said[1:]


def plan_tick(cron: Cron, due: datetime, now: datetime, *, grace: timedelta, policy: MissedTicks) -> TickPlan:
    """Decide what to do about the tick that is due.

    1. In time (it starts within its grace period): run it.
    2. Late, run_all: run it all the same; the ticks after it get their own turn.
    3. Late, run_last: run the latest tick and pass over those before it.
    4. Late, skip: run no late tick; the next one is the first that is in time or still to come.

    Args:
        cron: The schedule's line.
        due: The tick that is due, not later than `now`.
        now: The clock.
        grace: How late a tick may start and still count as in time.
        policy: What to do with late ticks.

    >>> asleep, awake = datetime(2026, 1, 1, 10, tzinfo=UTC), datetime(2026, 1, 1, 12, 0, 30, tzinfo=UTC)
    >>> plan = plan_tick(Cron("@hourly"), asleep, awake, grace=timedelta(minutes=5), policy=MissedTicks.RUN_LAST)
    >>> plan.tick.hour, plan.missed, plan.next_run_at.hour
    (12, 2, 13)
    """
    late = now - due > grace
    if not late or policy is MissedTicks.RUN_ALL:
        return TickPlan(due, True, cron.after(due), late, 0)
    if policy is MissedTicks.RUN_LAST:
        last = cron.last_until(due, now)
        return TickPlan(last, True, cron.after(last), late, _count(cron, due, last) - 1)
    in_time = cron.after(now - grace - _INSTANT)
    return TickPlan(due, False, in_time, late, _count(cron, due, in_time) - 1)


def jitter(key: str, tick: datetime, at_most: int) -> timedelta:
    """Return how much later than its tick a job starts: the same in every daemon, from 0 to `at_most` seconds.

    >>> jitter("score-inbox", datetime(2026, 1, 1, tzinfo=UTC), 0)
    datetime.timedelta(0)
    """
    digest = hashlib.sha256(f"{key} {tick.isoformat()}".encode()).digest()
    return timedelta(seconds=int.from_bytes(digest[:4], "big") % (at_most + 1))


def tick_after_clock_change(cron: Cron, next_run_at: datetime, now: datetime, tolerance: timedelta) -> datetime | None:
    """Return the tick to wait for instead when the clock was set back; None when `next_run_at` is right.

    A clock that ran ahead for a while has moved `next_run_at` too far into the future. Ticks that were run then
    have their `run` row and are not run again. The tolerance lets the clocks of several machines differ.
    """
    return cron.after(now) if cron.after(now + tolerance) < next_run_at else None


def _count(cron: Cron, first: datetime, last: datetime) -> int:
    return len(cron.between(first, last, MOST_COUNTED + 1))


def _checked(line: str) -> str:
    """Return the six fields as cronsim reads them."""
    fields = _SHORTHANDS.get(line.strip().lower(), line).split()
    if len(fields) not in (5, 6) or not all(_ALLOWED.fullmatch(field) for field in fields):
        raise _bad(line, "it must have five fields (minute hour day month weekday), or six with seconds first")
    fields = fields if len(fields) == 6 else ["0", *fields]
    for position, (name, (low, high)) in enumerate(_FIELDS.items()):
        if name == "weekday":
            fields[position] = _TO_SUNDAY.sub(r"\1-7", fields[position])
        alone = ["*"] * 6
        alone[position] = fields[position]
        try:
            CronSim(" ".join(alone), datetime(2000, 1, 1, tzinfo=UTC))
            valid = all(int(step) <= high for step in re.findall(r"/(\d+)", fields[position]))
        except CronSimError:
            valid = False
        if not valid:
            also = " (0 and 7 are Sunday), or from sun to sat" if name == "weekday" else ""
            raise _bad(line, f"the {name} {fields[position]!r} is invalid: it goes from {low} to {high}{also}")
    return " ".join(fields)


def _bad(line: str, why: str) -> InvalidInput:
    return InvalidInput(
        f"{line!r} is not a cron line: {why}",
        hint='for example "30 6 * * 1-5": 06:30 UTC from Monday to Friday',
    )
