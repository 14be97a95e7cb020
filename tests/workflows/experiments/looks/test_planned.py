"""The looks at a test: where they end, which verdict stands, what the planned total counts, what they are tuned to."""

from dataclasses import replace
from datetime import timedelta

import numpy as np
import pytest

from abkit.errors import InvalidInput
from abkit.store.database.engine import Store
from abkit.store.experiments import Delivery
from abkit.store.kpis.money import Figures
from abkit.vocabulary import Metric, Unit
from abkit.workflows.experiments.arms import Arm
from abkit.workflows.experiments.experiments import create_experiment, unknown_variants
from abkit.workflows.experiments.looks.analyze import analyze
from abkit.workflows.experiments.looks.results import Analysis
from abkit.workflows.experiments.plan import ExperimentPlan, check_plan
from tests.workflows.experiments.deliveries import START, Deliveries, look, plan


@pytest.fixture
def delivered(store: Store) -> Deliveries:
    return Deliveries(store)


def arms_until(
    day: int, rates: tuple[float, float], *, then: float | None = None, daily: int = 5_000, seed: int = 0
) -> list[Arm]:
    """Two arms with this rate each, whose first days are the same whatever the last day is.

    From the 20th day on the second has another rate, if one is given.
    """
    rng = np.random.default_rng(seed)
    clicks = rng.binomial(daily, np.array(rates)[:, None], (2, 60))
    if then is not None:
        clicks[1, 20:] = int(daily * then)
    return [
        Arm(
            key=key,
            share=0.5,
            delivery=Delivery(by_day={START + timedelta(n): Figures(daily, int(row[n])) for n in range(day + 1)}),
        )
        for key, row in zip(("old", "new"), clicks, strict=True)
    ]


def looks_at(arms_by_day: dict[int, list[Arm]], **changes: object) -> list[Analysis]:
    """One look after each of the days."""
    options = {"monitoring": "group", "looks": 4, "planned_total": 200_000} | changes
    found: list[Analysis] = []
    for day, arms in arms_by_day.items():
        found.append(analyze(plan(**options), arms, as_of=START + timedelta(day), earlier=list(found)))
    return found


def test_after_the_look_at_the_planned_end_no_later_look_gives_another_verdict() -> None:
    none = {day: arms_until(day, (0.02, 0.02)) for day in (4, 9, 14, 19)}
    # From the day after the end on, the treatment is far better.
    late = {day: arms_until(day, (0.02, 0.02), then=0.05) for day in range(20, 30)}
    found = looks_at(none | late)
    assert [look.verdict for look in found] == ["undecided"] * 14
    assert found[3].planned_share == 1
    assert "was at the planned end; later looks change no verdict" in found[-1].treatments[0].verdict.sentence
    assert found[-1].boundary == found[3].boundary
    # The same figures in a test that has not ended yet are a finding.
    assert looks_at(none | late, planned_total=400_000)[-1].verdict == "better"


def test_a_boundary_that_was_crossed_stays_crossed() -> None:
    arms = {4: arms_until(4, (0.02, 0.03))}
    for day in (9, 14, 19, 25):
        arms[day] = arms_until(day, (0.02, 0.02))
    first, *later = looks_at(arms)
    assert first.verdict == "better"
    assert [look.verdict for look in later] == ["better"] * 4
    sentence = later[-1].treatments[0].verdict.sentence
    assert sentence.startswith(first.treatments[0].verdict.sentence)
    assert sentence.count(f"look 1 of {first.as_of} crossed its boundary") == 1
    assert looks_at({25: arms[25]})[0].verdict == "undecided"


def test_a_fault_of_the_data_blocks_a_verdict_that_stood() -> None:
    arms = {4: arms_until(4, (0.02, 0.03)), 9: arms_until(9, (0.02, 0.03))}
    arms[9][1].delivery.by_day.pop(START + timedelta(7))  # type: ignore[attr-defined]
    assert [look.verdict for look in looks_at(arms)] == ["better", "blocked"]


def test_twenty_more_looks_after_the_end_add_no_false_verdict() -> None:
    """O'Brien–Fleming at 5 %: with one verdict for all looks after the end, 25 looks find what the planned ones do."""
    for seed in range(8):
        ends = {day: arms_until(day, (0.02, 0.02), seed=seed) for day in (*(3, 7, 11, 15, 19), *range(20, 40, 4))}
        found = looks_at(ends)
        planned = {look.verdict for look in found[:5]}
        assert {look.verdict for look in found} == planned


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"planned_total": 28, "planned_unit": "day"}, "28 days; this test counts impressions"),
        ({"planned_total": 28}, "28 impressions, which cannot be meant"),
        ({"planned_total": 20_000, "unit": "day"}, "20,000 days, which cannot be meant"),
        ({"planned_total": 80_000, "allocation": "optimized"}, "80,000 days, which cannot be meant"),
        ({"planned_total": 10_000, "planned_unit": "impression", "unit": "user"}, "this test counts users"),
        ({"planned_total": 30, "unit": "day", "ends_on": START + timedelta(13)}, "it has 14"),
        ({"planned_total": 5_000.5}, "expected a whole number"),
        ({"planned_total": None, "planned_unit": "day"}, "has no number"),
    ],
)
def test_a_planned_total_that_cannot_be_meant_is_refused(changes: dict[str, object], said: str) -> None:
    with pytest.raises(InvalidInput, match=said):
        check_plan(plan(**changes))


@pytest.mark.parametrize(
    ("changes", "unit"),
    [
        ({}, Unit.IMPRESSION),
        ({"unit": "user"}, Unit.USER),
        ({"allocation": "optimized", "planned_total": 28}, Unit.DAY),
    ],
)
def test_a_planned_total_counts_what_the_test_counts(changes: dict[str, object], unit: Unit) -> None:
    made: ExperimentPlan = plan(**changes)
    assert made.planned_unit is unit
    check_plan(made)


def test_the_planned_total_of_a_conversion_rate_is_in_impressions() -> None:
    arms = [
        Arm(
            key=key,
            share=0.5,
            delivery=Delivery(by_day={START + timedelta(n): Figures(5_000, 100, 10) for n in range(4)}),
        )
        for key in ("old", "new")
    ]
    (found,) = looks_at({3: arms}, metric="cvr", planned_total=80_000)
    assert found.planned_share == 0.5
    # Half of the planned impressions brought 800 clicks: the clicks at the end are what the sequence is tuned to.
    assert found.tuning == 1_600


def test_without_a_total_the_sequence_is_tuned_to_the_traffic_of_the_first_look_and_stays_so() -> None:
    arms = {day: arms_until(day, (0.02, 0.02)) for day in (6, 13)}
    first, second = looks_at(arms, monitoring="anytime", looks=None, planned_total=None)
    assert first.tuning == second.tuning == 28 * 10_000
    ends = looks_at(arms, monitoring="anytime", looks=None, planned_total=None, ends_on=START + timedelta(13))
    assert ends[0].tuning == 14 * 10_000


def test_a_name_that_nothing_has_is_said_with_names_like_it_and_blocks_the_verdict(delivered: Deliveries) -> None:
    delivered.ad("hero-blue", 0.02)
    made = plan(variants={"old": "hero-blue", "new": "hero-blu"})
    create_experiment(delivered.store, made)
    assert unknown_variants(delivered.store, made) == {"new": ["hero-blue"]}
    guards = {guard.name: guard for guard in look(delivered.store).guards}
    assert guards["ads"].status == "block"
    assert "'hero-blu' (new)" in guards["ads"].message


def test_between_planned_looks_guardrails_and_watched_metrics_are_valid_at_any_look() -> None:
    """Spending is for the metric that decides; another one that is tested at 5 % at each look errs in 13 % of tests."""
    arms = [
        replace(
            arm,
            delivery=replace(
                arm.delivery,
                by_day={day: one._replace(conversions=one.clicks // 4) for day, one in arm.delivery.by_day.items()},
            ),
        )
        for arm in arms_until(9, (0.02, 0.02))
    ]
    changes: dict[str, object] = {"guardrails": {"cvr": 0.2}, "watch": ["conversions_per_impression"]}
    (found,) = looks_at({9: arms}, **changes)
    (fixed,) = looks_at({9: arms}, **changes, monitoring="fixed", looks=None)
    guard, other = (one.treatments[0].guardrails[Metric.CVR] for one in (found, fixed))
    assert guard is not None
    assert other is not None
    assert (guard.anytime, other.anytime) == (True, False)
    watched, once = (one.watched[0].comparison for one in (found, fixed))
    assert watched is not None
    assert once is not None
    assert (watched.method, watched.p_value > once.p_value) == ("sequential", True)


def test_looks_beyond_the_planned_number_are_called_that() -> None:
    found = looks_at({day: arms_until(day, (0.02, 0.02)) for day in (4, 9, 14)}, looks=2)
    assert [look.rule.split(":")[0] for look in found] == [
        "look 1 of 2 planned", "look 2 of 2 planned", "look 3 beyond the 2 planned",
    ]  # fmt: skip
