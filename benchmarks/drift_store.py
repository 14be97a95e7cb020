"""The streams of `drift_false_alarms.py` through a store: does the product decide as the arrays of the benchmark do?"""

from datetime import UTC, datetime, time, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from drift_streams import EPOCH, WARM_UP, Account, Pool, Stream, make_stream, watch
from sqlalchemy import func, select

from abkit.config import DriftSettings, Settings
from abkit.store.database import migrate
from abkit.store.database.engine import Store
from abkit.store.models import ReferenceSample
from abkit.store.schema import Alert
from abkit.store.scores import CreativeSample
from abkit.workflows.drift.check import check_drift
from tests.monitoring_rows import seeded

BUDGET = "10 per year"  # the most alarms to agree on


def compare(sources: list[Pool], levels: np.ndarray, streams: int, weeks: int, seed: int, account_of) -> None:
    """Play streams through a store, day by day, and print where the two differ."""
    days = same = alarms = opened = 0
    largest: dict[str, float] = {}
    for index in range(streams):
        rng = np.random.default_rng([seed, index])
        account: Account = account_of(rng, index, 7 * weeks)
        stream = _halved(make_stream(sources[index % len(sources)], levels, account, rng))
        monitor = watch(stream, account, [BUDGET])[0]
        alarms += len(monitor.alarms)
        with TemporaryDirectory() as folder:
            store = Store(f"sqlite:///{Path(folder) / 'stream.db'}")
            migrate.upgrade(store)
            _fill(store, stream)
            settings = Settings(drift=DriftSettings(reference="model", false_alarms=BUDGET))
            for number, (decision, ps) in enumerate(monitor.said):
                as_of = EPOCH + timedelta(days=WARM_UP + number)
                now = datetime.combine(as_of, time(23), UTC)
                report = check_drift(store, settings, reference="model", current="creatives", as_of=as_of, now=now)
                found = {row.test: row.p_value for row in report.results}
                days, same = days + 1, same + (report.decision == decision)
                for test, p in ps.items():
                    other = found.get(test)
                    if p is not None and other is not None:
                        largest[test] = max(largest.get(test, 0.0), abs(p - other))
                    elif (p is None) != (other is None):
                        print(f"stream {index}, day {number}: {test} {p} in arrays, {other} in the store")
                if report.decision != decision:
                    print(f"stream {index}, day {number}: {decision} in arrays, {report.decision} in the store")
            with store.read() as session:
                opened += session.scalars(select(func.count(Alert.id))).one()
            store.close()
    shown = ", ".join(f"{test} {value:.2g}" for test, value in largest.items())
    print(f"{same} of {days} decisions agree; largest differences of p-values: {shown}")
    print(f"{alarms} alarms in arrays, {opened} alerts opened in the store, budget {BUDGET}")


def _halved(stream: Stream) -> Stream:
    """Return the stream with embeddings and scores as precise as a store keeps them."""
    half = stream.embeddings.astype("<f2").astype(np.float32)
    sample = stream.reference
    reference = CreativeSample(
        ids=(),
        scores=sample.scores.astype(np.float32).astype(np.float64),
        embeddings=sample.embeddings.astype("<f2").astype(np.float32),
    )
    return Stream(
        reference=reference,
        scores=stream.scores,
        embeddings=half,
        launch=stream.launch,
        campaign=stream.campaign,
        rows=stream.rows,
    )


def _fill(store: Store, stream: Stream) -> None:
    sample = stream.reference
    seed = seeded(store, reference=ReferenceSample(sample.scores, sample.embeddings.astype(np.float16)))
    ads: list[int] = []
    for label in np.unique(stream.campaign):
        mine = np.flatnonzero(stream.campaign == label)
        ads += seed.creatives(
            f"campaign-{label:04d}",
            [float(score) for score in stream.scores[mine]],
            embeddings=stream.embeddings[mine],
            launched=[EPOCH + timedelta(days=int(day)) for day in stream.launch[mine]],
        )
    segments = [seed.segment(placement=name) for name in ("feed", "story")]
    seed.kpis(
        [
            {
                "ad_id": ads[creative],
                "segment_id": segments[segment],
                "day": EPOCH + timedelta(days=int(day)),
                "impressions": int(shown),
                "clicks": int(clicks),
            }
            for creative, _, segment, day, shown, clicks, _ in stream.rows.tolist()
        ]
    )
