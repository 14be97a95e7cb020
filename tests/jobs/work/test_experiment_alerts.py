"""Scheduled looks at experiments tell what needs a person: once, not too early, in plain words."""

import base64
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select

from abkit.config import AlertSettings, ChannelSettings, Settings
from abkit.jobs.job import Arguments, Tick
from abkit.jobs.work.findings import experiments
from abkit.jobs.work.upkeep import deliver_alerts
from abkit.store.database.engine import Store
from abkit.store.runs import recorded_run
from abkit.store.schema import Alert
from abkit.workflows.experiments.experiments import create_experiment, decide_experiment
from tests.alerts.conftest import Service, new_service  # noqa: F401  # a fixture
from tests.workflows.experiments.deliveries import START, Deliveries, plan

NOON = datetime(START.year, START.month, START.day, 12, tzinfo=UTC)


def look_on(store: Store, day: int, **settings: Any) -> None:
    """Run the job that looks at experiments on that day of the test, from 0."""
    at = NOON + timedelta(day)
    with recorded_run(store, "schedule", {}) as run:
        tick = Tick(schedule="e", at=at, started_at=at, attempt=1, run=run, jobs=("experiments",))
        experiments(store, Settings(**settings), tick, Arguments())


def alerts_of(store: Store) -> list[Alert]:
    with store.read() as session:
        return list(session.scalars(select(Alert).order_by(Alert.id)))


def test_a_clear_verdict_is_told_once_after_a_full_week_and_not_again_after_the_decision(store: Store) -> None:
    made = Deliveries(store)
    made.ad("A", 0.02, days=12)
    made.ad("B", 0.04, days=12)
    create_experiment(store, plan())
    for day in range(6):
        look_on(store, day)
    assert alerts_of(store) == []  # clear from the third day on
    for day in (6, 7, 8):
        look_on(store, day)
    (alert,) = alerts_of(store)
    assert alert.title == "Experiment t: new is better than old"
    for part in ("its CTR is", "% higher), 3.9", "so the variant is the cause", "9 days with"):
        assert part in alert.message
    assert (alert.times_seen, alert.opened_at) == (3, NOON + timedelta(6))
    assert alert.news_at == alert.opened_at
    decide_experiment(store, "t", "ship", variant=None, person="Ana", reason="", as_of=START + timedelta(9))
    assert alerts_of(store)[0].resolved_at is not None


def test_three_days_are_enough_where_the_configuration_says_so(sqlite_store: Store) -> None:
    made = Deliveries(sqlite_store)
    made.ad("A", 0.02, days=4)
    made.ad("B", 0.06, days=4)
    create_experiment(sqlite_store, plan())
    look_on(sqlite_store, 2, experiments={"min_days": 3})
    assert alerts_of(sqlite_store) == []
    look_on(sqlite_store, 3, experiments={"min_days": 3, "full_week": False})
    assert [alert.rule for alert in alerts_of(sqlite_store)] == ["experiment_verdict"]


def test_a_guard_that_needs_somebody_is_told_and_one_that_waits_is_not(store: Store) -> None:
    made = Deliveries(store)
    made.ad("A", 0.02, days=9)
    made.ad("B", 0.02, days=9, daily=1500)
    made.ad("C", 0.02, days=9)
    create_experiment(store, plan())
    waits = plan(key="waits", variants={"old": "A", "new": "C"}, monitoring="fixed", planned_total=1e6)
    create_experiment(store, waits)
    create_experiment(store, plan(key="starts", variants={"old": "X", "new": "Y"}, starts_on=START + timedelta(8)))
    look_on(store, 8)
    (alert,) = alerts_of(store)
    assert (alert.rule, alert.title) == ("experiment_guard", "Experiment t: no verdict can be given (sample_ratio)")
    assert alert.severity == "critical"
    assert "to do: find what loses or misroutes units" in alert.message
    look_on(store, 13)
    assert {(one.labels["experiment"], one.rule) for one in alerts_of(store)} >= {("starts", "experiment_guard")}


@pytest.mark.parametrize("plan_of", [{"ends_on": START + timedelta(9)}, {"planned_total": 20_000}])
def test_an_end_that_came_is_told_once(sqlite_store: Store, plan_of: dict[str, Any]) -> None:
    made = Deliveries(sqlite_store)
    made.ad("A", 0.02, days=10)
    made.ad("B", 0.02, days=10)
    create_experiment(sqlite_store, plan(**plan_of))
    look_on(sqlite_store, 3)
    assert alerts_of(sqlite_store) == []
    for day in (10, 11):
        look_on(sqlite_store, day)
    (alert,) = alerts_of(sqlite_store)
    assert alert.title == "Experiment t has ended and waits for a decision"
    assert "may be anything from" in alert.message


def test_a_message_has_its_chart_where_the_channel_takes_files_and_goes_without_after_a_refusal(
    sqlite_store: Store,
    new_service: Callable[[], Service],  # noqa: F811
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    made = Deliveries(sqlite_store)
    made.ad("A", 0.02, days=8)
    made.ad("B", 0.04, days=8)
    create_experiment(sqlite_store, plan())
    look_on(sqlite_store, 7)
    service = new_service()
    monkeypatch.setenv("OPS", service.url)
    channel = ChannelSettings(name="ops", url_env="OPS")
    settings = Settings(alerts=AlertSettings(channel=(channel,)), workspace=tmp_path)

    def deliver(minutes: int) -> None:
        at = NOON + timedelta(days=7, minutes=minutes)
        with recorded_run(sqlite_store, "schedule", {}) as run:
            deliver_alerts(
                sqlite_store, settings, Tick(schedule="d", at=at, started_at=at, attempt=1, run=run), Arguments()
            )

    deliver(1)
    deliver(2 * 24 * 60)  # an event has no reminder
    (told,) = service.received
    (attached,) = told["attachments"]
    assert base64.b64decode(attached["base64"]).startswith(b"\x89PNG")
    assert "new is better than old" in told["title"]
    assert "stop reminders" not in told["message"]
    decide_experiment(sqlite_store, "t", "ship", variant=None, person="Ana", reason="", as_of=START)
    deliver(4 * 24 * 60)
    assert len(service.received) == 1

    create_experiment(sqlite_store, plan(key="again"))
    look_on(sqlite_store, 8)
    service.status = 413
    deliver(5 * 24 * 60)
    service.status = 200
    deliver(5 * 24 * 60 + 5)
    assert len(service.received) == 2
    assert not service.received[1]["attachments"]
