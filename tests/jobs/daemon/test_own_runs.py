"""A daemon never starts what it still runs, whatever its clock says, and ends what another one has taken over."""

import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import select

from abkit.config import DaemonSettings, Settings
from abkit.jobs.daemon import loop, process
from abkit.jobs.daemon.claims import Claims
from abkit.jobs.daemon.endings import INTERRUPTED, Ending
from abkit.jobs.daemon.loop import Daemon
from abkit.jobs.daemon.process import Assignment
from abkit.store.database.engine import Store
from abkit.store.schema import Run
from tests.jobs.fleet import Fleet, add_schedule, ledger_store, rows, wait_until
from tests.jobs.ledger_daemon import CATALOG

NOW = datetime(2026, 3, 1, 6, tzinfo=UTC)
LEASE = timedelta(seconds=600)
SETTINGS = Settings(
    daemon=DaemonSettings(poll_seconds=0.05, lease_seconds=LEASE.total_seconds(), stop_seconds=0, port=0)
)


@dataclass
class Watched:
    """A daemon whose jobs only wait for their end, and whose clock the test sets."""

    store: Store
    now: datetime = NOW
    started: list[int] = field(default_factory=list)
    cancelled: list[int] = field(default_factory=list)

    def supervise(self, assignment: Assignment, *, time_limit_s: float, cancelled: threading.Event) -> Ending:
        """Stand in for the process of the job."""
        self.started.append(assignment.lease.attempt)
        cancelled.wait(time_limit_s)
        self.cancelled.append(assignment.lease.attempt)
        return INTERRUPTED

    def run(self) -> Run:
        """Return the run of the schedule."""
        with self.store.read() as session:
            return session.scalars(select(Run)).one()


@pytest.fixture
def watched(sqlite_store: Store, monkeypatch: pytest.MonkeyPatch) -> Iterator[Watched]:
    one = Watched(sqlite_store)
    add_schedule(sqlite_store, "slow", first=NOW, cron="0 6 * * *")
    monkeypatch.setattr(process, "supervise", one.supervise)
    monkeypatch.setattr(process, "prepare", lambda _: None)
    daemon = Daemon(sqlite_store, SETTINGS, CATALOG, clock=lambda: one.now)
    thread = threading.Thread(target=daemon.run)
    thread.start()
    wait_until(lambda: bool(one.started), 60, "the job to start")
    yield one
    daemon.stop()
    daemon.stop()
    thread.join(60)


def test_after_a_sleep_longer_than_the_lease_the_daemon_keeps_its_own_run(watched: Watched) -> None:
    for hours in (1, 2, 3):
        watched.now = NOW + timedelta(hours=hours)
        wait_until(lambda: watched.run().lease_until == watched.now + LEASE, 60, "the lease to be extended")
    time.sleep(0.3)  # some more polls
    assert (watched.run().attempt, watched.started, watched.cancelled) == (1, [1], [])


def test_an_attempt_that_was_taken_over_during_the_sleep_is_ended_and_not_started_again(watched: Watched) -> None:
    other = Claims(watched.store, SETTINGS, CATALOG.keys(), "another daemon")
    (taken,) = other.next(NOW + timedelta(hours=1), 1)
    watched.now = NOW + timedelta(hours=1)
    wait_until(lambda: watched.cancelled == [1], 60, "the first attempt to be ended")
    time.sleep(0.3)
    run = watched.run()
    assert (taken.lease.attempt, run.attempt, run.owner, run.state) == (2, 2, "another daemon", "running")
    assert watched.started == [1]


def test_one_claim_leaves_out_what_still_runs_here(sqlite_store: Store) -> None:
    for key in ("ours", "theirs"):
        add_schedule(sqlite_store, key, first=NOW, cron="0 6 * * *")
    claims = Claims(sqlite_store, SETTINGS, CATALOG.keys(), "daemon")
    runs = {claimed.lease.schedule: claimed.lease.run_id for claimed in claims.next(NOW, 10)}
    again = claims.next(NOW + 2 * LEASE, 10, ours={runs["ours"]})
    assert [(one.lease.schedule, one.lease.attempt) for one in again] == [("theirs", 2)]


def test_each_quick_job_has_a_worker_of_its_own(sqlite_store: Store) -> None:
    for number in range(2):
        for job in ("quick", "ledger", "heartbeat"):
            add_schedule(sqlite_store, f"{job}-{number}", job=job, first=NOW, cron="0 6 * * *")
    claims = Claims(sqlite_store, SETTINGS, {"quick", "ledger", "heartbeat"}, "daemon", {"quick", "heartbeat"})
    claimed = [one.lease.job for one in claims.next(NOW, 0, {"quick", "heartbeat"})]
    assert sorted(claimed) == ["heartbeat", "quick"]
    assert [one.lease.job for one in claims.next(NOW, 0, {"quick"})] == ["quick"], "while the heartbeat hangs"


def test_a_daemon_whose_store_hangs_ends_within_its_grace(sqlite_store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    hangs, asked, left = threading.Event(), threading.Event(), threading.Event()
    monkeypatch.setattr(process, "prepare", lambda _: None)
    monkeypatch.setattr(loop, "_LAST_S", 0.5)
    # Instead of the process, the test ends what hangs.
    monkeypatch.setattr(os, "_exit", lambda _code: (left.set(), hangs.set()))

    def next_claims(*_: object) -> list[object]:
        asked.set()
        hangs.wait(60)
        return []

    monkeypatch.setattr(Claims, "next", next_claims)
    daemon = Daemon(sqlite_store, SETTINGS, CATALOG, clock=lambda: NOW)
    thread = threading.Thread(target=daemon.run)
    thread.start()
    assert asked.wait(60)
    daemon.stop()
    assert left.wait(20), "it waits for the store for ever"
    thread.join(60)


def test_a_real_daemon_that_was_asleep_starts_its_job_once(sqlite_url: str, fleet: Callable[..., Fleet]) -> None:
    with ledger_store(sqlite_url) as store:
        add_schedule(store, "slow", first=datetime.now(UTC), cron="0 0 1 1 *", arguments={"seconds": 6})
        several = fleet(sqlite_url, lease_seconds=2)
        daemon = several.start()
        wait_until(lambda: len(rows(store, "execution")) == 1, 180, "the job to start")
        os.kill(daemon.pid, signal.SIGSTOP)
        time.sleep(3)
        os.kill(daemon.pid, signal.SIGCONT)
        wait_until(lambda: len(rows(store, "effect")) == 1, 180, "the job to end")
        several.stop()
        assert len(rows(store, "execution")) == 1
        assert "taking over" not in several.logs()
