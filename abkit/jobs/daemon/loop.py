"""The daemon: APScheduler polls our `schedule` table and runs what this process has claimed; and triggers by hand.

APScheduler has no job store here: it is the timer and the pool of workers. What runs when, and who has it, is in the
store, so that any number of daemons on any number of machines share one set of schedules.
"""

import contextlib
import logging
import os
import threading
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from types import FrameType
from typing import Any

from apscheduler.executors.pool import ThreadPoolExecutor
from apscheduler.jobstores.base import JobLookupError
from apscheduler.schedulers.background import BackgroundScheduler
from sqlalchemy.exc import SQLAlchemyError

from abkit.config import Settings
from abkit.errors import AbkitError, StoreError, UsageError
from abkit.jobs.daemon import process
from abkit.jobs.daemon.ahead import Ahead
from abkit.jobs.daemon.claims import Claimed, Claims
from abkit.jobs.daemon.endings import INTERRUPTED, Ending
from abkit.jobs.daemon.logs import about
from abkit.jobs.daemon.process import Assignment
from abkit.jobs.daemon.systemd import notify
from abkit.jobs.job import Catalog, Clock, wall_clock
from abkit.jobs.status import unknown_schedule
from abkit.jobs.work.leaderboards import JOB as LEADERBOARDS
from abkit.store.database.engine import Store
from abkit.store.database.patience import BRIEF
from abkit.store.jobs import openings, schedules
from abkit.store.jobs.schedules import Lease
from abkit.store.runs import this_process
from abkit.vocabulary import RunState

log = logging.getLogger("abkit.jobs")

_LOOK_S = 0.5
_CLOCK_CHECK_S = 60.0
# After the jobs have had their time: to give runs back, and for the store to answer.
_LAST_S = 20.0
# A poll that takes longer than this hangs; systemd then starts the daemon anew.
_HANGS_S = 120.0
_STORE_ERRORS = (StoreError, SQLAlchemyError)


@dataclass
class _Running:
    lease: Lease
    cancelled: threading.Event = field(default_factory=threading.Event)


class Daemon:
    """One daemon. `run` blocks until it is told to stop.

    Args:
        store: The schedules and their runs.
        settings: `[daemon]` and `[alerts]`.
        catalog: Jobs that can be run, by name.
        clock: Returns the present instant; a parameter, so that jumps of the clock can be tested.
        preload: Modules that the processes of jobs have loaded when they start.
    """

    def __init__(
        self,
        store: Store,
        settings: Settings,
        catalog: Catalog,
        *,
        clock: Clock = wall_clock,
        preload: Sequence[str] = (),
    ) -> None:
        # A daemon that waits long for its bookkeeping loses its leases, and does not stop when it is told to.
        self.store = store = store.with_patience(BRIEF)
        self.settings = settings
        self.clock = clock
        self.ended: Counter[str] = Counter()
        self.trouble = ""
        self._last_poll = float("-inf")
        self._polled = time.monotonic()
        self.catalog = catalog
        self._quick = frozenset(name for name, job in catalog.items() if job.quick)
        self._claims = Claims(store, settings, catalog.keys(), this_process(), self._quick)
        # By run and attempt: a run that was taken over elsewhere can come back while its former attempt winds down.
        self._running: dict[tuple[int, int], _Running] = {}
        self._leased_until: datetime | None = None
        self._polling = threading.Lock()
        self._guard = threading.Lock()
        self._stop = threading.Event()
        self._hurry = threading.Event()
        self._last_clock_check = float("-inf")
        process.prepare([*preload, "abkit.jobs.daemon.warm", *_driver(store)])
        daemon = settings.daemon
        self._scheduler = BackgroundScheduler(
            timezone=UTC,
            executors={"default": ThreadPoolExecutor(3), "jobs": ThreadPoolExecutor(daemon.workers + len(self._quick))},
            # A poll that comes late is as good as one in time; APScheduler's default would drop it after a second.
            job_defaults={"coalesce": True, "max_instances": 1, "misfire_grace_time": None},
        )
        now = wall_clock()
        self._scheduler.add_job(self.poll, "interval", seconds=daemon.poll_seconds, next_run_time=now, id="poll")
        self._scheduler.add_job(self.renew, "interval", seconds=daemon.lease_seconds / 3, id="renew")
        if LEADERBOARDS in catalog:
            ahead = Ahead(store)
            self._scheduler.add_job(ahead.look, "interval", seconds=daemon.poll_seconds, next_run_time=now, id="ahead")

    def run(self) -> None:
        """Poll until `stop` is called; then let the running jobs finish, or give their leases back."""
        self._scheduler.start()
        log.info("the daemon runs with %d workers", self.settings.daemon.workers)
        notify("READY=1")
        ahead = time.time() - time.monotonic()
        while not self._stop.wait(_LOOK_S):
            before, ahead = ahead, time.time() - time.monotonic()
            if abs(ahead - before) > 1:
                self._clock_was_set(ahead - before)
            if time.monotonic() - self._polled < max(_HANGS_S, 2 * self.settings.daemon.poll_seconds):
                notify("WATCHDOG=1")
        notify("STOPPING=1")
        ended = threading.Event()
        threading.Thread(target=self._leave_in_time, args=[ended], name="last", daemon=True).start()
        self._wind_down()
        ended.set()

    def stop(self, _signal: int = 0, _frame: FrameType | None = None) -> None:
        """Stop claiming; a second call gives the running jobs back at once. Safe in a signal handler."""
        if self._stop.is_set():
            self._hurry.set()
        self._stop.set()

    @property
    def seconds_since_poll(self) -> float:
        """Seconds since this daemon last reached the store; infinite if it never did."""
        return time.monotonic() - self._last_poll

    @property
    def running(self) -> int:
        """Number of jobs that run here."""
        return len(self._running)

    def poll(self) -> None:
        """Look for work once, and hand what was claimed to the workers.

        1. Undo what a clock that ran ahead left behind.
        2. Extend the leases of what runs here, if the clock says that they end soon or have ended.
        3. Claim what is due and what other daemons left behind, but nothing that still runs here.
        """
        with self._polling:
            # The poll before has ended, if only with an error: this daemon does not hang.
            self._polled = time.monotonic()
            if self._stop.is_set():
                return
            try:
                now = self.clock()
                if time.monotonic() - self._last_clock_check > _CLOCK_CHECK_S:
                    self._claims.undo_clock_change(now)
                    self._last_clock_check = time.monotonic()
                self._renew_late(now)
                claimed = self._claims.next(now, *self._free_workers())
            except _STORE_ERRORS as error:
                log.warning("the store cannot be polled, trying again: %s", _first_line(error))
                return
            self._last_poll = time.monotonic()
            for work in claimed:
                with self._guard:
                    self._running[_attempt(work.lease)] = _Running(work.lease)
                    ends = self._claims.lease_until(now)
                    self._leased_until = min(self._leased_until or ends, ends)
                name = f"run-{work.lease.run_id}-{work.lease.attempt}"
                self._scheduler.add_job(self._work, args=[work], executor="jobs", id=name)

    def _free_workers(self) -> tuple[int, frozenset[str], frozenset[int]]:
        """Return how many jobs may be started, which quick ones, and the runs that have their worker already."""
        with self._guard:
            leases = [entry.lease for entry in self._running.values()]
        jobs = [lease.job for lease in leases]
        others = sum(job not in self._quick for job in jobs)
        runs = frozenset(lease.run_id for lease in leases)
        return self.settings.daemon.workers - others, self._quick.difference(jobs), runs

    def renew(self) -> None:
        """Extend the leases of what runs here; end what another daemon has taken over."""
        with self._guard:
            running = list(self._running.values())
            self._leased_until = None
        if not running:
            return
        until = self._claims.lease_until(self.clock())
        lost = _extend(self.store, [entry.lease for entry in running], until)
        if lost is None:
            return
        with self._guard:
            self._leased_until = min(self._leased_until or until, until)
        for entry in running:
            if entry.lease in lost:
                # It may also have been finished in this moment; then there is nothing to end any more.
                entry.cancelled.set()

    def _renew_late(self, now: datetime) -> None:
        """Extend the leases before claiming if their timer is late: the machine slept, or the clock leapt forward."""
        half = timedelta(seconds=self.settings.daemon.lease_seconds / 2)
        if self._running and (self._leased_until is None or self._leased_until < now + half):
            self.renew()

    def _work(self, claimed: Claimed) -> None:
        lease = claimed.lease
        entry = self._running[_attempt(lease)]
        try:
            log.info("start %s", lease.job, extra=about(lease))
            assignment = _assignment(self.catalog, self.settings, lease, self.clock())
            ending = process.supervise(assignment, time_limit_s=claimed.time_limit_s, cancelled=entry.cancelled)
            if ending.outcome.get("error", "").endswith("SIGTERM") and self._stop.wait(1):
                # All processes are being stopped at once, this one too.
                ending = INTERRUPTED
            self.ended[ending.state] += 1
            self._record(lease, ending)
        except Exception:
            log.exception("the daemon failed to run a job", extra=about(lease))
        finally:
            with self._guard:
                self._running.pop(_attempt(lease), None)
        self.poll()

    def _record(self, lease: Lease, ending: Ending) -> None:
        """Record the end of a run; while the store does not answer, keep the lease and try again."""
        wait = 0.5
        while True:
            try:
                self._record_once(lease, ending)
            except _STORE_ERRORS as error:
                self.trouble = f"a result cannot be recorded: {_first_line(error)}"
                log.warning("%s; trying again", self.trouble, extra=about(lease))
                if self._hurry.wait(wait):
                    return
                wait = min(2 * wait, 15)
            else:
                self.trouble = ""
                return

    def _record_once(self, lease: Lease, ending: Ending) -> None:
        now = self.clock()
        interrupted = ending.state is RunState.INTERRUPTED
        if interrupted or ending.outcome.get("how") == "store":
            # Not the job's fault: a daemon that can reach the store runs it again.
            wait = timedelta(seconds=0 if interrupted else self.settings.daemon.poll_seconds)
            with self.store.write() as session:
                given_back = schedules.give_back(session, lease, now + wait)
                if given_back:
                    openings.nothing_open(session, lease.run_id, str(ending.outcome.get("error", "")))
            log.warning("gave the run back" if given_back else "another daemon has the run", extra=about(lease))
        elif not self._claims.finish(lease, ending, now):
            log.warning("another daemon has the run: this result is dropped", extra=about(lease))
        elif ending.state is RunState.DONE:
            log.info("done %s%s", lease.job, _counts(ending.outcome), extra=about(lease))
        else:
            said = [ending.outcome[name] for name in ("error", "hint") if name in ending.outcome]
            log.error("%s %s: %s", ending.state, lease.job, "; ".join(said), extra=about(lease))

    def _clock_was_set(self, by: float) -> None:
        log.warning("the clock was set %s by %.0f s", "forward" if by > 0 else "back", abs(by))
        self._last_clock_check = float("-inf")
        # APScheduler waits for an instant of the wall clock: after a step back that would be far away.
        for job in self._scheduler.get_jobs():
            with contextlib.suppress(JobLookupError):
                job.modify(next_run_time=wall_clock())

    def _leave_in_time(self, ended: threading.Event) -> None:
        """End this process if the store hangs: systemd's patience is limited, and a lease ends by itself."""
        deadline = time.monotonic() + self.settings.daemon.stop_seconds + _LAST_S
        while not ended.wait(_LOOK_S / 2):
            if self._hurry.is_set():
                deadline = min(deadline, time.monotonic() + _LAST_S)
            if time.monotonic() > deadline:
                log.error("leaving without an answer of the store: another daemon takes over what ran here")
                logging.shutdown()
                os._exit(1)

    def _wind_down(self) -> None:
        with self._polling:
            # What a poll under way has claimed is running now, and no later one claims anything. APScheduler's
            # shutdown would wait for the poll while the poll waits for a lock of APScheduler's.
            self._scheduler.remove_job("poll")
        deadline = time.monotonic() + self.settings.daemon.stop_seconds
        log.info("stopping: %d jobs have %g s to finish", len(self._running), self.settings.daemon.stop_seconds)
        while self._running and time.monotonic() < deadline and not self._hurry.wait(_LOOK_S / 2):
            pass
        with self._guard:
            for entry in self._running.values():
                entry.cancelled.set()
        give_up = time.monotonic() + 0.75 * _LAST_S
        while self._running and time.monotonic() < give_up:
            time.sleep(_LOOK_S / 10)
        self._hurry.set()
        self._scheduler.shutdown(wait=True)
        log.info("stopped")


def trigger(store: Store, settings: Settings, catalog: Catalog, key: str) -> tuple[Lease, Ending]:
    """Run the job of a schedule now, outside its cron line, and wait for its end. Its tick is the present instant.

    Raises:
        UsageError: There is no such schedule, or its job does not exist.
        AbkitError: It is running already, or another daemon has taken it over.
    """
    claims = Claims(store, settings, catalog.keys(), this_process())
    now = wall_clock()
    with store.write() as session:
        schedule = schedules.find(session, key)
        if schedule is None:
            raise unknown_schedule(key)
        if schedule.job not in catalog:
            raise UsageError(f"schedule {key}: there is no job {schedule.job!r}")
        lease = schedules.claim_extra(
            session, schedule, owner=claims.owner, now=now, lease_until=claims.lease_until(now)
        )
    if lease is None:
        raise AbkitError(f"{key} is running already", hint=f"wait for it: abkit schedule status {key}")
    process.prepare(())
    ended, cancelled = threading.Event(), threading.Event()

    def keep_lease() -> None:
        while not ended.wait(settings.daemon.lease_seconds / 3):
            if _extend(store, [lease], claims.lease_until(wall_clock())):
                cancelled.set()

    threading.Thread(target=keep_lease, daemon=True).start()
    try:
        assignment = _assignment(catalog, settings, lease, now)
        ending = process.supervise(assignment, time_limit_s=schedule.time_limit_s, cancelled=cancelled)
    except (KeyboardInterrupt, SystemExit):
        with store.write() as session:
            outcome = {"how": "interrupted"}
            schedules.finish(session, lease, state=RunState.INTERRUPTED, outcome=outcome, now=wall_clock())
        raise
    finally:
        ended.set()
    if not claims.finish(lease, ending, wall_clock()):
        raise AbkitError(f"another daemon took {key} over", hint=f"look at it: abkit schedule status {key}")
    return lease, ending


def _attempt(lease: Lease) -> tuple[int, int]:
    return lease.run_id, lease.attempt


def _extend(store: Store, leases: Sequence[Lease], until: datetime) -> Sequence[Lease] | None:
    """Extend leases, and return those that are no longer ours; None while the store does not answer."""
    try:
        with store.write() as session:
            return schedules.extend(session, leases, until)
    except _STORE_ERRORS as error:
        log.warning("the leases cannot be extended, trying again: %s", _first_line(error))
        return None


def _assignment(catalog: Catalog, settings: Settings, lease: Lease, now: datetime) -> Assignment:
    return Assignment(catalog[lease.job], lease, settings.model_dump(mode="json"), now, tuple(catalog))


def _driver(store: Store) -> list[str]:
    """Return the modules that talk to the store's database, to be loaded once instead of by each job."""
    dialect = store.engine.dialect
    return [type(dialect).__module__, *([dialect.dbapi.__name__] if dialect.dbapi else [])]


def _counts(outcome: Mapping[str, Any]) -> str:
    """Return what a job counted, for the log.

    >>> _counts({"files": 1, "rows": 300000, "reasons": {"a.csv": "it is empty"}, "updated": 0})
    ': files 1, rows 300,000, updated 0'
    """
    counted = [
        f"{name.replace('_', ' ')} {value:,}"
        for name, value in outcome.items()
        if isinstance(value, int | float) and not isinstance(value, bool)
    ]
    return f": {', '.join(counted)}" if counted else ""


def _first_line(error: Exception) -> str:
    text = error.message if isinstance(error, StoreError) else str(error)
    return (text.splitlines() or [type(error).__name__])[0]
