"""Schedules: a tick is claimed by one process, and a run whose owner is gone is taken over."""

from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import select, update

from abkit.store.database.engine import Store
from abkit.store.jobs import schedules
from abkit.store.jobs.schedules import DEFINITION, Lease
from abkit.store.schema import Run, Schedule
from abkit.vocabulary import RunState

TICK = datetime(2026, 3, 1, 6, tzinfo=UTC)
HOUR = timedelta(hours=1)
DAILY = {
    "job": "drift-check",
    "arguments": {"days": 7},
    "cron": "0 6 * * *",
    "jitter_s": 0,
    "grace_s": 3600,
    "time_limit_s": 600,
    "missed": "run_last",
    "source": "command",
}


def save(store: Store, key: str = "daily", **changes: object) -> str:
    with store.write() as session:
        return schedules.save(session, key, {**DAILY, **changes}, next_run_at=TICK, now=TICK - HOUR)


def read(store: Store, key: str = "daily") -> Schedule:
    with store.read() as session:
        found = schedules.find(session, key)
    assert found is not None
    return found


def claim(store: Store, schedule: Schedule, owner: str = "host:1", **options: object) -> Lease | None:
    values = {"tick": TICK, "next_run_at": TICK + 24 * HOUR, "now": TICK, "lease_until": TICK + HOUR, **options}
    with store.write() as session:
        return schedules.claim(session, schedule, owner=owner, **values)  # type: ignore[arg-type]


def take(store: Store) -> Lease:
    save(store)
    lease = claim(store, read(store))
    assert lease is not None
    return lease


def run_of(store: Store) -> Run:
    with store.read() as session:
        return session.scalars(select(Run)).one()


def test_a_definition_is_added_once_changed_where_it_differs_and_else_left_alone(sqlite_store: Store) -> None:
    assert [save(sqlite_store), save(sqlite_store)] == ["added", "unchanged"]
    with sqlite_store.write() as session:
        schedules.count_failure(session, "daily", failures=3, backoff_until=TICK)
        schedules.set_enabled(session, "daily", False, next_run_at=TICK + HOUR)
        schedules.count_failure(session, "daily", failures=3, backoff_until=TICK)
    assert save(sqlite_store, grace_s=60) == "changed"
    row = read(sqlite_store)
    assert (row.grace_s, row.failures, row.backoff_until, row.next_run_at) == (60, 0, None, TICK)
    assert row.enabled is False  # whether it is paused is not part of its definition
    assert {column: getattr(row, column) for column in DEFINITION} == {**DAILY, "grace_s": 60}


def test_another_cron_line_starts_from_its_own_first_tick(sqlite_store: Store) -> None:
    save(sqlite_store)
    with sqlite_store.write() as session:
        definition = {**DAILY, "cron": "0 7 * * *"}
        assert schedules.save(session, "daily", definition, next_run_at=TICK + HOUR, now=TICK) == "changed"
    assert read(sqlite_store).next_run_at == TICK + HOUR


def test_a_paused_schedule_resumes_from_its_next_tick(sqlite_store: Store) -> None:
    save(sqlite_store)
    for enabled, expected in ((False, TICK), (True, TICK + HOUR)):
        with sqlite_store.write() as session:
            schedules.set_enabled(session, "daily", enabled, next_run_at=TICK + HOUR)
        assert (read(sqlite_store).enabled, read(sqlite_store).next_run_at) == (enabled, expected)
    with sqlite_store.write() as session:
        schedules.remove(session, ["daily"])
        assert schedules.all_schedules(session) == []


def test_only_enabled_schedules_whose_tick_has_come_and_whose_job_does_not_run_are_due(sqlite_store: Store) -> None:
    for key in ("a", "b", "c", "d"):
        save(sqlite_store, key)
    with sqlite_store.write() as session:
        schedules.set_enabled(session, "b", False, next_run_at=TICK)
        session.execute(update(Schedule).where(Schedule.key == "c").values(next_run_at=TICK - HOUR))
    assert claim(sqlite_store, read(sqlite_store, "d"), next_run_at=TICK) is not None
    with sqlite_store.read() as session:
        assert [row.key for row in schedules.due(session, TICK)] == ["c", "a"]
        assert [row.key for row in schedules.due(session, TICK - HOUR)] == ["c"]
        assert [row.key for row in schedules.all_schedules(session)] == ["a", "b", "c", "d"]


def test_a_tick_is_claimed_by_the_first_process_only(store: Store) -> None:
    save(store)
    as_both_read_it = read(store)
    lease = claim(store, as_both_read_it, "host:1")
    assert lease is not None
    assert (lease.job, lease.arguments, lease.tick, lease.attempt, lease.owner) == (
        "drift-check", {"days": 7}, TICK, 1, "host:1",
    )  # fmt: skip
    assert claim(store, as_both_read_it, "host:2") is None
    assert read(store).next_run_at == TICK + 24 * HOUR
    assert (run_of(store).state, run_of(store).owner) == ("running", "host:1")
    with store.write() as session:
        assert schedules.finish(session, lease, state=RunState.DONE, outcome={}, now=TICK)
    assert claim(store, as_both_read_it, "host:2", tick=TICK + HOUR) is None


def test_the_next_tick_waits_while_the_job_runs_and_a_tick_that_ran_does_not_run_again(sqlite_store: Store) -> None:
    lease = take(sqlite_store)
    assert claim(sqlite_store, read(sqlite_store), tick=TICK + 24 * HOUR) is None
    with sqlite_store.write() as session:
        assert schedules.finish(session, lease, state=RunState.DONE, outcome={"n": 1}, now=TICK)
    assert claim(sqlite_store, read(sqlite_store), tick=TICK) is None  # the clock was set back
    assert claim(sqlite_store, read(sqlite_store), tick=TICK + 24 * HOUR) is not None


def test_a_tick_that_is_skipped_leaves_a_run_that_says_why(sqlite_store: Store) -> None:
    save(sqlite_store)
    assert claim(sqlite_store, read(sqlite_store), skip={"why": "too late"}) is not None
    row = run_of(sqlite_store)
    assert (row.state, row.outcome, row.finished_at) == ("skipped", {"why": "too late"}, TICK)


def test_a_run_by_hand_has_its_own_tick_and_waits_for_no_other(store: Store) -> None:
    save(store)
    schedule = read(store)
    options = {"owner": "host:1", "now": TICK - HOUR, "lease_until": TICK}
    with store.write() as session:
        lease = schedules.claim_extra(session, schedule, **options)  # type: ignore[arg-type]
    with store.write() as session:
        assert schedules.claim_extra(session, schedule, **options) is None  # type: ignore[arg-type]
    assert lease is not None
    assert lease.tick == TICK - HOUR
    assert read(store).next_run_at == TICK


def test_a_run_whose_lease_ended_is_taken_over_once_and_its_former_owner_no_longer_counts(store: Store) -> None:
    former = take(store)
    with store.read() as session:
        assert schedules.expired(session, TICK) == []
        (expired,) = schedules.expired(session, TICK + HOUR)
    later = {"now": TICK + HOUR, "lease_until": TICK + 2 * HOUR}
    with store.write() as session:
        taken = schedules.take_over(session, expired, owner="host:2", **later)
        assert schedules.take_over(session, expired, owner="host:3", **later) is None
    assert taken is not None
    assert (taken.attempt, taken.owner, taken.run_id) == (2, "host:2", former.run_id)

    with store.write() as session:
        assert not schedules.finish(session, former, state=RunState.DONE, outcome={}, now=TICK + HOUR)
        assert schedules.extend(session, [former, taken], TICK + 3 * HOUR) == [former]
        assert schedules.finish(session, taken, state=RunState.FAILED, outcome={"error": "x"}, now=TICK + 2 * HOUR)
        assert not schedules.finish(session, taken, state=RunState.DONE, outcome={}, now=TICK + 2 * HOUR)
    assert (run_of(store).state, run_of(store).outcome) == ("failed", {"error": "x"})


def test_a_lease_that_is_given_back_can_be_taken_over_at_once(sqlite_store: Store) -> None:
    lease = take(sqlite_store)
    with sqlite_store.write() as session:
        assert schedules.give_back(session, lease, TICK)
        assert not schedules.give_back(session, lease, TICK)
        assert [run.id for run in schedules.expired(session, TICK)] == [lease.run_id]


def test_moving_back_takes_effect_only_where_the_schedule_is_as_it_was_read(sqlite_store: Store) -> None:
    save(sqlite_store)
    as_read = read(sqlite_store)
    with sqlite_store.write() as session:
        assert schedules.move_back(session, as_read, TICK - HOUR)
        assert not schedules.move_back(session, as_read, TICK - 2 * HOUR)
    assert read(sqlite_store).next_run_at == TICK - HOUR


def test_runs_of_a_schedule_come_newest_first_and_commands_are_not_among_them(sqlite_store: Store) -> None:
    for number in range(3):
        save(sqlite_store, f"s{number % 2}")
        lease = claim(sqlite_store, read(sqlite_store, f"s{number % 2}"), tick=TICK + number * HOUR, next_run_at=TICK)
        assert lease is not None
        with sqlite_store.write() as session:
            schedules.finish(session, lease, state=RunState.DONE, outcome={"number": number}, now=TICK)
    with sqlite_store.read() as session:
        assert [run.outcome for run in schedules.runs_of(session, "s0", 5)] == [{"number": 2}, {"number": 0}]
        assert [run.outcome for run in schedules.runs_of(session, "s0", 1)] == [{"number": 2}]
        latest = schedules.last_runs(session)
    assert {key: run.outcome for key, run in latest.items()} == {"s0": {"number": 2}, "s1": {"number": 1}}


@pytest.mark.parametrize("key", ["", "nobody"])
def test_an_unknown_schedule_is_none(sqlite_store: Store, key: str) -> None:
    with sqlite_store.read() as session:
        assert schedules.find(session, key) is None
