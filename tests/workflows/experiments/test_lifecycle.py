"""Experiments on the store: guards block, designs choose the words, looks and decisions can be read back."""

from datetime import UTC, date, datetime, timedelta

import numpy as np
import pytest

from abkit.errors import AbkitError, InvalidInput
from abkit.store.engine import Store
from abkit.store.runs import recorded_run
from abkit.store.schema import Ad, Kpi, KpiImport, Segment
from abkit.workflows.experiments.analysis import analyse
from abkit.workflows.experiments.design import fit_relation
from abkit.workflows.experiments.lifecycle import (
    analyze_experiment,
    create_experiment,
    decide_experiment,
    history,
    list_experiments,
)
from abkit.workflows.experiments.plan import ExperimentPlan
from abkit.workflows.experiments.records import Analysis, ArmInput

START = date(2026, 3, 2)


class Deliveries:
    """Writes daily KPIs of ads."""

    def __init__(self, store: Store) -> None:
        self.store, self.rng = store, np.random.default_rng(1)
        with recorded_run(store, "kpi import", {}) as run, store.write() as session:
            self.run = run.id
            imported = KpiImport(
                digest="d", name="n", options={}, rows=0, imported=0, updated=0, unchanged=0, unlinked=0, rejected=0,
                imported_at=datetime.now(UTC), run_id=run.id,
            )  # fmt: skip
            segments = [Segment(placement=place) for place in ("feed", "story")]
            session.add_all([imported, *segments])
            session.flush()
            self.imported, self.segments = imported.id, [segment.id for segment in segments]

    def ad(
        self,
        name: str,
        rate: float,
        *,
        days: int = 20,
        daily: int = 2000,
        skip: tuple[int, ...] = (),
        silent_from: int = 99,
    ) -> None:
        with self.store.write() as session:
            ad = Ad(external_id=name, run_id=self.run)
            session.add(ad)
            session.flush()
            for day in range(days):
                if day in skip:
                    continue
                for segment in self.segments:
                    shown = int(self.rng.poisson(daily / 2))
                    clicks = 0 if day >= silent_from else int(self.rng.binomial(shown, rate))
                    session.add(
                        Kpi(
                            ad_id=ad.id, segment_id=segment, period_start=START + timedelta(day),
                            period_end=START + timedelta(day), impressions=shown, clicks=clicks,
                            conversions=int(self.rng.binomial(clicks, 0.1)), kpi_import_id=self.imported,
                        )
                    )  # fmt: skip


@pytest.fixture
def delivered(sqlite_store: Store) -> Deliveries:
    return Deliveries(sqlite_store)


def plan(**changes: object) -> ExperimentPlan:
    options = {
        "key": "t", "variants": {"old": "A", "new": "B"}, "unit": "impression", "allocation": "random",
        "planned_total": 80_000, "starts_on": START,
    } | changes  # fmt: skip
    return ExperimentPlan(**options)  # type: ignore[arg-type]


def look(store: Store, day: int = 19, **options: object) -> Analysis:
    return analyze_experiment(store, "t", as_of=START + timedelta(day), **options)  # type: ignore[arg-type]


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
    assert second.totals["old"]["trials"] == pytest.approx(40_000, rel=0.02)
    decide_experiment(store, "t", "ship", variant=None, person="Ana", reason="clear", as_of=START)
    rows = history(store, "t")
    assert [(row["kind"], row["sequence"]) for row in rows] == [("analysis", 1), ("analysis", 2), ("decision", 1)]
    decision = rows[-1]["result"]
    assert (decision["variant"], decision["look"], decision["against_the_verdict"]) == ("new", 2, False)
    assert decision["figures"]["deciding"]["lift"]["ci_low"] > 0
    assert "confidence sequence" in decision["rule"]
    assert all(row["run"] for row in rows)
    assert list_experiments(store)[0]["decision"] == "ship"


def test_where_the_platform_optimises_days_are_the_units_and_nothing_is_called_caused(delivered: Deliveries) -> None:
    delivered.ad("A", 0.02)
    delivered.ad("B", 0.05, daily=6000)
    create_experiment(delivered.store, plan(allocation="optimised", planned_total=40))
    analysis = look(delivered.store)
    assert analysis.analysed_by == "days"
    assert {guard.name: guard.status for guard in analysis.guards}["sample_ratio"] == "skipped"
    verdict = analysis.treatments[0].verdict
    assert (verdict.state, verdict.causal) == ("better", False)
    assert "caused" not in verdict.sentence
    assert "was not random" in verdict.sentence
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
        arms.append(ArmInput(key, 0.5, by_day, {}, set()))
    analysis = one_look(arms, metric="cvr")
    assert (analysis.analysed_by, analysis.verdict) == ("days", "better")
    assert {guard.name: guard.status for guard in analysis.guards}["sample_ratio"] == "pass"


def test_where_days_are_drawn_each_day_belongs_to_one_arm() -> None:
    rng = np.random.default_rng(9)
    days: list[dict[date, tuple[int, int, int]]] = [{}, {}]
    for day in range(40):
        clicks = int(rng.binomial(2000, (0.02, 0.04)[day % 2]))
        days[day % 2][START + timedelta(day)] = (2000, clicks, 0)
    arms = [ArmInput(key, 0.5, by_day, {}, set()) for key, by_day in zip("ab", days, strict=True)]
    analysis = one_look(arms, unit="day")
    assert analysis.verdict == "better"
    # A day that neither arm has is missing all the same.
    del days[0][START + timedelta(10)]
    assert blocked(one_look(arms, unit="day")) == ("days",)


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


def test_guardrails_of_a_running_test_are_right_at_any_look() -> None:
    rng = np.random.default_rng(10)
    days = {START + timedelta(day): (5000, 250, int(rng.binomial(250, 0.2))) for day in range(10)}
    arms = [ArmInput(key, 0.5, days, {}, set()) for key in "ab"]
    running, planned = (
        one_look(arms, plan={"guardrails": {"cvr": 0.2}, "monitoring": monitoring, "planned_total": 100_000})
        for monitoring in ("anytime", "fixed")
    )
    any_time, fixed = (analysis.treatments[0].guardrails["cvr"] for analysis in (running, planned))
    assert any_time is not None
    assert fixed is not None
    assert (any_time.anytime, fixed.anytime) == (True, False)
    assert any_time.difference.ci_low < fixed.difference.ci_low
    assert any_time.p_value > fixed.p_value


def one_look(arms: list[ArmInput], *, plan: dict[str, object] | None = None, **changes: object) -> Analysis:
    settings = {"level": 0.95, "planned_total": None, "monitoring": "anytime", "lift": None, "guardrails": {}}
    options = {
        "key": "t", "unit": "impression", "allocation": "random", "metric": "ctr", "as_of": START + timedelta(60),
        "running": False, "earlier_looks": [], "past": [],
    } | changes  # fmt: skip
    return analyse(plan=settings | (plan or {}), arms=arms, **options)  # type: ignore[arg-type]


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
    record = decide_experiment(delivered.store, "t", decision, variant=variant, person="Bo", reason="", as_of=START)
    assert record["against_the_verdict"] is against


def test_a_decision_against_the_verdict_is_recorded_as_that(delivered: Deliveries) -> None:
    delivered.ad("A", 0.02)
    delivered.ad("B", 0.02)
    create_experiment(delivered.store, plan())
    look(delivered.store)
    record = decide_experiment(delivered.store, "t", "ship", variant="new", person="Bo", reason="", as_of=START)
    assert record["against_the_verdict"]


def test_a_winner_is_shrunk_towards_what_past_experiments_were_like() -> None:
    rng = np.random.default_rng(4)
    past = []
    for lift in rng.normal(0, 0.03, 40):
        figures = {"estimate": lift, "ci_low": lift - 0.04, "ci_high": lift + 0.04}
        earlier = {"fixed": {"lift": figures, "level": 0.95}}
        past.append({"metric": "ctr", "verdict": "undecided", "treatments": [earlier]})
    options = {"level": 0.95, "planned_total": None, "monitoring": "anytime", "lift": None, "guardrails": {}}
    arms = [ArmInput(key, 0.5, {START: (20_000, clicks, 0)}, {}, set()) for key, clicks in (("a", 400), ("b", 520))]

    def shrunken(past_results: list[dict[str, object]]) -> object:
        analysis = analyse(
            key="t", unit="impression", allocation="random", metric="ctr", plan=options, arms=arms, as_of=START,
            running=False, earlier_looks=[], past=past_results,
        )  # fmt: skip
        return analysis.treatments[0]

    result = shrunken(past)
    assert 0 < result.shrunken_lift.estimate < 0.2 < result.fixed.lift.estimate  # type: ignore[attr-defined]
    assert result.exaggeration.exaggeration > 1  # type: ignore[attr-defined]
    assert shrunken(past[:9]).shrunken_lift is None  # type: ignore[attr-defined]
    # What guards blocked, and other metrics, are no past to learn from.
    assert shrunken([row | {"verdict": "blocked"} for row in past]).shrunken_lift is None  # type: ignore[attr-defined]
    assert shrunken([row | {"metric": "cvr"} for row in past]).shrunken_lift is None  # type: ignore[attr-defined]


def test_the_relation_is_used_only_when_it_is_shown() -> None:
    from abkit.store.kpis.delivery import Delivered

    rng = np.random.default_rng(3)
    scores = {i: float(rng.normal(5, 1)) for i in range(60)}
    rows = tuple(
        Delivered(i, i % 6 + 1, 20_000, int(rng.binomial(20_000, 0.02 * np.exp(0.15 * (scores[i] - 5)))), 0)
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
        ({"guardrails": {"roas": 0.1}}, "guardrail roas=0.1"),
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
    with pytest.raises(AbkitError, match="not been analysed"):
        decide_experiment(store, "t", "ship", variant=None, person="Ana", reason="", as_of=START)
    look(store)
    with pytest.raises(InvalidInput, match="no variant 'x'; it has old, new"):
        decide_experiment(store, "t", "ship", variant="x", person="Ana", reason="", as_of=START)
