"""A job that failed is tried again before its next tick, less and less often, and its alert says when."""

from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import select

from abkit.config import DaemonSettings, Settings
from abkit.errors import AbkitError, StoreFull, StoreUnreachable
from abkit.jobs.daemon import endings
from abkit.jobs.daemon.claims import Claims
from abkit.jobs.daemon.endings import Ending
from abkit.store.database.engine import Store
from abkit.store.jobs import openings, schedules
from abkit.store.jobs.schedules import Lease
from abkit.store.schema import Alert, Run
from abkit.vocabulary import RunState
from tests.jobs.fleet import add_schedule

NOW = datetime(2026, 3, 1, 6, tzinfo=UTC)
SECOND = timedelta(seconds=1)
FAILED = Ending(RunState.FAILED, {"how": "raised", "error": "no feed"})
SETTINGS = Settings(daemon=DaemonSettings(backoff_seconds=30, backoff_limit_seconds=120, retries=4, attempts=3))


@pytest.fixture
def claims(store: Store) -> Claims:
    add_schedule(store, "daily", first=NOW, cron="0 6 * * *")
    return Claims(store, SETTINGS, {"ledger"}, "daemon")


def _claim(claims: Claims, now: datetime) -> Lease | None:
    claimed = claims.next(now, 5)
    assert len(claimed) < 2
    return claimed[0].lease if claimed else None


def _run(store: Store) -> Run:
    with store.read() as session:
        return session.scalars(select(Run).order_by(Run.id.desc())).first() or pytest.fail("no run")


def _message(store: Store) -> str:
    with store.read() as session:
        return session.scalars(select(Alert.message).where(Alert.rule == "job_failed")).one()


def test_it_is_tried_again_for_the_same_tick_with_doubling_waits_and_then_waits_for_the_next(
    store: Store, claims: Claims
) -> None:
    now, waits = NOW, []
    for attempt in range(1, 6):
        lease = _claim(claims, now)
        assert lease is not None
        assert (lease.tick, lease.attempt) == (NOW, attempt)
        assert _run(store).finished_at is None
        claims.finish(lease, FAILED, now)
        if attempt < 5:
            before = now
            assert _claim(claims, now + 29 * SECOND) is None
            steps = (now + 30 * n * SECOND for n in range(1, 9))
            again = next(step for step in steps if f"{step:%H:%M:%S}" in _message(store))
            assert f"It is tried again at {again:%Y-%m-%d %H:%M:%S} UTC" in _message(store)
            now = again
            waits.append((now - before).total_seconds())
    assert waits == [30, 60, 120, 120]
    assert _claim(claims, now + timedelta(hours=20)) is None, "five failures in a row: it waits for its next tick"
    assert "It runs again with its next tick, at 2026-03-02 06:00:00 UTC" in _message(store)
    tomorrow = _claim(claims, NOW + timedelta(days=1))
    assert tomorrow is not None
    assert tomorrow.tick == NOW + timedelta(days=1)


def test_a_schedule_that_runs_all_its_ticks_tries_one_that_failed_before_the_next(store: Store, claims: Claims) -> None:
    add_schedule(store, "all", first=NOW + SECOND, cron="* * * * * *", missed="run_all")
    daily = _claim(claims, NOW)
    assert daily is not None
    claims.finish(daily, Ending(RunState.DONE), NOW)
    ran = []
    for seconds, ending in ((1, FAILED), (31, FAILED), (91, Ending(RunState.DONE)), (92, Ending(RunState.DONE))):
        at = NOW + seconds * SECOND
        lease = _claim(claims, at)
        assert lease is not None
        ran.append(((lease.tick - NOW).seconds, lease.attempt))
        claims.finish(lease, ending, at)
        if seconds == 1:
            assert "It is tried again at 2026-03-01 06:00:31 UTC" in _message(store)
            assert _claim(claims, at + 20 * SECOND) is None, "the ticks after it wait for it"
    assert ran == [(1, 1), (1, 2), (1, 3), (2, 1)]


def test_a_tick_that_failed_while_the_clock_ran_ahead_is_tried_again_once_it_is_right(
    store: Store, claims: Claims
) -> None:
    add_schedule(store, "all", first=NOW - 2 * SECOND, cron="* * * * * *", missed="run_all")
    daily, ahead = (claimed.lease for claimed in claims.next(NOW, 5)[::-1])
    claims.finish(daily, Ending(RunState.DONE), NOW)
    claims.finish(ahead, FAILED, NOW + 900 * SECOND)
    again = _claim(claims, NOW + SECOND)
    assert again is not None
    assert (again.tick, again.attempt) == (NOW - 2 * SECOND, 2)


def test_a_tick_that_failed_while_another_daemon_was_about_to_claim_the_next_is_not_passed_over(
    store: Store, claims: Claims
) -> None:
    lease = _claim(claims, NOW)
    assert lease is not None
    with store.read() as session:
        as_read = schedules.find(session, "daily") or pytest.fail("no schedule")
    claims.finish(lease, FAILED, NOW)
    later = {"tick": as_read.next_run_at, "next_run_at": as_read.next_run_at + timedelta(days=1)}
    with store.write() as session:
        assert schedules.claim(session, as_read, owner="other", now=NOW, lease_until=NOW, **later) is None


def test_success_ends_the_retries_and_leaves_one_run(store: Store, claims: Claims) -> None:
    for ending, at in ((FAILED, NOW), (Ending(RunState.DONE, {"rows": 1}), NOW + 30 * SECOND)):
        lease = _claim(claims, at)
        assert lease is not None
        claims.finish(lease, ending, at)
    run = _run(store)
    assert (run.state, run.attempt, run.outcome) == ("done", 2, {"rows": 1})
    assert _claim(claims, NOW + timedelta(hours=1)) is None


def test_one_daemon_takes_it_and_a_paused_schedule_is_left_alone(store: Store, claims: Claims) -> None:
    lease = _claim(claims, NOW)
    assert lease is not None
    claims.finish(lease, FAILED, NOW)
    with store.read() as session:
        ((schedule, run),) = schedules.to_retry(session, NOW + 60 * SECOND, 4, 120 * SECOND)
    later = {"now": NOW + 60 * SECOND, "lease_until": NOW + 120 * SECOND}
    taken = []
    for owner in ("one", "two"):
        with store.write() as session:
            taken.append(schedules.try_again(session, schedule, run, owner=owner, **later))
    assert [one is not None for one in taken] == [True, False]
    assert taken[0] is not None
    claims.finish(taken[0], FAILED, NOW + 60 * SECOND)
    with store.write() as session:
        schedules.set_enabled(session, "daily", False, next_run_at=NOW)
    assert _claim(claims, NOW + timedelta(hours=1)) is None


def test_a_run_that_is_given_up_is_not_tried_again_and_says_why_it_was_given_back(store: Store, claims: Claims) -> None:
    now = NOW
    for _ in range(3):
        lease = _claim(claims, now)
        assert lease is not None
        with store.write() as session:
            schedules.give_back(session, lease, now)
            openings.nothing_open(session, lease.run_id, "the store does not answer")
        now += SECOND
    assert _claim(claims, now) is None
    run = _run(store)
    assert run.outcome is not None
    assert run.state == "abandoned"
    assert run.outcome["error"] == "it was tried 3 times, the last time: the store does not answer"
    assert _claim(claims, now + timedelta(hours=1)) is None
    assert "with its next tick" in _message(store)


@pytest.mark.parametrize(
    ("error", "how"),
    [
        (MemoryError(), "out_of_memory"),
        (RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 1 bytes"), "out_of_memory"),
        (OSError(12, "Cannot allocate memory"), "out_of_memory"),
        (OSError(28, "No space left on device", "a.csv"), "disk_full"),
        (StoreFull("the disk that holds the store is full"), "disk_full"),
        (StoreUnreachable("the store does not answer"), "store"),
        (ValueError("something else"), "raised"),
    ],
)
def test_an_error_is_named_as_what_it_was_also_where_another_one_wraps_it(error: Exception, how: str) -> None:
    assert endings.by_error(error).outcome["how"] == how
    with pytest.raises(AbkitError) as wrapped:
        raise AbkitError("a.csv cannot be moved") from error
    by_memory_or_disk = isinstance(error, OSError | MemoryError | StoreFull) or "memory" in str(error)
    assert endings.by_error(wrapped.value).outcome["how"] == (how if by_memory_or_disk else "raised")


def test_a_process_killed_while_the_system_ran_out_of_memory_is_named_so() -> None:
    assert endings.by_exit(-9, memory_ran_out=True).outcome["how"] == "out_of_memory"
    assert endings.by_exit(-9, memory_ran_out=False).outcome["how"] == "killed"
    assert endings.by_exit(-11, memory_ran_out=True).outcome["how"] == "killed"
