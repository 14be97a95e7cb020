"""The chaos harness: a short run of it, and that its ledger sees what it is there for."""

import json
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import text

from abkit.alerts.rules import Rules
from abkit.config import Settings
from abkit.store.database.engine import Store
from abkit.store.schema import Run
from tests.jobs.chaos_ledger import Ledger, Row
from tests.jobs.fleet import add_schedule, ledger_store
from tests.kpi_files import run_import

ROOT = Path(__file__).parents[2]
FIRST = datetime(2026, 3, 1, 6, tzinfo=UTC)
FILE = "day,ad,campaign,impressions,clicks\n2026-01-01,7,chaos,1000,10\n"


@pytest.mark.slow
@pytest.mark.parametrize(
    ("engine", "faults"),
    [("sqlite", ["kill", "sleep", "full disk", "read-only"]), ("postgresql", ["kill", "restart"])],
)
def test_whatever_happens_to_daemons_nothing_is_lost_or_doubled(engine: str, faults: list[str]) -> None:
    command = [sys.executable, str(ROOT / "benchmarks" / "chaos.py"), "--engine", engine, "--faults", *faults]
    small = ["--daemons", "2", "--kills", "2", "--ticks", "40", "--feeds", "1", "--minutes", "5"]
    done = subprocess.run([*command, *small], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    found = json.loads(done.stdout)
    assert found["broken"] == []
    assert set(found["faults"]) == set(faults)
    assert found["faults"]["kill"] >= 2
    assert found["ticks"] >= 40
    if "restart" in faults:
        assert found["times that the store did not answer"] > 0, "the restart was felt"


@dataclass
class Kept:
    """A store and a folder in which every promise was kept: one tick, one file, one refused file that was told."""

    store: Store
    folder: Path
    ledger: Ledger

    def execute(self, statement: str) -> None:
        """Change the store by hand."""
        with self.store.write() as session:
            session.execute(text(statement))

    def broken(self, told: str = "b.csv could not be imported") -> list[str]:
        """Return what the ledger says."""
        return self.ledger.broken(self.store, [told])


@pytest.fixture
def kept(tmp_path: Path, sqlite_url: str) -> Iterator[Kept]:
    folder = tmp_path / "feed"
    given: dict[tuple[Path, str], list[Row]] = {(folder, "a.csv"): [("7", 1000, 10)], (folder, "b.csv"): [("8", 1, 1)]}
    ledger = Ledger(first={"tick": FIRST}, given=given, refused={folder: "b.csv"})
    with ledger_store(sqlite_url) as store:
        add_schedule(store, "tick", first=FIRST + timedelta(seconds=1))
        key = {"schedule": "tick", "tick": FIRST.isoformat()}
        lease = {"code_version": "", "owner": "", "lease_until": FIRST, "started_at": FIRST}
        for name, content in (("done/a.csv", FILE), ("failed/b.csv", "nothing"), ("failed/b.csv.reason.txt", "why")):
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_text(content)
        run_import(store, folder / "done" / "a.csv")
        with store.write() as session:
            session.execute(text("INSERT INTO effect VALUES (:schedule, :tick)"), key)
            session.execute(text("INSERT INTO execution VALUES (:schedule, :tick, 1)"), key)
            session.add(Run(what="ledger", arguments={}, schedule="tick", tick=FIRST, state="done", **lease))
            Rules(session, Settings().alerts, FIRST, 1).file_failed({"b.csv": "why"}, "feed")
        one = Kept(store, folder, ledger)
        assert one.broken() == []
        yield one


@pytest.mark.parametrize(
    ("statement", "said"),
    [
        ("DELETE FROM effect", "tick lost"),
        ("INSERT INTO effect SELECT * FROM effect", "2 effects of one tick"),
        ("INSERT INTO effect VALUES ('tick', '2026-03-01T07:00:00+00:00')", "never due"),
        ("UPDATE run SET state = 'failed' WHERE schedule = 'tick'", "instead of done"),
        ("INSERT INTO execution SELECT * FROM execution", "attempt started 2 times"),
        ("DELETE FROM kpi", "row lost"),
        ("UPDATE kpi SET clicks = 11", "row doubled, or of no file"),
        ("UPDATE alert SET title = 'something else'", "0 alerts about the refused file"),
    ],
)
def test_the_ledger_sees_what_the_store_lost_or_has_twice(kept: Kept, statement: str, said: str) -> None:
    kept.execute(statement)
    assert any(said in sentence for sentence in kept.broken())


def test_the_ledger_sees_files_that_are_lost_left_or_archived_twice(kept: Kept) -> None:
    done = kept.folder / "done" / "a.csv"
    twice = done.with_name("a-1.csv")
    twice.write_text(FILE)
    assert "not once at done/a.csv" in kept.broken()[0]
    twice.unlink()
    done.rename(kept.folder / "a.csv")
    assert "is at ['a.csv']" in kept.broken()[0]
    (kept.folder / "a.csv").unlink()
    assert "no place" in kept.broken()[0]


def test_the_ledger_sees_a_refusal_without_reason_and_one_that_nobody_heard_of(kept: Kept) -> None:
    assert kept.broken(told="all is well") == ["nobody was told about the refused file b.csv"]
    (kept.folder / "failed" / "b.csv.reason.txt").unlink()
    assert kept.broken() == ["file feed/failed/b.csv has no reason beside it"]
