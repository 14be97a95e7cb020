"""A power cut right after a file was moved loses nothing of it: its rows, or its alert, are on the disk before."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from sqlalchemy import func, select

from abkit.store.database.engine import Store
from abkit.store.schema import Alert, Kpi

ROWS = "date,ad id,impressions,clicks,conversions\n2026-02-01,a,100,3,0\n"
JOB = """
import os, sys
from datetime import UTC, datetime
from pathlib import Path
from abkit.config import Settings
from abkit.jobs.job import Tick
from abkit.jobs.work.folders import ImportKpis, import_kpis
from abkit.store.database.engine import Store
from abkit.store.runs import begin_run
workspace, now = Path(sys.argv[1]), datetime.now(UTC)
store = Store(f"sqlite:///{workspace / 'store.db'}")
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
    subprocess.run([sys.executable, "-c", JOB, tmp_path], check=True, env=environment, capture_output=True)
    assert list(inbox.glob("*/export.csv")), "the file was moved"
    store = Store(f"sqlite:///{durable / 'store.db'}")
    with store.read() as session:
        assert session.scalar(select(func.count()).select_from(Kpi)) == rows
        assert session.scalar(select(func.count()).select_from(Alert)) == alerts
    store.close()
