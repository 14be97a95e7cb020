"""Experiments that money decides: costs that fall are better, one currency, what is not known is left out and said."""

import re
from datetime import timedelta
from typing import Any

import numpy as np
import pytest
from sqlalchemy import select, update
from statsmodels.stats.multitest import multipletests

from abkit.errors import AbkitError
from abkit.money import Rates
from abkit.reporting.tables.show import view
from abkit.stats.verdicts.verdict import arm_value
from abkit.store.database.engine import Store
from abkit.store.experiments import Delivery
from abkit.store.kpis.money import Figures
from abkit.store.kpis.once.counting import recount
from abkit.store.schema import Ad, Kpi, Segment
from abkit.vocabulary import Dimension, Metric
from abkit.workflows.experiments.arms import Arm
from abkit.workflows.experiments.experiments import create_experiment, history
from abkit.workflows.experiments.looks.results import Analysis
from abkit.workflows.experiments.units.geographies import Geographies
from abkit.workflows.experiments.units.geography import Places
from abkit.workflows.experiments.units.pairs import DayPairs
from tests.workflows.experiments.deliveries import START, Deliveries, look, plan

DAYS = 21


def shop(store: Store, *, days: int = DAYS, countries: tuple[str, ...] = ("",), **treatment: float) -> Deliveries:
    """Ads A and B with the same figures but for what `treatment` multiplies: cost, rate, buying, value."""
    made, rng = Deliveries(store), np.random.default_rng(4)
    with store.write() as session:
        places = [Segment(country=country) if country else None for country in countries]
        session.add_all([place for place in places if place])
        session.flush()
        season = np.exp(rng.normal(0, 0.1, days))
        for name in "AB":
            by = treatment if name == "B" else {}
            ad = Ad(external_id=name, run_id=made.run)
            session.add(ad)
            session.flush()
            for day in range(days):
                for place in places:
                    shown = int(rng.poisson(5000))
                    clicks = int(rng.binomial(shown, 0.03 * by.get("rate", 1) * season[day]))
                    bought = int(rng.binomial(clicks, 0.1 * by.get("buying", 1)))
                    session.add(
                        Kpi(
                            ad_id=ad.id, segment_id=place.id if place else made.segments[0], currency="EUR",
                            period_start=START + timedelta(day), period_end=START + timedelta(day), impressions=shown,
                            clicks=clicks, conversions=bought, kpi_import_id=made.imported,
                            spend=shown * 0.006 * by.get("cost", 1) * float(rng.uniform(0.95, 1.05)),
                            revenue=float(rng.gamma(4.0, 10.0 * by.get("value", 1), bought).sum()),
                        )
                    )  # fmt: skip
            recount(session, [ad.id])
    return made


def analyzed(store: Store, metric: str, day: int = DAYS - 1, rates: Rates | None = None, **changes: Any) -> Analysis:
    create_experiment(store, plan(metric=metric, planned_total=None, **changes))
    return look(store, day, rates=rates)


@pytest.mark.parametrize(
    ("metric", "treatment", "says"),
    [
        ("cpc", {"cost": 0.7}, "less per click than old"),
        ("cpa", {"buying": 1.6}, "less per conversion than old"),
        ("cpm", {"cost": 0.8}, "less per 1,000 impressions than old"),
        ("revenue_per_impression", {"value": 1.6}, "more revenue per 1,000 impressions than old"),
        ("revenue_per_conversion", {"value": 1.4}, "more revenue per conversion than old"),
        ("roas", {"value": 1.6}, "more revenue on what is spent than old"),
        ("margin", {"value": 1.8}, "more after spend per 1,000 impressions than old"),
    ],
)
def test_a_treatment_that_earns_more_or_costs_less_is_better(
    sqlite_store: Store, metric: str, treatment: dict[str, float], says: str
) -> None:
    shop(sqlite_store, **treatment)
    analysis = analyzed(sqlite_store, metric, margin_rate=0.6)
    verdict = analysis.treatments[0].verdict
    assert (verdict.state, analysis.verdict) == ("better", "better")
    assert says in verdict.sentence
    assert "caused by the variant" in verdict.sentence
    assert analysis.currency == "EUR"
    assert ("EUR" in verdict.sentence) == (metric != "roas")


def test_what_costs_more_is_worse_and_is_kept_so_in_the_store(store: Store) -> None:
    shop(store, cost=1.4)
    analysis = analyzed(store, "cpc")
    assert analysis.verdict == "worse"
    assert re.match(r"new costs 3\d\.\d % more per click than old", analysis.treatments[0].verdict.sentence)
    kept = history(store, "t")[0].result
    assert isinstance(kept, Analysis)
    assert (kept.metric, kept.currency, kept.verdict) == (Metric.CPC, "EUR", "worse")


def test_spend_is_a_guardrail_in_its_own_direction(sqlite_store: Store) -> None:
    shop(sqlite_store, cost=1.3)
    found = analyzed(sqlite_store, "ctr", guardrails={"cpm": 0.1, "roas": 0.5})
    guardrails = found.treatments[0].guardrails
    assert guardrails[Metric.CPM] is not None
    assert not guardrails[Metric.CPM].holds
    assert guardrails[Metric.ROAS] is not None
    assert guardrails[Metric.ROAS].holds


def test_a_day_whose_spend_is_not_known_is_left_out_of_money_and_said(sqlite_store: Store) -> None:
    shop(sqlite_store, cost=0.7)
    with sqlite_store.write() as session:
        first = session.scalars(select(Kpi.id).order_by(Kpi.id)).first()
        session.execute(update(Kpi).where(Kpi.id == first).values(spend=None))
    analysis = analyzed(sqlite_store, "cpc")
    assert analysis.verdict == "better"
    assert any("old: 1 days (4." in note and "left out of CPC, as spend" in note for note in analysis.notes)


def test_arms_in_two_currencies_are_refused_and_converted_only_by_a_table(sqlite_store: Store) -> None:
    shop(sqlite_store)
    with sqlite_store.write() as session:
        second = select(Ad.id).where(Ad.external_id == "B").scalar_subquery()
        session.execute(update(Kpi).where(Kpi.ad_id == second).values(currency="USD"))
    with pytest.raises(AbkitError, match=r"2 currencies and are not added up: EUR \(spend .*USD \(spend"):
        analyzed(sqlite_store, "cpm")
    found = look(sqlite_store, DAYS - 1, rates=Rates.of("EUR", [("USD", 0.7, None)], "rates.csv"))
    assert found.verdict == "better"
    assert any("was converted to EUR at 0.7 (rates.csv)" in note for note in found.notes)
    # Clicks have no currency.
    create_experiment(sqlite_store, plan(key="clicks", planned_total=None))


def test_a_lift_of_a_cost_is_planned_below_zero_and_can_be_futile(sqlite_store: Store) -> None:
    shop(sqlite_store)
    analysis = analyzed(sqlite_store, "cpm", lift=-0.5)
    assert analysis.verdict == "futile"
    assert "does not reach the planned lift of −50.0 %" in analysis.treatments[0].verdict.sentence


def test_watched_metrics_have_verdicts_with_one_false_discovery_rate_and_do_not_decide(store: Store) -> None:
    shop(store, buying=1.6)
    analysis = analyzed(store, "cpm", watch=["cpa", "roas", "ctr"])
    assert analysis.verdict == "undecided"
    assert [one.metric for one in analysis.watched] == [Metric.CPA, Metric.ROAS, Metric.CTR]
    p_values = [one.comparison.p_value for one in analysis.watched if one.comparison]
    assert [one.adjusted_p for one in analysis.watched] == pytest.approx(multipletests(p_values, method="fdr_bh")[1])
    assert [one.conclusion.state for one in analysis.watched if one.conclusion] == ["better", "better", "undecided"]
    shown = view(analysis)
    assert "does not decide" in str(shown.tables[1].title)
    assert any(line.startswith("watched, does not decide: CPA: new costs 3") for line in shown.sentences)
    kept = history(store, "t")[0].result
    assert isinstance(kept, Analysis)
    assert kept.watched == analysis.watched
    assert analysis.to_dict()["watched"][0]["metric"] == "cpa"


def test_money_is_watched_by_days_where_the_metric_that_decides_counts_impressions(sqlite_store: Store) -> None:
    shop(sqlite_store, cost=0.7)
    analysis = analyzed(sqlite_store, "ctr", watch=["cpc"])
    assert analysis.analyzed_by == "impressions"
    watched = analysis.watched[0]
    assert watched.comparison is not None
    assert watched.comparison.control.n == DAYS
    assert watched.conclusion is not None
    assert watched.conclusion.state == "better"


def test_revenue_is_capped_for_all_arms_alike_and_that_is_said(sqlite_store: Store) -> None:
    shop(sqlite_store)
    with sqlite_store.write() as session:
        last = session.scalars(select(Kpi.id).order_by(Kpi.id.desc())).first()
        session.execute(update(Kpi).where(Kpi.id == last).values(revenue=Kpi.revenue * 100))
    analysis = analyzed(sqlite_store, "roas", cap=0.95, watch=["cpc"])
    assert analysis.totals["new"].successes < 1.3 * analysis.totals["old"].successes
    said = next(note for note in analysis.notes if "is capped at" in note)
    assert said.startswith("ROAS is capped at ")
    assert "the 95.0 % quantile of all days of all arms: 3 of 42 are above it" in said
    assert not any("CPC is capped" in note for note in analysis.notes)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"metric": "cpa", "watch": ["cpa"]}, "cpa decides, and is to be watched as well"),
        ({"metric": "roas", "cap": 1.0}, "the cap is the quantile 1.0"),
        ({"metric": "cpa", "cap": 0.99}, "nothing is made of revenue"),
        ({"metric": "roas", "cap": 0.99, "unit": "user", "monitoring": "fixed"}, "no revenue of single users"),
        ({"watch": ["likes"]}, "the watched metric is 'likes'"),
    ],
)
def test_caps_and_watched_metrics_that_cannot_be_are_refused(
    sqlite_store: Store, changes: dict[str, Any], said: str
) -> None:
    with pytest.raises(AbkitError, match=said):
        create_experiment(sqlite_store, plan(**({"planned_total": None} | changes)))


@pytest.mark.parametrize("metric", [Metric.ROAS, Metric.CPA, Metric.MARGIN])
def test_ratios_of_money_err_as_often_as_they_say_when_days_are_shared(metric: Metric) -> None:
    rng, runs, wrong = np.random.default_rng(11), 400, 0
    for _ in range(runs):
        season, arms = np.exp(rng.normal(0, 0.3, 28)), []
        for name in ("a", "b"):
            bought = rng.poisson(20 * season)
            figures = [
                Figures(5000, 100, int(n), float(rng.uniform(90, 110) * one), float(rng.pareto(3.0, n).sum() * 40))
                for n, one in zip(bought, season, strict=True)
            ]
            days = {START + timedelta(day): one for day, one in enumerate(figures)}
            arms.append(Arm(key=name, share=0.5, delivery=Delivery(by_day=days)))
        pair = DayPairs(28).compare(arms[0], arms[1], metric, 0.95)
        assert pair is not None
        wrong += pair.fixed.significant
    assert wrong / runs <= 0.05 + 2 * np.sqrt(0.05 * 0.95 / runs)


def sparse(rng: np.random.Generator, rates: tuple[float, float], places: int = 0) -> list[Arm]:
    """Two arms that spend 100 a day (or in each of half the countries), and many get no conversion."""
    arms = []
    for number, (key, rate) in enumerate(zip("ab", rates, strict=True)):
        own = [Figures(5000, 100, int(rng.poisson(rate)), 100.0, 0.0) for _ in range(places or 28)]
        if places:
            by_segment = {
                tuple(f"{key}{place}" if part == "country" else "" for part in Dimension): one
                for place, one in enumerate(own)
            }
            shown = sum(one.conversions for one in own)
            by_day = {START + timedelta(day): Figures(5000, 100, shown / 28, 100.0, 0.0) for day in range(28)}
            arms.append(Arm(key=key, share=0.5, delivery=Delivery(by_day=by_day, by_segment=by_segment)))  # type: ignore[arg-type]
        else:
            arms.append(
                Arm(
                    key=key,
                    share=0.5,
                    delivery=Delivery(by_day={START + timedelta(day): one for day, one in enumerate(own)}),
                )
            )
        assert any(one.conversions == 0 for one in own), number
    return arms


def cost(figures: Any) -> float:
    counted = list(figures)
    return sum(one.spend for one in counted) / sum(one.conversions for one in counted)


def test_days_without_a_conversion_count_in_the_cost_of_one() -> None:
    arms = sparse(np.random.default_rng(11), (1.2, 2.0))
    found = DayPairs(14).compare(arms[0], arms[1], Metric.CPA, 0.95)
    assert found is not None
    truth = [cost(arm.delivery.by_day.values()) for arm in arms]
    assert [arm_value(found.fixed.control), arm_value(found.fixed.treatment)] == pytest.approx(truth)
    assert found.fixed.lift.estimate == pytest.approx(truth[1] / truth[0] - 1)


def test_geographies_without_a_conversion_count_in_the_cost_of_one() -> None:
    arms = sparse(np.random.default_rng(12), (1.0, 1.5), places=12)
    geographies = Geographies(Places(Dimension.COUNTRY), tuple(arms))
    assert geographies.counted(arms, Metric.CPA) == {"a": 12, "b": 12}
    found = geographies.compare(arms[0], arms[1], Metric.CPA, 0.95)
    assert found is not None
    truth = [cost(arm.delivery.by_segment.values()) for arm in arms]
    assert [arm_value(found.fixed.control), arm_value(found.fixed.treatment)] == pytest.approx(truth)
