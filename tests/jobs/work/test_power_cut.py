"""A power cut right after a file was moved loses nothing of it: its rows, or its alert, are on the disk before."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from sqlalchemy import func, select
from sqlalchemy import text as text_clause

from abkit.errors import StoreError
from abkit.store.database import migrate
from abkit.store.database.engine import Store
from abkit.store.schema import Alert, Kpi
from tests.postgres import postgres, restart

ROWS = "date,ad id,impressions,clicks,conversions\n2026-02-01,a,100,3,0\n"
JOB = """
import os, sys
from datetime import UTC, datetime
from pathlib import Path
from abkit.config import Settings
from abkit.jobs.job import Tick
from abkit.jobs.work.folders import ImportKpis, import_kpis
from abkit.errors import StoreError
from abkit.store.database import migrate
from abkit.store.database.engine import Store
from abkit.store.runs import begin_run
workspace, now = Path(sys.argv[1]), datetime.now(UTC)
store = Store(sys.argv[2])
tick = Tick(schedule="feed", at=now, started_at=now, attempt=1, run=begin_run(store, "import_kpis", {}))
import_kpis(store, Settings(workspace=workspace), tick, ImportKpis(folder=Path("inbox"), stable_seconds=0))
os._exit(0)
"""


@pytest.mark.skipif(shutil.which("cc") is None or sys.platform != "linux", reason="it takes a C compiler on Linux")
@pytest.mark.parametrize(("text", "rows", "alerts"), [(ROWS, 1, 0), ("what,ever\n1,2\n", 0, 1)], ids=["done", "failed"])
def test_what_was_moved_is_on_the_disk(
    sqlite_template: Path, tmp_path: Path, text: str, rows: int, alerts: int
) -> None:
    durable, inbox = tmp_path / "durable", tmp_path / "inbox"
    for folder in (durable, inbox):
        folder.mkdir()
    for folder in (durable, tmp_path):
        shutil.copy(sqlite_template, folder / "store.db")
    (inbox / "export.csv").write_text(text)
    library = tmp_path / "disk_shim.so"
    source = Path(__file__).parent / "disk_shim.c"
    subprocess.run(["cc", "-shared", "-fPIC", "-o", library, source, "-ldl"], check=True, capture_output=True)
    environment = {**os.environ, "LD_PRELOAD": str(library), "DURABLE_FOLDER": str(durable)}
    url = f"sqlite:///{tmp_path / 'store.db'}"
    subprocess.run([sys.executable, "-c", JOB, tmp_path, url], check=True, env=environment, capture_output=True)
    assert list(inbox.glob("*/export.csv")), "the file was moved"
    assert _kept(f"sqlite:///{durable / 'store.db'}") == (rows, alerts)


@pytest.mark.long
@pytest.mark.parametrize(("text", "rows", "alerts"), [(ROWS, 1, 0), ("what,ever\n1,2\n", 0, 1)], ids=["done", "failed"])
def test_what_was_moved_is_on_the_disk_of_postgresql_also_where_its_commits_do_not_wait(
    tmp_path: Path, text: str, rows: int, alerts: int
) -> None:
    """PostgreSQL is killed in the moment after the move, with all that it had not written to its log yet."""
    with postgres() as server:
        url = server.get_uri()
        store = Store(url)
        migrate.upgrade(store)
        # Commits are reported before they are on the disk, and the log is written every ten seconds only.
        with store.connect() as connection:
            plain = connection.execution_options(isolation_level="AUTOCOMMIT")
            plain.exec_driver_sql("ALTER SYSTEM SET synchronous_commit = off")
            plain.exec_driver_sql("ALTER SYSTEM SET wal_writer_delay = '10s'")
        store.close()
        restart(server)
        (tmp_path / "inbox").mkdir()
        (tmp_path / "inbox" / "export.csv").write_text(text)
        subprocess.run([sys.executable, "-c", JOB, tmp_path, url], check=True, capture_output=True)
        assert list((tmp_path / "inbox").glob("*/export.csv")), "the file was moved"
        unsafe = Store(url)
        with unsafe.write() as session:
            session.execute(text_clause("CREATE TABLE written_last (a INTEGER)"))
        restart(server)
        assert _kept(url) == (rows, alerts)
        with pytest.raises(StoreError, match="lacks tables"), Store(url).read() as session:
            session.execute(text_clause("SELECT * FROM written_last"))


def _kept(url: str) -> tuple[int | None, int | None]:
    """Return how many rows of KPIs and alerts a store has."""
    store = Store(url)
    with store.read() as session:
        found = [session.scalar(select(func.count()).select_from(table)) for table in (Kpi, Alert)]
    store.close()
    return found[0], found[1]
