"""Claiming ticks, and recording how they ended: the policy and the alerts around the claims of the store."""

import logging
from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy.orm import Session

from abkit.alerts import rules
from abkit.config import Settings
from abkit.errors import InvalidInput
from abkit.jobs.cron import Cron
from abkit.jobs.daemon.missed import COUNTED, Missed, Turn, jitter, must_move_back, turn
from abkit.jobs.daemon.supervisor import Ending
from abkit.store import schedules
from abkit.store.engine import Store
from abkit.store.schedules import Lease
from abkit.store.schema import Run, Schedule

log = logging.getLogger("abkit.jobs")

# The clocks of two machines may differ by this much.
CLOCK_TOLERANCE = timedelta(minutes=10)
_POISONED_WAIT = timedelta(hours=1)


@dataclass(frozen=True)
class Claimed:
    """A tick that is ours to run, and how long it may take."""

    lease: Lease
    time_limit_s: int


@dataclass(frozen=True)
class Claims:
    """Claims ticks for one daemon.

    Attributes:
        store: where the schedules are.
        settings: lease, back-off, alerts.
        jobs: the names of the jobs that this daemon can run; others are left to daemons that can.
        owner: who claims.
        quick: the names of those that have workers apart.
    """

    store: Store
    settings: Settings
    jobs: Collection[str]
    owner: str
    quick: Collection[str] = ()

    def next(self, now: datetime, at_most: int, at_most_quick: int = 0) -> list[Claimed]:
        """Claim what is to be run now: first what dead daemons left behind, then what is due.

        Args:
            now: the clock.
            at_most: so many workers are free.
            at_most_quick: so many of those apart are.
        """
        free = {False: at_most, True: at_most_quick}
        if max(free.values()) <= 0:
            return []
        with self.store.read() as session:
            abandoned = schedules.expired(session, now)
            waiting = [schedule for schedule in schedules.due(session, now) if self._may_run(schedule, now)]
        claimed: list[Claimed] = []
        work: list[Run | Schedule] = [*abandoned, *waiting]
        for one in work:
            quick = (one.what if isinstance(one, Run) else one.job) in self.quick
            if free[quick] <= 0:
                continue
            if taken := self._take_over(one, now) if isinstance(one, Run) else self._claim(one, now):
                claimed.append(taken)
                free[quick] -= 1
        return claimed

    def _may_run(self, schedule: Schedule, now: datetime) -> bool:
        backoff = schedule.backoff_until
        # Longer than the longest there is: it was set by a clock that ran ahead.
        longest = timedelta(seconds=self.settings.daemon.backoff_limit_seconds)
        backing_off = backoff is not None and now < backoff <= now + longest
        start = schedule.next_run_at + jitter(schedule.key, schedule.next_run_at, schedule.jitter_s)
        return schedule.job in self.jobs and not backing_off and start <= now

    def _claim(self, schedule: Schedule, now: datetime) -> Claimed | None:
        grace = timedelta(seconds=schedule.grace_s + schedule.jitter_s)
        try:
            found = turn(Cron(schedule.cron), schedule.next_run_at, now, grace=grace, policy=Missed(schedule.missed))
        except ValueError as error:
            # A poisoned row must not stop the others, nor be looked at again and again.
            log.error("schedule %s: %s", schedule.key, error)
            with self.store.write() as session:
                schedules.move_back(session, schedule, now + _POISONED_WAIT)
            return None
        with self.store.write() as session:
            lease = schedules.claim(
                session,
                schedule,
                tick=found.tick,
                next_run_at=found.next_run_at,
                owner=self.owner,
                now=now,
                lease_until=self.lease_until(now),
                skip=None if found.run else {"missed": found.missed, "why": "late, and the policy is skip"},
            )
            if lease is None:
                return None
            self._note_start(session, schedule, found, lease.run_id, now)
        return Claimed(lease, schedule.time_limit_s) if found.run else None

    def _note_start(self, session: Session, schedule: Schedule, found: Turn, run_id: int, now: datetime) -> None:
        what_now = {
            Missed.RUN_ALL: "This tick is run now, and so are those after it, each in its turn.",
            Missed.RUN_LAST: f"The last tick is run now; {_counted(found.missed)} before it are passed over.",
            Missed.SKIP: f"{_counted(found.missed)} are passed over.",
        }[Missed(schedule.missed)]
        rules.job_started(
            session,
            self.settings.alerts,
            schedule=schedule.key,
            job=schedule.job,
            tick=schedule.next_run_at,
            late=found.late,
            what_now=f"By its policy ({schedule.missed}): {what_now}",
            now=now,
            run_id=run_id,
        )

    def _take_over(self, run: Run, now: datetime) -> Claimed | None:
        with self.store.write() as session:
            schedule = schedules.find(session, run.schedule)
            gone = schedule is None or run.attempt >= self.settings.daemon.attempts
            if not gone and run.what not in self.jobs:
                return None
            lease = schedules.take_over(session, run, owner=self.owner, now=now, lease_until=self.lease_until(now))
        if lease is None:
            return None
        if schedule is None or gone:
            error = "its schedule was removed" if schedule is None else f"it was tried {run.attempt} times"
            self.finish(lease, Ending("abandoned", {"how": "abandoned", "error": error}), now)
            return None
        log.warning("taking over a run whose daemon is gone", extra=about(lease))
        return Claimed(lease, schedule.time_limit_s)

    def finish(self, lease: Lease, ending: Ending, now: datetime) -> bool:
        """Record how a run ended; count failures in a row, back off, and open or calm the alert.

        Returns:
            Whether the run was still ours. If not, another daemon has it, and nothing was recorded.
        """
        with self.store.write() as session:
            if not schedules.finish(session, lease, state=ending.state, outcome=ending.outcome, now=now):
                return False
            schedule = schedules.find(session, lease.schedule)
            if schedule is None:
                return True
            failures = 0 if ending.state == "done" else schedule.failures + 1
            backoff_until = now + self.backoff(failures) if failures else None
            schedules.count_failure(session, lease.schedule, failures=failures, backoff_until=backoff_until)
            rules.job_ended(
                session,
                self.settings.alerts,
                schedule=lease.schedule,
                job=lease.job,
                outcome=ending.outcome,
                failures=failures,
                now=now,
                run_id=lease.run_id,
            )
        return True

    def backoff(self, failures: int) -> timedelta:
        """How long a schedule is left alone after that many failures in a row."""
        daemon = self.settings.daemon
        return timedelta(seconds=min(daemon.backoff_seconds * 2 ** min(failures - 1, 30), daemon.backoff_limit_seconds))

    def lease_until(self, now: datetime) -> datetime:
        """When a lease taken now ends."""
        return now + timedelta(seconds=self.settings.daemon.lease_seconds)

    def mend(self, now: datetime) -> None:
        """Bring back schedules that wait too far in the future because the clock was set back since."""
        with self.store.read() as session:
            everything = schedules.all_schedules(session)
        for schedule in everything:
            try:
                sooner = must_move_back(Cron(schedule.cron), schedule.next_run_at, now, CLOCK_TOLERANCE)
            except InvalidInput:
                continue
            if sooner is not None and schedule.enabled:
                with self.store.write() as session:
                    if schedules.move_back(session, schedule, sooner):
                        log.warning("schedule %s waited for %s: the clock was set back", schedule.key, sooner)


def about(lease: Lease) -> dict[str, Any]:
    """The fields that a log line about a run has."""
    return {"run": lease.run_id, "schedule": lease.schedule, "tick": lease.tick.isoformat(), "attempt": lease.attempt}


def _counted(missed: int) -> str:
    if missed >= COUNTED:
        return f"{COUNTED:,} ticks or more"
    return f"{missed:,} tick{'' if missed == 1 else 's'}"
