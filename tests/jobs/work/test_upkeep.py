"""Heartbeat, prune, and the schedules that nobody runs."""

import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select, update

from abkit.alerts.episodes import observe
from abkit.config import AlertSettings, ScheduleSettings, Settings
from abkit.errors import AbkitError, UsageError
from abkit.jobs.job import Tick
from abkit.jobs.schedules import CATALOG, add, remove, set_enabled, synchronize
from abkit.jobs.status import schedule_status
from abkit.jobs.work.upkeep import Heartbeat, deliver_alerts, heartbeat, prune
from abkit.store.database.engine import Store
from abkit.store.runs import begin_run
from abkit.store.schema import Alert, AlertDelivery, Campaign, Run, Schedule
from tests.alerts.conftest import both_engines

NOW = datetime(2026, 3, 1, 6, 0, 30, tzinfo=UTC)


def _entry(key: str = "inbox", **values: Any) -> ScheduleSettings:
    given = {"job": "correlate", "cron": "*/10 * * * *", **values}
    return ScheduleSettings(key=key, **given)


def _tick(store: Store, at: datetime = NOW) -> Tick:
    return Tick(schedule="beat", at=at, started_at=at, attempt=1, run=begin_run(store, "test", {}), jobs=CATALOG.keys())


@pytest.fixture
def pinged() -> Iterator[tuple[str, list[str]]]:
    calls: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            calls.append(self.path)
            self.send_response(503 if "broken" in self.path else 200)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    server = HTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_address[1]}", calls
    server.shutdown()
    server.server_close()


def test_the_heartbeat_is_sent_while_all_is_well_and_stays_away_when_a_job_is_late(
    store: Store, tmp_path: Path, pinged: tuple[str, list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BEAT", f"{pinged[0]}/secret-token")
    add(store, _entry(grace_seconds=60), now=NOW)
    settings = Settings(workspace=tmp_path)
    arguments = Heartbeat(url_env="BEAT", file=Path("alive"))
    assert heartbeat(store, settings, _tick(store), arguments)["called"] is True
    assert pinged[1] == ["/secret-token"]
    assert (tmp_path / "alive").read_text().startswith("2026-03-01T06:00:30")

    late = NOW + timedelta(minutes=20)
    outcome = heartbeat(store, settings, _tick(store, late), arguments)
    assert outcome["called"] is False
    assert "no daemon has taken it" in outcome["unwell"]["inbox"]
    assert len(pinged[1]) == 1


def test_the_heartbeat_stays_away_while_a_channel_takes_no_alerts(sqlite_store: Store, tmp_path: Path) -> None:
    settings = Settings(workspace=tmp_path)
    arguments = Heartbeat(file=Path("alive"))
    run = begin_run(sqlite_store, "test", {})
    with sqlite_store.write() as session:
        alert = observe(
            session, fingerprint="x", rule="job_failed", labels={}, severity="warning", title="x", message="x",
            evidence={}, firing=True, now=NOW, run_id=run.id,
        )  # fmt: skip
        assert alert is not None
        session.add(
            AlertDelivery(
                alert_id=alert.id, channel="ops", kind="opened", sequence=1, attempt=4, state="pending", due_at=NOW
            )
        )
    outcome = heartbeat(sqlite_store, settings, _tick(sqlite_store), arguments)
    assert outcome == {"called": False, "unwell": {"channel ops": "it does not accept its alerts"}}


def test_a_heartbeat_that_is_not_taken_says_so_without_the_address(
    sqlite_store: Store, tmp_path: Path, pinged: tuple[str, list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = Settings(workspace=tmp_path)
    for address, said in [
        (f"{pinged[0]}/broken-secret", "status 503"),
        ("http://127.0.0.1:9/secret", "cannot be reached"),
        ("file:///etc/passwd?secret", "must begin with https"),
    ]:
        monkeypatch.setenv("BEAT", address)
        with pytest.raises(AbkitError, match=said) as failed:
            heartbeat(sqlite_store, settings, _tick(sqlite_store), Heartbeat(url_env="BEAT"))
        assert "secret" not in failed.value.message


@both_engines
def test_a_schedule_nobody_runs_is_late_and_opens_one_alert(store: Store, tmp_path: Path) -> None:
    add(store, _entry(grace_seconds=60), now=NOW)
    settings = Settings(workspace=tmp_path)
    for minutes in (12, 13, 14):
        deliver_alerts(store, settings, _tick(store, NOW + timedelta(minutes=minutes)), object())
    with store.read() as session:
        (alert,) = session.scalars(select(Alert)).all()
        (status,) = schedule_status(session, CATALOG, NOW + timedelta(minutes=14))
    assert (alert.fingerprint, alert.times_seen) == ("job_late:inbox", 3)
    assert status.state == "late"


@both_engines
def test_prune_removes_only_old_runs_that_left_nothing_and_keeps_the_last_of_each_schedule(
    store: Store, tmp_path: Path
) -> None:
    with store.write() as session:
        for what, ages in (("deliver_alerts", (40, 1)), ("correlate", (41, 40, 1)), ("seldom", (60, 50))):
            for days in ages:
                at = NOW - timedelta(days=days)
                session.add(
                    Run(
                        what=what,
                        arguments={},
                        code_version="0",
                        schedule=what,
                        tick=at,
                        state="done",
                        owner="",
                        lease_until=at,
                        started_at=at,
                    )
                )
        session.flush()
        at = NOW - timedelta(days=41)
        (figures,) = session.scalars(select(Run).where(Run.what == "correlate", Run.tick == at))
        session.add(Campaign(key="spring", created_at=at, run_id=figures.id))
    tick = _tick(store)
    assert prune(store, Settings(workspace=tmp_path), tick, object())["runs"] == 3
    with store.read() as session:
        left = session.execute(select(Run.what, Run.tick).where(Run.schedule != "")).all()
    assert sorted((what, (NOW - at).days) for what, at in left) == [
        ("correlate", 1),
        ("correlate", 41),
        ("deliver_alerts", 1),
        ("seldom", 50),
    ]


@both_engines
def test_the_configuration_is_brought_into_the_store_and_paused_ones_stay_paused(store: Store) -> None:
    assert synchronize(store, [_entry()], NOW) == {
        "inbox": "added",
        "deliver-alerts": "added",
        "prune": "added",
    }
    with store.write() as session:
        session.execute(update(Schedule).where(Schedule.key == "inbox").values(enabled=False))
    add(store, _entry("by-hand"), now=NOW)
    assert synchronize(store, [_entry()], NOW) == {}
    assert synchronize(store, [_entry(cron="@hourly")], NOW) == {"inbox": "changed"}
    with store.read() as session:
        row = session.scalars(select(Schedule).where(Schedule.key == "inbox")).one()
    assert (row.enabled, row.cron, row.next_run_at) == (False, "@hourly", datetime(2026, 3, 1, 7, tzinfo=UTC))
    assert synchronize(store, [], NOW) == {"inbox": "removed"}
    with store.read() as session:
        assert set(session.scalars(select(Schedule.key))) == {"by-hand", "deliver-alerts", "prune"}


def _trouble(store: Store, *fingerprints: str) -> None:
    run = begin_run(store, "test", {})
    with store.write() as session:
        for fingerprint in fingerprints:
            observe(
                session, fingerprint=fingerprint, rule=fingerprint.partition(":")[0], labels={}, severity="critical",
                title="x", message="x", evidence={}, firing=True, now=NOW, run_id=run.id,
            )  # fmt: skip


def _calming(store: Store) -> set[str]:
    with store.read() as session:
        return set(session.scalars(select(Alert.fingerprint).where(Alert.clear_since.is_not(None))))


def test_the_alerts_of_a_job_that_nobody_expects_any_more_come_to_rest(store: Store) -> None:
    """Otherwise they are repeated each day for ever: no run of the job will find that all is well."""
    later = NOW + timedelta(hours=1)
    add(store, _entry("by-hand"), now=NOW)
    add(store, _entry("paused"), now=NOW)
    synchronize(store, [_entry("from-file")], NOW)
    _trouble(store, "job_failed:paused", "job_late:paused", "data_fault:paused")
    _trouble(store, "job_failed:by-hand", "data_fault:by-hand", "import_rejects:from-file", "job_failed:other")

    set_enabled(store, "paused", AlertSettings(), enabled=False, now=later)
    assert _calming(store) == {"job_failed:paused", "job_late:paused"}, "the broken file is there all the same"
    remove(store, "by-hand", AlertSettings(), now=later)
    synchronize(store, [], later)
    wanted = {"job_failed:by-hand", "data_fault:by-hand", "import_rejects:from-file"}
    assert _calming(store) == {"job_failed:paused", "job_late:paused"} | wanted


def test_what_stands_in_the_configuration_is_not_removed_by_command(sqlite_store: Store) -> None:
    synchronize(sqlite_store, [_entry()], NOW)
    for key, said in [("inbox", "defined in abkit.toml"), ("prune", "built in"), ("none", "no schedule 'none'")]:
        with pytest.raises(UsageError, match=said):
            remove(sqlite_store, key, AlertSettings(), now=NOW)


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"job": "os.system"}, "there is no job 'os.system'"),
        ({"cron": "at noon"}, "is not a cron line"),
        ({"arguments": {"folder": "x"}}, "folder: there is no such argument"),
        ({"arguments": {"metric": "likes"}}, "metric: input should be"),
        ({"job": "heartbeat"}, "heartbeat needs url_env"),
        ({"job": "heartbeat", "arguments": {"url_env": "https://hc.example/tok-5b1f"}}, "url_env"),
        ({"job": "heartbeat", "arguments": {"url_file": "https://hc.example/tok-5b1f"}}, "not an address"),
        ({"job": "heartbeat", "arguments": {"file": "https://hc.example/tok-5b1f"}}, "not an address"),
        ({"job": "import_kpis"}, "folder: field required"),
    ],
)
def test_a_wrong_schedule_is_refused_in_one_sentence_and_nothing_is_changed(
    sqlite_store: Store, values: dict[str, Any], said: str
) -> None:
    with pytest.raises(UsageError, match=said) as refused:
        synchronize(sqlite_store, [_entry("good"), _entry("bad", **values)], NOW)
    assert "\n" not in refused.value.message
    assert "tok-5b1f" not in refused.value.message + str(refused.value.hint)
    with sqlite_store.read() as session:
        assert session.scalars(select(Schedule)).all() == []


def test_a_start_in_the_past_and_a_name_that_exists_are_refused(sqlite_store: Store) -> None:
    with pytest.raises(UsageError, match="is in the past"):
        add(sqlite_store, _entry(), now=NOW, start=NOW - timedelta(days=1))
    add(sqlite_store, _entry(), now=NOW, start=NOW + timedelta(days=1))
    with sqlite_store.read() as session:
        assert session.scalars(select(Schedule)).one().next_run_at > NOW + timedelta(days=1)
    with pytest.raises(UsageError, match="already"):
        add(sqlite_store, _entry(), now=NOW)


def test_two_schedules_of_one_name_are_refused(sqlite_store: Store) -> None:

    with pytest.raises(UsageError, match="two schedules are called 'inbox'"):
        synchronize(sqlite_store, [_entry(), _entry()], NOW)
