"""Scores against costs and revenue: one currency, creatives without a value are counted, noise has a ceiling."""

from datetime import date, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy import stats
from sqlalchemy import select

from abkit.config import Settings
from abkit.errors import AbkitError
from abkit.money import Rates
from abkit.reporting.charts.score_kpi import correlation_chart
from abkit.reporting.page.gather import gather
from abkit.reporting.page.page import render_report
from abkit.reporting.tables.show import view
from abkit.store.database.engine import Store
from abkit.store.schema import CorrelationResult
from abkit.workflows.correlate import CorrelationReport, correlate
from abkit.workflows.learning.appeals.appeals import find_appeals
from tests.monitoring_rows import Seed, seeded

DAY = date(2025, 3, 3)
LATER = date(2025, 12, 31)
SCORES = [1.0, 2.5, 2.0, 4.0, 3.5, 5.0]
SPEND = [10.0, 20.0, 30.0, 15.0, 25.0, 40.0]
REVENUE = [20.0, 90.0, 75.0, 70.0, 60.0, 210.0]


@pytest.fixture
def seed(store: Store) -> Seed:
    return seeded(store)


def deliver(seed: Seed, ads: list[int], *, days: int = 3, **changes: Any) -> None:
    """Days with the same sums as SPEND and REVENUE of each ad, unevenly spread."""
    weights = np.arange(1, days + 1) / np.arange(1, days + 1).sum()
    rows = [
        {
            "ad_id": ad, "day": DAY + timedelta(day), "impressions": 5_000, "clicks": 50, "conversions": 4,
            "spend": spend * weight, "revenue": revenue * weights[day - 1],
        } | changes
        for ad, spend, revenue in zip(ads, SPEND, REVENUE, strict=False)
        for day, weight in enumerate(weights)
    ]  # fmt: skip
    seed.kpis(rows)


def run(seed: Seed, metric: str, **options: Any) -> CorrelationReport:
    return correlate(seed.store, Settings(), metric=metric, as_of=LATER, **options)


def plcc(report: CorrelationReport) -> float:
    return next(r.estimate for r in report.versions[0].results if (r.scope, r.statistic) == ("all", "plcc"))  # type: ignore[return-value]


@pytest.mark.parametrize(
    ("metric", "values"),
    [
        ("cpc", np.array(SPEND) / 150),
        ("cpa", np.array(SPEND) / 12),
        ("cpm", np.array(SPEND) / 15),
        ("revenue_per_impression", np.array(REVENUE) / 15),
        ("revenue_per_conversion", np.array(REVENUE) / 12),
        ("roas", np.array(REVENUE) / SPEND),
        ("margin", (0.5 * np.array(REVENUE) - SPEND) / 15),
    ],
)
def test_each_metric_of_money_is_correlated_as_scipy_does(seed: Seed, metric: str, values: np.ndarray) -> None:
    deliver(seed, seed.creatives("spring", SCORES))

    report = run(seed, metric, margin_rate=0.5)

    assert report.currency == "EUR"
    assert plcc(report) == pytest.approx(stats.pearsonr(SCORES, values)[0])
    assert [one.events / one.trials for one in report.versions[0].measured] == pytest.approx(list(values))


def test_creatives_without_a_value_are_left_out_and_counted(sqlite_store: Store) -> None:
    seed = seeded(sqlite_store)
    ads = seed.creatives("spring", [*SCORES, 3.0, 3.1, 3.2])
    deliver(seed, ads[:6])
    shared = {"day": DAY, "impressions": 5_000, "clicks": 50, "conversions": 4, "revenue": 9.0}
    seed.kpis([{"ad_id": ads[6], **shared}, {"ad_id": ads[7], **shared, "spend": 0.0}])
    seed.kpis([{"ad_id": ads[8], **shared, "spend": 5.0}, {"ad_id": ads[8], **shared, "day": LATER}])

    report = run(seed, "roas")

    left = {reason: one.count for reason, one in report.versions[0].left_out.items()}
    assert left == {"creatives without ROAS: spend and revenue of all their rows is not known, or spend is 0": 3}
    assert any("left out: 3 creatives without ROAS" in note for note in view(report).notes)
    few = run(seed, "cpa").versions[0].left_out
    assert few["creatives with fewer than 5 conversions"].count == 2


def test_no_money_at_all_is_refused_with_what_to_import(sqlite_store: Store) -> None:
    seed = seeded(sqlite_store)
    deliver(seed, seed.creatives("spring", SCORES), spend=None)
    with pytest.raises(AbkitError, match="no row has spend, which CPC is made of"):
        run(seed, "cpc")


def test_two_currencies_are_refused_until_a_table_says_what_they_are_worth(seed: Seed) -> None:
    ads = seed.creatives("spring", SCORES)
    deliver(seed, ads)
    deliver(seed, [ads[0]], days=1, currency="USD", impressions=0, day=LATER)
    assert run(seed, "ctr").currency == ""
    with pytest.raises(AbkitError, match=r"EUR \(spend 140.00, revenue 525.00\), USD \(spend 10.00"):
        run(seed, "roas")
    with pytest.raises(AbkitError, match="no rate from USD to EUR"):
        run(seed, "roas", rates=Rates.of("EUR", [("GBP", 1.1, None)], "rates.csv"))

    report = run(seed, "cpm", rates=Rates.of("EUR", [("USD", 0.5, None)], "rates.csv"))

    assert report.versions[0].measured[0].events == pytest.approx(1000 * (10 + 5))
    assert any("converted to EUR at 0.5 (rates.csv)" in note for note in view(report).notes)
    dated = Rates.of("EUR", [("USD", 0.5, None), ("USD", 0.25, LATER)])
    assert run(seed, "cpm", rates=dated).versions[0].measured[0].events == pytest.approx(1000 * (10 + 2.5))


def test_the_table_of_rates_may_stand_in_the_configuration(sqlite_store: Store, tmp_path: Path) -> None:
    seed = seeded(sqlite_store)
    ads = seed.creatives("spring", SCORES)
    deliver(seed, ads[:3])
    dollars = {"day": DAY, "impressions": 5_000, "clicks": 9, "spend": 4.0, "currency": "USD"}
    seed.kpis([{"ad_id": ad, **dollars} for ad in ads[3:]])
    (tmp_path / "rates.csv").write_text("currency,rate\nUSD,0.9\n")
    settings = Settings(workspace=tmp_path, money={"currency": "EUR", "rates": "rates.csv"})  # type: ignore[arg-type]
    report = correlate(seed.store, settings, metric="cpm", as_of=LATER)
    assert report.currency == "EUR"
    assert report.versions[0].measured[5].events == pytest.approx(1000 * 3.6)


def test_the_sampling_error_of_a_ratio_is_that_between_its_days(sqlite_store: Store) -> None:
    seed = seeded(sqlite_store)
    ads = seed.creatives("spring", SCORES)
    rng = np.random.default_rng(3)
    spend, revenue = rng.uniform(5, 15, (6, 14)), rng.gamma(2.0, 20.0, (6, 14))
    seed.kpis(
        [
            {"ad_id": ad, "day": DAY + timedelta(d), "impressions": 900, "clicks": 9, "conversions": 2,
             "spend": spend[i, d], "revenue": revenue[i, d]}
            for i, ad in enumerate(ads) for d in range(14)
        ]
    )  # fmt: skip

    found = run(seed, "roas").versions[0]

    ratio = revenue.sum(axis=1) / spend.sum(axis=1)
    left = revenue - ratio[:, None] * spend
    errors = np.sqrt(left.var(axis=1, ddof=1) / 14) / spend.mean(axis=1)
    assert [one.standard_error for one in found.measured] == pytest.approx(list(errors))
    reliability = 1 - np.mean(errors**2) / ratio.var(ddof=1)
    assert found.noise_ceiling == pytest.approx(np.sqrt(max(reliability, 0)))


def test_the_chart_the_report_and_the_store_name_the_currency(sqlite_store: Store) -> None:
    seed = seeded(sqlite_store)
    deliver(seed, seed.creatives("spring", SCORES))
    report = run(seed, "cpa")
    assert "CPA, EUR per conversion" in correlation_chart(report).to_json()
    assert view(report).tables[0].title.endswith("CPA (EUR per conversion)")
    with seed.store.read() as session:
        row = session.scalars(select(CorrelationResult)).first()
        assert (row.metric, row.filters["currency"]) == ("cpa", "EUR")  # type: ignore[union-attr]
    data = gather(seed.store, as_of=LATER)
    assert len(data.points) == 6
    page = render_report(data)
    assert '<td data-label="KPI">CPA, EUR per conversion</td>' in page


def test_the_sampling_error_is_in_the_currency_of_the_report(sqlite_store: Store) -> None:
    seed = seeded(sqlite_store)
    deliver(seed, seed.creatives("spring", SCORES))
    in_euros, in_francs = (
        run(seed, metric, rates=rates).versions[0].measured[0].standard_error
        for metric, rates in (("cpm", None), ("cpm", Rates.of("CHF", [("EUR", 2.0, None)])))
    )
    assert in_euros is not None
    assert in_francs == pytest.approx(2 * in_euros)
    shares = [
        run(seed, "roas", rates=rates).versions[0].measured[0].standard_error
        for rates in (None, Rates.of("CHF", [("EUR", 2.0, None)]))
    ]
    assert shares[0] == pytest.approx(shares[1])


def test_ads_that_are_left_out_need_no_rate(seed: Seed) -> None:
    deliver(seed, seed.creatives("spring", SCORES))
    alone = plcc(run(seed, "roas"))
    deliver(seed, seed.creatives("spring", [3.0], prefix="foreign", link=False), currency="USD")
    report = run(seed, "roas")
    assert (plcc(report), report.currency) == (alone, "EUR")
    assert report.versions[0].left_out["ads without a creative"].count == 1


def test_creatives_stand_in_one_order_whatever_the_order_of_their_rows(seed: Seed) -> None:
    ads = seed.creatives("spring", SCORES)
    for ad in reversed(ads):
        deliver(seed, [ad])
    report = run(seed, "ctr")
    assert [one.score for one in report.versions[0].measured] == SCORES


@pytest.mark.parametrize("change", range(1, 8))
def test_amounts_of_a_longer_period_are_converted_by_the_rates_of_its_days(seed: Seed, change: int) -> None:
    """A rate that changes within a week counted for all of it, or not at all, by the last day alone."""
    ads = seed.creatives("spring", SCORES)
    own = {"impressions": 5_000, "clicks": 50, "conversions": 4, "revenue": 0.0, "currency": "USD"}
    seed.kpis(
        [
            {"ad_id": ad, "period_start": DAY, "period_end": DAY + timedelta(6), "spend": spend, **own}
            for ad, spend in zip(ads, SPEND, strict=True)
        ]
    )
    rates = Rates.of("EUR", [("USD", 0.9, None), ("USD", 0.5, DAY + timedelta(change))])

    report = run(seed, "cpm", rates=rates)

    mean = sum(0.9 if day < change else 0.5 for day in range(7)) / 7
    found = sorted(one.events / one.trials for one in report.versions[0].measured)
    assert found == pytest.approx(sorted(np.array(SPEND) / 5 * mean))
    said = any("within the periods of 6 rows a rate changes" in note for note in report.money)
    assert said == (change < 7)
    with seed.store.read() as session:
        found_appeals = find_appeals(session, Settings(), metric="cpm", as_of=LATER, rates=rates)
    assert found_appeals.appeals.exposure.sum() == pytest.approx(sum(SPEND) * mean)
