"""Episodes: one open per fingerprint, counted, resolved once."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import func, select

from abkit.alerts.episodes import observe, resolve_calm
from abkit.store.database.engine import Store
from abkit.store.runs import begin_run
from abkit.store.schema import Alert
from tests.alerts.conftest import both_engines

START = datetime(2026, 3, 1, 6, tzinfo=UTC)
HOUR = timedelta(hours=1)

Look = Callable[..., Alert | None]


@pytest.fixture
def look(store: Store) -> Look:
    run = begin_run(store, "test", {})

    def look(firing: bool, at: datetime, severity: str = "warning", title: str = "it fires") -> Alert | None:
        with store.write() as session:
            return observe(
                session,
                fingerprint="decision:all",
                rule="decision",
                labels={"campaign": "spring"},
                severity=severity,
                title=title,
                message="what to do",
                evidence={"command": "abkit drift check"},
                firing=firing,
                now=at,
                run_id=run.id,
                calm=HOUR,
            )

    return look


def _count(store: Store) -> int:
    with store.read() as session:
        return session.scalar(select(func.count()).select_from(Alert)) or 0


def test_nothing_is_opened_while_nothing_fires(look: Look, store: Store) -> None:
    assert look(False, START) is None
    assert _count(store) == 0


@both_engines
def test_an_episode_is_opened_once_and_touched_afterwards(look: Look, store: Store) -> None:
    look(True, START)
    alert = look(True, START + HOUR, title="it still fires")

    assert _count(store) == 1
    assert alert is not None
    assert (alert.times_seen, alert.times_returned, alert.title) == (2, 0, "it still fires")
    assert (alert.opened_at, alert.last_seen_at) == (START, START + HOUR)


def test_it_resolves_only_after_the_calm_period(look: Look) -> None:
    look(True, START)
    clear = look(False, START + HOUR)
    assert clear is not None
    assert clear.resolved_at is None

    resolved = look(False, START + 2 * HOUR)
    assert resolved is not None
    assert resolved.resolved_at == START + 2 * HOUR


@both_engines
def test_the_calm_period_ends_without_another_look(look: Look, store: Store) -> None:
    look(True, START)
    look(False, START + HOUR)
    with store.write() as session:
        assert resolve_calm(session, START + HOUR + timedelta(minutes=59)) == []
    with store.write() as session:
        assert len(resolve_calm(session, START + 2 * HOUR)) == 1
    with store.write() as session:
        assert resolve_calm(session, START + 3 * HOUR) == []


@both_engines
def test_flapping_makes_one_episode_with_a_count(look: Look, store: Store) -> None:
    for step in range(40):
        alert = look(step % 2 == 0, START + step * HOUR / 2)
    assert _count(store) == 1
    assert alert is not None
    assert (alert.times_seen, alert.times_returned, alert.news_at) == (20, 19, START)


def test_after_it_was_resolved_a_new_episode_is_opened(look: Look, store: Store) -> None:
    look(True, START)
    look(False, START + HOUR)
    look(False, START + 3 * HOUR)
    alert = look(True, START + 4 * HOUR)
    assert alert is not None
    assert alert.resolved_at is None
    assert _count(store) == 2


def test_becoming_more_severe_is_news(look: Look) -> None:
    look(True, START)
    alert = look(True, START + HOUR, severity="critical")
    assert alert is not None
    assert alert.news_at == START + HOUR
    alert = look(True, START + 2 * HOUR, severity="warning")
    assert alert is not None
    assert (alert.news_at, alert.severity) == (START + HOUR, "warning")


def test_a_tick_that_is_run_again_and_a_backfill_change_nothing(look: Look, store: Store) -> None:
    look(True, START)
    again = look(True, START)
    earlier = look(False, START - 24 * HOUR)
    assert again is not None
    assert earlier is not None
    assert (earlier.times_seen, earlier.clear_since) == (1, None)
    assert _count(store) == 1


@both_engines
def test_many_processes_that_see_it_at_once_open_one_episode(look: Look, store: Store) -> None:
    with ThreadPoolExecutor(8) as pool:
        seen = list(pool.map(lambda step: look(True, START + step * timedelta(milliseconds=1)), range(24)))
    assert _count(store) == 1
    assert all(alert is not None for alert in seen)


def test_a_severity_that_does_not_exist_is_refused(look: Look) -> None:
    with pytest.raises(ValueError, match="severity is 'panic'"):
        look(True, START, severity="panic")
