"""The units of an analysis are those that were randomized: no other may say "caused"."""

import math
from datetime import timedelta
from typing import Any

import numpy as np
import polars as pl
import pytest
import tea_tasting
from sqlalchemy import select

from abkit.errors import InvalidInput
from abkit.stats.arms import PairMoments
from abkit.stats.verdicts.verdict import arm_value
from abkit.store.database.engine import Store
from abkit.store.experiments import Delivery
from abkit.store.kpis.money import Figures
from abkit.store.kpis.once.counting import recount
from abkit.store.schema import Ad, Kpi, Segment
from abkit.vocabulary import Dimension, Metric, Verdict
from abkit.workflows.experiments.arms import Arm
from abkit.workflows.experiments.experiments import analyze_experiment, create_experiment, history
from abkit.workflows.experiments.looks.analyze import analyze
from abkit.workflows.experiments.looks.results import Analysis
from abkit.workflows.experiments.units.geographies import Geographies
from abkit.workflows.experiments.units.geography import Places
from abkit.workflows.experiments.units.switchback import Schedule
from tests.workflows.experiments.deliveries import Deliveries, plan
from tests.workflows.experiments.designs import START, geographies, look, placed, shared_days

SAID = (Verdict.BETTER, Verdict.WORSE)


def blocked(analysis: Analysis) -> tuple[str, ...]:
    return analysis.treatments[0].verdict.blocked_by


def at_most_5_percent(found: list[bool]) -> bool:
    """Within three standard errors: the full study is `benchmarks/experiment_error_rates.py`."""
    return float(np.mean(found)) <= 0.05 + 3 * math.sqrt(0.05 * 0.95 / len(found))


# --- days that both arms share ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("lift", "impressions", "sd", "anytime"), [(0.1, 20_000, 0.15, 0.85), (0.05, 100_000, 0.3, 0.9)]
)
def test_what_moves_a_day_moves_both_arms_and_hides_no_lift(
    lift: float, impressions: int, sd: float, anytime: float
) -> None:
    """Days taken as if they were independent between the arms find 65 % of the first and none of the second."""
    rng = np.random.default_rng(1)
    for monitoring, power in (("fixed", 0.99), ("anytime", anytime)):
        found = [
            look(arms, allocation="optimized", monitoring=monitoring)
            for arms in (shared_days(rng, lift=lift, impressions=impressions, sd=sd) for _ in range(60))
        ]
        assert np.mean([one.verdict is Verdict.BETTER for one in found]) >= power, monitoring
    assert found[0].analyzed_by == "days"
    assert found[0].units == {"a": 28, "b": 28}
    assert not any("caused" in one.treatments[0].verdict.sentence for one in found)


@pytest.mark.parametrize("monitoring", ["fixed", "anytime"])
def test_shared_days_without_a_lift_show_none(monitoring: str) -> None:
    rng = np.random.default_rng(2)
    found = [
        look(shared_days(rng, lift=0, impressions=20_000, sd=0.15), allocation="optimized", monitoring=monitoring)
        for _ in range(60)
    ]
    assert at_most_5_percent([one.verdict in SAID for one in found])


def test_guardrails_on_shared_days_are_judged_within_the_days() -> None:
    rng = np.random.default_rng(3)
    arms = shared_days(rng, lift=0.0, impressions=100_000, sd=0.5)
    options = {"allocation": "optimized", "monitoring": "fixed", "metric": "ctr"}
    holds, lost = (
        look(arms, guardrails={"ctr": margin}, **options).treatments[0].guardrails[Metric.CTR]  # type: ignore[arg-type]
        for margin in (0.1, 0.001)
    )
    assert holds is not None
    assert lost is not None
    assert holds.holds
    assert not lost.holds


# --- geographies --------------------------------------------------------------------------------------------------


def test_geographies_without_a_lift_say_caused_in_5_percent_and_not_in_half_of_the_tests() -> None:
    rng = np.random.default_rng(4)
    found = [look(geographies(rng, spread=number % 2), unit="geography") for number in range(40)]
    assert at_most_5_percent([one.verdict in SAID for one in found])
    assert found[0].analyzed_by == "geographies"
    assert found[0].units == {"a": 10, "b": 10}
    assert found[0].treatments[0].sequence is None


def test_a_large_lift_between_geographies_is_caused() -> None:
    analysis = look(geographies(np.random.default_rng(5), lift=0.6), unit="geography")
    assert analysis.verdict is Verdict.BETTER
    assert analysis.treatments[0].verdict.sentence.startswith("b caused a higher rate than a")
    assert "randomization test over geographies" in analysis.rule
    optimized = look(geographies(np.random.default_rng(5), lift=0.6), unit="geography", allocation="optimized")
    assert optimized.verdict is Verdict.BETTER
    assert "caused" not in optimized.treatments[0].verdict.sentence


def test_matched_geographies_are_compared_within_their_pairs() -> None:
    rng = np.random.default_rng(6)
    sides: list[dict[str, Figures]] = [{}, {}]
    for pair in range(8):
        rate = 0.002 * 2**pair
        for number, factor in enumerate((1.0, 1.15)):
            sides[number][f"{'AB'[number]}{pair}"] = Figures(200_000, int(rng.binomial(200_000, min(rate * factor, 1))))
    arms = [placed(key, side) for key, side in zip("ab", sides, strict=True)]
    strata = {name: name[1] for side in sides for name in side}
    assert look(arms, unit="geography").verdict is Verdict.UNDECIDED
    assert look(arms, unit="geography", strata=strata).verdict is Verdict.BETTER
    # One that no stratum names is no part of the draw.
    del strata["A0"]
    assert blocked(look(arms, unit="geography", strata=strata)) == ("units",)


def test_a_geography_that_both_arms_served_blocks_unless_all_are_shared() -> None:
    rng = np.random.default_rng(7)
    served = {f"G{n}": (int(rng.binomial(50_000, rate)), int(rng.binomial(50_000, 1.1 * rate)))
              for n, rate in enumerate(np.linspace(0.01, 0.05, 12))}  # fmt: skip
    arms = [
        placed(key, {name: Figures(50_000, clicks[number]) for name, clicks in served.items()})
        for number, key in enumerate("ab")
    ]
    both = look(arms, unit="geography")
    assert blocked(both) == ("units",)
    assert "12 geographies were served by several arms: G0 (50 % of it astray)" in both.treatments[0].verdict.sentence
    shared = look(arms, unit="geography", paired=True)
    assert shared.verdict is Verdict.BETTER
    assert "paired t test over geographies" in shared.rule
    # One that an arm lacks has nothing to be compared with.
    del arms[1].delivery.by_segment[next(iter(arms[1].delivery.by_segment))]  # type: ignore[attr-defined]
    assert "units" in blocked(look(arms, unit="geography", paired=True))


def test_a_little_delivery_astray_is_left_out_and_said() -> None:
    arms = geographies(np.random.default_rng(8), lift=0.6)
    segment = next(iter(arms[0].delivery.by_segment))
    arms[1].delivery.by_segment[segment] = Figures(40, 2)  # type: ignore[index]
    analysis = look(arms, unit="geography")
    assert analysis.verdict is Verdict.BETTER
    assert analysis.units == {"a": 10, "b": 10}
    assert any("1 geographies got a little of another arm" in note for note in analysis.notes)


def test_figures_without_geographies_say_which_export_is_missing() -> None:
    arms = shared_days(np.random.default_rng(9), lift=0.5, impressions=20_000, sd=0.1)
    sentence = look(arms, unit="geography").treatments[0].verdict.sentence
    assert "no impression has a country" in sentence
    assert "broken down by country" in sentence


@pytest.mark.parametrize(("metric", "without"), [("cpa", ()), ("cvr", ("pair 0",))])
def test_a_pair_of_geographies_without_a_conversion_or_a_click_blocks_nothing(
    metric: str, without: tuple[str, ...]
) -> None:
    """It counts in what a conversion costs; of the rate per click it says nothing, and that is said."""
    sides: list[dict[str, Figures]] = [{}, {}]
    for pair in range(9):
        for number, key in enumerate("AB"):
            clicks = 0 if metric == "cvr" and pair == number == 0 else 100
            conversions = 0 if pair == number == 0 else 10 + 10 * number + pair
            sides[number][f"{key}{pair}"] = Figures(5_000, clicks, conversions, 100.0)
    arms = [placed(key, figures) for key, figures in zip("ab", sides, strict=True)]
    strata = {name: f"pair {name[1]}" for side in sides for name in side}
    units = Geographies(Places(Dimension.COUNTRY, strata), tuple(arms))
    found = units.compare(arms[0], arms[1], Metric(metric), 0.95)
    assert found is not None
    assert units.guards(arms, Metric(metric), 0.95)[0].status == "pass"
    assert found.fixed.difference.excludes(0)
    assert all(any(pair in note for note in found.fixed.notes) for pair in without)
    if metric == "cpa":
        assert arm_value(found.fixed.control) == pytest.approx(900 / sum(one.conversions for one in sides[0].values()))


def test_too_few_geographies_say_the_smallest_p_value() -> None:
    analysis = look(geographies(np.random.default_rng(10), 6, lift=3.0), unit="geography")
    assert blocked(analysis) == ("units",)
    assert "3 in a, 3 in b; with so few the smallest p-value is 0.1" in analysis.treatments[0].verdict.sentence


def test_geographies_are_judged_once_at_their_end() -> None:
    arms = geographies(np.random.default_rng(11), lift=0.6)
    early = look(arms, unit="geography", after=20)
    assert blocked(early) == ("horizon",)
    # A plan from before any-time analysis was refused waits for its end too.
    old = look(arms, unit="geography", monitoring="anytime", after=20)
    assert blocked(old) == ("horizon",)
    assert "cannot be looked at while it runs: all geographies" in old.treatments[0].verdict.sentence
    assert look(arms, unit="geography", monitoring="anytime").verdict is Verdict.BETTER


def test_guardrails_over_geographies_are_tested_by_the_same_draws() -> None:
    arms = geographies(np.random.default_rng(12), lift=0.0, sd=0.05)
    wide, narrow = (
        look(arms, unit="geography", guardrails={"ctr": margin}).treatments[0].guardrails[Metric.CTR]
        for margin in (0.3, 0.001)
    )
    assert wide is not None
    assert narrow is not None
    assert (wide.holds, wide.anytime) == (True, False)
    assert wide.p_value < narrow.p_value


def test_regions_of_one_name_in_two_countries_are_two_geographies() -> None:
    rng, arms = np.random.default_rng(22), []
    for number, key in enumerate("ab"):
        segments, by_day = {}, {}
        for country in ("BE", "NL"):
            for region in ("Limburg", "Brabant", "Flandern"):
                clicks = int(rng.binomial(100_000, 0.01 * (1 + number)))
                values = {"country": country, "region": f"{region} {key}"}
                segments[tuple(values.get(str(name), "") for name in Dimension)] = Figures(100_000, clicks)
        total = [sum(one[place] for one in segments.values()) for place in (0, 1)]
        by_day = {START + timedelta(day): Figures(total[0] // 10, total[1] // 10) for day in range(10)}
        arms.append(Arm(key=key, share=0.5, delivery=Delivery(by_day=by_day, by_segment=segments)))
    analysis = look(arms, days=10, unit="geography", geography="region")
    assert (analysis.units, analysis.verdict) == ({"a": 6, "b": 6}, Verdict.BETTER)


# --- users and sessions -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("unit", ["user", "session"])
def test_daily_totals_of_users_give_figures_and_no_verdict_and_say_what_to_export(unit: str) -> None:
    """Users come back on other days: days are not independent, and 9 to 31 % of A/A tests were "caused"."""
    arms = shared_days(np.random.default_rng(13), lift=1.0, impressions=20_000, sd=0.1)
    analysis = look(arms, unit=unit)
    result = analysis.treatments[0]
    assert (analysis.verdict, analysis.analyzed_by, blocked(analysis)) == (Verdict.BLOCKED, "totals", ("units",))
    assert f"export one row per {unit}" in result.verdict.sentence
    assert f"abkit experiment analyze t --rows FILE --unit {unit}" in result.verdict.sentence
    assert result.deciding is not None
    assert result.deciding.lift.estimate == pytest.approx(1.0, rel=0.1)
    assert (result.deciding.lift.ci_low, math.isnan(result.deciding.p_value)) == (-math.inf, True)


def users(rng: np.random.Generator, count: int, lift: float = 0.0) -> PairMoments:
    """50 impressions each, click rates that differ between users with CV 1."""
    rates = 0.02 * rng.gamma(1.0, 1.0, count) * (1 + lift)
    return PairMoments.from_values(rng.binomial(50, np.minimum(rates, 1)), np.full(count, 50))


OF_USERS = {
    "unit": "user", "variants": {"a": "A", "b": "B"}, "ends_on": START + timedelta(27), "planned_total": None,
}  # fmt: skip


def of_users(rng: np.random.Generator, *, lift: float = 0.0, **changes: object) -> Analysis:
    arms = shared_days(rng, lift=0, impressions=2000, sd=0.1)
    sums = {"a": {Metric.CTR: users(rng, 1000)}, "b": {Metric.CTR: users(rng, 1000, lift)}}
    return analyze(plan(**OF_USERS | changes), arms, as_of=START + timedelta(28), sums=sums)


def test_sums_per_user_are_what_users_are_compared_by() -> None:
    rng = np.random.default_rng(14)
    for changes in ({}, {"monitoring": "anytime", "outcome_days": 7}):
        found = [of_users(rng, **changes).verdict in SAID for _ in range(100)]
        assert at_most_5_percent(found)
    better = of_users(rng, lift=0.5)
    assert (better.verdict, better.analyzed_by, better.units) == (Verdict.BETTER, "users", {"a": 1000, "b": 1000})
    assert "caused" in better.treatments[0].verdict.sentence


def test_users_that_are_not_split_as_planned_block() -> None:
    rng = np.random.default_rng(15)
    sums = {"a": {Metric.CTR: users(rng, 1000)}, "b": {Metric.CTR: users(rng, 800)}}
    arms = shared_days(rng, lift=0, impressions=2000, sd=0.1)
    analysis = analyze(plan(**OF_USERS), arms, as_of=START + timedelta(28), sums=sums)
    assert blocked(analysis) == ("units",)


# --- days that were drawn -----------------------------------------------------------------------------------------


def switched(
    rng: np.random.Generator, arms: str, *, lift: float = 0.0, carried: int = 0, stray: int = 0, sd: float = 0.05
) -> list[Arm]:
    """One arm per day, as the letters say; the first days after a switch still have the rate of the arm before."""
    days: dict[str, dict[object, Figures]] = {"a": {}, "b": {}}
    for day, arm in enumerate(arms):
        effective = arms[max(day - carried, 0)]
        rate = 0.02 * np.exp(rng.normal(0, sd)) * (1 + lift * (effective == "b"))
        days[arm][START + timedelta(day)] = Figures(20_000, int(rng.binomial(20_000, rate)))
        if stray:
            days["ba"[arm == "b"]][START + timedelta(day)] = Figures(stray, stray // 50)
    return [Arm(key=key, share=0.5, delivery=Delivery(by_day=own)) for key, own in days.items()]  # type: ignore[arg-type]


def theirs_of(arms: list[Arm], parts: list[list[Figures]]) -> Any:
    """What tea-tasting makes of clicks per impression over these units."""
    rows = [
        {"variant": arm.key, "clicks": one.clicks, "impressions": one.impressions}
        for arm, own in zip(arms, parts, strict=True)
        for one in own
    ]
    experiment = tea_tasting.Experiment(ctr=tea_tasting.RatioOfMeans("clicks", "impressions"))
    return experiment.analyze(pl.DataFrame(rows), control="a")["ctr"]


def test_drawn_days_and_geographies_agree_with_tea_tasting_where_the_convention_is_the_same() -> None:
    """Days: in every figure. Geographies: in the ratios and their error; the p-value is that of the draw here."""
    arms = switched(np.random.default_rng(15), "abbaabab" * 4, lift=0.05, sd=0.2)
    found = look(arms, days=32, unit="day", monitoring="fixed").treatments[0].fixed
    assert found is not None
    theirs = theirs_of(arms, [list(arm.delivery.by_day.values()) for arm in arms])
    assert found.p_value == pytest.approx(theirs.pvalue, rel=1e-6)
    ours = found.difference
    assert [ours.estimate, ours.ci_low, ours.ci_high] == pytest.approx(
        [theirs.effect_size, theirs.effect_size_ci_lower, theirs.effect_size_ci_upper], rel=1e-6
    )
    arms = geographies(np.random.default_rng(15), 20, spread=0.5)
    found = look(arms, unit="geography").treatments[0].fixed
    assert found is not None
    theirs = theirs_of(arms, [list(arm.delivery.by_segment.values()) for arm in arms])
    assert [arm_value(found.control), arm_value(found.treatment)] == pytest.approx([theirs.control, theirs.treatment])
    assert found.statistic == pytest.approx(theirs.statistic, rel=1e-6)
    assert found.p_value == pytest.approx(theirs.pvalue, abs=0.05)


def test_days_in_blocks_are_one_unit_per_block() -> None:
    rng = np.random.default_rng(16)
    analysis = look(switched(rng, "aaabbb" * 6, lift=0.3), days=36, unit="day", monitoring="fixed")
    assert (analysis.analyzed_by, analysis.units) == ("blocks", {"a": 6, "b": 6})
    assert analysis.verdict is Verdict.BETTER
    assert any("every 3 days" in note for note in analysis.notes)
    assert look(switched(rng, "ab" * 18, lift=0.3), days=36, unit="day", monitoring="fixed").units == {"a": 18, "b": 18}


def test_days_that_a_switch_spills_into_are_left_out() -> None:
    rng = np.random.default_rng(17)
    arms = switched(rng, "aaabbb" * 6, lift=0.3, carried=1, sd=0.01)
    spilled, clean = (look(arms, days=36, unit="day", carry_over=days) for days in (0, 1))
    lifts = [one.treatments[0].fixed.lift.estimate for one in (spilled, clean)]  # type: ignore[union-attr]
    assert lifts[0] < 0.25
    assert lifts[1] == pytest.approx(0.3, abs=0.02)
    assert any("carry-over: 12 of 36 days are left out" in note for note in clean.notes)


def test_drawn_days_without_a_lift_show_none_at_one_look_and_at_any() -> None:
    rng = np.random.default_rng(18)
    for monitoring in ("fixed", "anytime"):
        found = []
        for _ in range(40):
            letters = "".join(rng.permutation(list("ab" * 14)))
            found.append(look(switched(rng, letters, sd=0.3), unit="day", monitoring=monitoring).verdict in SAID)
        assert at_most_5_percent(found), monitoring


def test_a_day_of_both_arms_blocks_unless_a_schedule_says_whose_it_was() -> None:
    rng = np.random.default_rng(19)
    letters = "abbaabab" * 4
    arms = switched(rng, letters, lift=0.3, stray=800)
    mixed = look(arms, days=32, unit="day")
    assert blocked(mixed) == ("units",)
    assert "--schedule FILE" in mixed.treatments[0].verdict.sentence
    schedule = {START + timedelta(day): arm for day, arm in enumerate(letters)}
    told = look(arms, days=32, unit="day", schedule=schedule)
    assert told.verdict is Verdict.BETTER
    assert any("fall on days of another arm" in note for note in told.notes)


def test_a_scheduled_day_without_delivery_does_not_move_or_split_the_blocks() -> None:
    letters = "aabb" * 8
    arms = switched(np.random.default_rng(21), letters, lift=0.3)
    for lost in ((0,), (0, 31), (3,)):
        served = []
        for arm in arms:
            kept = {day: own for day, own in arm.delivery.by_day.items() if (day - START).days not in lost}
            served.append(Arm(key=arm.key, share=0.5, delivery=Delivery(by_day=kept)))
        schedule = {START + timedelta(day): arm for day, arm in enumerate(letters)}
        analysis = look(served, days=32, unit="day", schedule=schedule, monitoring="fixed")
        assert analysis.units == {"a": 8, "b": 8}, lost
        assert any("every 2 days" in note for note in analysis.notes), lost


def test_blocks_with_free_days_between_them_are_one_unit_each() -> None:
    weekdays = {START + timedelta(7 * week + day): "ab"[week % 2] for week in range(12) for day in range(5)}
    schedule = Schedule.of([], weekdays)
    assert schedule.length == 7
    served = [
        Arm(key=key, share=0.5, delivery=Delivery(by_day={day: Figures(1000, 20) for day in weekdays})) for key in "ab"
    ]
    assert [len(block.days) for block in Schedule.of(served, weekdays).blocks()] == [5] * 12


def test_few_blocks_give_no_verdict() -> None:
    analysis = look(switched(np.random.default_rng(20), "a" * 10 + "b" * 10 + "a" * 10), days=30, unit="day")
    assert blocked(analysis) == ("units",)
    assert "blocks of 10 days: 2 in a, 1 in b" in analysis.treatments[0].verdict.sentence


WITH_AN_END = {"ends_on": START + timedelta(27), "planned_total": None}

# --- what a plan refuses ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"unit": "geography", "monitoring": "anytime"}, "where the unit is geography: all geographies are in"),
        ({"unit": "user", "monitoring": "anytime"}, "not valid where the unit is user: users that came early"),
        ({"unit": "session", "monitoring": "anytime"}, "not valid where the unit is session"),
        ({"unit": "geography", "monitoring": "group"}, "divide the error by how much .* all geographies are in from"),
        ({"unit": "user", "monitoring": "group"}, "divide the error by how much .* users that came early go on"),
        ({"unit": "geography", "ends_on": None}, "expected its last day"),
        ({"unit": "geography", "paired": True, "strata": {"DE": "1"}}, "expected one of the two"),
        ({"strata": {"DE": "1"}}, "strata, pairs or a kind of geography are given, and the unit is impression"),
        ({"carry_over": 1}, "the unit is impression; expected day"),
        ({"unit": "day", "carry_over": 29}, "29 days of carry-over"),
        ({"unit": "day", "schedule": {START: "x"}}, "the schedule names 'x'; the variants are old, new"),
        ({"outcome_days": 7}, "an outcome window is given, and the unit is impression"),
    ],
)
def test_what_a_unit_does_not_allow_is_refused_when_the_experiment_is_created(
    sqlite_store: Store, changes: dict[str, object], said: str
) -> None:
    with pytest.raises(InvalidInput, match=said):
        create_experiment(sqlite_store, plan(**WITH_AN_END | changes))


def test_without_a_word_a_test_is_looked_at_as_often_as_its_unit_allows() -> None:
    units = {"impression": "anytime", "day": "anytime", "geography": "fixed", "user": "fixed", "session": "fixed"}
    assert {unit: str(plan(unit=unit, planned_total=None).monitoring) for unit in units} == units
    assert plan(unit="user", outcome_days=7).monitoring == "anytime"


# --- from the store -----------------------------------------------------------------------------------------------


def test_geographies_are_summed_from_the_rows_that_are_cut_by_them(store: Store) -> None:
    """Beside rows by country there are rows by device that hold the same delivery, and totals count days."""
    made = Deliveries(store)
    rng = np.random.default_rng(21)
    with store.write() as session:
        for number, name in enumerate("AB"):
            ad = Ad(external_id=name, run_id=made.run)
            session.add(ad)
            session.flush()
            for place in range(6):
                country = Segment(country=f"{name}{place}")
                device = session.scalar(select(Segment).where(Segment.device == f"d{place}"))
                cuts = [country, device or Segment(device=f"d{place}")]
                session.add_all(cuts)
                session.flush()
                clicks = int(rng.binomial(20_000, 0.02 * (1 + number)))
                for cut in cuts:
                    session.add(
                        Kpi(
                            ad_id=ad.id, segment_id=cut.id, period_start=START, period_end=START, impressions=20_000,
                            clicks=clicks, conversions=0, kpi_import_id=made.imported,
                        )
                    )  # fmt: skip
            recount(session, [ad.id])
    options = {"unit": "geography", "planned_total": None, "ends_on": START}
    create_experiment(store, plan(**options))
    analysis = analyze_experiment(store, "t", as_of=START + timedelta(1))
    assert analysis.units == {"old": 6, "new": 6}
    assert analysis.totals["old"].trials == 120_000
    assert analysis.verdict is Verdict.BETTER
    stored = history(store, "t")[0].result
    assert isinstance(stored, Analysis)
    assert (stored.analyzed_by, stored.units) == (analysis.analyzed_by, analysis.units)
