"""Sources: what a command prints or an address answers is imported, within limits, and secrets stay secret."""

import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select

from abkit.config import Settings, SourceSettings, load_settings
from abkit.errors import AbkitError, UsageError
from abkit.jobs.job import Tick
from abkit.jobs.schedules import CATALOG, synchronize
from abkit.store.database.engine import Store
from abkit.store.runs import begin_run
from abkit.store.schema import Ad, Alert, Kpi, KpiImport, Run, Schedule

TICK = datetime(2026, 3, 1, 5, tzinfo=UTC)
EXPORT = "day,ad,impressions,clicks\n2026-02-28,7,100,3\n"
HIDDEN = "s3cr3t-t0ken"
RunSource = Callable[..., Mapping[str, Any]]


@pytest.fixture
def run_source(store: Store, tmp_path: Path) -> RunSource:
    """Run the job of a source as its process would."""

    def run(**said: Any) -> Mapping[str, Any]:
        source = SourceSettings(key="nightly", **said)
        settings = Settings(workspace=tmp_path, source=(source,))
        record = begin_run(store, "import_source", {"source": "nightly"})
        tick = Tick(schedule="nightly", at=TICK, started_at=TICK, attempt=1, run=record)
        job = CATALOG["import_source"]
        return job.run(store, settings, tick, job.arguments.model_validate({"source": "nightly"}))

    return run


def python(code: str, *arguments: str) -> tuple[str, ...]:
    return (sys.executable, "-c", code, *arguments)


def imports(store: Store) -> list[tuple[str, int]]:
    with store.read() as session:
        return [(row.name, row.imported) for row in session.scalars(select(KpiImport).order_by(KpiImport.id))]


def assert_nothing_leaks(store: Store, error: AbkitError, *secrets: str) -> None:
    with store.read() as session:
        kept = [str(row) for run in session.scalars(select(Run)) for row in (run.arguments, run.outcome)]
    for secret in secrets:
        assert secret not in f"{error.message} {error.hint} {kept}"
        assert secret not in repr(error.__cause__) + repr(error.__context__ if not error.__suppress_context__ else "")


# --- commands -------------------------------------------------------------------------------------------------------


def test_what_a_command_prints_is_imported_with_the_options_of_the_source(
    run_source: RunSource, store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TOKEN", HIDDEN)
    code = (
        "import os, sys; assert os.environ['TOKEN'] == 's3cr3t-t0ken'; "
        "assert os.environ['ABKIT_TICK'] == '2026-03-01T05:00:00+00:00'; assert sys.argv[2] == '2026-03-01'; "
        "assert os.path.realpath(os.getcwd()) == os.path.realpath(sys.argv[3]); "
        "print('when,ad,impressions,clicks'); print(sys.argv[1] + ',7,100,3')"
    )
    said = {"mapping": {"when": "day"}, "platform": "meta", "account": "act_1", "time_zone": "Asia/Tokyo"}
    done = run_source(command=python(code, "{yesterday}", "{today}", str(tmp_path)), **said)

    assert (done["imported"], done["rejected"]) == (1, 0)
    assert imports(store) == [("source nightly", 1)]
    with store.read() as session:
        row = session.scalars(select(KpiImport)).one()
        assert (row.time_zone, row.options["mapping"]) == ("Asia/Tokyo", {"when": "day"})
        assert row.contents is not None
        assert row.contents["first_day"] == "2026-02-28"
        assert session.scalars(select(Ad.account)).all() == ["act_1"]
    again = run_source(command=python(code, "{yesterday}", "{today}", str(tmp_path)), **said)
    assert (again["imported"], again["unchanged"]) == (0, 1)


def test_an_answer_that_comes_back_after_another_one_counts_again(run_source: RunSource, store: Store) -> None:
    """A platform corrects a day, and takes the correction back: the figures of the last answer stand."""

    def pulled(clicks: int) -> tuple[int, int, list[int]]:
        done = run_source(command=python(f"print({EXPORT.replace(',3', f',{clicks}')!r}, end='')"))
        with store.read() as session:
            return done["updated"], done["unchanged"], list(session.scalars(select(Kpi.clicks)))

    assert pulled(3) == (0, 0, [3])
    assert pulled(5) == (1, 0, [5])
    assert pulled(3) == (1, 0, [3])
    assert pulled(3) == (0, 1, [3])
    assert pulled(5) == (1, 0, [5])
    assert pulled(5) == (0, 1, [5])
    assert pulled(3) == (1, 0, [3])


def test_the_arguments_of_a_command_are_no_shell(run_source: RunSource, tmp_path: Path) -> None:
    code = f"import sys; assert sys.argv[1] == '$(touch {tmp_path}/x); `id` > y | z'; print({EXPORT!r}, end='')"
    assert run_source(command=python(code, f"$(touch {tmp_path}/x); `id` > y | z"))["imported"] == 1
    assert not (tmp_path / "x").exists()


@pytest.mark.parametrize(
    ("code", "limits", "message"),
    [
        ("import sys; print('x'); sys.exit(3)", {}, "ended with exit code 3"),
        ("import os, signal; os.kill(os.getpid(), signal.SIGKILL)", {}, "was ended by signal 9"),
        ("import time; time.sleep(60)", {"timeout_seconds": 0.3}, "took longer than 0.3 s"),
        ("while True: print('x' * 1000)", {"max_mb": 0.1}, "larger than 0.1 MB"),
        ("print('x' * 200_000)", {"max_mb": 0.1}, "larger than 0.1 MB"),
        ("pass", {}, "source nightly: .*empty"),
        ("print('a,b'); print('1,2')", {}, "source nightly: "),
    ],
    ids=["exit code", "signal", "time", "endless", "large", "nothing", "no export"],
)
def test_a_command_that_fails_is_a_failed_run_with_one_sentence(
    run_source: RunSource, store: Store, code: str, limits: dict[str, Any], message: str
) -> None:
    loud = f"import sys; sys.stderr.write({HIDDEN!r}); sys.stderr.flush()\n{code}"
    begun = time.monotonic()
    with pytest.raises(AbkitError, match=message) as failed:
        run_source(command=python(loud, HIDDEN), **limits)
    assert time.monotonic() - begun < 20
    assert failed.value.hint
    assert_nothing_leaks(store, failed.value, HIDDEN)
    assert imports(store) == []


def test_a_program_that_is_not_there_is_named_without_its_arguments(run_source: RunSource, store: Store) -> None:
    with pytest.raises(AbkitError, match="the command 'pull' cannot be started: no such file") as failed:
        run_source(command=("/opt/nowhere/pull", HIDDEN))
    assert_nothing_leaks(store, failed.value, HIDDEN)


def test_a_share_of_rejects_opens_an_alert(run_source: RunSource, store: Store) -> None:
    export = EXPORT + "2026-02-28,8,1,3\n"
    assert run_source(command=python(f"print({export!r}, end='')"))["rejected"] == 1
    with store.read() as session:
        assert session.scalars(select(Alert)).all()


# --- addresses ------------------------------------------------------------------------------------------------------


class Platform(BaseHTTPRequestHandler):
    """An API as platforms have them."""

    def do_GET(self) -> None:
        path = self.path.split("?")[0]
        if path == "/elsewhere":
            self.send_response(302)
            self.send_header("Location", f"http://localhost:{self.server.server_port}/report")
            self.end_headers()
            return
        if path == "/moved":
            self.send_response(302)
            self.send_header("Location", "/report")
            self.end_headers()
            return
        if path == "/file":
            self.send_response(302)
            self.send_header("Location", "file:///etc/passwd")
            self.end_headers()
            return
        if path == "/slow":
            self.send_response(200)
            self.end_headers()
            for _ in range(100):
                self.wfile.write(b"x")
                self.wfile.flush()
                time.sleep(0.05)
            return
        if self.headers.get("Authorization") != HIDDEN or "day=2026-02-28" not in self.path:
            self.send_error(403)
            return
        body = EXPORT.encode() + b"\n" * (200_000 if path == "/large" else 0)
        self.send_response(206 if path == "/part" else 200)
        self.send_header("Content-Length", str(len(body) + (10 if path == "/cut" else 0)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture(scope="module")
def platform() -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Platform)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.mark.parametrize("path", ["report", "moved"])
def test_what_an_address_answers_is_imported(
    run_source: RunSource, store: Store, platform: str, monkeypatch: pytest.MonkeyPatch, path: str
) -> None:
    monkeypatch.setenv("TOKEN", HIDDEN)
    if path == "moved":  # the redirect keeps to the host, and forgets the query
        with pytest.raises(AbkitError, match="answered with status 403"):
            run_source(url=f"{platform}/moved", headers_env={"Authorization": "TOKEN"})
        return
    done = run_source(url=f"{platform}/report?day={{yesterday}}", headers_env={"Authorization": "TOKEN"})
    assert (done["imported"], imports(store)) == (1, [("source nightly", 1)])
    monkeypatch.setenv("ADDRESS", f"{platform}/report?day={{yesterday}}")
    assert run_source(url_env="ADDRESS", headers_env={"Authorization": "TOKEN"})["unchanged"] == 1


@pytest.mark.parametrize(
    ("path", "limits", "message"),
    [
        ("/report?key=" + HIDDEN, {}, "127.0.0.1 answered with status 403"),
        ("/elsewhere?key=" + HIDDEN, {}, "redirects to another host"),
        ("/file?key=" + HIDDEN, {}, "redirects to another host|status 302"),
        ("/slow?key=" + HIDDEN, {"timeout_seconds": 0.3}, "took longer than 0.3 s"),
        ("/large?day=2026-02-28&key=" + HIDDEN, {"max_mb": 0.1}, "larger than 0.1 MB"),
        ("/cut?day=2026-02-28&key=" + HIDDEN, {}, "too early|cannot be reached"),
        ("/part?day=2026-02-28&key=" + HIDDEN, {}, "127.0.0.1: the host answered with status 206: that is a part"),
    ],
    ids=["refused", "elsewhere", "file", "slow", "large", "cut", "part"],
)
def test_an_address_that_fails_is_a_failed_run_with_one_sentence(
    run_source: RunSource,
    store: Store,
    platform: str,
    monkeypatch: pytest.MonkeyPatch,
    path: str,
    limits: dict[str, Any],
    message: str,
) -> None:
    monkeypatch.setenv("TOKEN", HIDDEN)
    with pytest.raises(AbkitError, match=message) as failed:
        run_source(url=platform + path, headers_env={"Authorization": "TOKEN"}, **limits)
    assert_nothing_leaks(store, failed.value, HIDDEN)
    assert imports(store) == []


def test_a_host_that_does_not_answer_is_named_without_the_address(run_source: RunSource, store: Store) -> None:
    with pytest.raises(AbkitError, match=r"127\.0\.0\.1 cannot be reached \(ConnectionRefusedError\)") as no:
        run_source(url=f"http://127.0.0.1:1/{HIDDEN}")
    assert_nothing_leaks(store, no.value, HIDDEN)


def test_addresses_in_the_environment_are_checked_too(run_source: RunSource, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(AbkitError, match="variable ADDRESS is not set"):
        run_source(url_env="ADDRESS")
    for address in ("file:///etc/passwd", "ftp://host/x", "https://", "//host"):
        monkeypatch.setenv("ADDRESS", address)
        with pytest.raises(AbkitError, match="must begin with https"):
            run_source(url_env="ADDRESS")


# --- configuration --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "section",
    [
        'key = "a"',
        'key = "a"\ncommand = ["x"]\nurl = "https://host/x"',
        'key = "a"\nurl = "file:///etc/passwd"',
        'key = "a"\ncommand = [" "]',
        'key = "a b"\ncommand = ["x"]',
        'key = "a"\ncommand = ["x"]\ntimeout_seconds = 0',
        'key = "a"\nurl_env = "https://host/secret"',
        'key = "a"\ncommand = "pull --all"',
    ],
)
def test_a_source_that_cannot_work_is_refused_with_its_name(tmp_path: Path, section: str) -> None:
    (tmp_path / "abkit.toml").write_text(f"[[source]]\n{section}\n")
    with pytest.raises(UsageError, match="source"):
        load_settings(tmp_path / "abkit.toml")


def test_a_source_is_a_schedule_that_goes_when_the_source_goes(store: Store, tmp_path: Path) -> None:
    (tmp_path / "abkit.toml").write_text('[[source]]\nkey = "nightly"\ncron = "0 4 * * *"\ncommand = ["pull"]\n')
    settings = load_settings(tmp_path / "abkit.toml")
    assert synchronize(store, settings.schedules, TICK)["nightly"] == "added"
    with store.read() as session:
        row = session.scalars(select(Schedule).where(Schedule.key == "nightly")).one()
        assert (row.job, row.cron, row.arguments) == ("import_source", "0 4 * * *", {"source": "nightly"})
        assert row.time_limit_s == 600 + 3600
    assert synchronize(store, (), TICK)["nightly"] == "removed"
