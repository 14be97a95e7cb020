"""What geographies did before the test is taken out: less noise, the same effect and error, and both are shown."""

from datetime import timedelta
from typing import Any

import numpy as np
import pytest

from abkit.errors import AbkitError
from abkit.reporting.tables.show import view
from abkit.stats.means.covariates import UnitsBefore, compare_ratios_with_covariate
from abkit.store.database.engine import Store
from abkit.store.kpis.money import Figures
from abkit.store.kpis.once.counting import recount
from abkit.store.schema import Ad, Kpi, Segment
from abkit.workflows.experiments.arms import Arm
from abkit.workflows.experiments.experiments import analyze_experiment, create_experiment, history
from abkit.workflows.experiments.looks.analyze import analyze
from abkit.workflows.experiments.looks.results import Analysis
from abkit.workflows.experiments.plan import ExperimentPlan
from tests.workflows.experiments.deliveries import Deliveries
from tests.workflows.experiments.designs import START, placed


def world(seed: int, *, lift: float = 0.0, count: int = 20) -> tuple[list[Arm], dict[str, Figures]]:
    """Geographies whose rates differ by 30 % and stay as they were, in two arms, and their former figures."""
    rng = np.random.default_rng(seed)
    treated = rng.permutation(count) % 2
    rates = 0.01 * np.exp(rng.normal(0, 0.3, count))
    shown, before = rng.integers(200_000, 400_000, count), rng.integers(100_000, 300_000, count)
    clicks = rng.binomial(shown, rates * (1 + lift * treated))
    former = {f"G{i:02}": Figures(int(before[i]), int(rng.binomial(before[i], rates[i]))) for i in range(count)}
    arms = [
        placed(key, {f"G{i:02}": Figures(int(shown[i]), int(clicks[i])) for i in range(count) if treated[i] == side})
        for side, key in enumerate("ab")
    ]
    return arms, former


def looked(arms: list[Arm], former: dict[str, Figures] | None, **changes: Any) -> Analysis:
    options = {
        "key": "t", "variants": {"a": "a", "b": "b"}, "unit": "geography", "allocation": "random",
        "starts_on": START, "ends_on": START + timedelta(27), "before": 28,
    } | changes  # fmt: skip
    return analyze(ExperimentPlan(**options), arms, as_of=START + timedelta(28), former=former)  # type: ignore[arg-type]


def test_a_lift_that_the_noise_hides_is_found_and_both_figures_are_shown() -> None:
    arms, former = world(3, lift=0.2)
    found, plain = looked(arms, former), looked(arms, None, before=None)
    one = found.treatments[0].adjustment
    assert one is not None
    assert one.raw.lift == plain.treatments[0].fixed.lift  # type: ignore[union-attr]
    assert one.variance_kept < 0.2
    assert (found.verdict, plain.verdict) == ("better", "undecided")
    lift = found.treatments[0].fixed.lift  # type: ignore[union-attr]
    assert lift.ci_low < 0.2 < lift.ci_high
    said = [line for line in view(found).sentences if "adjusted by the CTR of the 28 days before 2026-03-02" in line]
    assert len(said) == 1
    assert "without it the lift is" in said[0]


def test_it_is_about_what_cuped_for_ratios_gives() -> None:
    arms, former = world(4, lift=0.1)
    sides = []
    for arm in arms:
        own = {segment[2]: figures for segment, figures in arm.delivery.by_segment.items()}
        rows = [(*one[1::-1], *former[name][1::-1]) for name, one in own.items()]
        sides.append(UnitsBefore.of(*np.array(rows).T))
    theirs = compare_ratios_with_covariate(*sides)
    ours = looked(arms, former).treatments[0]
    assert ours.fixed is not None
    assert ours.adjustment is not None
    assert ours.fixed.difference.estimate == pytest.approx(theirs.adjusted.difference.estimate, rel=0.1)
    assert ours.adjustment.variance_kept == pytest.approx(theirs.variance_kept, rel=0.5)


def test_without_an_effect_it_says_caused_no_more_often_than_5_percent() -> None:
    found = [looked(*world(100 + number, count=12)).verdict for number in range(60)]
    wrong = sum(verdict in ("better", "worse") for verdict in found)
    assert wrong / 60 <= 0.05 + 2 * np.sqrt(0.05 * 0.95 / 60)


def test_geographies_without_a_past_stay_as_they_are_and_too_few_with_one_are_said() -> None:
    arms, former = world(5)
    some = looked(arms, {name: one for name, one in former.items() if name >= "G05"}).treatments[0].adjustment
    assert some is not None
    assert (some.units, some.without) == (20, 5)
    none = looked(arms, {})
    assert none.treatments[0].adjustment is None
    assert "not adjusted by former figures: 0 of 20 geographies have figures of before the test" in none.notes


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"unit": "impression"}, "the unit is impression"),
        ({"paired": True}, "each geography has all arms"),
        ({"starts_on": None}, "the test has no first day"),
        ({"before": 0}, "0 days before the test"),
    ],
)
def test_former_figures_where_there_are_none_are_refused(
    sqlite_store: Store, changes: dict[str, Any], said: str
) -> None:
    options = {
        "key": "t", "variants": {"a": "a", "b": "b"}, "unit": "geography", "allocation": "random", "before": 28,
        "starts_on": START, "ends_on": START + timedelta(27),
    } | changes  # fmt: skip
    with pytest.raises(AbkitError, match=said):
        create_experiment(sqlite_store, ExperimentPlan(**options))  # type: ignore[arg-type]


def test_the_store_has_the_former_figures_of_all_ads(store: Store) -> None:
    made, rng = Deliveries(store), np.random.default_rng(6)
    with store.write() as session:
        ads = [Ad(external_id=name, run_id=made.run) for name in ("A", "B", "OLD")]
        places = [Segment(country=f"C{i:02}") for i in range(16)]
        session.add_all([*ads, *places])
        session.flush()
        rates = 0.02 * np.exp(rng.normal(0, 0.3, len(places)))
        for number, place in enumerate(places):
            for ad, day in ((ads[2], -10), (ads[number % 2], 3), (ads[number % 2], 13)):
                shown = int(rng.integers(20_000, 40_000))
                clicks = int(rng.binomial(shown, rates[number] * (1.15 if ad is ads[1] else 1)))
                when = START + timedelta(day)
                session.add(
                    Kpi(
                        ad_id=ad.id, segment_id=place.id, period_start=when, period_end=when, impressions=shown,
                        clicks=clicks, conversions=0, kpi_import_id=made.imported,
                    )
                )  # fmt: skip
        recount(session, [ad.id for ad in ads])
    options = {"unit": "geography", "starts_on": START, "ends_on": START + timedelta(13), "before": 14}
    plan = ExperimentPlan(key="t", variants={"old": "A", "new": "B"}, allocation="random", **options)  # type: ignore[arg-type]
    create_experiment(store, plan)
    found = analyze_experiment(store, "t", as_of=START + timedelta(14)).treatments[0]
    assert found.adjustment is not None
    assert (found.adjustment.units, found.adjustment.without) == (16, 0)
    assert found.adjustment.variance_kept < 0.5
    kept = history(store, "t")[0].result
    assert isinstance(kept, Analysis)
    assert kept.treatments[0].adjustment == found.adjustment
