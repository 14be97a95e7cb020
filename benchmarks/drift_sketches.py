"""How long a daily check takes over many creatives, with what was kept of the months before and without.

    python benchmarks/drift_sketches.py [--creatives 1000000] [--folder DIR]

A store on SQLite is filled by bulk insert: that many creatives, launched evenly over five years, each with a score; of
the last 20,000 embeddings of 512 numbers; and of 300 creatives that run at a time, in ten campaigns, 118 days of
delivery. Then the standing check is made as of its last day, which reads all months and keeps them; as of the next day,
with 500 new creatives, which reads those and the windows; and once more as of that day, by a store that kept nothing.
Each is a process of its own: the time is that of `abkit drift check` without its start.
"""

import argparse
import json
import resource
import sqlite3
import subprocess
import sys
import time
from datetime import date, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from abkit.config import Settings
from abkit.store.database import migrate
from abkit.store.database.engine import Store
from abkit.workflows.drift.check import check_drift
from tests.monitoring_rows import seeded

LAST = date(2025, 6, 20)
YEARS = 5
EMBEDDED, RUNNING, DAYS, DAILY = 20_000, 300, 118, 500
MADE = "2020-01-01 00:00:00.000000"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--creatives", type=int, default=1_000_000)
    parser.add_argument("--folder", type=Path, help="where the store is made, and removed afterwards")
    parser.add_argument("--check", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--as-of", type=date.fromisoformat, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.check:
        measure(options.check, options.as_of)
        return
    with TemporaryDirectory(dir=options.folder) as folder:
        path = Path(folder) / "store.db"
        began = time.monotonic()
        fill(path, options.creatives)
        print(f"{options.creatives:,} creatives, {path.stat().st_size / 2**20:,.0f} MiB, "
              f"filled in {time.monotonic() - began:.0f} s")  # fmt: skip
        check(path, LAST, "first check, which keeps all months")
        add(path, range(options.creatives + 1, options.creatives + DAILY + 1), [LAST + timedelta(1)] * DAILY)
        check(path, LAST + timedelta(1), f"check of the next day, with {DAILY} new creatives")
        with sqlite3.connect(path) as database:
            (kept,) = database.execute("SELECT LENGTH(content) FROM reference_sketch").fetchone()
            database.execute("DELETE FROM reference_sketch")
        print(f"kept with the version: {kept / 1024:,.0f} KiB")
        check(path, LAST + timedelta(1), "the same day, with nothing kept")


def fill(path: Path, number: int) -> None:
    store = Store(f"sqlite:///{path}")
    migrate.upgrade(store)
    seeded(store)
    store.close()
    with sqlite3.connect(path) as database:
        database.execute("PRAGMA synchronous = OFF")
        database.executemany("INSERT INTO campaign VALUES (?, ?, '', ?, 1)", [(i, f"c{i}", MADE) for i in range(1, 11)])
    days = np.linspace(0, 365 * YEARS - 1, number).astype(int)
    first = LAST - timedelta(days=365 * YEARS - 1)
    add(path, range(1, number + 1), [first + timedelta(days=int(day)) for day in days])
    deliver(path, number)


def add(path: Path, ids: range, launched: list[date]) -> None:
    """Add creatives with a score each, and embeddings of the last."""
    rng = np.random.default_rng(ids.start)
    scores = rng.normal(4, 0.7, len(ids)).tolist()
    with sqlite3.connect(path) as database:
        database.execute("PRAGMA synchronous = OFF")
        database.executemany(
            "INSERT INTO creative (id, sha256, perceptual_hash, width, height, media_type, bytes, created_at, run_id) "
            f"VALUES (?, ?, '0000000000000000', 640, 480, 'image/png', 1000, '{MADE}', 1)",
            ((one, f"{one:064d}") for one in ids),
        )
        database.executemany(
            "INSERT INTO campaign_creative (campaign_id, creative_id, launched_on, created_at, run_id) "
            f"VALUES (?, ?, ?, '{MADE}', 1)",
            ((one % 10 + 1, one, day.isoformat()) for one, day in zip(ids, launched, strict=True)),
        )
        database.executemany(
            "INSERT INTO score (creative_id, model_version_id, mean, std, distribution, ci_level, query_activations, "
            f"scored_at, run_id) VALUES (?, 1, ?, 1.0, '[1.0]', 0.9, '[]', '{MADE}', 1)",
            zip(ids, scores, strict=True),
        )
        database.executemany(
            "INSERT INTO embedding (creative_id, encoder_fingerprint, vector, run_id) VALUES (?, 'enc', ?, 1)",
            ((one, rng.normal(size=512).astype("<f2").tobytes()) for one in ids[-EMBEDDED:]),
        )


def deliver(path: Path, number: int) -> None:
    """Let creatives run for eight weeks each, 300 at a time."""
    from abkit.store.kpis.once.counting import settle_all
    from tests.monitoring_rows import Seed

    rng = np.random.default_rng(7)
    span = 56
    first = number - 40_000 if number > 80_000 else 1
    shown = [int(one) for one in np.linspace(first, number, RUNNING * DAYS // span)]
    store = Store(f"sqlite:///{path}")
    segment = Seed(store, 1, 1, 1).segment()
    store.close()
    with sqlite3.connect(path) as database:
        database.executemany(
            "INSERT INTO ad (id, platform, account, external_id, creative_name, campaign_id, run_id) "
            "VALUES (?, '', '', ?, '', ?, 1)",
            [(place, f"ad{place}", one % 10 + 1) for place, one in enumerate(shown, start=1)],
        )
        database.executemany(
            "INSERT INTO ad_creative (ad_id, creative_id, linked_by, run_id) VALUES (?, ?, 'name', 1)",
            list(enumerate(shown, start=1)),
        )
        rows = []
        for place in range(1, len(shown) + 1):
            start = LAST - timedelta(days=DAYS) + timedelta(days=int(DAYS * place / len(shown)))
            for day in range(span):
                on = (start + timedelta(days=day)).isoformat()
                rows.append((place, segment, on, on, 2000, int(rng.poisson(40))))
        database.executemany(
            "INSERT INTO kpi (ad_id, segment_id, period_start, period_end, event, attribution_window, currency, "
            "impressions, clicks, conversions, kpi_import_id) VALUES (?, ?, ?, ?, '', '', '', ?, ?, 0, 1)",
            rows,
        )
    store = Store(f"sqlite:///{path}")
    with store.write() as session:
        settle_all(session)
    store.close()


def check(path: Path, as_of: date, what: str) -> None:
    command = [sys.executable, __file__, "--check", str(path), "--as-of", as_of.isoformat()]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    said = json.loads(done.stdout)
    print(f"{what}: {said['wall']:.1f} s, {said['processor']:.1f} s of a processor, {said['mib']:,.0f} MiB; "
          f"{said['decision']}")  # fmt: skip


def measure(path: Path, as_of: date) -> None:
    began, before = time.monotonic(), time.process_time()
    store = Store(f"sqlite:///{path}")
    report = check_drift(store, Settings(), as_of=as_of)
    wall, processor = time.monotonic() - began, time.process_time() - before
    store.close()
    mib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(json.dumps({"wall": wall, "processor": processor, "mib": mib, "decision": report.headline}))


if __name__ == "__main__":
    main()
