"""The programme: every experiment counts, and what the figures cannot say they do not say."""

import math
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

import numpy as np
import pytest

from abkit.stats.arms import Counts
from abkit.stats.proportions.compare import compare
from abkit.stats.verdicts.verdict import Conclusion
from abkit.store.database.engine import Store
from abkit.vocabulary import ExperimentDecision, Metric, Verdict
from abkit.workflows.experiments.experiments import analyze_experiment, create_experiment, decide_experiment
from abkit.workflows.experiments.formats import RecordedDecision
from abkit.workflows.experiments.looks.results import Analysis
from abkit.workflows.experiments.review.programme import (
    cumulative_in_words,
    programme_of,
    rates_in_words,
    review_programme,
)
from abkit.workflows.experiments.review.standing import Standing
from abkit.workflows.experiments.upkeep import archive_experiment
from tests.workflows.experiments.deliveries import START, Deliveries, look, plan
from tests.workflows.experiments.test_experiments import arm, one_look

DAY = START + timedelta(30)


def test_experiments_are_sorted_by_lift_and_archived_ones_still_count(store: Store) -> None:
    made = Deliveries(store)
    for name, rate in (("A", 0.02), ("B", 0.03), ("C", 0.012)):
        made.ad(name, rate)
    create_experiment(store, plan(variants={"old": "A", "worse": "C"}))
    look(store)
    archive_experiment(store, "t")
    create_experiment(store, plan(key="second", variants={"old": "A", "new": "B"}))
    analyze_experiment(store, "second", as_of=START + timedelta(19))
    create_experiment(store, plan(key="third"))
    found = review_programme(store, DAY)
    assert [row.experiment for row in found.rows] == ["second"]  # the third was not created by that day
    assert (found.experiments, found.finished, found.wins) == (2, 2, 1)
    assert found.win_rate is not None
    assert found.win_rate.estimate == 0.5
    assert (round(found.win_rate.ci_low, 2), round(found.win_rate.ci_high, 2)) == (0.09, 0.91)
    assert found.notes == ("1 archived experiments count in the rates; --all lists them",)
    every = review_programme(store, date(2100, 1, 1), archived=True)
    assert [(row.experiment, row.verdict) for row in every.rows] == [
        ("second", "better"), ("t", "worse"), ("third", None),
    ]  # fmt: skip
    decide_experiment(store, "second", "ship", variant=None, person="Ana", reason="", as_of=DAY)
    (shipped,) = review_programme(store, DAY).cumulative
    assert (shipped.shipped, shipped.effect) == (1, None)
    assert "not enough tests to say what they add up to (2 of at least 200" in cumulative_in_words(shipped)
    assert review_programme(store, START).experiments == 0


@pytest.fixture(scope="module")
def template() -> Analysis:
    days = {START + timedelta(day): (1000, 20, 0) for day in range(10)}
    more = {START + timedelta(day): (1000, 30, 0) for day in range(10)}
    return one_look([arm("old", days), arm("new", more)])


def standing(template: Analysis, number: int, clicks: tuple[int, int], trials: int) -> Standing:
    """A finished test of a thousandth of the work: its counts are compared, and winners are shipped."""
    compared = compare(Counts(clicks[0], trials), Counts(clicks[1], trials))
    better = compared.significant and compared.difference.estimate > 0
    state = Verdict.BETTER if better else Verdict.WORSE if compared.significant else Verdict.UNDECIDED
    result = replace(
        template.treatments[0],
        deciding=compared,
        fixed=compared,
        adjusted_p=compared.p_value,
        verdict=Conclusion(state=state, sentence="", causal=True, blocked_by=()),
    )
    decision = RecordedDecision(
        decision=ExperimentDecision.SHIP if better else ExperimentDecision.KEEP,
        variant="new" if better else None, rule="", look=1, verdict=state, figures=(), against_the_verdict=False,
    )  # fmt: skip
    return Standing(
        experiment=f"t{number}", plan=plan(), created_at=datetime(2026, 1, 1, tzinfo=UTC), looks=1,
        look=replace(template, treatments=(result,), verdict=state), decision=decision, decided_on=DAY,
        decided_by="Ana", reason="", archived=False, problem="",
    )  # fmt: skip


def test_with_200_past_tests_winners_add_up_shrunk_and_with_fewer_they_do_not(template: Analysis) -> None:
    rng = np.random.default_rng(4)
    true = rng.normal(0, 0.05, 240)
    trials = 20_000
    clicks = [(int(rng.binomial(trials, 0.03)), int(rng.binomial(trials, 0.03 * math.exp(lift)))) for lift in true]
    tests = [standing(template, number, pair, trials) for number, pair in enumerate(clicks)]
    found = programme_of(tests, DAY)
    (ctr,) = found.cumulative
    assert (ctr.metric, ctr.past_tests, ctr.shipped) == (Metric.CTR, 240, found.wins)
    won = [number for number, one in enumerate(tests) if one.look and one.look.verdict is Verdict.BETTER]
    naive = sum(math.log(clicks[number][1] / clicks[number][0]) for number in won)
    real = sum(true[number] for number in won)
    assert ctr.effect is not None
    assert ctr.effect.ci_low < math.expm1(real) < ctr.effect.ci_high < math.expm1(naive)
    assert "each shrunk by 240 past tests" in cumulative_in_words(ctr)
    assert programme_of(tests[:150], DAY).cumulative[0].effect is None


def test_wins_of_tests_without_an_effect_are_called_luck(template: Analysis) -> None:
    rng = np.random.default_rng(7)

    def run(lift: float) -> float:
        pairs = [(int(rng.binomial(20_000, 0.03)), int(rng.binomial(20_000, 0.03 * lift))) for _ in range(300)]
        found = programme_of([standing(template, number, pair, 20_000) for number, pair in enumerate(pairs)], DAY)
        assert found.false_winners is not None
        assert "of the wins are luck" in rates_in_words(found)[1]
        return found.false_winners

    assert run(1.0) > 0.7
    assert run(1.3) < 0.03


def test_without_a_finished_experiment_there_is_no_rate() -> None:
    found = programme_of([], DAY)
    assert (found.win_rate, found.false_winners, found.cumulative) == (None, None, ())
    assert rates_in_words(found) == ("0 experiments, none of them finished with a verdict yet",)
