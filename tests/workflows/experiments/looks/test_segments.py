"""Segments of an experiment: each with its interval, corrected for all that were tried, by the units drawn."""

from collections.abc import Sequence
from datetime import date, timedelta

import numpy as np
import pytest
from scipy.stats import false_discovery_control

from abkit.errors import AbkitError
from abkit.reporting.tables.show import view
from abkit.store.database.engine import Store
from abkit.store.experiments import Delivery
from abkit.store.kpis.money import Figures
from abkit.vocabulary import Dimension, Verdict
from abkit.workflows.experiments.arms import Arm
from abkit.workflows.experiments.experiments import create_experiment, history
from abkit.workflows.experiments.looks.analyze import analyze
from abkit.workflows.experiments.looks.results import Analysis
from abkit.workflows.experiments.plan import ExperimentPlan
from tests.workflows.experiments import designs
from tests.workflows.experiments.deliveries import Deliveries, look, plan
from tests.workflows.experiments.test_money import DAYS, shop

PLACES = tuple("ABCDEFGH")
DAY = designs.START


def world(rng: np.random.Generator, lifts: Sequence[float], *, shown: int = 20_000, days: int = 7) -> Analysis:
    """One look at two arms in eight countries with these lifts."""
    arms, by_segment = [], {}
    for number, key in enumerate(("old", "new")):
        cut: dict[str, dict[date, Figures]] = {}
        for place, lift in zip(PLACES, lifts, strict=True):
            clicks = rng.binomial(shown // days, 0.02 * (1 + lift * number), days)
            cut[place] = {DAY + timedelta(day): Figures(shown // days, int(n)) for day, n in enumerate(clicks)}
        by_day = {day: Figures() for day in cut["A"]}
        for series in cut.values():
            by_day = {day: figures.plus(series[day]) for day, figures in by_day.items()}
        arms.append(Arm(key=key, share=0.5, delivery=Delivery(by_day=by_day)))
        by_segment[key] = cut
    made = ExperimentPlan(
        key="t", variants={"old": "A", "new": "B"}, unit="impression", allocation="random",  # type: ignore[arg-type]
        monitoring="fixed", starts_on=DAY, ends_on=DAY + timedelta(days - 1),
    )  # fmt: skip
    return analyze(made, arms, as_of=DAY + timedelta(days), by=Dimension.COUNTRY, by_segment=by_segment)


def winners(analysis: Analysis) -> list[str]:
    (found,) = analysis.segments
    return [one.segment for one in found.segments if one.state in (Verdict.BETTER, Verdict.WORSE)]


def test_in_a_world_without_effect_some_segment_wins_in_at_most_one_look_of_twenty() -> None:
    rng = np.random.default_rng(11)
    rounds = 300
    called = naive = 0
    for _ in range(rounds):
        analysis = world(rng, [0.0] * 8)
        assert analysis.verdict is not Verdict.BLOCKED
        called += bool(winners(analysis))
        naive += any(one.p_value < 0.05 for one in analysis.segments[0].segments)
    assert called / rounds <= 0.05 + 2 * np.sqrt(0.05 * 0.95 / rounds)
    assert naive / rounds > 0.25  # what picking the best of eight would have called


def test_p_values_are_adjusted_over_all_segments_and_a_clear_segment_is_found() -> None:
    analysis = world(np.random.default_rng(1), [0.6, *[0.0] * 7])
    (found,) = analysis.segments
    raw = [one.p_value for one in found.segments]
    assert [one.adjusted_p for one in found.segments] == pytest.approx(false_discovery_control(raw, method="bh"))
    assert winners(analysis) == ["A"]
    assert "new is better than old in A, corrected for the 8 segments that were tried" in found.sentence
    assert "The lift differs between segments" in found.sentence
    assert found.pooling is not None
    assert found.pooling.p_value < 0.01
    drawn = {one.segment: (one.lift, one.pooled_lift) for one in found.segments}["A"]
    assert drawn[0] is not None
    assert drawn[1] is not None
    assert 0 < drawn[1].estimate < drawn[0].estimate


def test_without_a_winner_the_best_segment_is_not_praised() -> None:
    analysis = world(np.random.default_rng(5), [0.0] * 8)
    assert winners(analysis) == []
    assert "no segment shows a difference of its own" in analysis.segments[0].sentence
    assert "Nothing shows that the lift differs between segments" in analysis.segments[0].sentence


def test_segments_come_from_the_store_on_both_engines_and_are_kept(store: Store) -> None:
    made = Deliveries(store)
    made.ad("A", 0.03)
    made.ad("B", 0.04)
    create_experiment(store, plan(planned_total=None))
    analysis = look(store, by="placement")
    (found,) = analysis.segments
    assert {one.segment for one in found.segments} == {"feed", "story"}
    assert {one.state for one in found.segments} == {Verdict.BETTER}
    assert analysis.treatments[0].strata is not None
    entry = history(store, "t")[0].result
    assert isinstance(entry, Analysis)
    assert entry.segments[0].sentence == found.sentence
    assert entry.segments[0].segments[0].lift == found.segments[0].lift
    shown = view(analysis)
    assert any("new by placement" in (table.title or "") for table in shown.tables)
    assert found.sentence in shown.sentences
    assert look(store).segments == ()


def test_days_are_compared_within_a_segment_where_the_platform_steers(sqlite_store: Store) -> None:
    shop(sqlite_store, countries=("DE", "FR", "IT"), rate=1.3)
    create_experiment(sqlite_store, plan(planned_total=None, metric="cpc", allocation="optimized"))
    (found,) = look(sqlite_store, DAYS - 1, by="country").segments
    assert [one.segment for one in sorted(found.segments, key=lambda one: one.segment)] == ["DE", "FR", "IT"]
    assert {one.state for one in found.segments} == {Verdict.BETTER}
    assert all(one.lift is not None and one.lift.ci_high < 0 for one in found.segments)  # costs fall
    assert found.pooling is not None


def test_where_segments_cannot_be_compared_the_reason_is_said(sqlite_store: Store) -> None:
    shop(sqlite_store, countries=("DE", "FR"))
    create_experiment(sqlite_store, plan(key="t", unit="user", planned_total=None))
    with pytest.raises(AbkitError, match="users were randomized, and daily totals by segment do not show"):
        look(sqlite_store, by="country")
    ends = {"starts_on": designs.START, "ends_on": designs.START + timedelta(DAYS - 1)}
    create_experiment(sqlite_store, plan(key="geo", unit="geography", planned_total=None, **ends))
    from abkit.workflows.experiments.experiments import analyze_experiment

    with pytest.raises(AbkitError, match="each country is one unit"):
        analyze_experiment(sqlite_store, "geo", as_of=designs.START + timedelta(DAYS), by="country")


def test_a_blocked_experiment_says_nothing_of_its_segments(sqlite_store: Store) -> None:
    made = Deliveries(sqlite_store)
    made.ad("A", 0.03)
    made.ad("B", 0.06, daily=4000)
    create_experiment(sqlite_store, plan(planned_total=None))
    analysis = look(sqlite_store, by="placement")
    assert analysis.verdict is Verdict.BLOCKED
    assert {one.state for one in analysis.segments[0].segments} == {Verdict.BLOCKED}
    assert "a guard blocks the experiment" in analysis.segments[0].sentence
