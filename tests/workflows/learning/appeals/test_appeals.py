"""Appeal from the store: what counts, what experiments say, what is kept and read back."""

from __future__ import annotations

from datetime import date, timedelta

import numpy as np
import pytest
from sqlalchemy import func, select

from abkit.config import Settings
from abkit.errors import UsageError
from abkit.store.catalog import campaigns
from abkit.store.database import migrate
from abkit.store.database.engine import Store
from abkit.store.schema import Appeal, Run
from abkit.workflows.experiments.experiments import analyze_experiment, create_experiment, decide_experiment
from abkit.workflows.experiments.plan import ExperimentPlan
from abkit.workflows.learning.appeals.appeals import StoredAppeals, find_appeals, read_appeals, record_appeals
from tests.monitoring_rows import Seed, seeded

START, LATER = date(2025, 3, 3), date(2025, 12, 31)
RATES = {"spring": [0.02, 0.03, 0.01], "summer": [0.04, 0.04]}


@pytest.fixture
def seed(sqlite_store: Store) -> Seed:
    return delivered(seeded(sqlite_store))


@pytest.fixture
def engines(store: Store) -> Seed:
    """The same on each engine, for what SQL decides."""
    return delivered(seeded(store))


def delivered(seed: Seed) -> Seed:
    """Six days of two campaigns; the second half of the days is twice as good for everybody."""
    for campaign, rates in RATES.items():
        ads = seed.creatives(campaign, [None] * len(rates))
        seed.kpis(
            [
                {
                    "ad_id": ad, "day": START + timedelta(day), "impressions": 5000,
                    "clicks": 5000 * rate * (1 + day // 3), "conversions": 5, "spend": 10.0, "revenue": 100 * rate,
                }
                for ad, rate in zip(ads, rates, strict=True)
                for day in range(6)
            ]
        )  # fmt: skip
    return seed


def found(seed: Seed, **options: object) -> StoredAppeals:
    with seed.store.read() as session:
        return find_appeals(session, Settings(), **{"metric": "ctr", "as_of": LATER, **options})  # type: ignore[arg-type]


def by_name(appeals: StoredAppeals) -> dict[str, dict[str, object]]:
    return {row["creative"] or f"{row['campaign']} {row['creative_id']}": row for row in appeals.rows()}


def test_appeal_is_relative_to_the_campaign_and_the_best_come_first(engines: Seed) -> None:
    rows = found(engines).rows()
    assert [row["campaign"] for row in rows] == ["spring"] * 3 + ["summer"] * 2
    values = [row["appeal"] for row in rows]
    assert values == pytest.approx([np.log(1.5), 0, np.log(0.5), 0, 0], abs=2e-3)
    assert {row["source"] for row in rows} == {"observational"}
    assert all(row["identified"] and row["ci_low"] < row["appeal"] < row["ci_high"] for row in rows)


def test_only_the_campaigns_days_and_segments_that_are_asked_for_count(engines: Seed) -> None:
    assert {row["campaign"] for row in found(engines, campaigns=["summer"]).rows()} == {"summer"}
    half = found(engines, first=START + timedelta(3))
    assert half.appeals.exposure.tolist() == [15_000.0] * 5
    assert found(engines, as_of=START).appeals.exposure.tolist() == [5000.0] * 5
    elsewhere = found(engines, segment="placement=feed")
    assert elsewhere.rows() == []
    assert elsewhere.notes[0].startswith("nothing was delivered")


@pytest.mark.parametrize(
    ("metric", "best"),
    [("ctr", 0.03), ("cpc", 0.03), ("roas", 0.03), ("revenue_per_impression", 0.03), ("cvr", 0.01)],
)
def test_every_kpi_has_an_appeal_and_more_of_it_is_better(seed: Seed, metric: str, best: float) -> None:
    appeals = found(seed, metric=metric, campaigns=["spring"])
    first = appeals.rows()[0]
    assert RATES["spring"][[1, 2, 3].index(first["creative_id"])] == best
    assert appeals.events == ("clicks" if metric in ("ctr", "cpc") else "conversions")


def test_amounts_have_the_noise_of_the_conversions_that_bring_them(seed: Seed) -> None:
    appeals = found(seed, metric="revenue_per_impression", campaigns=["spring"]).appeals
    assert appeals.events.sum() == pytest.approx(3 * 6 * 5)
    assert appeals.variance[0] >= 1 / appeals.expected[0]


def test_the_margin_an_unknown_campaign_and_no_kpi_are_refused(seed: Seed) -> None:
    with pytest.raises(UsageError, match="margin"):
        found(seed, metric="margin")
    with pytest.raises(UsageError, match="no campaign 'autumn'"):
        found(seed, campaigns=["autumn"])


def test_a_creative_that_ran_alone_says_why_it_has_no_appeal(seed: Seed) -> None:
    (ad,) = seed.creatives("alone", [None])
    seed.kpis([{"ad_id": ad, "day": START, "impressions": 1000, "clicks": 30}])
    row = found(seed, campaigns=["alone"]).rows()[0]
    assert (row["identified"], row["appeal"]) == (False, None)
    assert row["why_not"] == "never shown beside another creative of its campaign"


def test_what_a_run_found_is_kept_and_read_back_as_it_was(engines: Seed) -> None:
    (ad,) = engines.creatives("alone", [None])
    engines.kpis([{"ad_id": ad, "day": START, "impressions": 1000, "clicks": 30}])
    kept = record_appeals(engines.store, Settings(), metric="ctr", as_of=LATER)
    assert kept.run_id is not None
    with engines.store.read() as session:
        again = read_appeals(session, kept.run_id)
        assert session.scalars(select(Run.what).where(Run.id == kept.run_id)).one() == "kpi appeal"
    assert again is not None
    assert again.rows() == kept.rows()
    assert again.appeals.group.tolist() == kept.appeals.group.tolist()
    assert (again.appeals.spread, again.version) == (kept.appeals.spread, kept.version)


def test_what_is_kept_goes_with_the_campaign_and_leaves_with_the_migration(engines: Seed) -> None:
    record_appeals(engines.store, Settings(), metric="ctr", as_of=LATER)
    with engines.store.write() as session:
        campaigns.merge(session, "summer", "spring")
        assert session.scalars(select(func.count(Appeal.id))).one() == 3
    migrate.downgrade(engines.store, "0022_campaigns")
    migrate.upgrade(engines.store)
    assert len(found(engines).rows()) == 5


def experiment(seed: Seed, **changes: object) -> None:
    shown = {"variants": {"old": "spring-0", "new": "spring-1"}, "unit": "impression", "allocation": "random"}
    plan = ExperimentPlan(
        **{"key": "t", **shown, "starts_on": START, "ends_on": START + timedelta(2), **changes}  # type: ignore[arg-type]
    )
    create_experiment(seed.store, plan)
    analyze_experiment(seed.store, "t", as_of=START + timedelta(2))
    decide_experiment(
        seed.store, "t", "undecided", variant=None, person="Ana", reason="it is enough", as_of=START + timedelta(3)
    )


def test_a_decided_experiment_with_random_allocation_is_causal_and_its_delivery_counts_once(engines: Seed) -> None:
    experiment(engines)
    appeals = found(engines)
    of_trial = [row for row in appeals.rows() if row["source"] == "randomized"]
    assert [row["experiment"] for row in of_trial] == ["t", "t"]
    assert of_trial[0]["appeal"] - of_trial[1]["appeal"] == pytest.approx(np.log(1.5), abs=0.01)
    # Shares of impressions: 1/clicks − 1/impressions.
    assert of_trial[0]["variance"] == pytest.approx(1 / 450 - 1 / 15_000, rel=0.05)
    assert appeals.causal.tolist() == [False] * 5 + [True] * 2
    exposure = {row["creative_id"]: row["exposure"] for row in appeals.rows() if row["source"] == "observational"}
    assert exposure[1] == exposure[2] == 15_000
    assert of_trial[0]["exposure"] == 15_000


@pytest.mark.parametrize(
    ("changes", "note"),
    [
        ({"allocation": "optimized"}, "experiment t is left out: the platform chose who saw what"),
        ({"split": (0.8, 0.2)}, "experiment t is left out: a guard blocked it"),
        ({"variants": {"old": "spring-0", "new": "nobody"}}, "experiment t is left out: a guard blocked it"),
    ],
)
def test_an_experiment_that_says_nothing_is_named_and_its_delivery_is_observational(
    seed: Seed, changes: dict[str, object], note: str
) -> None:
    experiment(seed, **changes)
    appeals = found(seed)
    assert appeals.notes == (note,)
    assert not appeals.causal.any()
    assert appeals.appeals.exposure.tolist() == [30_000.0] * 5


def test_an_experiment_on_another_kpi_or_decided_later_does_not_count(seed: Seed) -> None:
    experiment(seed)
    assert not found(seed, metric="cpc").causal.any()
    assert not found(seed, as_of=START + timedelta(2)).causal.any()


def arms_with(seed: Seed, clicks: tuple[float, float], split: tuple[float, float] = (0.5, 0.5)) -> None:
    """Three days of a campaign whose two creatives are the arms of an experiment, with 2,000 impressions a day."""
    ads = seed.creatives("arms", [None] * 2)
    seed.kpis(
        [
            {"ad_id": ad, "day": START + timedelta(day), "impressions": 2000 * share, "clicks": count}
            for ad, count, share in zip(ads, clicks, split, strict=True)
            for day in range(3)
        ]
    )
    experiment(seed, variants={"old": "arms-0", "new": "arms-1"}, split=split)


def test_an_experiment_without_a_finite_lift_is_named_and_its_delivery_is_observational(seed: Seed) -> None:
    arms_with(seed, (11, 0), split=(0.9, 0.1))  # too few were expected of the second one for a guard to block
    appeals = found(seed, campaigns=["arms"])
    assert "experiment t is left out: its figures give no finite interval of the lift" in appeals.notes
    assert not appeals.causal.any()
    assert appeals.appeals.exposure.tolist() == [5400.0, 600.0]


def test_an_arm_in_which_all_succeed_has_a_variance_and_a_posterior(seed: Seed) -> None:
    arms_with(seed, (900, 1000))
    appeals = found(seed, campaigns=["arms"])
    figures = appeals.appeals
    assert figures.identified[appeals.causal].tolist() == [True, True]
    assert (figures.variance[appeals.causal] > 0).all()
    assert np.isfinite(figures.shrunk[appeals.causal]).all()
