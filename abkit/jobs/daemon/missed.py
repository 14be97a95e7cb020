"""What happens to ticks that were missed: while the daemon was down, the machine asleep, the job still running."""

import hashlib
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from abkit.jobs.cron import Cron

COUNTED = 1000


class Missed(StrEnum):
    """The policy for ticks that could not start within their grace time."""

    RUN_LAST = "run_last"
    RUN_ALL = "run_all"
    SKIP = "skip"


@dataclass(frozen=True)
class Turn:
    """What to do now with a schedule whose tick is due.

    Attributes:
        tick: the tick to run, or to record as skipped.
        run: whether to run it.
        next_run_at: the tick that follows.
        late: whether the tick that was due could not start within its grace time.
        missed: how many ticks are passed over for good; at most `COUNTED` are counted.
    """

    tick: datetime
    run: bool
    next_run_at: datetime
    late: bool
    missed: int


def turn(cron: Cron, due: datetime, now: datetime, *, grace: timedelta, policy: Missed) -> Turn:
    """Decide about the tick that is due.

    1. In time (started within its grace): run it.
    2. Late, run_all: run it all the same; the ticks after it get their own turn.
    3. Late, run_last: run the latest tick there was, pass over those before it.
    4. Late, skip: run none that is late; the next is the first one that is in time or still to come.

    Args:
        cron: the schedule's line.
        due: the tick that is due, not later than `now`.
        now: the clock.
        grace: how late a tick may start and still count as in time.
        policy: what to do with late ticks.

    >>> from datetime import UTC
    >>> asleep, awake = datetime(2026, 1, 1, 10, tzinfo=UTC), datetime(2026, 1, 1, 12, 0, 30, tzinfo=UTC)
    >>> found = turn(Cron("@hourly"), asleep, awake, grace=timedelta(minutes=5), policy=Missed.RUN_LAST)
    >>> found.tick.hour, found.missed, found.next_run_at.hour
    (12, 2, 13)
    """
    late = now - due > grace
    if not late or policy is Missed.RUN_ALL:
        return Turn(due, True, cron.after(due), late, 0)
    if policy is Missed.RUN_LAST:
        last = cron.last_until(due, now)
        return Turn(last, True, cron.after(last), late, _count(cron, due, last) - 1)
    in_time = cron.after(now - grace - timedelta(microseconds=1))
    return Turn(due, False, in_time, late, _count(cron, due, in_time) - 1)


def _count(cron: Cron, first: datetime, last: datetime) -> int:
    return len(cron.between(first, last, COUNTED + 1))


def jitter(key: str, tick: datetime, at_most: int) -> timedelta:
    """How much later than its tick a job starts: the same in every daemon, from 0 to `at_most` seconds.

    >>> from datetime import UTC
    >>> jitter("score-inbox", datetime(2026, 1, 1, tzinfo=UTC), 0)
    datetime.timedelta(0)
    """
    digest = hashlib.sha256(f"{key} {tick.isoformat()}".encode()).digest()
    return timedelta(seconds=int.from_bytes(digest[:4], "big") % (at_most + 1))


def must_move_back(cron: Cron, next_run_at: datetime, now: datetime, tolerance: timedelta) -> datetime | None:
    """The tick to wait for instead, when the clock was set back; None when all is well.

    A clock that ran ahead for a while has moved `next_run_at` too far into the future. Ticks that were run then
    have their `run` row and are not run again. The tolerance lets the clocks of several machines differ.
    """
    sooner = cron.after(now + tolerance)
    return cron.after(now) if sooner < next_run_at else None
