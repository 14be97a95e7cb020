"""Tens of thousands of open alerts: each message, list and metric stays bounded, and none of them is silent."""

import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import func, insert, select

from abkit.alerts.deliveries import deliver
from abkit.config import AlertSettings
from abkit.store.database.engine import Store
from abkit.store.jobs import alerts
from abkit.store.schema import Alert, AlertDelivery
from tests.alerts.conftest import Service, both_engines

pytestmark = pytest.mark.usefixtures("sent_here")
START = datetime(2026, 3, 1, 6, tzinfo=UTC)
NewService = Callable[[], Service]
Channels = Callable[..., AlertSettings]


def _open(store: Store, run_id: int, count: int, *, critical: int = 0) -> None:
    with store.write() as session:
        session.execute(
            insert(Alert),
            [
                {
                    "fingerprint": f"job_failed:{number}",
                    "rule": "job_failed",
                    "labels": {},
                    "severity": "critical" if number >= count - critical else "warning",
                    "title": f"Job {number} failed",
                    "message": "Cause: unknown.",
                    "evidence": {},
                    "opened_at": START,
                    "last_seen_at": START,
                    "news_at": START,
                    "run_id": run_id,
                }
                for number in range(count)
            ],
        )


def _flood(store: Store, run_id: int, service: Service, settings: AlertSettings, count: int, seconds: float) -> None:
    _open(store, run_id, count, critical=1)
    began = time.monotonic()
    for minute in range(3):
        now = START + timedelta(minutes=minute)
        assert set(deliver(store, settings, Path(), now=now, run_id=run_id).values()) <= {""}
    with store.read() as session:
        assert len(alerts.open_alerts(session)) == alerts.MOST
        assert alerts.count_open(session) == count
        assert alerts.count_by_state(session, START) == {("warning", "firing"): count - 1, ("critical", "firing"): 1}
        assert session.scalar(select(func.count()).select_from(AlertDelivery)) == alerts.MOST
    assert time.monotonic() - began < seconds
    (message,) = service.received
    assert f"{count - alerts.MOST:,} more alerts are open" in message["message"]
    assert f"first: Job {count - 1} failed" in message["title"], "the critical one, which opened last"
    assert len(message["message"]) < 10_000


@both_engines
def test_more_alerts_than_anybody_reads_make_one_message_that_counts_the_rest(
    store: Store, run_id: int, new_service: NewService, channels: Channels, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(alerts, "MOST", 60)
    service = new_service()
    _flood(store, run_id, service, channels(service), 200, 60)


@pytest.mark.long
@both_engines
def test_65_536_alerts_are_delivered_in_seconds(
    store: Store, run_id: int, new_service: NewService, channels: Channels
) -> None:
    service = new_service()
    _flood(store, run_id, service, channels(service), 65_536, 60)


def test_those_behind_the_limit_move_up_as_others_end(
    store: Store, run_id: int, new_service: NewService, channels: Channels, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(alerts, "MOST", 5)
    service = new_service()
    settings = channels(service)
    _open(store, run_id, 8)
    deliver(store, settings, Path(), now=START, run_id=run_id)
    with store.write() as session:
        for alert in session.scalars(select(Alert).order_by(Alert.id).limit(3)):
            alert.resolved_at = START + timedelta(minutes=1)
    deliver(store, settings, Path(), now=START + timedelta(minutes=2), run_id=run_id)

    assert "3 more alerts are open" in service.received[0]["message"]
    assert service.received[1]["title"].startswith("[abkit] 6 alerts: 3 new, 3 resolved")
    assert "more alerts are open" not in service.received[1]["message"]


@both_engines
def test_states_are_counted_as_they_are_listed(store: Store, run_id: int) -> None:
    _open(store, run_id, 5)
    with store.write() as session:
        rows = session.scalars(select(Alert).order_by(Alert.id)).all()
        rows[0].silenced_until = START + timedelta(hours=1)
        rows[1].silenced_until = START - timedelta(hours=1)
        rows[2].acknowledged_at = START
        rows[3].clear_since = START
    with store.read() as session:
        counted = alerts.count_by_state(session, START)
        listed = [alerts.state_of(alert, START) for alert in alerts.open_alerts(session)]
    assert {state: count for (_, state), count in counted.items()} == {
        state: listed.count(state) for state in set(listed)
    }
