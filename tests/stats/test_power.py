"""Sample sizes: against statsmodels and spotify-confidence, and by simulation."""

import math

import numpy as np
import pytest
from scipy import stats
from statsmodels.stats.power import TTestIndPower
from statsmodels.stats.proportion import power_proportions_2indep

from abkit.errors import InvalidInput
from abkit.stats.detectable import (
    power_for_means,
    power_for_rates,
    smallest_lift_for_means,
    smallest_lift_for_rates,
)
from abkit.stats.power import (
    Design,
    sample_size_for_means,
    sample_size_for_rates,
    sample_size_for_ratios,
)

TESTS = 40_000


@pytest.mark.parametrize("ratio", [1.0, 0.5, 3.0])
@pytest.mark.parametrize("lift", [0.1, -0.2])
def test_sizes_for_rates_have_the_power_that_statsmodels_gives_them(ratio: float, lift: float) -> None:
    size = sample_size_for_rates(0.05, lift=lift, design=Design(power=0.9, ratio=ratio))
    power = power_proportions_2indep(0.05 * lift, 0.05, size.per_variant, ratio=1 / ratio, return_results=False)
    assert power == pytest.approx(0.9, abs=1e-4)
    assert power_for_rates(0.05, lift=lift, per_variant=size.per_variant, design=Design(ratio=ratio)) == pytest.approx(
        power, rel=1e-6
    )


@pytest.mark.parametrize("ratio", [1.0, 2.0])
def test_sizes_for_means_agree_with_statsmodels(ratio: float) -> None:
    size = sample_size_for_means(10.0, 5.0, lift=0.1, design=Design(ratio=ratio))
    theirs = TTestIndPower().solve_power(effect_size=0.2, alpha=0.05, power=0.8, ratio=ratio)
    assert size.control == math.ceil(theirs)


@pytest.mark.parametrize(
    ("baseline", "lift", "design"),
    [
        (0.02, 0.2, Design()),
        (0.01, 0.3, Design(power=0.9, alternative="greater")),
        (0.1, -0.15, Design(ratio=0.5)),
    ],
)
def test_simulated_power_agrees_within_one_point(baseline: float, lift: float, design: Design) -> None:
    size = sample_size_for_rates(baseline, lift=lift, design=design)
    rng = np.random.default_rng(11)
    x0 = rng.binomial(size.control, baseline, TESTS)
    x1 = rng.binomial(size.per_variant, baseline * (1 + lift), TESTS)
    pooled = (x0 + x1) / (size.control + size.per_variant)
    z = (x1 / size.per_variant - x0 / size.control) / np.sqrt(
        pooled * (1 - pooled) * (1 / size.control + 1 / size.per_variant)
    )
    if design.alternative == "greater":
        found = (stats.norm.sf(z) < design.alpha).mean()
    else:
        found = (2 * stats.norm.sf(np.abs(z)) < design.alpha).mean()
    assert abs(found - design.power) < 0.01


def test_simulated_power_of_planned_looks_agrees_within_one_point() -> None:
    from abkit.stats.group_sequential import plan_looks

    design = Design(monitoring="group", looks=4, spending="pocock")
    size = sample_size_for_rates(0.05, lift=0.2, design=design)
    plan = plan_looks([0.25, 0.5, 0.75, 1.0], spending="pocock")
    rng = np.random.default_rng(12)
    step = size.per_variant // 4
    x0, x1 = (np.cumsum(rng.binomial(step, p, (TESTS, 4)), axis=1) for p in (0.05, 0.06))
    n = step * np.arange(1, 5)
    pooled = (x0 + x1) / (2 * n)
    z = (x1 - x0) / n / np.sqrt(pooled * (1 - pooled) * 2 / n)
    assert abs((np.abs(z) > np.array(plan.boundaries)).any(axis=1).mean() - 0.8) < 0.01


def test_simulated_power_of_the_confidence_sequence_is_at_least_what_was_planned() -> None:
    from abkit.stats.sequential import multiplier

    size = sample_size_for_rates(0.05, lift=0.2, design=Design(monitoring="anytime"))
    rng = np.random.default_rng(13)
    looks = 20
    step = size.per_variant // looks
    x0, x1 = (np.cumsum(rng.binomial(step, p, (10_000, looks)), axis=1) for p in (0.05, 0.06))
    n = step * np.arange(1, looks + 1)
    p0, p1 = x0 / n, x1 / n
    z = (p1 - p0) / np.sqrt((p0 * (1 - p0) + p1 * (1 - p1)) / n)
    reach = np.array([multiplier(2 * k, tuning=size.total) for k in n])
    assert abs((np.abs(z[:, -1]) > reach[-1]).mean() - 0.8) < 0.015
    assert (np.abs(z) > reach).any(axis=1).mean() >= 0.8


def test_several_arms_share_the_error_rate_and_traffic_gives_the_days() -> None:
    two, three = (
        sample_size_for_rates(0.02, lift=0.1, design=Design(arms=arms, daily_traffic=10_000)) for arms in (2, 3)
    )
    assert three.alpha_per_comparison == 0.025
    assert three.per_variant > two.per_variant
    assert three.total == three.control + 2 * three.per_variant
    assert two.days == math.ceil(two.total / 10_000)


def test_the_smallest_lift_is_that_of_its_own_sample_size() -> None:
    size = sample_size_for_rates(0.03, lift=0.07)
    assert smallest_lift_for_rates(0.03, per_variant=size.per_variant) == pytest.approx(0.07, rel=1e-3)


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda: sample_size_for_rates(0.0, lift=0.1), "baseline is 0.0"),
        (lambda: sample_size_for_rates(2.0, lift=0.1), "baseline is 2.0"),
        (lambda: sample_size_for_rates(0.6, lift=1.0), "gives a rate of 1.2"),
        (lambda: sample_size_for_rates(0.6, lift=0.0), "lift of 0.0"),
        (lambda: sample_size_for_means(10, 0, lift=0.1), "standard deviation is 0"),
        (lambda: Design(power=1.5), "power is 1.5"),
        (lambda: Design(arms=1), "1 arm"),
        (lambda: Design(ratio=-1), "control is -1"),
        (lambda: Design(daily_traffic=0), "traffic is 0"),
        (lambda: sample_size_for_rates(0.1, lift=-0.1, design=Design(alternative="greater")), "point apart"),
    ],
)
def test_plans_that_cannot_be_are_refused_with_the_value(make: object, said: str) -> None:
    with pytest.raises(InvalidInput, match=said):
        make()  # type: ignore[operator]
