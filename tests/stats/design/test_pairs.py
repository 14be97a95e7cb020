"""Which pairs of variants are worth a test."""

from abkit.stats.design.pairs import ScoredVariant, plan_pairs
from abkit.stats.design.power import Design


def test_pairs_without_a_relation_are_not_recommended_and_with_one_the_widest_gap_comes_first() -> None:
    variants = [ScoredVariant("a", 5.0, 0.3), ScoredVariant("b", 6.0, 0.3), ScoredVariant("c", 5.05, 0.3)]
    without = plan_pairs(variants, baseline=0.02)
    assert not any(plan.worth_testing for plan in without)
    assert "no score–KPI relation" in without[0].why
    plans = plan_pairs(variants, baseline=0.02, log_lift_per_point=0.1, design=Design(daily_traffic=20_000))
    assert (plans[0].control, plans[0].treatment, plans[0].worth_testing) == ("a", "b", True)
    assert not plans[-1].worth_testing
