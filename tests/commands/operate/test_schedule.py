"""`abkit schedule`: daemons and triggers in real processes, what defines and shows schedules in this one."""

import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.commands.conftest import Here, Said
from tests.conftest import Abkit
from tests.jobs.fleet import wait_until

CONFIG = """
[daemon]
poll_seconds = 0.2
port = {port}
[[schedule]]
key = "alive"
job = "heartbeat"
cron = "* * * * * *"
arguments = {{ file = "alive.txt" }}
"""
Daemon = Callable[..., "subprocess.Popen[str]"]


@pytest.fixture
def workspace(here: Here, tmp_path: Path, database_url: str) -> Path:
    """A workspace whose store is once SQLite, once PostgreSQL."""
    result = here("--database-url", database_url, "init")
    assert result.returncode == 0, result.stderr
    return tmp_path


@pytest.fixture
def port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


@pytest.fixture
def daemon(workspace: Path, database_url: str, port: int) -> Iterator[Daemon]:
    """A function that starts `abkit schedule run`."""
    (workspace / "abkit.toml").write_text(CONFIG.format(port=port))
    started: list[subprocess.Popen[str]] = []

    def start(*options: str) -> "subprocess.Popen[str]":
        started.append(
            subprocess.Popen(
                [sys.executable, "-m", "abkit", "--database-url", database_url, "schedule", "run", *options],
                cwd=workspace,
                stderr=subprocess.PIPE,
                stdout=subprocess.PIPE,
                text=True,
            )
        )
        return started[-1]

    yield start
    for process in started:
        process.kill()
        process.communicate()


def _wait_for(path: Path) -> None:
    deadline = time.monotonic() + 180
    while not path.exists():
        assert time.monotonic() < deadline
        time.sleep(0.1)


def _get(port: int, page: str) -> str:
    with urllib.request.urlopen(f"http://127.0.0.1:{port}{page}", timeout=10) as answer:
        return str(answer.read().decode())


def test_the_daemon_runs_what_is_configured_and_tells_how_it_is(
    abkit: Abkit, daemon: Daemon, workspace: Path, database_url: str, port: int
) -> None:
    process = daemon("--log-format", "json")
    _wait_for(workspace / "alive.txt")
    assert json.loads(_get(port, "/healthz"))["ok"] is True
    with pytest.raises(urllib.error.HTTPError) as missing:
        _get(port, "/secrets")
    missing.value.close()
    recorded = r'abkit_runs\{job="heartbeat",schedule="alive",state="done"\} [1-9]'
    wait_until(lambda: re.search(recorded, _get(port, "/metrics")) is not None, 180, "the run in the metrics")
    assert "abkit_store_up 1.0" in _get(port, "/metrics")

    second = abkit("--database-url", database_url, "schedule", "run")
    assert second.returncode == 1
    assert f"cannot listen on 127.0.0.1 port {port}" in second.stderr

    status = abkit("--database-url", database_url, "schedule", "status", "--exit-code", "-f", "json")
    assert status.returncode == 0, status.stdout
    by_key = {row["key"]: row for row in json.loads(status.stdout)}
    assert by_key["alive"]["missed"] == "run_last"
    assert by_key["alive"]["state"] in ("ok", "running")
    assert {"deliver-alerts", "prune"} <= by_key.keys()

    process.send_signal(signal.SIGTERM)
    out, err = process.communicate(timeout=180)
    assert process.returncode == 0
    assert out == "", "results are on stdout, and a daemon has none"
    lines = [json.loads(line) for line in err.splitlines()]
    assert lines[-1]["message"] == "stopped"
    about_jobs = [line for line in lines if line["message"].split()[0] in ("start", "done")]
    assert about_jobs
    assert all({"run", "schedule", "tick", "attempt"} <= line.keys() for line in about_jobs)


def test_a_daemon_that_lost_its_store_is_not_healthy_and_says_so(workspace: Path, port: int) -> None:
    from abkit.jobs.daemon.monitoring import health

    class Lost:
        seconds_since_poll = 120.0
        running = 0
        trouble = ""

    status, body = health(Lost(), poll_seconds=5)  # type: ignore[arg-type]
    assert status == 503
    assert "not reached for 120 s" in str(body["problem"])

    class Full(Lost):
        seconds_since_poll = 1.0
        trouble = "a result cannot be recorded: the disk is full"

    status, body = health(Full(), poll_seconds=5)  # type: ignore[arg-type]
    assert (status, body["problem"]) == (503, Full.trouble)


def test_a_request_that_breaks_off_is_one_line_of_the_log(
    capsys: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    from abkit.jobs.daemon import monitoring

    server = monitoring._Server.__new__(monitoring._Server)
    try:
        raise ConnectionResetError("the client has gone")
    except ConnectionResetError:
        server.handle_error(None, None)
    assert "the client has gone" in caplog.text
    assert capsys.readouterr().err == "", "Python would write a traceback, and a JSON log would not be JSON"


def test_add_pause_resume_trigger_list_and_status(abkit: Abkit, here: Here, sqlite_workspace: Path) -> None:
    def run(*arguments: object) -> Said:
        return here("schedule", *arguments)

    added = run("add", "pics", "--job", "score_folder", "--cron", "@daily", "--arg", "folder=inbox", "--missed", "skip")
    assert added.returncode == 0, added.stderr
    assert re.match(r"pics: first at \d{4}-\d\d-\d\d 00:00:00 UTC", added.stdout)

    failed = abkit("schedule", "trigger", "pics")
    assert failed.returncode == 1
    assert "the watched folder" in failed.stderr
    assert "Traceback" not in failed.stderr
    status = run("status", "--exit-code")
    assert status.returncode == 3
    assert "failed once: the watched folder" in status.stdout
    assert "skip" in status.stdout

    (sqlite_workspace / "inbox").mkdir()
    done = abkit("schedule", "trigger", "pics")
    assert done.returncode == 0, done.stderr
    assert '"files": 0' in done.stdout
    assert run("status", "--exit-code").returncode == 0
    runs = json.loads(run("status", "pics", "-f", "json").stdout)[0]["runs"]
    assert [entry["state"] for entry in runs] == ["done", "failed"]

    assert run("pause", "pics").stdout == "pics: paused\n"
    assert json.loads(run("list", "-f", "json").stdout)[0]["state"] == "paused"
    assert run("resume", "pics").stdout.startswith("pics: next at ")
    alerts = here("alerts", "list", "-f", "json")
    assert [alert["rule"] for alert in json.loads(alerts.stdout)] == ["job_failed"]
    assert run("remove", "pics").stdout == "pics: removed\n"
    assert run("list", "-f", "json").stdout.strip() == "[]"


def test_bad_input_is_one_sentence(abkit: Abkit, here: Here, sqlite_workspace: Path) -> None:
    assert sqlite_workspace.is_dir()
    correlate = ["add", "x", "--job", "correlate"]
    for arguments, said in [
        (["add", "x", "--job", "mine_bitcoin", "--cron", "@daily"], "there is no job 'mine_bitcoin'"),
        ([*correlate, "--cron", "61 * * * *"], "the minute '61' is invalid: it goes from 0 to 59"),
        ([*correlate, "--cron", "@daily", "--start", "2020-01-01"], "is in the past"),
        (["add", "x y", "--job", "correlate", "--cron", "@daily"], "schedule 'x y'"),
        ([*correlate, "--cron", "@daily", "--arg", "metric"], "NAME=VALUE"),
        (["pause", "nothing"], "there is no schedule 'nothing'"),
        (["trigger", "nothing"], "there is no schedule 'nothing'"),
        (["status", "nothing"], "there is no schedule 'nothing'"),
        (["remove", "nothing"], "there is no schedule 'nothing'"),
    ]:
        # a trigger sets up the log of its process
        result = (abkit if arguments[0] == "trigger" else here)("schedule", *arguments)
        assert result.returncode == 2
        (error, *hint) = [line for line in result.stderr.splitlines() if line]
        assert said in error
        assert all(line.startswith("Hint: ") for line in hint)


def test_a_bad_configuration_stops_the_daemon_before_it_begins(here: Here, tmp_path: Path) -> None:
    here("init")
    for text, said in [
        ('[[schedule]]\nkey = "a"\njob = "nope"\ncron = "@daily"\n', "there is no job 'nope'"),
        ('[[schedule]]\nkey = "a"\njob = "correlate"\ncron = "x"\n', "is not a cron line"),
        ('[[alerts.channel]]\nname = "a"\nurl = "slack://tok-secret"\n', "there is no setting 'alerts.channel.0.url'"),
        ('[[alerts.channel]]\nname = "a"\nurl_env = "slack://tok-secret"\n', "alerts.channel.0.url_env"),
        ('[[alerts.channel]]\nname = "a"\nurl_file = "slack://tok-secret"\n', "not an address"),
        ('[[alerts.channel]]\nname = "a"\n', "either url_env or url_file"),
    ]:
        (tmp_path / "abkit.toml").write_text(text)
        result = here("schedule", "run")
        assert result.returncode == 2
        assert said in result.stderr
        assert "tok-secret" not in result.stderr
        assert len(result.stderr.splitlines()) <= 2


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_trigger_that_is_stopped_leaves_its_run_recorded(
    sqlite_workspace: Path, here: Here, number: signal.Signals
) -> None:
    folder = sqlite_workspace / "inbox"
    folder.mkdir()
    (folder / "fresh.csv").write_text("still,young\n1,2\n")
    here("schedule", "add", "slow", "--job", "import_kpis", "--cron", "@daily", "--arg", "folder=inbox",
          "--arg", "stable_seconds=60")  # fmt: skip
    process = subprocess.Popen(
        [sys.executable, "-m", "abkit", "schedule", "trigger", "slow"], cwd=sqlite_workspace, start_new_session=True
    )
    deadline = time.monotonic() + 180
    while _last_state(here) != "running":
        assert time.monotonic() < deadline
        time.sleep(0.1)
    time.sleep(0.5)
    os.kill(process.pid, number)
    process.wait(180)
    assert _last_state(here) == "interrupted"


def _last_state(here: Here) -> str | None:
    (row,) = json.loads(here("schedule", "status", "-f", "json").stdout)
    return str(row["last_state"])


@pytest.fixture
def sqlite_workspace(here: Here, tmp_path: Path) -> Path:
    here("init")
    return tmp_path
