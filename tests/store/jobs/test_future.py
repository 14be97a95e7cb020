"""A clock that ran ahead leaves nothing that binds the store: leases, waits and last words from the future end."""

from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import select, update
from sqlalchemy.orm import Session

from abkit.alerts.episodes import observe
from abkit.config import AlertSettings, Settings
from abkit.jobs.daemon.claims import Claims
from abkit.store.database.engine import Store
from abkit.store.jobs import alerts
from abkit.store.runs import begin_run
from abkit.store.schema import Alert, AlertDelivery, Run, Schedule
from abkit.vocabulary import Severity
from tests.jobs.fleet import add_schedule
from tests.store.jobs.test_alerts import add_alert, add_delivery
from tests.store.rows import NOW

AHEAD = timedelta(days=30)
MINUTE = timedelta(minutes=1)
ALERTS = AlertSettings(job_calm_hours=1)


@pytest.fixture
def claims(store: Store) -> Claims:
    """The claims of a daemon that starts after the clock was set right."""
    add_schedule(store, "feed", first=NOW + AHEAD, job="import_kpis", cron="0 6 * * *")
    return Claims(store, Settings(alerts=ALERTS), {"import_kpis"}, "daemon")


def _see(session: Session, run_id: int, at: Any, *, firing: bool, rule: str = "job_failed") -> Alert | None:
    return observe(
        session,
        fingerprint=f"{rule}:feed",
        rule=rule,
        labels={},
        severity=Severity.WARNING,
        title="it failed",
        message="",
        evidence={},
        firing=firing,
        now=at,
        run_id=run_id,
        calm=timedelta(0),
    )


def test_a_lease_from_the_future_is_shortened_so_that_a_dead_owner_is_found_out(store: Store, claims: Claims) -> None:
    (left,) = claims.next(NOW + AHEAD, 1)
    assert claims.next(NOW, 1) == []
    claims.undo_clock_change(NOW)
    assert claims.next(NOW, 1) == [], "its owner may live, and has the time of a lease to say so"
    (taken,) = claims.next(NOW + 2 * MINUTE, 1)
    assert (taken.lease.run_id, taken.lease.attempt) == (left.lease.run_id, 2)


def test_a_command_that_was_killed_while_the_clock_ran_ahead_is_closed(store: Store, claims: Claims) -> None:
    run = begin_run(store, "score", {})
    with store.write() as session:
        session.execute(update(Run).where(Run.id == run.id).values(lease_until=NOW + AHEAD))
    claims.undo_clock_change(NOW)
    with store.read() as session:
        assert session.get_one(Run, run.id).lease_until < NOW + timedelta(hours=1)


def test_a_lease_of_now_is_left_alone(store: Store, claims: Claims) -> None:
    (taken,) = claims.next(NOW + AHEAD, 1)
    with store.read() as session:
        before = session.get_one(Run, taken.lease.run_id).lease_until
    claims.undo_clock_change(NOW + AHEAD - 5 * MINUTE)
    with store.read() as session:
        assert session.get_one(Run, taken.lease.run_id).lease_until == before, "clocks may differ by ten minutes"


@pytest.mark.parametrize("ended", [False, True], ids=["open", "resolved"])
def test_an_alert_whose_last_word_lies_in_the_future_hears_what_is_seen_now(
    store: Store, claims: Claims, ended: bool
) -> None:
    run = begin_run(store, "test", {})
    with store.write() as session:
        _see(session, run.id, NOW - MINUTE, firing=True, rule="job_late")
        _see(session, run.id, NOW + AHEAD, firing=True)
        if ended:
            _see(session, run.id, NOW + AHEAD + MINUTE, firing=False)
            _see(session, run.id, NOW + AHEAD + 2 * MINUTE, firing=True)
            _see(session, run.id, NOW + AHEAD + 3 * MINUTE, firing=False)
    claims.undo_clock_change(NOW)
    with store.write() as session:
        seen = _see(session, run.id, NOW + MINUTE, firing=True)
        assert seen is not None
        assert (seen.resolved_at, seen.last_seen_at) == (None, NOW + MINUTE)
        assert seen.opened_at == (NOW + MINUTE if ended else NOW)
        (late,) = session.scalars(select(Alert).where(Alert.rule == "job_late"))
        assert late.last_seen_at == NOW - MINUTE, "it has nothing to do with the future"
    with store.write() as session:
        _see(session, run.id, NOW + 2 * MINUTE, firing=False)
        assert [alert.rule for alert in alerts.open_alerts(session)] == ["job_late"]


def test_a_check_dated_at_the_end_of_its_day_is_no_trap(store: Store, claims: Claims) -> None:
    end_of_day = NOW + timedelta(hours=12)
    row = add_alert(store, "decision:all", end_of_day)
    claims.undo_clock_change(NOW)
    with store.read() as session:
        assert session.get_one(Alert, row.id).last_seen_at == end_of_day


def test_messages_and_schedules_do_not_wait_for_an_instant_that_the_clock_made_up(store: Store, claims: Claims) -> None:
    alert = add_alert(store)
    waits = add_delivery(store, alert, due_at=NOW + AHEAD)
    sent = add_delivery(store, alert, sequence=2, state="sending", due_at=NOW, started_at=NOW + AHEAD)
    with store.write() as session:
        session.execute(update(Schedule).values(failures=1, backoff_until=NOW + AHEAD))
    claims.undo_clock_change(NOW)
    with store.read() as session:
        assert session.get_one(AlertDelivery, waits).due_at == NOW
        assert session.get_one(AlertDelivery, sent).started_at == NOW
        assert session.scalars(select(Schedule.backoff_until)).one() == NOW
