"""That no daemon runs is seen from outside: by the status, by a command for cron, and by the channels."""

from datetime import datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import select

from abkit.config import AlertSettings, ChannelSettings, Settings
from abkit.jobs import watch
from abkit.jobs.job import Arguments, Tick, wall_clock
from abkit.jobs.schedules import CATALOG, QUICK, synchronize
from abkit.jobs.work.upkeep import deliver_alerts
from abkit.store.database.engine import Store
from abkit.store.runs import begin_run
from abkit.store.schema import Alert, Run
from tests.jobs.inbox import Inbox

MINUTE = timedelta(minutes=1)


@pytest.fixture
def started(sqlite_store: Store) -> datetime:
    """When a daemon last brought its schedules into the store."""
    now = wall_clock()
    synchronize(sqlite_store, (), now)
    return now


def _problems(store: Store, now: datetime) -> dict[str, str]:
    return watch.problems(store, CATALOG, QUICK, now)


def test_a_daemon_that_starts_nothing_for_minutes_is_missed(sqlite_store: Store, started: datetime) -> None:
    assert _problems(sqlite_store, started + 2 * MINUTE) == {}
    gone = _problems(sqlite_store, started + 5 * MINUTE)
    assert list(gone) == ["daemon"]
    assert "no daemon runs" in gone["daemon"]


def test_a_lease_that_is_extended_shows_that_a_daemon_runs(sqlite_store: Store, started: datetime) -> None:
    later = started + 5 * MINUTE
    with sqlite_store.write() as session:
        run = {"what": "retrain", "arguments": {}, "code_version": "", "schedule": "prune", "owner": "one"}
        session.add(Run(**run, tick=started, state="running", lease_until=later + MINUTE, started_at=started))
    assert _problems(sqlite_store, later) == {}
    assert "daemon" in _problems(sqlite_store, later + 2 * MINUTE)


@pytest.fixture
def inbox(monkeypatch: pytest.MonkeyPatch) -> Inbox:
    server = Inbox()
    monkeypatch.setenv("OPS_URL", f"json://127.0.0.1:{server.server_port}/")
    return server


def test_cron_tells_the_channels_and_the_daemon_that_comes_back_resolves_it(
    sqlite_store: Store, started: datetime, inbox: Inbox, tmp_path: Path
) -> None:
    channel = ChannelSettings(name="ops", url_env="OPS_URL")
    settings = Settings(workspace=tmp_path, alerts=AlertSettings(channel=(channel,)))
    later = started + 10 * MINUTE
    for _ in range(2):
        gone = _problems(sqlite_store, later)["daemon"]
        assert watch.tell(sqlite_store, settings, gone, later) in ({"ops": ""}, {})
        later += MINUTE
    assert len(inbox.received) == 1, "told once, then reminded as other alerts are"
    assert "No daemon runs" in inbox.received[0]
    run = begin_run(sqlite_store, "deliver_alerts", {})
    tick = Tick(schedule="deliver-alerts", at=later, started_at=later, attempt=1, run=run, jobs=CATALOG)
    deliver_alerts(sqlite_store, settings, tick, Arguments())
    with sqlite_store.read() as session:
        (alert,) = session.scalars(select(Alert).where(Alert.rule == "no_daemon"))
    assert alert.resolved_at is not None
