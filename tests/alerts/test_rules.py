"""The rules: which findings need a person, and what the person is told."""

from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import func, select

from abkit.alerts.rules import Rules
from abkit.config import AlertSettings
from abkit.store.database.engine import Store
from abkit.store.runs import begin_run
from abkit.store.schema import Alert, Decision
from tests.alerts.conftest import both_engines

START = datetime(2026, 3, 1, 6, tzinfo=UTC)
DAY = timedelta(days=1)


def _decide(store: Store, at: datetime, decision: str, cause: str = "", **settings: Any) -> Alert | None:
    run = begin_run(store, "drift check", {})
    with store.write() as session:
        row = Decision(
            run_id=run.id,
            decision=decision,
            cause=cause,
            reasons={"reasons": ["The slope fell from 0.30 to 0.05 (95 % interval -0.02 to 0.12; 84 creatives)."]},
            scope="days:7 against model",
            as_of=date(2026, 3, 1),
            decided_at=at,
        )
        session.add(row)
        session.flush()
        return Rules(session, AlertSettings(**settings), at, run.id).decision_made(row)


@both_engines
def test_retrain_is_critical_and_says_cause_certainty_remedy_and_evidence(store: Store) -> None:
    alert = _decide(store, START, "retrain", "concept_shift")
    assert alert is not None
    assert alert.severity == "critical"
    for part in ("taste has changed", "95 % interval", "84 creatives", "abkit model train"):
        assert part in alert.message
    assert alert.evidence["command"] == f"abkit drift explain {alert.run_id}"


@pytest.mark.parametrize("decision", ["stable", "insufficient_data"])
def test_what_needs_nobody_opens_no_alert(store: Store, decision: str) -> None:
    assert _decide(store, START, decision) is None


def test_watch_opens_a_warning_unless_the_configuration_leaves_it_out(store: Store) -> None:
    assert _decide(store, START - DAY, "watch", "kpi_shift", decisions=("retrain",)) is None
    alert = _decide(store, START, "watch", "kpi_shift")
    assert alert is not None
    assert alert.severity == "warning"
    alert = _decide(store, START + DAY, "retrain", "concept_shift")
    assert alert is not None
    assert (alert.severity, alert.news_at) == ("critical", START + DAY)


def test_a_decision_that_flaps_daily_for_weeks_is_one_episode(store: Store) -> None:
    for day in range(20):
        alert = _decide(store, START + day * DAY, "retrain" if day % 2 == 0 else "stable")
    assert alert is not None
    assert (alert.times_seen, alert.times_returned) == (10, 9)
    with store.read() as session:
        assert session.scalar(select(func.count()).select_from(Alert)) == 1


def test_a_decision_that_flaps_between_watch_and_retrain_is_news_twice_and_not_each_time(store: Store) -> None:
    news = set()
    for day in range(20):
        alert = _decide(store, START + day * DAY, "retrain" if day % 2 else "watch", "input_shift")
        assert alert is not None
        news.add(alert.news_at)
    assert news == {START, START + DAY}


def test_a_decision_that_asks_for_something_else_is_news_though_it_is_no_worse(store: Store) -> None:
    """Those who fix the feed and those who rate creatives are different people."""
    _decide(store, START, "fix_data", "data_fault")
    alert = _decide(store, START + DAY, "retrain", "concept_shift")
    assert alert is not None
    assert (alert.severity, alert.news_at) == ("critical", START + DAY)
    alert = _decide(store, START + 2 * DAY, "watch", "kpi_shift")
    assert alert is not None
    assert alert.news_at == START + DAY, "what is less severe can wait for the reminder"


def test_three_stable_days_resolve_it(store: Store) -> None:
    _decide(store, START, "retrain")
    for day in (1, 2, 3):
        alert = _decide(store, START + day * DAY, "stable")
    assert alert is not None
    assert alert.resolved_at == START + 3 * DAY
