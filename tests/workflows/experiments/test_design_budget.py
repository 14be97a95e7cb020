"""`experiment design` with a budget, from scores and delivery in the store: in clicks, conversions and money."""

from datetime import date, timedelta

import numpy as np
import pytest

from abkit.errors import AbkitError
from abkit.reporting.tables.show import view
from abkit.stats.design.power import Design, Mean
from abkit.stats.design.sample_size import smallest_lift
from abkit.store import models
from abkit.store.database.engine import Store
from abkit.store.runs import recorded_run
from abkit.store.schema import ModelVersion
from abkit.vocabulary import Metric
from abkit.workflows.experiments.design import DesignReport, MoneyQuestion, design_from_scores
from tests.monitoring_rows import Seed, seeded

DAY = date(2025, 2, 1)


def sold(store: Store, *, money: bool = True) -> Seed:
    """Campaigns of the past in which a point of score was worth a fifth, and one to be tested."""
    seed, rng = seeded(store), np.random.default_rng(1)
    with recorded_run(store, "promote", {}) as run, store.write() as session:
        models.promote(session, run, session.get_one(ModelVersion, seed.version_id), segment="", by="Ana", why="test")
    for number in range(4):
        scores = rng.normal(5, 1, 6)
        rows = []
        for ad, score in zip(seed.creatives(f"past-{number}", scores.tolist()), scores, strict=True):
            for day in range(3):
                clicks = int(rng.binomial(20_000, 0.02 * np.exp(0.2 * (score - 5))))
                bought = int(rng.binomial(clicks, 0.1))
                rows.append(
                    {"ad_id": ad, "day": DAY + timedelta(day), "impressions": 20_000, "clicks": clicks,
                     "conversions": bought} | ({"spend": 150.0, "revenue": 40.0 * bought} if money else {})
                )  # fmt: skip
        seed.kpis(rows)
    seed.creatives("spring", [4.0, 5.0, 6.5])
    return seed


def designed(store: Store, metric: str = "ctr", *, budget: float = 3000.0, **money: float) -> DesignReport:
    question = MoneyQuestion(cpm=7.5, budget=budget, **money)
    return design_from_scores(
        store, "spring", as_of=date(2025, 3, 1), design=Design(), metric=Metric(metric), money=question
    )


def test_a_budget_says_what_can_be_told_in_percent_and_in_money_and_orders_the_pairs(store: Store) -> None:
    sold(store)
    report = designed(store)
    plan = report.budget
    assert plan is not None
    assert report.currency == "EUR"
    assert plan.impressions == 400_000
    assert plan.smallest_lift is not None
    assert plan.smallest_gain == pytest.approx(plan.smallest_lift * report.baseline * 0.1 * 40 * 1000, rel=0.05)
    assert plan.enough
    best = report.pairs[0]
    assert best.budget is not None
    assert best.expected_lift == plan.planned_lift
    shown = view(report)
    assert "cost" in shown.tables[0].rows[0]
    assert "3,000 EUR buys 400,000 impressions" in " ".join(shown.sentences)
    assert report.to_dict()["budget"]["smallest_lift"] == plan.smallest_lift
    small = designed(store, budget=10.0).budget
    assert small is not None
    assert "at this budget no test can tell a lift under" in small.sentence


@pytest.mark.parametrize("metric", ["cvr", "conversions_per_impression", "cpc", "cpa", "roas", "margin"])
def test_metrics_of_conversions_and_money_have_a_baseline_and_noise_from_the_store(
    sqlite_store: Store, metric: str
) -> None:
    sold(sqlite_store)
    report = designed(sqlite_store, metric)
    assert report.metric is Metric(metric)
    assert report.budget is not None
    assert report.budget.smallest_lift is not None
    assert report.budget.smallest_gain is not None
    if metric in ("cpc", "cpa"):
        assert "drop" in report.budget.sentence
        assert report.pairs[0].expected_lift is None or report.pairs[0].expected_lift < 0
    if metric == "margin":
        assert "no relation of its logarithm" in report.relation.note
    if metric == "roas":
        # Conversions of one value at a fixed spend: the noise is that of their number, but for what score and day add.
        per_impression = 0.002
        least = smallest_lift(Mean(1.0, per_impression**-0.5), 200_000)
        assert report.budget.smallest_lift == pytest.approx(least, rel=0.35)


def test_what_is_not_known_is_said(sqlite_store: Store) -> None:
    sold(sqlite_store, money=False)
    with pytest.raises(AbkitError, match="no ROAS is known yet to plan with: that takes 30 conversions and spend"):
        designed(sqlite_store, "roas")
    report = designed(sqlite_store)
    assert report.budget is not None
    assert report.budget.smallest_gain is None
    assert any("what a lift is worth is not known" in note for note in report.notes)
    valued = designed(sqlite_store, value=2.0).budget
    assert valued is not None
    assert valued.smallest_lift is not None
    assert valued.smallest_gain == pytest.approx(valued.smallest_lift * report.baseline * 2.0 * 1000, rel=0.01)
    with pytest.raises(AbkitError, match="a baseline is given, and cpa is no rate"):
        design_from_scores(
            sqlite_store, "spring", as_of=date(2025, 3, 1), design=Design(), metric=Metric.CPA, baseline=3.0
        )
