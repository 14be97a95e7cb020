"""An import that is killed leaves nothing half-written, and running it again completes it. Real processes."""

import os
import signal
import subprocess
import sys
import time
from datetime import date
from pathlib import Path

import polars as pl
import pytest
from sqlalchemy import func, select, text

from abkit.store.database.engine import Store
from abkit.store.schema import Ad, Campaign, Kpi, KpiImport, KpiReject, KpiRevision, Segment
from tests.conftest import MakeDatabase
from tests.kpi_files import run_import

SMALLER = 60_000
LARGER = 200_000  # publishing takes long enough to be seen
TABLES = (Kpi, KpiImport, KpiReject, KpiRevision, Ad, Segment, Campaign)


def daily(path: Path, rows: int) -> Path:
    """Daily rows of ads, 100 days each."""
    per_day = rows // 100
    pl.int_range(rows, eager=True).alias("n").to_frame().select(
        day=(pl.lit(date(2026, 1, 1)) + pl.duration(days=pl.col("n") // per_day)).cast(pl.Date),
        ad=pl.col("n") % per_day,
        campaign=pl.lit("spring"),
        impressions=1_000 + pl.col("n") % 91,
        clicks=pl.col("n") % 13,
    ).write_parquet(path)
    return path


def counts(store: Store) -> dict[str, int]:
    with store.read() as session:
        return {table.__tablename__: session.scalar(select(func.count()).select_from(table)) or 0 for table in TABLES}


def start_import(url: str, path: Path) -> "subprocess.Popen[str]":
    return subprocess.Popen(
        [sys.executable, "-m", "abkit", "--database-url", url, "kpi", "import", str(path), "-f", "json"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=path.parent,
    )


def wait_until_publishing(store: Store, process: "subprocess.Popen[str]") -> None:
    """Wait for the moment when a half-written import would be possible: rows are going into `kpi`."""
    until = time.monotonic() + 120
    wal = Path(f"{store.engine.url.database}-wal")
    while time.monotonic() < until:
        assert process.poll() is None, process.communicate()
        if store.dialect == "sqlite":
            publishing = wal.exists() and wal.stat().st_size > 5_000_000
        else:
            with store.read() as session:
                running = text("SELECT count(*) FROM pg_stat_activity WHERE query LIKE 'INSERT INTO kpi (%'")
                publishing = session.scalar(running) == 1
        if publishing:
            return
        time.sleep(0.05)
    raise AssertionError("the import never began to publish")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("engine", "how"),
    [
        ("sqlite", signal.SIGKILL),
        ("postgresql", signal.SIGINT),
        # Either signal and either engine is met above.
        pytest.param("postgresql", signal.SIGKILL, marks=pytest.mark.long),
        pytest.param("sqlite", signal.SIGINT, marks=pytest.mark.long),
    ],
)
def test_an_import_that_is_interrupted_while_it_publishes_leaves_nothing(
    new_database: MakeDatabase, tmp_path: Path, engine: str, how: signal.Signals
) -> None:
    database_url = new_database(engine, migrated=True)
    store = Store(database_url)
    path = daily(tmp_path / "daily.parquet", LARGER)
    process = start_import(database_url, path)
    wait_until_publishing(store, process)
    os.kill(process.pid, how)
    _, said = process.communicate(timeout=60)

    assert process.returncode != 0
    assert "Traceback" not in said
    assert set(counts(store).values()) == {0}
    store.close()


def url_of(store: Store) -> str:
    return store.engine.url.render_as_string(hide_password=False)


def test_running_an_interrupted_import_again_completes_it(store: Store, tmp_path: Path) -> None:
    path = daily(tmp_path / "daily.parquet", SMALLER)
    for seconds in (1.5, 2.5):
        process = start_import(url_of(store), path)
        time.sleep(seconds)
        process.kill()
        process.communicate(timeout=60)
        found = counts(store)
        assert found["kpi"] in (0, SMALLER)
        assert found["kpi_import"] == found["kpi"] // SMALLER
        assert found["ad"] == (SMALLER // 100 if found["kpi"] else 0)

    summary = run_import(store, path)[0]
    assert summary.imported + summary.unchanged == SMALLER
    assert counts(store)["kpi"] == SMALLER


def test_rows_are_counted_quickly_where_postgresql_takes_their_table_for_empty(
    new_database: MakeDatabase, tmp_path: Path
) -> None:
    store = Store(new_database("postgresql", migrated=True))
    # As it does after an import was killed, and what it left was vacuumed.
    with store.engine.begin() as connection:
        connection.execute(text("UPDATE pg_class SET reltuples = 0, relpages = 1000 WHERE relname = 'kpi'"))
    began = time.monotonic()
    assert run_import(store, daily(tmp_path / "daily.parquet", SMALLER))[0].imported == SMALLER
    assert time.monotonic() - began < 60
    store.close()


def test_two_processes_that_import_the_same_file_at_once_import_it_once(store: Store, tmp_path: Path) -> None:
    path = daily(tmp_path / "daily.parquet", SMALLER // 2)
    both = [start_import(url_of(store), path) for _ in range(2)]
    outputs = [process.communicate(timeout=120) for process in both]

    assert [process.returncode for process in both] == [0, 0], outputs
    found = counts(store)
    assert (found["kpi"], found["kpi_import"], found["kpi_revision"]) == (SMALLER // 2, 1, 0)
