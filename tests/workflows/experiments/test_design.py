"""Which pairs are worth a test: from scores and delivery in the store."""

from datetime import date

import numpy as np
import pytest
from sqlalchemy import select, update

from abkit.errors import AbkitError
from abkit.stats.design.power import Design
from abkit.store import models
from abkit.store.catalog.ideas import put_together
from abkit.store.database.engine import Store
from abkit.store.runs import recorded_run
from abkit.store.schema import Creative, ModelVersion
from abkit.workflows.experiments.design import design_from_scores
from tests.monitoring_rows import Seed, seeded

DAY = date(2025, 2, 1)


@pytest.fixture
def seed(sqlite_store: Store) -> Seed:
    made = seeded(sqlite_store)
    with recorded_run(sqlite_store, "promote", {}) as run, sqlite_store.write() as session:
        version = session.get_one(ModelVersion, made.version_id)
        models.promote(session, run, version, segment="", by="Ana", why="for the test")
    return made


def deliver(seed: Seed, campaigns: int, slope: float) -> None:
    rng = np.random.default_rng(1)
    for number in range(campaigns):
        scores = rng.normal(5, 1, 8)
        ads = seed.creatives(f"past-{number}", scores.tolist())
        clicks = rng.binomial(20_000, 0.02 * np.exp(slope * (scores - 5)))
        seed.kpis(
            [
                {"ad_id": ad, "day": DAY, "impressions": 20_000, "clicks": int(n), "conversions": 0}
                for ad, n in zip(ads, clicks, strict=True)
            ]
        )


def test_a_fitted_relation_says_which_pairs_are_worth_a_test_and_how_long_it_takes(seed: Seed) -> None:
    deliver(seed, 5, 0.2)
    seed.creatives("spring", [4.0, 5.0, 5.01])
    report = design_from_scores(seed.store, "spring", as_of=date(2025, 3, 1), design=Design(daily_traffic=50_000))
    assert report.relation.log_lift_per_point == pytest.approx(0.2, abs=0.06)
    assert report.baseline == pytest.approx(0.02, rel=0.15)
    assert "everything delivered so far" in report.baseline_from
    first, last = report.pairs[0], report.pairs[-1]
    assert first.expected_lift == pytest.approx(np.expm1(report.relation.log_lift_per_point * first.score_gap))
    assert first.worth_testing
    assert first.size is not None
    assert first.size.days is not None
    assert not last.worth_testing


def test_without_a_relation_no_pair_is_recommended_and_the_reason_is_given(seed: Seed) -> None:
    seed.creatives("spring", [4.0, 6.0])
    report = design_from_scores(seed.store, "spring", as_of=date(2025, 3, 1), design=Design(), baseline=0.02)
    assert report.relation.log_lift_per_point is None
    assert "the relation takes at least 10" in report.relation.note
    assert not report.pairs[0].worth_testing


def test_what_is_missing_is_said(seed: Seed) -> None:
    options = {"as_of": DAY, "design": Design()}
    seed.creatives("one", [4.0])
    seed.creatives("two", [4.0, 5.0])
    with pytest.raises(AbkitError, match="one has 1 scored variant"):
        design_from_scores(seed.store, "one", **options)  # type: ignore[arg-type]
    with pytest.raises(AbkitError, match="no CTR is known yet"):
        design_from_scores(seed.store, "two", **options)  # type: ignore[arg-type]
    with pytest.raises(AbkitError, match="no campaign 'none'"):
        design_from_scores(seed.store, "none", **options)  # type: ignore[arg-type]


def test_where_nothing_says_how_wrong_scores_can_be_the_better_of_two_is_a_guess(seed: Seed) -> None:
    """Query sets that agree with each other may all be wrong: their spread says nothing about that."""
    seed.creatives("spring", [4.0, 6.0])  # by a version whose card has neither an interval nor a calibration of pairs
    report = design_from_scores(seed.store, "spring", as_of=date(2025, 3, 1), design=Design(), baseline=0.02)
    assert report.pairs[0].chance_scored_right == 0.5


def test_only_creatives_of_one_shape_are_paired_and_sizes_of_one_idea_never(seed: Seed) -> None:
    seed.creatives("spring", [4.0, 5.0, 6.0, 7.0])
    with seed.store.write() as session:
        ids = session.scalars(select(Creative.id).order_by(Creative.id)).all()
        for id_, (width, height) in zip(ids, [(1080, 1080), (540, 541), (1080, 1920), (720, 1280)], strict=True):
            session.execute(update(Creative).where(Creative.id == id_).values(width=width, height=height))
    options = {"as_of": date(2025, 3, 1), "design": Design(), "baseline": 0.02}
    report = design_from_scores(seed.store, "spring", **options)  # type: ignore[arg-type]
    assert [(pair.score_gap, report.other_shapes) for pair in report.pairs] == [(1.0, 4), (1.0, 4)]
    with recorded_run(seed.store, "test", {}) as run, seed.store.write() as session:
        put_together(session, run, ids[:2], name="")
    (pair,) = design_from_scores(seed.store, "spring", **options).pairs  # type: ignore[arg-type]
    assert pair.score_gap == 1.0
    with recorded_run(seed.store, "test", {}) as run, seed.store.write() as session:
        put_together(session, run, ids[2:], name="")
    with pytest.raises(AbkitError, match="no two scored variants of spring have one shape"):
        design_from_scores(seed.store, "spring", **options)  # type: ignore[arg-type]
