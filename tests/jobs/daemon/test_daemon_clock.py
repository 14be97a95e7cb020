"""The clock jumps under a real daemon: a day forward, an hour back, and the zone changes to summer time."""

import shutil
from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import select

from abkit.store.database.engine import Store
from abkit.store.schema import Run, Schedule
from tests.jobs.clock import MovedClock
from tests.jobs.fleet import Fleet, add_schedule, ledger_store, rows, wait_until

MakeFleet = Callable[..., Fleet]
HOUR = 3600
DAY = 24 * HOUR


@pytest.fixture
def clock(tmp_path: Path) -> MovedClock:
    """A clock that can be moved; it takes a C compiler."""
    if shutil.which("cc") is None:
        pytest.skip("no C compiler: the clock of a real process cannot be moved")
    return MovedClock(tmp_path)


def _ticks(store: Store, key: str, table: str = "effect") -> list[datetime]:
    return sorted(datetime.fromisoformat(tick) for name, tick in rows(store, table) if name == key)


def _finished(store: Store, key: str) -> list[datetime]:
    with store.read() as session:
        return list(session.scalars(select(Run.tick).where(Run.schedule == key, Run.state == "done")))


def test_a_day_forward_and_an_hour_back_follow_the_policy_and_no_tick_runs_twice(
    sqlite_url: str, fleet: MakeFleet, clock: MovedClock
) -> None:
    with ledger_store(sqlite_url) as store:
        # Twenty past, whenever the test is run: the hour must not change by itself meanwhile.
        base = (20 - clock.now().minute) * 60
        clock.set(base)
        hour = clock.now().replace(minute=0, second=0, microsecond=0)
        for policy in ("run_last", "run_all", "skip"):
            add_schedule(store, policy, first=hour, cron="0 * * * *", missed=policy, grace_s=HOUR)
        add_schedule(store, "seconds", first=clock.now().replace(microsecond=0), missed="run_last", grace_s=5)
        several = fleet(sqlite_url, lease_seconds=30)
        several.environment = clock.environment | {"TZ": "Europe/Berlin"}
        several.start()
        for policy in ("run_last", "run_all", "skip"):
            wait_until(lambda policy=policy: _finished(store, policy) == [hour], 180, "the tick of this hour")

        leap = clock.now()
        clock.set(base + DAY)
        wait_until(lambda: len(_ticks(store, "run_all")) == 25, 180, "every hour of the day")
        wait_until(lambda: len(_ticks(store, "run_last")) == 2, 180, "the last hour of the day")
        wait_until(lambda: len(_ticks(store, "skip")) == 2, 180, "the hour that is in time")
        assert _ticks(store, "run_last") == [hour, hour + timedelta(days=1)]
        assert _ticks(store, "skip") == [hour, hour + timedelta(days=1)]

        clock.set(base + DAY - HOUR)
        since = clock.now()
        wait_until(lambda: "the clock was set back" in several.logs(), 180, "the daemon to notice")

        def waits_for_an_hour() -> bool:
            with store.read() as session:
                (next_run_at,) = session.scalars(select(Schedule.next_run_at).where(Schedule.key == "seconds"))
            return next_run_at >= clock.now() + timedelta(minutes=1)

        wait_until(lambda: not waits_for_an_hour(), 180, "the schedule not to wait for an hour")
        wait_until(lambda: any(tick > since for tick in _ticks(store, "seconds")), 180, "ticks of each second to go on")
        several.stop()

        # A run that was under way when the clock leapt lost its lease: it may be run again, and takes effect once.
        again = [key for key, times in Counter(rows(store, "execution")).items() if times > 1]
        lost_their_lease = [
            (schedule, tick)
            for schedule, tick in again
            if schedule == "seconds" and datetime.fromisoformat(tick) <= leap
        ]
        assert again == lost_their_lease, "no tick ran twice, though its hour came twice"
        effects = rows(store, "effect")
        assert len(effects) == len(set(effects))
        assert len(_ticks(store, "run_all")) == 25
        with store.read() as session:
            assert set(session.scalars(select(Run.state).distinct())) <= {"done", "skipped"}


def test_a_zone_that_changes_to_summer_time_changes_nothing(
    sqlite_url: str, fleet: MakeFleet, clock: MovedClock
) -> None:
    """Berlin, 29 March 2026, 02:00 local becomes 03:00: the hour does not exist there, but it does in UTC."""
    change = datetime(2026, 3, 29, 1, 0, tzinfo=UTC)
    with ledger_store(sqlite_url) as store:
        clock.set(int((change - timedelta(seconds=4) - datetime.now(UTC)).total_seconds()))
        add_schedule(store, "seconds", first=clock.now().replace(microsecond=0))
        several = fleet(sqlite_url)
        several.environment = clock.environment | {"TZ": "Europe/Berlin"}
        several.start()
        after = change + timedelta(seconds=4)
        wait_until(lambda: any(tick > after for tick in _ticks(store, "seconds")), 180, "the change to pass")
        several.stop()
        ticks = _ticks(store, "seconds")
        assert ticks == [ticks[0] + timedelta(seconds=second) for second in range(len(ticks))]
