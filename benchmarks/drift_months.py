"""A real year, month by month: what the standing check says of thumbnails and of how they were liked.

    ABKIT_TESTDATA=FOLDER python benchmarks/drift_months.py [--cache FOLDER] [--seed 0]

The protocol, written before the figures:

1. Thumbnails of `youtube_trending`, August 2020 to January 2022. The shipped queries are tuned on log(likes / views)
   within categories, as `learn_from_behavior.py` does it, of videos published until the end of February 2021. The
   model's own sample is the 52 videos of March and April 2021, which it has not learned from.
2. A category is a campaign, a video a creative, launched on the day it was published; its views and likes, one sum of
   its whole life, are impressions and clicks of that day. So nothing wears out, and there are no days between. Videos
   of November and December of which only a class of likes is known have a score and no delivery.
3. At the end of each month from May 2021 to December 2021 the product's check runs over a store with default settings,
   `reference = "model"` for images and scores, as a standing check would.
4. Printed: the decision and why, and each test that takes part in it with its verdict, its effect beside its floor, its
   p-value, and the sizes of both sides.

There is no truth to hold it against. What is known: the videos of December are mostly of another part of the source.
"""

import argparse
import csv
import os
from calendar import monthrange
from datetime import UTC, date, datetime, time
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from learn_from_behavior import Study

from abkit.config import DriftSettings, Settings
from abkit.store.database import migrate
from abkit.store.database.engine import Store
from abkit.store.models import ReferenceSample
from abkit.workflows.drift.check import check_drift
from abkit_model.checkpoint import default_checkpoint
from abkit_model.data.tokens import TokenCache, extract
from abkit_model.scorer import Scorer
from tests.monitoring_rows import Seed, seeded

LEARNED_UNTIL, SAMPLE_UNTIL = "2021-03", "2021-05"
MONTHS = [date(2021, month, monthrange(2021, month)[1]) for month in range(5, 13)]


def read(data: Path, cache: Path | None, seed: int) -> tuple[list[dict[str, str]], np.ndarray, np.ndarray]:
    """Return the videos, their embeddings and the scores of the tuned queries."""
    with (data / "youtube_trending" / "table.csv").open(encoding="utf-8") as file:
        rows = [row for row in csv.DictReader(file) if row["ratings_disabled"] != "True" and row["likes"] != "0"]
    scorer = Scorer.load(default_checkpoint())
    kept = TokenCache(cache, 12 * 2**30) if cache else None
    paths = [data / "youtube_trending" / "images" / row["image"] for row in rows]
    views = [extract(paths, scorer.encoder, cache=kept, mirrored=flip)[0] for flip in (False, True)]
    known = np.array([row["part"] == "counts" for row in rows])
    value = np.array([np.log(float(row["likes"]) / float(row["views"])) if row["views"] else 0.0 for row in rows])
    study = Study(scorer, views, value, [row["category"] for row in rows], [row["channel"] for row in rows])
    month = np.array([row["published"][:7] for row in rows])
    train = np.flatnonzero(known & (month < LEARNED_UNTIL))
    print(f"{len(rows)} videos; the queries learned from {len(train)} of them")
    return rows, views[0].embeddings, study.challenger(train, np.arange(len(rows)), seed)


def fill(
    store: Store, rows: list[dict[str, str]], embeddings: np.ndarray, scores: np.ndarray
) -> tuple[Seed, list[dict]]:
    """Write videos as creatives of their category; return what makes rows, and those of their delivery."""
    month = np.array([row["published"][:7] for row in rows])
    sample = (month >= LEARNED_UNTIL) & (month < SAMPLE_UNTIL)
    seed = seeded(store, reference=ReferenceSample(scores[sample], embeddings[sample].astype(np.float16)))
    print(f"the model's own sample: {int(sample.sum())} videos")
    everywhere, delivered = seed.segment(), []
    for category in sorted({row["category"] for row in rows}):
        mine = [k for k, row in enumerate(rows) if row["category"] == category and month[k] >= LEARNED_UNTIL]
        days = [date.fromisoformat(rows[k]["published"][:10]) for k in mine]
        ads = seed.creatives(
            category, [float(scores[k]) for k in mine], embeddings=embeddings[mine].astype("<f2"), launched=days
        )
        for ad, k, day in zip(ads, mine, days, strict=True):
            if rows[k]["part"] == "counts":
                shown, clicks = int(rows[k]["views"]), int(rows[k]["likes"])
                row = {"ad_id": ad, "segment_id": everywhere, "day": day, "impressions": shown, "clicks": clicks}
                delivered.append(row)
    return seed, delivered


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cache", type=Path, help="folder of encoded images")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    rows, embeddings, scores = read(Path(os.environ["ABKIT_TESTDATA"]), options.cache, options.seed)
    with TemporaryDirectory() as folder:
        store = Store(f"sqlite:///{Path(folder) / 'months.db'}")
        migrate.upgrade(store)
        seed, delivered = fill(store, rows, embeddings, scores)
        settings = Settings(drift=DriftSettings(reference="model"))
        known = date.min
        for day in MONTHS:
            # What a month delivered comes at its end, as an import would bring it.
            seed.kpis([row for row in delivered if known < row["day"] <= day])
            known = day
            now = datetime.combine(day, time(23), UTC)
            report = check_drift(store, settings, reference="model", current="creatives", as_of=day, now=now)
            print(f"\n{day:%B %Y}: {report.decision} ({report.layers_judged} of 5 layers judged)", flush=True)
            for reason in report.reasons:
                print(f"  because {reason}")
            for row in report.results:
                if row.explains or row.test in ("decoding", "formats", "rejected_rows"):  # nothing was imported
                    continue
                floor = "" if row.threshold is None else f" (floor {row.threshold:g})"
                effect = "–" if row.statistic is None else f"{row.statistic:.3f}{floor}"
                p = "–" if row.p_value is None else f"{row.p_value:.2g}"
                print(f"  {row.layer:9} {row.test:14} {row.verdict:18} {effect:24} p {p:8}", end=" ")
                print(f"n {row.n_reference} and {row.n_current}: {row.sentence}")
        store.close()


if __name__ == "__main__":
    main()
