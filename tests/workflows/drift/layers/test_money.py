"""The relation and the level of a KPI of money: costs that double, revenue that the score no longer tells."""

from collections.abc import Iterator
from datetime import date, timedelta
from pathlib import Path

import numpy as np
import pytest

from abkit.config import Settings
from abkit.errors import AbkitError
from abkit.money import Rates
from abkit.reporting.tables.show import view
from abkit.store.database import migrate
from abkit.store.database.engine import Store
from abkit.vocabulary import Metric
from abkit.workflows.drift.check import check_drift
from abkit.workflows.drift.results import DriftReport, LayerResult
from tests.monitoring_rows import seeded

START, DAYS, BREAK = date(2025, 3, 3), 45, 31


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    """Two campaigns: clicks as ever; from day 31 on a click costs twice as much, and scores tell no revenue."""
    folder: Path = tmp_path_factory.mktemp("money")
    store = Store(f"sqlite:///{folder}/store.db")
    migrate.upgrade(store)
    seed, rng, rows = seeded(store), np.random.default_rng(2), []
    for campaign in range(2):
        z = rng.permutation(np.linspace(-1.5, 1.5, 14))
        for ad, one in zip(seed.creatives(f"c{campaign}", [float(4 + score) for score in z]), z, strict=True):
            for index in range(DAYS):
                after = index >= BREAK
                shown = int(rng.poisson(4000))
                clicks = int(rng.binomial(shown, 0.02))
                bought = int(rng.binomial(clicks, 0.15 * np.exp(0.0 if after else 0.35 * one)))
                rows.append(
                    {
                        "ad_id": ad, "day": START + timedelta(index), "impressions": shown, "clicks": clicks,
                        "conversions": bought, "revenue": float(rng.gamma(2.0, 20.0, bought).sum()),
                        "spend": clicks * (0.8 if after else 0.4) * float(rng.uniform(0.9, 1.1)),
                    }
                )  # fmt: skip
    seed.kpis(rows)
    yield store
    store.close()


def check(store: Store, metric: str, **options: object) -> DriftReport:
    options = {"current": f"days:{DAYS - BREAK}", "reference": f"days:{BREAK}"} | options
    return check_drift(store, Settings(), metric=metric, as_of=START + timedelta(DAYS - 1), **options)  # type: ignore[arg-type]


def layer(report: DriftReport, name: str) -> LayerResult:
    return next(one for one in report.results if one.layer == name)


def test_a_click_that_costs_twice_as_much_is_a_level_that_moved_and_clicks_have_not(world: Store) -> None:
    costs, clicks = check(world, "cpc"), check(world, "ctr")
    found = layer(costs, "kpi")
    assert (found.test, found.verdict) == ("cpc_level", "major")
    assert found.statistic == pytest.approx(np.log(2), abs=0.05)
    assert found.sentence.startswith("KPI level: CPC at equal age moved: +")
    assert (costs.metric, costs.currency) == (Metric.CPC, "EUR")
    assert (layer(clicks, "kpi").test, layer(clicks, "kpi").verdict) == ("ctr_level", "ok")


@pytest.mark.parametrize("metric", ["revenue_per_impression", "conversions_per_impression", "roas"])
def test_a_score_that_no_longer_tells_revenue_is_a_relation_lost(world: Store, metric: str) -> None:
    report = check(world, metric)
    found = layer(report, "relation")
    assert (found.verdict, report.decision, report.cause) == ("major", "retrain", "concept_shift")
    assert found.detail["reference"]["slope"] == pytest.approx(0.35 * 0.93, abs=0.12)
    assert found.detail["metric"] == metric


def test_what_conversions_cost_is_read_as_conversions_per_amount_spent(world: Store) -> None:
    found = layer(check(world, "cpa"), "relation")
    assert found.detail["reference"]["slope"] > 0.2
    assert "conversions per amount spent in the reference" in found.sentence


def test_currencies_are_one_and_a_margin_has_no_ratio(world: Store) -> None:
    with pytest.raises(AbkitError, match="no rate from EUR to CHF"):
        check(world, "roas", rates=Rates("CHF"))
    with pytest.raises(AbkitError, match="the margin may be zero or less"):
        check(world, "margin")
    report = check(world, "cpm", rates=Rates.of("CHF", [("EUR", 0.95, None)], "rates.csv"))
    assert report.currency == "CHF"
    assert any("converted to CHF at 0.95 (rates.csv)" in note for note in view(report).notes)
