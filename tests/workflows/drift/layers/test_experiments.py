"""Concordance in new experiments: how often the creative with the higher score wins, before and now."""

from datetime import date, timedelta

import pytest

from abkit.config import Settings
from abkit.store.database.engine import Store
from abkit.vocabulary import DriftVerdict
from abkit.workflows.drift.check import check_drift
from abkit.workflows.drift.results import LayerResult
from abkit.workflows.experiments.experiments import analyze_experiment, create_experiment, decide_experiment
from abkit.workflows.experiments.plan import ExperimentPlan
from tests.monitoring_rows import Seed, seeded

START = date(2025, 3, 3)
NOW = START + timedelta(days=60)
AS_OF = START + timedelta(days=69)


def experiment(seed: Seed, key: str, first: date, clicks: tuple[int, int]) -> None:
    """Two creatives of a campaign of their own, the second with the higher score, for three days; then a decision."""
    ads = seed.creatives(key, [3.0, 5.0], launched=[first, first])
    days = [first + timedelta(days=index) for index in range(3)]
    seed.kpis(
        [
            {"ad_id": ad, "day": day, "impressions": 3000, "clicks": n}
            for day in days
            for ad, n in zip(ads, clicks, strict=True)
        ]
    )
    variants = {"low": f"{key}-0", "high": f"{key}-1"}
    plan = ExperimentPlan(
        key=key, variants=variants, unit="impression", allocation="random", starts_on=first, ends_on=days[-1]
    )
    create_experiment(seed.store, plan)
    analyze_experiment(seed.store, key, as_of=days[-1])
    decide_experiment(seed.store, key, "undecided", variant=None, person="Ana", reason="enough", as_of=days[-1])


def found(store: Store, **drift: object) -> list[LayerResult]:
    settings = Settings(drift={"current": "days:10", "reference": "days:60", "alpha": 0.2, **drift})
    return [one for one in check_drift(store, settings, as_of=AS_OF).results if one.test == "experiments"]


@pytest.fixture
def tested(sqlite_store: Store) -> Seed:
    """Four experiments in which the higher score won, and four new ones in which it lost three times."""
    seed = seeded(sqlite_store)
    for number in range(4):
        experiment(seed, f"before-{number}", START + timedelta(days=5 * number), (60, 90))
        experiment(seed, f"now-{number}", NOW + timedelta(days=number), (60, 90) if number == 0 else (90, 60))
    return seed


def test_new_experiments_in_which_the_higher_score_loses_are_named(tested: Seed) -> None:
    (row,) = found(tested.store, min_creatives=4)

    assert (row.verdict, row.statistic, row.n_reference, row.n_current) == (DriftVerdict.WATCH, 0.25, 4, 4)
    assert row.sentence.startswith("Relation: in experiments the higher score wins less often than before: 25 % of 4 (")
    assert row.detail["lost"] == ["now-1", "now-2", "now-3"]
    assert row.explains
    assert len(row.detail["creatives"]) == 6

    (few,) = found(tested.store)
    assert few.verdict is DriftVerdict.INSUFFICIENT_DATA
    assert "4 before and 4 in the window; needed: 10 each" in few.sentence


def test_without_experiments_nothing_is_said(sqlite_store: Store) -> None:
    seeded(sqlite_store).creatives("spring", [4.0, 5.0])
    assert found(sqlite_store) == []
