"""Experiments on the store: guards block, designs choose the words, looks and decisions can be read back."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import date, timedelta

import numpy as np
import pytest

from abkit.errors import AbkitError, InvalidInput
from abkit.stats.estimate import Estimate
from abkit.store.database.engine import Store
from abkit.store.experiments import Delivery, Figures
from abkit.vocabulary import Metric, Verdict
from abkit.workflows.experiments.arms import Arm
from abkit.workflows.experiments.design import fit_relation
from abkit.workflows.experiments.experiments import (
    analyze_experiment,
    create_experiment,
    decide_experiment,
    experiments_due,
    history,
    list_experiments,
)
from abkit.workflows.experiments.formats import RecordedDecision
from abkit.workflows.experiments.looks.analyze import analyze
from abkit.workflows.experiments.looks.results import Analysis, TreatmentResult
from tests.workflows.experiments.deliveries import START, Deliveries, look, plan


@pytest.fixture
def delivered(sqlite_store: Store) -> Deliveries:
    return Deliveries(sqlite_store)


def blocked(analysis: Analysis) -> tuple[str, ...]:
    return analysis.treatments[0].verdict.blocked_by


def test_it_finds_a_real_difference_says_caused_and_keeps_every_look_and_decision(store: Store) -> None:
    made = Deliveries(store)
    made.ad("A", 0.02)
    made.ad("B", 0.03)
    create_experiment(store, plan())
    first, second = look(store, 3), look(store)
    assert (first.look, second.look) == (1, 2)
    assert second.verdict == "better"
    assert second.treatments[0].verdict.sentence.startswith("new caused a higher rate than old")
    assert second.totals["old"].trials == pytest.approx(40_000, rel=0.02)
    decide_experiment(store, "t", "ship", variant=None, person="Ana", reason="clear", as_of=START)
    rows = history(store, "t")
    assert [(row.kind, row.sequence) for row in rows] == [("analysis", 1), ("analysis", 2), ("decision", 1)]
    decision = rows[-1].result
    assert isinstance(decision, RecordedDecision)
    assert (decision.variant, decision.look, decision.against_the_verdict) == ("new", 2, False)
    assert decision.figures[0].deciding.lift.ci_low > 0  # type: ignore[union-attr]
    assert "confidence sequence" in decision.rule
    assert all(row.run for row in rows)
    assert list_experiments(store)[0].decision == "ship"


def test_where_the_platform_optimizes_days_are_the_units_and_nothing_is_called_caused(delivered: Deliveries) -> None:
    delivered.ad("A", 0.02)
    delivered.ad("B", 0.05, daily=6000)
    create_experiment(delivered.store, plan(allocation="optimized", planned_total=40))
    analysis = look(delivered.store)
    assert analysis.analyzed_by == "days"
    assert {guard.name: guard.status for guard in analysis.guards}["sample_ratio"] == "skipped"
    verdict = analysis.treatments[0].verdict
    assert (verdict.state, verdict.causal) == ("better", False)
    assert "caused" not in verdict.sentence
    assert "who saw it was not random" in verdict.sentence
    assert analysis.treatments[0].bayes is None


def test_a_sample_ratio_mismatch_blocks_the_verdict_and_says_what_to_do(delivered: Deliveries) -> None:
    delivered.ad("A", 0.02)
    delivered.ad("B", 0.04, daily=1500)
    create_experiment(delivered.store, plan())
    analysis = look(delivered.store)
    assert analysis.verdict == "blocked"
    assert blocked(analysis) == ("sample_ratio",)
    assert "start the test again" in analysis.treatments[0].verdict.sentence


@pytest.mark.parametrize(
    ("ad", "day", "guard"),
    [
        ({"days": 0}, 19, "arms"),
        ({"skip": (5,)}, 19, "days"),
        ({"silent_from": 10}, 19, "metric"),
        ({}, 25, "feed"),
    ],
)
def test_broken_data_block_the_verdict(delivered: Deliveries, ad: dict[str, object], day: int, guard: str) -> None:
    delivered.ad("A", 0.02)
    delivered.ad("B", 0.02, **ad)  # type: ignore[arg-type]
    create_experiment(delivered.store, plan(ends_on=START + timedelta(60)))
    assert guard in blocked(look(delivered.store, day))


def test_too_little_data_is_an_answer(delivered: Deliveries) -> None:
    delivered.ad("A", 0.02, days=1, daily=100)
    delivered.ad("B", 0.02, days=1, daily=100)
    create_experiment(delivered.store, plan())
    analysis = look(delivered.store, 1)
    assert blocked(analysis) == ("data",)
    assert "at least 30 are needed" in analysis.treatments[0].verdict.sentence


def test_an_experiment_without_any_data_is_blocked_not_broken(delivered: Deliveries) -> None:
    create_experiment(delivered.store, plan())
    analysis = look(delivered.store)
    assert analysis.verdict == "blocked"
    assert analysis.treatments[0].deciding is None


def test_several_treatments_share_the_error_rate_and_guardrails_and_strata_stand_beside(delivered: Deliveries) -> None:
    for name, rate in (("A", 0.02), ("B", 0.028), ("C", 0.02)):
        delivered.ad(name, rate)
    variants = {"old": "A", "new": "B", "other": "C"}
    create_experiment(delivered.store, plan(variants=variants, guardrails={"cvr": 0.9}))
    analysis = look(delivered.store, by="placement")
    new = analysis.treatments[0]
    assert new.adjusted_p == pytest.approx(min(1, 2 * new.deciding.p_value))  # type: ignore[union-attr]
    assert "family: 2 treatments of t, ctr" in analysis.correction
    assert new.guardrails["cvr"].question == "non-inferiority"  # type: ignore[union-attr]
    assert new.strata is not None
    assert new.strata.strata == 2
    assert new.strata.odds_ratio.ci_low > 1


def test_planned_looks_have_the_boundary_of_the_data_that_came(delivered: Deliveries) -> None:
    delivered.ad("A", 0.02)
    delivered.ad("B", 0.03)
    create_experiment(delivered.store, plan(monitoring="group", looks=3))
    first, second = look(delivered.store, 4), look(delivered.store, 19)
    assert first.boundary is not None
    assert second.boundary is not None
    assert len(second.boundary.boundaries) == 2
    assert first.boundary.boundaries[0] > second.boundary.boundaries[1]
    assert second.verdict == "better"


def test_a_conversion_rate_is_no_sample_ratio_mismatch_because_one_arm_got_more_clicks(delivered: Deliveries) -> None:
    # Impressions are split evenly; the treatment's clicks, on which its conversions are counted, are twice as many.
    delivered.ad("A", 0.05)
    delivered.ad("B", 0.10)
    create_experiment(delivered.store, plan(metric="cvr"))
    analysis = look(delivered.store)
    assert {guard.name: guard.status for guard in analysis.guards}["sample_ratio"] == "pass"
    assert analysis.verdict == "undecided"


def test_more_conversions_than_clicks_are_compared_by_day() -> None:
    rng = np.random.default_rng(8)
    arms = []
    for key, rate in (("a", 1.5), ("b", 2.5)):
        by_day = {START + timedelta(day): (1000, 40, int(rng.poisson(40 * rate))) for day in range(14)}
        arms.append(arm(key, by_day))
    analysis = one_look(arms, metric="cvr")
    assert (analysis.analyzed_by, analysis.verdict) == ("days", "better")
    assert {guard.name: guard.status for guard in analysis.guards}["sample_ratio"] == "pass"


def test_where_days_are_drawn_each_day_belongs_to_one_arm() -> None:
    rng = np.random.default_rng(9)
    days: list[dict[date, tuple[int, int, int]]] = [{}, {}]
    for day in range(40):
        clicks = int(rng.binomial(2000, (0.02, 0.04)[day % 2]))
        days[day % 2][START + timedelta(day)] = (2000, clicks, 0)

    def alternating() -> Analysis:
        return one_look([arm(key, by_day) for key, by_day in zip("ab", days, strict=True)], unit="day")

    assert alternating().verdict == "better"
    # A day that neither arm has is missing all the same.
    del days[0][START + timedelta(10)]
    assert blocked(alternating()) == ("days",)


def test_a_fixed_horizon_gives_no_verdict_before_its_end_and_none_for_a_second_look(delivered: Deliveries) -> None:
    delivered.ad("A", 0.02)
    delivered.ad("B", 0.03)
    create_experiment(delivered.store, plan(monitoring="fixed", planned_total=60_000))
    early = look(delivered.store, 4)
    assert blocked(early) == ("horizon",)
    assert "of 60,000 planned" in early.treatments[0].verdict.sentence
    assert early.treatments[0].fixed is not None
    assert look(delivered.store, 17).verdict == "better"
    # The same figures once more are the same look; other figures are a second one.
    assert look(delivered.store, 17).verdict == "better"
    assert blocked(look(delivered.store, 19)) == ("horizon",)


def test_a_test_runs_through_the_whole_of_its_last_day(store: Store) -> None:
    """A fixed-horizon verdict is given once: given on the last day, later data of that day would overthrow it."""
    made = Deliveries(store)
    made.ad("A", 0.02, days=10)
    made.ad("B", 0.03, days=10)
    last = START + timedelta(9)
    create_experiment(store, plan(monitoring="fixed", planned_total=None, ends_on=last))
    assert experiments_due(store, START - timedelta(1)) == []
    assert experiments_due(store, last) == ["t"]
    on_the_last_day = look(store, 9)
    assert blocked(on_the_last_day) == ("horizon",)
    assert "the end of the test is not reached" in on_the_last_day.treatments[0].verdict.sentence
    assert experiments_due(store, last) == []
    assert experiments_due(store, last + timedelta(1)) == ["t"]
    assert look(store, 10).verdict == "better"
    assert experiments_due(store, last + timedelta(2)) == []


def test_what_was_decided_is_not_looked_at_again(delivered: Deliveries) -> None:
    delivered.ad("A", 0.02)
    delivered.ad("B", 0.03)
    create_experiment(delivered.store, plan())
    look(delivered.store, 5)
    assert experiments_due(delivered.store, START + timedelta(6)) == ["t"]
    decide_experiment(delivered.store, "t", "undecided", variant=None, person="Ana", reason="", as_of=START)
    assert experiments_due(delivered.store, START + timedelta(6)) == []


@pytest.mark.parametrize("second", ["Ana", "ana ", "ANA", "  aNA", "\uff21na"])
def test_who_decides_is_not_the_second_name_however_it_is_written(delivered: Deliveries, second: str) -> None:
    delivered.ad("A", 0.02)
    delivered.ad("B", 0.03)
    create_experiment(delivered.store, plan())
    look(delivered.store, 5)
    with pytest.raises(InvalidInput, match="the second name is"):
        decide_experiment(
            delivered.store, "t", "keep", variant=None, person="Ana", reason="law", as_of=START, second=second
        )


def test_a_guardrail_has_the_level_of_the_plan() -> None:
    days = {START + timedelta(day): (5000, 100, 20 + day) for day in range(10)}
    strict, loose = (
        one_look([arm(key, days) for key in "ab"], guardrails={"cvr": 0.2}, level=level).treatments[0].guardrails["cvr"]
        for level in (0.99, 0.8)
    )
    assert strict is not None
    assert loose is not None
    assert (strict.level, loose.level) == (0.99, 0.8)
    assert strict.difference.ci_low < loose.difference.ci_low
    assert (strict.holds, loose.holds) == (False, True)


def test_what_is_better_and_may_fail_a_guardrail_is_held_and_to_ship_it_goes_against_the_verdict(
    delivered: Deliveries,
) -> None:
    delivered.ad("A", 0.02)
    delivered.ad("B", 0.03)
    # Conversions per click are alike, and a margin of a thousandth cannot be shown with so few.
    create_experiment(delivered.store, plan(guardrails={"cvr": 0.001}))
    found = look(delivered.store).treatments[0].verdict
    assert (found.state, found.action) == ("better", "hold")
    assert found.advice == "hold: the guardrail cvr is not shown to hold"
    with pytest.raises(InvalidInput, match="better; hold: the guardrail cvr is not shown to hold"):
        decide_experiment(delivered.store, "t", "ship", variant=None, person="Ana", reason="", as_of=START)
    kept = decide_experiment(delivered.store, "t", "keep", variant=None, person="Ana", reason="", as_of=START)
    assert (kept.against_the_verdict, kept.recommended) == (False, found.advice)
    create_experiment(delivered.store, plan(key="u"))
    free = analyze_experiment(delivered.store, "u", as_of=START + timedelta(19)).treatments[0].verdict
    assert (free.state, free.advice) == ("better", "ship")


def test_guardrails_of_a_running_test_are_right_at_any_look() -> None:
    rng = np.random.default_rng(10)
    days = {START + timedelta(day): (5000, 250, int(rng.binomial(250, 0.2))) for day in range(10)}
    arms = [arm(key, days) for key in "ab"]
    running, planned = (
        one_look(arms, guardrails={"cvr": 0.2}, monitoring=monitoring, planned_total=100_000)
        for monitoring in ("anytime", "fixed")
    )
    any_time, fixed = (analysis.treatments[0].guardrails["cvr"] for analysis in (running, planned))
    assert any_time is not None
    assert fixed is not None
    assert (any_time.anytime, fixed.anytime) == (True, False)
    assert any_time.difference.ci_low < fixed.difference.ci_low
    assert any_time.p_value > fixed.p_value


def arm(key: str, by_day: Mapping[date, tuple[int, int, int]]) -> Arm:
    return Arm(
        key=key, share=0.5, delivery=Delivery(by_day={day: Figures(*figures) for day, figures in by_day.items()})
    )


def one_look(arms: list[Arm], *, past: Sequence[Analysis] = (), **changes: object) -> Analysis:
    """One look on the day after the last one."""
    last = max(day for one in arms for day in one.delivery.by_day)
    options = {"planned_total": None, "ends_on": last, "variants": {one.key: one.key for one in arms}} | changes
    return analyze(plan(**options), arms, as_of=last + timedelta(1), past=past)


@pytest.mark.parametrize(
    ("decision", "variant", "against"),
    [
        ("ship", "new", False),
        ("ship", "old", True),
        ("keep", None, True),
        ("stop-for-futility", None, True),
        ("undecided", None, False),
    ],
)
def test_dropping_what_was_shown_to_be_better_goes_against_the_verdict(
    delivered: Deliveries, decision: str, variant: str | None, against: bool
) -> None:
    delivered.ad("A", 0.02)
    delivered.ad("B", 0.03)
    create_experiment(delivered.store, plan())
    assert look(delivered.store).verdict == "better"
    record = decide_experiment(delivered.store, "t", decision, variant=variant, person="Bo", reason="law", as_of=START)
    assert record.against_the_verdict is against


def test_a_decision_against_the_verdict_is_recorded_as_that(delivered: Deliveries) -> None:
    delivered.ad("A", 0.02)
    delivered.ad("B", 0.02)
    create_experiment(delivered.store, plan())
    look(delivered.store)
    record = decide_experiment(delivered.store, "t", "ship", variant="new", person="Bo", reason="law", as_of=START)
    assert record.against_the_verdict


def test_a_winner_is_shrunk_towards_what_past_experiments_were_like() -> None:
    arms = [arm(key, {START: (20_000, clicks, 0)}) for key, clicks in (("a", 400), ("b", 520))]
    alone = one_look(arms)
    assert alone.treatments[0].fixed is not None
    past = []
    for lift in np.random.default_rng(4).normal(0, 0.03, 200):
        fixed = replace(alone.treatments[0].fixed, lift=Estimate(lift, lift - 0.04, lift + 0.04))
        past.append(replace(alone, verdict=Verdict.UNDECIDED, treatments=(replace(alone.treatments[0], fixed=fixed),)))

    def shrunken(past: list[Analysis]) -> TreatmentResult:
        return one_look(arms, past=past).treatments[0]

    result = shrunken(past)
    assert 0 < result.shrunken_lift.estimate < 0.2 < result.fixed.lift.estimate  # type: ignore[union-attr]
    assert result.exaggeration.exaggeration > 1  # type: ignore[union-attr]
    assert shrunken(past[:199]).shrunken_lift is None
    # What guards blocked, and other metrics, are no past to learn from.
    assert shrunken([replace(look, verdict=Verdict.BLOCKED) for look in past]).shrunken_lift is None
    assert shrunken([replace(look, metric=Metric.CVR) for look in past]).shrunken_lift is None


def test_the_relation_is_used_only_when_it_is_shown() -> None:
    from abkit.store.kpis.delivery import Delivered

    rng = np.random.default_rng(3)
    scores = {i: float(rng.normal(5, 1)) for i in range(60)}
    rows = tuple(
        Delivered(
            creative_id=i,
            campaign_id=i % 6 + 1,
            impressions=20_000,
            clicks=int(rng.binomial(20_000, 0.02 * np.exp(0.15 * (scores[i] - 5)))),
            conversions=0,
        )
        for i in scores
    )
    relation = fit_relation(rows, scores)
    assert relation.log_lift_per_point == pytest.approx(0.15, abs=0.05)
    turned = fit_relation(rows, {i: -score for i, score in scores.items()})
    assert turned.log_lift_per_point is None
    assert "not shown to help" in turned.note
    assert fit_relation(rows[:4], scores).log_lift_per_point is None


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"variants": {"old": "A"}}, "1 variant is given"),
        ({"unit": "cookie"}, "'cookie'; expected one of user"),
        ({"allocation": "auto"}, "'auto'; expected one of random"),
        ({"split": [0.5, 0.4]}, "0.5, 0.4 sums to 0.9"),
        ({"split": [1.0]}, "1 expected shares for 2 arms"),
        ({"ends_on": date(2026, 1, 1)}, "ends on 2026-01-01, before it starts on 2026-03-02"),
        ({"level": 95}, "level is 95"),
        ({"monitoring": "group"}, "planned total and their number"),
        ({"guardrails": {"likes": 0.1}}, "guardrail likes=0.1"),
        ({"metric": "cpa", "lift": 0.1}, "planned lift of cpa is 0.1, and lower is better"),
        ({"margin_rate": 0.0}, "margin rate is 0.0"),
        ({"campaign": "none"}, "no campaign 'none'"),
        ({"variants": {"old": "A", "new": "A"}}, "two variants are 'A'"),
        ({"split": [0, 1]}, "planned share of old is 0"),
        ({"power": 2.0}, "power is 2.0"),
        ({"lift": float("nan")}, "planned lift is nan"),
        ({"planned_total": float("inf")}, "planned total is inf"),
        ({"monitoring": "fixed", "looks": 3}, "3 looks are planned and the monitoring is fixed"),
    ],
)
def test_plans_that_cannot_be_are_refused_with_the_value(
    sqlite_store: Store, changes: dict[str, object], said: str
) -> None:
    with pytest.raises(AbkitError, match=said):
        create_experiment(sqlite_store, plan(**changes))


def test_unknown_names_are_refused_with_what_is_known(delivered: Deliveries) -> None:
    store = delivered.store
    create_experiment(store, plan())
    with pytest.raises(AbkitError, match="'t' already"):
        create_experiment(store, plan())
    with pytest.raises(AbkitError, match="no experiment 'x'") as error:
        analyze_experiment(store, "x", as_of=START)
    assert "known are t" in str(error.value.hint)
    with pytest.raises(InvalidInput, match="is before that"):
        look(store, -5)
    with pytest.raises(AbkitError, match="not been analyzed"):
        decide_experiment(store, "t", "ship", variant=None, person="Ana", reason="", as_of=START)
    look(store)
    with pytest.raises(InvalidInput, match="no variant 'x'; it has old, new"):
        decide_experiment(store, "t", "ship", variant="x", person="Ana", reason="", as_of=START)
