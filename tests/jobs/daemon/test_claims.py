"""Claims that meet: a schedule's job is never started twice at a time, however it is started."""

import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

from sqlalchemy import select, text

from abkit.config import Settings
from abkit.jobs.daemon.claims import Claims
from abkit.store.database.engine import Store
from abkit.store.jobs import schedules
from abkit.store.schema import Run, Schedule
from tests.jobs.fleet import add_schedule

NOW = datetime(2026, 3, 1, 6, tzinfo=UTC)
MINUTE = timedelta(minutes=1)


def _due(store: Store, key: str) -> Schedule:
    with store.read() as session:
        found = schedules.find(session, key)
    assert found is not None
    return found


def test_a_tick_is_not_claimed_while_a_run_by_hand_is_being_begun(store: Store) -> None:
    """The claim waits for the transaction of the trigger, and must then see its run."""
    add_schedule(store, "feed", first=NOW)
    due = _due(store, "feed")
    triggered, waiting = threading.Event(), threading.Event()

    def trigger() -> bool:
        with store.write() as session:
            lease = schedules.claim_extra(session, due, owner="by hand", now=NOW + MINUTE / 2, lease_until=NOW + MINUTE)
            triggered.set()
            waiting.wait(1)  # the other one has its snapshot by now
        return lease is not None

    def claim() -> bool:
        triggered.wait(10)
        with store.write() as session:
            lease = schedules.claim(
                session, due, tick=NOW, next_run_at=NOW + MINUTE, owner="daemon", now=NOW, lease_until=NOW + MINUTE
            )
        return lease is not None

    with ThreadPoolExecutor(2) as pool:
        by_hand, by_daemon = pool.submit(trigger), pool.submit(claim)
        assert by_hand.result(30)
        assert not by_daemon.result(30), "two runs of one schedule at a time"
    with store.read() as session:
        assert len(session.scalars(select(Run).where(Run.schedule == "feed")).all()) == 1
    assert _due(store, "feed").next_run_at == NOW, "its turn comes when the other run has ended"


def test_a_poisoned_row_does_not_keep_the_others_from_running(store: Store) -> None:
    for key in ("cron", "missed", "well"):
        add_schedule(store, key, first=NOW)
    with store.write() as session:
        session.execute(text("UPDATE schedule SET cron = 'at noon' WHERE key = 'cron'"))
        session.execute(text("UPDATE schedule SET cron = '0 0 30 2 *' WHERE key = 'missed'"))
    claims = Claims(store, Settings(), {"ledger"}, "daemon")
    assert [claimed.lease.schedule for claimed in claims.next(NOW, 10)] == ["well"]
    assert _due(store, "missed").next_run_at > NOW, "it is not looked at again at once"
