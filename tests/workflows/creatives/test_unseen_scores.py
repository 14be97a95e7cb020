"""A version is not judged on creatives whose clicks it learned from, wherever scores are held against clicks."""

from datetime import date, timedelta

import numpy as np
import pytest

from abkit.config import Settings
from abkit.reporting.page.gather import gather
from abkit.reporting.tables.show import as_text
from abkit.store import trials
from abkit.store.database.engine import Store
from abkit.store.schema import ModelVersion
from abkit.vocabulary import ListeningVerdict
from abkit.workflows.correlate import correlate
from abkit.workflows.creatives.unseen_scores import LEARNED_FROM, unseen_scores
from abkit.workflows.learning.worth.worth import find_worth
from tests.monitoring_rows import Seed, seeded
from tests.store.test_trials import other_version, trial

START = date(2025, 3, 3)
LEARNED = START + timedelta(6)
LAST = START + timedelta(20)
SIZE = 10


@pytest.fixture
def seed(sqlite_store: Store) -> Seed:
    """Six campaigns whose scores repeat the clicks of the first half of creatives, and say nothing of the second."""
    seed, rng = seeded(sqlite_store), np.random.default_rng(5)
    for number in range(6):
        rates = 0.02 * np.exp(rng.normal(0, 0.4, SIZE))
        known = np.arange(SIZE) < SIZE // 2
        scores = np.where(known, 4 + np.log(rates / 0.02), 4 + rng.normal(0, 0.4, SIZE))
        launched = [START if one else LEARNED + timedelta(1) for one in known]
        ads = seed.creatives(f"c{number}", scores.tolist(), launched=launched)
        seed.kpis(
            [
                {"ad_id": ad, "day": day, "impressions": 4000, "clicks": round(4000 * rate)}
                for ad, rate, first in zip(ads, rates, launched, strict=True)
                for day in (first + timedelta(n) for n in range((LAST - first).days + 1))
            ]
        )
    with seed.store.write() as session:
        champion = other_version(session, seed.run_id)
        trials.write_trial(
            session, trial(champion, seed.run_id, challenger_id=seed.version_id, learned_until=LEARNED, attempt=1)
        )
    return seed


def test_correlate_leaves_out_what_the_version_learned_from_and_says_so(seed: Seed) -> None:
    (version,) = correlate(seed.store, Settings(), metric="ctr", as_of=LAST).versions
    assert {one.n for one in version.results} == {30}
    assert version.left_out[LEARNED_FROM].count == 30
    assert version.appeal is not None
    assert version.appeal.n == 30
    assert all(one.ci_low < 0 for one in version.results if one.ci_low is not None)


def test_the_chart_of_the_report_shows_the_creatives_that_the_estimate_rests_on(seed: Seed) -> None:
    correlate(seed.store, Settings(), metric="ctr", as_of=LAST)
    assert len(gather(seed.store, as_of=LAST).points) == 30


def test_what_listening_is_worth_counts_later_creatives_only(seed: Seed) -> None:
    with seed.store.read() as session:
        found = find_worth(session, Settings(), as_of=LAST, metric="ctr")
    assert found.creatives == 30
    assert found.left_out == {LEARNED_FROM: 30}
    assert found.verdict is not ListeningVerdict.SHOWN
    assert LEARNED_FROM in as_text(found)


def test_a_version_that_was_trained_by_hand_on_outcomes_is_named(seed: Seed) -> None:
    with seed.store.write() as session:
        version = session.get_one(ModelVersion, seed.version_id)
        version.card = {"data": {"metric": "ctr"}}
        for row in session.query(trials.RetrainTrial).all():
            row.challenger_id = None
    with seed.store.read() as session:
        version = session.get_one(ModelVersion, seed.version_id)
        assert "look at later launches only" in unseen_scores(session, version).note
        assert not unseen_scores(session, version).seen
