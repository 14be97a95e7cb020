"""Alerts: which are open, on which day they were, and who sends a pending message."""

from datetime import datetime, timedelta
from typing import Any

import pytest

from abkit.store.database.engine import Store
from abkit.store.jobs import alerts
from abkit.store.runs import begin_run
from abkit.store.schema import Alert, AlertDelivery
from tests.store.rows import NOW, day

DAY = timedelta(days=1)


def add_alert(store: Store, fingerprint: str = "drift", opened_at: datetime = NOW, **columns: Any) -> Alert:
    run = begin_run(store, "drift check", {})
    alert = Alert(
        fingerprint=fingerprint,
        rule="decision",
        labels={},
        severity="warning",
        title="Drift",
        message="",
        evidence={},
        opened_at=opened_at,
        last_seen_at=opened_at,
        news_at=opened_at,
        run_id=run.id,
        **columns,
    )
    with store.write() as session:
        session.add(alert)
    return alert


def add_delivery(store: Store, alert: Alert, sequence: int = 1, due_at: datetime = NOW, **columns: Any) -> int:
    values = {"channel": "team", "kind": "opened", "attempt": 1, "state": "pending", **columns}
    with store.write() as session:
        row = AlertDelivery(alert_id=alert.id, sequence=sequence, due_at=due_at, **values)
        session.add(row)
        session.flush()
        return row.id


def test_open_alerts_are_those_of_today_or_of_the_end_of_a_day(sqlite_store: Store) -> None:
    add_alert(sqlite_store, "a", NOW - DAY, resolved_at=NOW + DAY)
    add_alert(sqlite_store, "b", NOW)
    add_alert(sqlite_store, "c", NOW, resolved_at=NOW)
    with sqlite_store.read() as session:
        now = [one.fingerprint for one in alerts.open_alerts(session)]
        then = {number: [one.fingerprint for one in alerts.open_alerts(session, day(number))] for number in (1, 2)}
        before = alerts.open_alerts(session, (NOW - 2 * DAY).date())
        recent = [one.fingerprint for one in alerts.recent_alerts(session, 2)]
        pending = [one.fingerprint for one in alerts.to_be_told(session, since=NOW + DAY)]
    assert now == ["b"]
    assert then == {1: ["b", "a"], 2: ["b"]}
    assert before == []
    assert recent == ["c", "b"]
    assert pending == ["a", "b"]


@pytest.mark.parametrize(
    ("columns", "state"),
    [
        ({}, "firing"),
        ({"clear_since": NOW}, "calming"),
        ({"clear_since": NOW, "acknowledged_at": NOW}, "acknowledged"),
        ({"acknowledged_at": NOW, "silenced_until": NOW + DAY}, "silenced"),
        ({"silenced_until": NOW}, "firing"),
        ({"silenced_until": NOW + DAY, "resolved_at": NOW}, "resolved"),
    ],
)
def test_the_strongest_word_about_an_alert_is_its_state(columns: dict[str, Any], state: str) -> None:
    assert alerts.state_of(Alert(**columns), NOW) == state


def test_all_pending_messages_of_a_channel_go_together_once_one_is_due_and_to_one_process(store: Store) -> None:
    alert = add_alert(store)
    first = add_delivery(store, alert, 1, NOW)
    second = add_delivery(store, alert, 2, NOW + DAY)
    add_delivery(store, alert, 3, NOW, channel="other")
    add_delivery(store, alert, 4, NOW, state="delivered")
    with store.write() as session:
        assert alerts.take_pending(session, "team", NOW - DAY, alert.run_id) == []
        assert [row.id for row in alerts.take_pending(session, "team", NOW, alert.run_id)] == [first, second]
    with store.write() as session:
        assert alerts.take_pending(session, "team", NOW, alert.run_id) == []
        assert [row.id for row in alerts.left_sending(session, NOW + DAY)] == [first, second]
        assert alerts.left_sending(session, NOW) == []
        assert [row.sequence for row in alerts.deliveries(session, [alert.id])] == [1, 2, 3, 4]


def test_a_channel_is_stubborn_after_more_refusals_than_allowed(sqlite_store: Store) -> None:
    alert = add_alert(sqlite_store)
    for attempt, channel in ((3, "a"), (4, "b"), (5, "b")):
        add_delivery(sqlite_store, alert, attempt, channel=channel, attempt=attempt)
    with sqlite_store.read() as session:
        assert alerts.stubborn_channels(session, 3) == ["b"]
        found, nobody = alerts.find(session, alert.id), alerts.find(session, 99)
    assert found is not None
    assert found.fingerprint == "drift"
    assert nobody is None
