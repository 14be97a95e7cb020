"""Alerts arrive: at least once, never a storm, each channel for itself."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import select, text

from abkit.alerts.deliveries import deliver
from abkit.alerts.episodes import observe
from abkit.config import AlertSettings, ChannelSettings
from abkit.store.database.engine import Store
from abkit.store.schema import Alert, AlertDelivery
from tests.alerts.conftest import SECRET, Service, both_engines

# Which messages are sent, and when; tests/alerts/test_hostile_services.py has the process that sends each.
pytestmark = pytest.mark.usefixtures("sent_here")
START = datetime(2026, 3, 1, 6, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
HOUR = timedelta(hours=1)
NewService = Callable[[], Service]
Channels = Callable[..., AlertSettings]


def _see(
    store: Store,
    run_id: int,
    at: datetime,
    *,
    name: str = "score",
    firing: bool = True,
    severity: str = "warning",
    kind: str = "",
) -> None:
    with store.write() as session:
        observe(
            session,
            fingerprint=f"job_failed:{name}",
            rule="job_failed",
            labels={"schedule": name},
            severity=severity,
            title=f"Job {name} failed",
            message="Cause: the folder is gone. Make it again.",
            evidence={"command": f"abkit schedule status {name}"},
            firing=firing,
            now=at,
            run_id=run_id,
            calm=HOUR,
            kind=kind,
        )


def _attempts(store: Store, channel: str = "channel-0") -> list[AlertDelivery]:
    with store.read() as session:
        return list(
            session.scalars(select(AlertDelivery).where(AlertDelivery.channel == channel).order_by(AlertDelivery.id))
        )


def _minutes(store: Store, settings: AlertSettings, run_id: int, first: datetime, minutes: int, step: int = 1) -> None:
    for minute in range(0, minutes, step):
        deliver(store, settings, Path(), now=first + minute * MINUTE, run_id=run_id)


@both_engines
def test_an_alert_is_told_once_with_cause_remedy_and_evidence(
    store: Store, run_id: int, new_service: NewService, channels: Channels
) -> None:
    service = new_service()
    settings = channels(service)
    _see(store, run_id, START)
    _minutes(store, settings, run_id, START, 30, step=5)

    assert len(service.received) == 1
    assert service.received[0]["title"] == "[abkit] NEW: Job score failed"
    for part in ("Cause: the folder is gone", "Evidence: abkit schedule status score", "abkit alerts ack"):
        assert part in service.received[0]["message"]
    (attempt,) = _attempts(store)
    assert (attempt.state, attempt.kind, attempt.attempt, attempt.run_id) == ("delivered", "opened", 1, run_id)


@both_engines
def test_twenty_segments_make_one_message(
    store: Store, run_id: int, new_service: NewService, channels: Channels
) -> None:
    service = new_service()
    for number in range(20):
        _see(store, run_id, START, name=f"segment-{number}")
    deliver(store, channels(service), Path(), now=START, run_id=run_id)

    assert len(service.received) == 1
    assert service.received[0]["title"].startswith("[abkit] 20 alerts: 20 new")
    assert all(f"segment-{number}" in service.received[0]["message"] for number in range(20))
    assert len(_attempts(store)) == 20


def test_it_is_repeated_no_more_often_than_agreed_and_not_once_acknowledged(
    store: Store, run_id: int, new_service: NewService, channels: Channels
) -> None:
    service = new_service()
    settings = channels(service, repeat_hours=2)
    _see(store, run_id, START)
    _minutes(store, settings, run_id, START, 5 * 60 + 1, step=20)
    assert [row.kind for row in _attempts(store)] == ["opened", "repeated", "repeated"]

    with store.write() as session:
        session.scalars(select(Alert)).one().acknowledged_at = START + 5 * HOUR
    _minutes(store, settings, run_id, START + 6 * HOUR, 600, step=60)
    assert len(service.received) == 3


def test_resolved_is_said_once_even_when_acknowledged(
    store: Store, run_id: int, new_service: NewService, channels: Channels
) -> None:
    service = new_service()
    settings = channels(service)
    _see(store, run_id, START)
    deliver(store, settings, Path(), now=START, run_id=run_id)
    with store.write() as session:
        session.scalars(select(Alert)).one().acknowledged_at = START
    _see(store, run_id, START + HOUR, firing=False)
    _minutes(store, settings, run_id, START + HOUR, 6 * 60, step=30)

    assert [row.kind for row in _attempts(store)] == ["opened", "resolved"]
    assert service.received[-1]["title"] == "[abkit] RESOLVED: Job score failed"


def test_nothing_is_told_while_silenced_and_what_is_open_then_is(
    store: Store, run_id: int, new_service: NewService, channels: Channels
) -> None:
    service = new_service()
    settings = channels(service)
    _see(store, run_id, START)
    with store.write() as session:
        session.scalars(select(Alert)).one().silenced_until = START + 5 * HOUR
    _minutes(store, settings, run_id, START, 5 * 60, step=30)
    assert service.received == []
    deliver(store, settings, Path(), now=START + 5 * HOUR, run_id=run_id)
    assert len(service.received) == 1


def test_a_silence_covers_the_next_episode_of_the_same_trouble(store: Store, run_id: int) -> None:
    _see(store, run_id, START)
    with store.write() as session:
        session.scalars(select(Alert)).one().silenced_until = START + 48 * HOUR
    _see(store, run_id, START + HOUR, firing=False)
    _see(store, run_id, START + 3 * HOUR, firing=False)
    _see(store, run_id, START + 4 * HOUR)
    with store.read() as session:
        both = session.scalars(select(Alert).order_by(Alert.id)).all()
    assert [alert.silenced_until for alert in both] == [START + 48 * HOUR] * 2


def test_becoming_critical_is_told_at_once(
    store: Store, run_id: int, new_service: NewService, channels: Channels
) -> None:
    service = new_service()
    settings = channels(service)
    _see(store, run_id, START)
    deliver(store, settings, Path(), now=START, run_id=run_id)
    _see(store, run_id, START + MINUTE, severity="critical")
    deliver(store, settings, Path(), now=START + MINUTE, run_id=run_id)
    assert [row.kind for row in _attempts(store)] == ["opened", "escalated"]
    assert service.received[-1]["type"] == "failure"


def test_a_new_kind_of_trouble_is_told_at_once_though_the_former_was_acknowledged(
    store: Store, run_id: int, new_service: NewService, channels: Channels
) -> None:
    service = new_service()
    settings = channels(service)
    for step, kind in enumerate(["fix_data", "retrain", "fix_data", "retrain"]):
        _see(store, run_id, START + step * MINUTE, severity="critical", kind=kind)
        deliver(store, settings, Path(), now=START + step * MINUTE, run_id=run_id)
        with store.write() as session:
            session.scalars(select(Alert)).one().acknowledged_at = START
    assert [row.kind for row in _attempts(store)] == ["opened", "escalated"]
    assert service.received[-1]["title"].startswith("[abkit] CHANGED: ")


def test_what_is_dated_at_the_end_of_the_day_makes_no_storm_until_then(
    store: Store, run_id: int, new_service: NewService, channels: Channels
) -> None:
    service = new_service()
    settings = channels(service)
    _see(store, run_id, START + 10 * HOUR)
    _minutes(store, settings, run_id, START, 60, step=10)
    assert len(service.received) == 1
    with store.write() as session:
        alert = session.scalars(select(Alert)).one()
        alert.resolved_at = START + 15 * HOUR
    _minutes(store, settings, run_id, START + HOUR, 60, step=10)
    _minutes(store, settings, run_id, START + 14 * HOUR, 120, step=20)
    assert [row.kind for row in _attempts(store)] == ["opened", "resolved"]


def test_a_flapping_condition_makes_one_message(
    store: Store, run_id: int, new_service: NewService, channels: Channels
) -> None:
    service = new_service()
    settings = channels(service)
    for step in range(40):
        _see(store, run_id, START + step * 10 * MINUTE, firing=step % 2 == 0)
        deliver(store, settings, Path(), now=START + step * 10 * MINUTE, run_id=run_id)
    assert len(service.received) == 1
    with store.read() as session:
        assert session.scalars(select(Alert)).one().times_returned == 19


@both_engines
def test_a_channel_that_was_down_for_an_hour_gets_one_message_and_the_other_is_not_delayed(
    store: Store, run_id: int, new_service: NewService, channels: Channels
) -> None:
    down, up = new_service(), new_service()
    settings = channels(down, up)
    down.stop()
    for minute in range(60):
        if minute in (0, 20, 40):
            _see(store, run_id, START + minute * MINUTE, name=f"job-{minute}")
        deliver(store, settings, Path(), now=START + minute * MINUTE, run_id=run_id)
    assert len(up.received) == 3
    tried = [row for row in _attempts(store) if row.state == "failed"]
    assert len({row.started_at for row in tried}) <= 8, "it is tried less and less often"
    assert {row.error for row in tried} == {"no connection, or no answer in time"}

    down.start()
    _minutes(store, settings, run_id, START + HOUR, 20)
    assert len(down.received) == 1
    assert down.received[0]["title"].startswith("[abkit] 3 alerts")
    assert len(up.received) == 3


@pytest.mark.parametrize("status", [500, 403, 429])
def test_a_channel_that_answers_an_error_gets_the_alert_once_it_is_well(
    store: Store, run_id: int, new_service: NewService, channels: Channels, status: int
) -> None:
    service = new_service()
    settings = channels(service)
    service.status = status
    _see(store, run_id, START)
    _minutes(store, settings, run_id, START, 3)
    assert f"status {status}" in _attempts(store)[0].error
    service.status = 200
    _minutes(store, settings, run_id, START + 3 * MINUTE, 20)
    assert len(service.received) == 1
    assert _attempts(store)[-1].state == "delivered"


@both_engines
def test_an_attempt_whose_process_died_is_made_again(
    store: Store, run_id: int, new_service: NewService, channels: Channels
) -> None:
    service = new_service()
    settings = channels(service)
    service.stop()
    _see(store, run_id, START)
    deliver(store, settings, Path(), now=START, run_id=run_id)
    with store.write() as session:
        session.execute(text("UPDATE alert_delivery SET state = 'sending', started_at = due_at WHERE attempt = 2"))
    service.start()
    _minutes(store, settings, run_id, START + 2 * MINUTE, 20)
    assert len(service.received) == 1
    assert "died" in _attempts(store)[1].error


def test_a_message_that_cannot_be_delivered_for_days_is_given_up(
    store: Store, run_id: int, new_service: NewService, channels: Channels
) -> None:
    service = new_service()
    settings = channels(service, give_up_hours=2, repeat_hours=1000)
    service.stop()
    _see(store, run_id, START)
    _minutes(store, settings, run_id, START, 5 * 60, step=3)
    assert _attempts(store)[-1].state == "given_up"
    assert len(_attempts(store)) < 20


def test_an_address_with_a_typo_is_one_sentence_without_the_secret(
    store: Store, run_id: int, monkeypatch: pytest.MonkeyPatch, new_service: NewService, channels: Channels
) -> None:
    well = new_service()
    settings = channels(well)
    monkeypatch.setenv("TYPO", f"slak://{SECRET}/x")
    typo = ChannelSettings(name="typo", url_env="TYPO")
    unset = ChannelSettings(name="unset", url_env="NOT_SET_ANYWHERE")
    settings = settings.model_copy(update={"channel": (typo, unset, *settings.channel)})
    _see(store, run_id, START)
    deliver(store, settings, Path(), now=START, run_id=run_id)

    assert "it begins with slak://" in _attempts(store, "typo")[0].error
    assert "NOT_SET_ANYWHERE is not set" in _attempts(store, "unset")[0].error
    assert len(well.received) == 1


def test_a_less_severe_alert_stays_away_from_a_channel_for_critical_ones(
    store: Store, run_id: int, new_service: NewService, channels: Channels
) -> None:
    service = new_service()
    settings = channels(service)
    only = settings.channel[0].model_copy(update={"min_severity": "critical"})
    settings = settings.model_copy(update={"channel": (only,)})
    _see(store, run_id, START)
    deliver(store, settings, Path(), now=START, run_id=run_id)
    assert service.received == []
    _see(store, run_id, START + MINUTE, severity="critical")
    deliver(store, settings, Path(), now=START + MINUTE, run_id=run_id)
    assert len(service.received) == 1


@both_engines
def test_no_secret_is_in_the_store_or_the_logs(
    store: Store,
    run_id: int,
    new_service: NewService,
    channels: Channels,
    caplog: pytest.LogCaptureFixture,
    capfd: pytest.CaptureFixture[str],
) -> None:
    caplog.set_level("DEBUG")
    well, down, broken = new_service(), new_service(), new_service()
    settings = channels(well, down, broken)
    down.stop()
    broken.status = 500
    _see(store, run_id, START)
    _minutes(store, settings, run_id, START, 3)

    with store.read() as session:
        for table in ("alert", "alert_delivery", "run"):
            assert SECRET not in str(session.execute(text(f"SELECT * FROM {table}")).all())
    assert SECRET not in caplog.text
    printed = capfd.readouterr()
    assert SECRET not in printed.out + printed.err
