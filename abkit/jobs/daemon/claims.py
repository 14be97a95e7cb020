"""Claiming ticks, and recording how they ended: the policy and the alerts around the store's claims."""

import hashlib
import json
import logging
from collections import Counter
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from typing import Any

from sqlalchemy.orm import Session

from abkit.alerts.rules import Rules
from abkit.config import Settings
from abkit.errors import InvalidInput
from abkit.jobs.cron import MOST_COUNTED, Cron, TickPlan, jitter, plan_tick, tick_after_clock_change
from abkit.jobs.daemon.endings import Ending
from abkit.jobs.daemon.logs import about
from abkit.jobs.work.openings import MOST_DEATHS
from abkit.store.clocks import CLOCK_TOLERANCE
from abkit.store.database.engine import Store
from abkit.store.jobs import future, openings, requests, schedules
from abkit.store.jobs.schedules import Lease
from abkit.store.schema import JobRequest, Run, Schedule
from abkit.vocabulary import MissedTicks, RunState

log = logging.getLogger("abkit.jobs")

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
        store: Where the schedules are.
        settings: Lease, back-off and alerts.
        jobs: Names of the jobs that this daemon can run; others are left to daemons that can.
        owner: Who claims.
        quick: Names of the jobs that have a worker of their own each.
    """

    store: Store
    settings: Settings
    jobs: Collection[str]
    owner: str
    quick: Collection[str] = ()

    def next(
        self, now: datetime, at_most: int, quick: Collection[str] = (), ours: Collection[int] = ()
    ) -> list[Claimed]:
        """Claim what to run now: what dead daemons left, what failed and has waited, what is due, what was asked for.

        Args:
            now: The clock.
            at_most: Number of free workers.
            quick: Names of the quick jobs whose worker is free.
            ours: Ids of the runs that this daemon still runs. They are never taken over here, even if their lease
                ended while the machine slept.
        """
        free = Counter(dict.fromkeys(quick, 1)) + Counter({"": at_most})
        if not free:
            return []
        with self.store.read() as session:
            abandoned = [run for run in schedules.expired(session, now) if run.id not in ours]
            failed = schedules.to_retry(session, now, self.settings.daemon.retries, self._longest_backoff)
            waiting = [schedule for schedule in schedules.due(session, now) if self._may_run(schedule, now)]
            asked = [request for request in requests.waiting(session) if request.job in self.jobs]
        work: list[tuple[str, Callable[[], Claimed | None]]] = [
            *((run.what, partial(self._take_over, run, now)) for run in abandoned),
            *((run.what, partial(self._try_again, schedule, run, now)) for schedule, run in failed),
            *((schedule.job, partial(self._claim, schedule, now)) for schedule in waiting),
            *((request.job, partial(self._claim_request, request, now)) for request in asked),
        ]
        claimed: list[Claimed] = []
        for job, claim in work:
            worker = job if job in self.quick else ""
            if free[worker] > 0 and (taken := claim()):
                claimed.append(taken)
                free[worker] -= 1
        return claimed

    def _claim_request(self, request: JobRequest, now: datetime) -> Claimed | None:
        with self.store.write() as session:
            until = self.lease_until(now)
            lease = requests.claim(session, request, owner=self.owner, now=now, lease_until=until)
        return Claimed(lease, requests.TIME_LIMIT_S) if lease else None

    def _may_run(self, schedule: Schedule, now: datetime) -> bool:
        backoff = schedule.backoff_until
        # A back-off longer than the longest allowed was set by a clock that ran ahead.
        backing_off = backoff is not None and now < backoff <= now + self._longest_backoff
        start = schedule.next_run_at + jitter(schedule.key, schedule.next_run_at, schedule.jitter_s)
        return schedule.job in self.jobs and not backing_off and start <= now

    def _claim(self, schedule: Schedule, now: datetime) -> Claimed | None:
        grace = timedelta(seconds=schedule.grace_s + schedule.jitter_s)
        try:
            policy = MissedTicks(schedule.missed)
            plan = plan_tick(Cron(schedule.cron), schedule.next_run_at, now, grace=grace, policy=policy)
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
                tick=plan.tick,
                next_run_at=plan.next_run_at,
                owner=self.owner,
                now=now,
                lease_until=self.lease_until(now),
                skip=None if plan.run else {"missed": plan.missed, "why": "late, and the policy is skip"},
            )
            if lease is None:
                return None
            self._note_start(session, schedule, plan, lease.run_id, now)
        return Claimed(lease, schedule.time_limit_s) if plan.run else None

    def _note_start(self, session: Session, schedule: Schedule, plan: TickPlan, run_id: int, now: datetime) -> None:
        what_now = {
            MissedTicks.RUN_ALL: "This tick runs now, and so do those after it, each in its turn.",
            MissedTicks.RUN_LAST: f"The last tick runs now; {_counted(plan.missed)} before it will not run.",
            MissedTicks.SKIP: f"{_counted(plan.missed)} will not run.",
        }[MissedTicks(schedule.missed)]
        due = (schedule.key, schedule.job, schedule.next_run_at)
        rules = Rules(session, self.settings.alerts, now, run_id)
        rules.job_started(*due, late=plan.late, what_now=f"Policy {schedule.missed}: {what_now}")

    def _take_over(self, run: Run, now: datetime) -> Claimed | None:
        with self.store.write() as session:
            schedule = schedules.find(session, run.schedule)
            # Attempts that failed are no takeovers, and have a limit of their own.
            failures = schedule.failures if schedule else 0
            asked = requests.TIME_LIMIT_S if requests.is_request(run.schedule) else None
            time_limit_s = schedule.time_limit_s if schedule else asked
            gone = time_limit_s is None or run.attempt >= self.settings.daemon.attempts + failures
            if not gone and run.what not in self.jobs:
                return None
            lease = schedules.take_over(session, run, owner=self.owner, now=now, lease_until=self.lease_until(now))
        if lease is None:
            return None
        if time_limit_s is None or gone:
            last = str((run.outcome or {}).get("given_back", ""))
            tried = f"it was tried {run.attempt} times{', the last time: ' + last if last else ''}"
            error = "its schedule was removed" if time_limit_s is None else tried
            self.finish(lease, Ending(RunState.ABANDONED, {"how": "abandoned", "error": error}), now)
            return None
        log.warning("taking over a run whose daemon is gone", extra=about(lease))
        return Claimed(lease, time_limit_s)

    def _try_again(self, schedule: Schedule, run: Run, now: datetime) -> Claimed | None:
        if schedule.job not in self.jobs or run.what not in self.jobs:
            return None
        with self.store.write() as session:
            until = self.lease_until(now)
            lease = schedules.try_again(session, schedule, run, owner=self.owner, now=now, lease_until=until)
            if lease is None:
                return None
            openings.begin_again(session, run.id)
        log.info("trying again what failed", extra=about(lease))
        return Claimed(lease, schedule.time_limit_s)

    def finish(self, lease: Lease, ending: Ending, now: datetime) -> bool:
        """Record how a run ended; count failures in a row, back off, and open or calm the alert.

        Returns:
            Whether the run was still ours. If not, another daemon has it, and nothing was recorded.
        """
        with self.store.write() as session:
            outcome = ending.outcome
            if ending.state is not RunState.DONE:
                outcome = openings.with_note(openings.noted(session, lease.run_id), outcome)
            if not schedules.finish(session, lease, state=ending.state, outcome=outcome, now=now):
                return False
            if requests.is_request(lease.schedule):
                self._note_death(session, lease, outcome, now)
            schedule = schedules.find(session, lease.schedule)
            if schedule is None:
                return True
            failures = 0 if ending.state is RunState.DONE else schedule.failures + 1
            backoff_until = now + self.backoff(failures) if failures else None
            schedules.count_failure(session, lease.schedule, failures=failures, backoff_until=backoff_until)
            rules = Rules(session, self.settings.alerts, now, lease.run_id)
            rules.job_ended(lease, outcome, failures, what_now=self._what_now(schedule, ending, failures, now))
        return True

    def _note_death(self, session: Session, lease: Lease, outcome: Mapping[str, Any], now: datetime) -> None:
        """Tell people where the same request has ended its process too often; one that ended otherwise ends that."""
        deaths = openings.request_deaths(session, lease.run_id, lease.attempt, outcome)
        if 0 < deaths < MOST_DEATHS:
            return
        said = json.dumps(lease.arguments, sort_keys=True, default=str).encode()
        key = f"{lease.job} {hashlib.sha256(said).hexdigest()[:16]}"
        rules = Rules(session, self.settings.alerts, now, lease.run_id)
        rules.request_died(key, lease.job, deaths, str(outcome.get("error", "")), str(outcome.get("file", "")))

    def _what_now(self, schedule: Schedule, ending: Ending, failures: int, now: datetime) -> str:
        waited = now + self.backoff(max(failures, 1))
        if not schedule.enabled:
            return "It is paused."
        in_its_turn = waited < schedule.next_run_at or schedule.missed == MissedTicks.RUN_ALL
        if in_its_turn and failures <= self.settings.daemon.retries and _may_retry(ending):
            return f"It is tried again at {waited:%Y-%m-%d %H:%M:%S} UTC, then less and less often."
        return f"It runs again with its next tick, at {max(waited, schedule.next_run_at):%Y-%m-%d %H:%M:%S} UTC."

    def backoff(self, failures: int) -> timedelta:
        """Return how long a schedule waits after that many failures in a row."""
        daemon = self.settings.daemon
        return timedelta(seconds=min(daemon.backoff_seconds * 2 ** min(failures - 1, 30), daemon.backoff_limit_seconds))

    @property
    def _longest_backoff(self) -> timedelta:
        return timedelta(seconds=self.settings.daemon.backoff_limit_seconds)

    def lease_until(self, now: datetime) -> datetime:
        """Return when a lease taken now ends."""
        return now + timedelta(seconds=self.settings.daemon.lease_seconds)

    def undo_clock_change(self, now: datetime) -> None:
        """Undo what a clock that ran ahead has left: leases, waits, words of alerts, distant ticks."""
        daemon = self.settings.daemon
        with self.store.write() as session:
            lease = timedelta(seconds=daemon.lease_seconds)
            undone = future.shorten_leases(session, now, lease=lease, tolerance=CLOCK_TOLERANCE)
            undone += future.shorten_waits(
                session,
                now,
                backoff=timedelta(seconds=daemon.backoff_limit_seconds) + CLOCK_TOLERANCE,
                retry=timedelta(minutes=self.settings.alerts.retry_minutes) + CLOCK_TOLERANCE,
            )
            undone += future.bring_back_alerts(session, now, tolerance=CLOCK_TOLERANCE)
        if undone:
            log.warning("%d leases, waits or alerts came from the future: the clock was set back", undone)
        with self.store.read() as session:
            everything = schedules.all_schedules(session)
        for schedule in everything:
            try:
                sooner = tick_after_clock_change(Cron(schedule.cron), schedule.next_run_at, now, CLOCK_TOLERANCE)
            except InvalidInput:
                continue
            if sooner is not None and schedule.enabled:
                with self.store.write() as session:
                    if schedules.move_back(session, schedule, sooner):
                        log.warning("schedule %s waited for %s: the clock was set back", schedule.key, sooner)


def _may_retry(ending: Ending) -> bool:
    # What was given up has had its attempts.
    return ending.state in (RunState.FAILED, RunState.TIMED_OUT)


def _counted(missed: int) -> str:
    if missed >= MOST_COUNTED:
        return f"{MOST_COUNTED:,} ticks or more"
    return f"{missed:,} tick{'' if missed == 1 else 's'}"
