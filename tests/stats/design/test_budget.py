"""A plan in money: agrees with statsmodels on what a budget can tell, and says so where it is too small."""

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from statsmodels.stats.power import TTestIndPower
from statsmodels.stats.proportion import power_proportions_2indep

from abkit.errors import InvalidInput
from abkit.stats.design.budget import TrafficCost, plan_budget, plan_pair
from abkit.stats.design.pairs import ScoredVariant, plan_pairs
from abkit.stats.design.power import Design, Mean, Rate


def cost(**changes: Any) -> TrafficCost:
    return TrafficCost(**({"cpm": 7.5, "budget": 3000.0, "events_per_impression": 0.01} | changes))


@given(st.floats(0.002, 0.1), st.floats(500, 50_000), st.floats(1, 20))
def test_the_smallest_lift_is_found_with_the_wanted_power_at_what_the_budget_buys(
    rate: float, budget: float, cpm: float
) -> None:
    plan = plan_budget(Rate(rate), cost(cpm=cpm, budget=budget, events_per_impression=rate))
    assert plan.impressions == int(budget / cpm * 1000)
    assert plan.smallest_lift is not None
    power = power_proportions_2indep(rate * plan.smallest_lift, rate, plan.impressions / 2, return_results=False)
    assert power == pytest.approx(0.8, abs=0.001)
    assert plan.more_events == pytest.approx(plan.impressions / 2 * rate * plan.smallest_lift)


def test_a_mean_is_planned_with_its_noise_per_impression() -> None:
    plan = plan_budget(Mean(2.0, 80.0), cost(worth_per_1000=15.0))
    assert plan.smallest_lift is not None
    found = TTestIndPower().power(plan.smallest_lift * 2.0 / 80.0, plan.impressions / 2, 0.05)
    assert found == pytest.approx(0.8, abs=0.001)
    assert plan.smallest_gain == pytest.approx(15.0 * plan.smallest_lift)


def test_a_budget_that_is_too_small_says_under_which_lift_no_test_can_tell() -> None:
    small = plan_budget(Rate(0.01), cost(budget=800.0), planned_lift=0.05)
    assert small.enough is False
    assert small.sentence.startswith("at this budget no test can tell a lift under 17.")
    assert small.planned_cost is not None
    large = plan_budget(Rate(0.01), cost(budget=math.ceil(small.planned_cost)), planned_lift=0.05)
    assert large.enough is True
    assert "a test can tell a lift from 5.0 % on" in large.sentence
    nothing = plan_budget(Rate(0.01), cost(budget=0.01), planned_lift=0.05)
    assert nothing.smallest_lift is None
    assert nothing.sentence.startswith("at this budget no test can tell any lift: the planned 5.0 % would take")


def test_units_that_are_clicks_take_the_impressions_that_bring_them() -> None:
    by_impression = plan_pair(Rate(0.1), 0.2, cost(budget=1e6))
    by_click = plan_pair(Rate(0.1), 0.2, cost(budget=1e6, units_per_impression=0.02, events_per_impression=0.002))
    assert by_click.cost == pytest.approx(50 * by_impression.cost)
    assert by_click.impressions == pytest.approx(50 * by_impression.impressions, rel=1e-4)
    assert by_click.more_events == pytest.approx(by_impression.impressions / 2 * 0.1 * 0.2, rel=1e-4)


def test_a_cost_that_drops_by_a_fifth_is_a_quarter_more_for_the_same_money() -> None:
    pair = plan_pair(Mean(10.0, 200.0), 0.2, cost(lower=True, budget=1e6, events_per_impression=0.001))
    assert pair.more_events == pytest.approx(pair.impressions / 2 * 0.001 * 0.25, rel=1e-4)
    assert "drop" in plan_budget(Mean(10.0, 200.0), cost(lower=True)).sentence


def test_days_are_those_of_the_impressions() -> None:
    plan = plan_budget(Rate(0.01), cost(), Design(daily_traffic=50_000), planned_lift=0.05)
    assert plan.days == 8
    assert plan.planned_cost is not None
    assert plan.planned_days == math.ceil(plan.planned_cost / 7.5 * 1000 / 50_000)


def test_what_teaches_most_for_the_money_comes_first_and_what_the_budget_does_not_reach_is_not_worth_a_test() -> None:
    variants = [ScoredVariant(name, score, 0.3) for name, score in (("a", 5.0), ("b", 6.0), ("c", 7.5), ("d", 5.2))]
    plans = plan_pairs(variants, baseline=0.01, log_lift_per_point=0.1, traffic=cost())
    known = [plan for plan in plans if plan.budget]
    assert len(known) == 6
    information = [plan.budget.information for plan in known if plan.budget]
    tested = sum(plan.worth_testing for plan in known)
    assert 0 < tested < 6
    assert information[:tested] == sorted(information[:tested], reverse=True)
    assert [plan.worth_testing for plan in plans] == sorted((plan.worth_testing for plan in plans), reverse=True)
    assert all(plan.budget.affordable is plan.worth_testing for plan in known if plan.budget)
    short = next(plan for plan in known if not plan.worth_testing)
    assert "more than the budget" in short.why
    assert short.budget is not None
    assert 0 < short.budget.chance_to_decide < 0.8
    first = known[0]
    assert first.budget is not None
    assert first.expected_lift is not None
    promise = first.expected_lift * first.chance_scored_right * first.budget.chance_to_decide
    assert first.budget.information == pytest.approx(1e5 * promise / first.budget.cost)


def test_a_planned_lift_is_found_in_simulated_tests_as_often_as_planned() -> None:
    pair = plan_pair(Rate(0.02), 0.15, cost(budget=1e6))
    rng, n = np.random.default_rng(2), pair.impressions // 2
    one, two = rng.binomial(n, 0.02, 4000) / n, rng.binomial(n, 0.02 * 1.15, 4000) / n
    pooled = (one + two) / 2
    z = (two - one) / np.sqrt(pooled * (1 - pooled) * 2 / n)
    assert np.mean(np.abs(z) > 1.959964) == pytest.approx(0.8, abs=0.02)


@pytest.mark.parametrize("changes", [{"cpm": 0.0}, {"budget": -5.0}, {"budget": math.inf}])
def test_an_amount_that_is_none_is_refused(changes: dict[str, float]) -> None:
    with pytest.raises(InvalidInput, match="expected an amount above 0"):
        cost(**changes)
