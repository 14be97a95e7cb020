"""Sample sizes: against statsmodels and spotify-confidence, and by simulation."""

import math

import numpy as np
import pytest
from scipy import stats
from statsmodels.stats.power import TTestIndPower
from statsmodels.stats.proportion import power_proportions_2indep

from abkit.errors import InvalidInput
from abkit.stats.arms import PairMoments
from abkit.stats.design.power import Design, Mean, Rate
from abkit.stats.design.sample_size import SampleSize, power_of, sample_size, size_of, smallest_lift

TESTS = 40_000


@pytest.mark.parametrize("ratio", [1.0, 0.5, 3.0])
@pytest.mark.parametrize("lift", [0.1, -0.2])
def test_sizes_for_rates_have_the_power_that_statsmodels_gives_them(ratio: float, lift: float) -> None:
    size = size_of(Rate(0.05), lift, Design(power=0.9, ratio=ratio))
    power = power_proportions_2indep(0.05 * lift, 0.05, size.per_variant, ratio=1 / ratio, return_results=False)
    assert power == pytest.approx(0.9, abs=1e-4)
    assert power_of(Rate(0.05), lift, size.per_variant, Design(ratio=ratio)) == pytest.approx(power, rel=1e-6)


@pytest.mark.parametrize("ratio", [1.0, 2.0])
def test_sizes_for_means_agree_with_statsmodels(ratio: float) -> None:
    size = size_of(Mean(10.0, 5.0), 0.1, Design(ratio=ratio))
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
    p = simulated_p(size_of(Rate(baseline), lift, design), np.random.default_rng(11))
    assert abs((p < design.alpha).mean() - design.power) < 0.01


def simulated_p(size: SampleSize, rng: np.random.Generator) -> np.ndarray:
    """Return p-values of the pooled z-test of control and treatment, where the planned lift is the truth."""
    n0, n1 = size.control, size.per_variant
    x0, x1 = rng.binomial(n0, size.baseline, TESTS), rng.binomial(n1, size.baseline * (1 + size.lift), TESTS)
    pooled = (x0 + x1) / (n0 + n1)
    z = (x1 / n1 - x0 / n0) / np.sqrt(pooled * (1 - pooled) * (1 / n0 + 1 / n1))
    return stats.norm.sf(z) if size.alternative == "greater" else 2 * stats.norm.sf(np.abs(z))


@pytest.mark.parametrize("design", [Design(), Design(power=0.9, alternative="less"), Design(ratio=3.0), Design(arms=4)])
def test_simulated_power_of_means_agrees_within_one_point(design: Design) -> None:
    lift = -0.1 if design.alternative == "less" else 0.1
    size = size_of(Mean(10.0, 3.0), lift, design)
    rng = np.random.default_rng(21)
    means, variances = [], []
    for n, mean in ((size.control, 10.0), (size.per_variant, 10.0 * (1 + lift))):
        # The mean and the variance of a normal sample are independent: no rows are needed.
        means.append(rng.normal(mean, 3.0 / np.sqrt(n), TESTS))
        variances.append(9.0 * rng.chisquare(n - 1, TESTS) / (n - 1))
    found = stats.ttest_ind_from_stats(
        means[1], np.sqrt(variances[1]), size.per_variant, means[0], np.sqrt(variances[0]), size.control,
        equal_var=False, alternative=design.alternative,
    ).pvalue  # fmt: skip
    assert abs((found < design.alpha_per_comparison).mean() - design.power) < 0.01


def test_simulated_power_of_a_ratio_metric_agrees_within_one_point() -> None:
    # Users with a Poisson number of sessions and a rate of their own; the pilot is large enough to be the truth.
    # The effect is so much more of y a session for everyone: the plan takes the variance as that of the control.
    def users(rng: np.random.Generator, tests: int, n: int, more: float) -> tuple[np.ndarray, np.ndarray]:
        x = rng.poisson(5.0, (tests, n)) + 1.0
        return rng.poisson(x * rng.gamma(4.0, 0.1, (tests, n))) + more * x, x

    rng = np.random.default_rng(22)
    (y,), (x,) = users(rng, 1, 400_000, 0.0)
    cov = np.cov(y, x)
    pilot = PairMoments(
        n=len(y), mean_y=y.mean(), mean_x=x.mean(), variance_y=cov[0, 0], variance_x=cov[1, 1], covariance=cov[0, 1]
    )
    size = sample_size(pilot, 0.15)
    ratios, errors = [], []
    for more in (0.0, 0.15 * y.mean() / x.mean()):
        y, x = users(rng, 8000, size.per_variant, more)
        ratio = y.sum(axis=1) / x.sum(axis=1)
        residual = y - ratio[:, None] * x
        ratios.append(ratio)
        errors.append(residual.var(axis=1, ddof=1) / size.per_variant / x.mean(axis=1) ** 2)
    z = (ratios[1] - ratios[0]) / np.sqrt(errors[0] + errors[1])
    # One point, and what 8,000 draws leave open.
    assert abs((np.abs(z) > 1.96).mean() - 0.8) < 0.01 + 2 * np.sqrt(0.8 * 0.2 / 8000)


@pytest.mark.parametrize("design", [Design(arms=3), Design(arms=3, ratio=0.5, alternative="greater")])
def test_simulated_power_with_several_arms_agrees_within_one_point(design: Design) -> None:
    p = simulated_p(size_of(Rate(0.05), 0.2, design), np.random.default_rng(23))
    assert abs((p < design.alpha / 2).mean() - 0.8) < 0.01


@pytest.mark.parametrize("monitoring", ["fixed", "anytime", "group"])
@pytest.mark.parametrize(("alternative", "lift"), [("two-sided", 0.1), ("greater", 0.1), ("less", -0.1)])
def test_power_and_smallest_lift_are_the_sample_size_inverted(monitoring: str, alternative: str, lift: float) -> None:
    design = Design(monitoring=monitoring, alternative=alternative)  # type: ignore[arg-type]
    rate = size_of(Rate(0.05), lift, design).per_variant
    mean = size_of(Mean(10.0, 5.0), lift, design).per_variant
    assert power_of(Rate(0.05), lift, rate, design) == pytest.approx(0.8, abs=1e-3)
    assert power_of(Mean(10.0, 5.0), lift, mean, design) == pytest.approx(0.8, abs=2e-3)
    assert smallest_lift(Rate(0.05), rate, design) == pytest.approx(lift, rel=1e-3)
    assert smallest_lift(Mean(10.0, 5.0), mean, design) == pytest.approx(lift, rel=3e-3)


def test_simulated_power_of_planned_looks_agrees_within_one_point() -> None:
    from abkit.stats.sequential.group_sequential import plan_looks

    design = Design(monitoring="group", looks=4, spending="pocock")
    size = size_of(Rate(0.05), 0.2, design)
    plan = plan_looks([0.25, 0.5, 0.75, 1.0], spending="pocock")
    rng = np.random.default_rng(12)
    step = size.per_variant // 4
    x0, x1 = (np.cumsum(rng.binomial(step, p, (TESTS, 4)), axis=1) for p in (0.05, 0.06))
    n = step * np.arange(1, 5)
    pooled = (x0 + x1) / (2 * n)
    z = (x1 - x0) / n / np.sqrt(pooled * (1 - pooled) * 2 / n)
    assert abs((np.abs(z) > np.array(plan.boundaries)).any(axis=1).mean() - 0.8) < 0.01


def test_simulated_power_of_the_confidence_sequence_is_at_least_what_was_planned() -> None:
    from abkit.stats.sequential.always_valid import multiplier

    size = size_of(Rate(0.05), 0.2, Design(monitoring="anytime"))
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
    two, three = (size_of(Rate(0.02), 0.1, Design(arms=arms, daily_traffic=10_000)) for arms in (2, 3))
    assert three.alpha_per_comparison == 0.025
    assert three.per_variant > two.per_variant
    assert three.total == three.control + 2 * three.per_variant
    assert two.days == math.ceil(two.total / 10_000)


def test_the_smallest_lift_is_that_of_its_own_sample_size() -> None:
    size = size_of(Rate(0.03), 0.07)
    assert smallest_lift(Rate(0.03), size.per_variant) == pytest.approx(0.07, rel=1e-3)


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda: size_of(Rate(0.0), 0.1), "baseline is 0.0"),
        (lambda: size_of(Rate(2.0), 0.1), "baseline is 2.0"),
        (lambda: size_of(Rate(0.6), 1.0), "gives a rate of 1.2"),
        (lambda: size_of(Rate(0.6), 0.0), "lift of 0.0"),
        (lambda: size_of(Mean(10, 0), 0.1), "standard deviation is 0"),
        (lambda: Design(power=1.5), "power is 1.5"),
        (lambda: Design(arms=1), "1 arm"),
        (lambda: Design(ratio=-1), "control is -1"),
        (lambda: Design(daily_traffic=0), "traffic is 0"),
        (lambda: size_of(Rate(0.1), -0.1, Design(alternative="greater")), "contradict each other"),
    ],
)
def test_invalid_plans_are_refused_with_the_value(make: object, said: str) -> None:
    with pytest.raises(InvalidInput, match=said):
        make()  # type: ignore[operator]


def test_one_call_gives_the_size_the_smallest_lift_or_the_power() -> None:
    assert sample_size(0.02, 0.1) == size_of(Rate(0.02), 0.1)
    assert sample_size(10.0, 0.05, standard_deviation=5.0) == size_of(Mean(10.0, 5.0), 0.05)
    assert sample_size(0.02, per_variant=80_682).lift == pytest.approx(0.1, rel=1e-3)
    known = sample_size(0.02, 0.1, per_variant=40_341, daily_traffic=10_000)
    assert (known.per_variant, known.total, known.days) == (40_341, 80_682, 9)
    assert known.power == pytest.approx(power_of(Rate(0.02), 0.1, 40_341))
    with pytest.raises(InvalidInput, match="neither a lift nor units"):
        sample_size(0.02)


@pytest.mark.parametrize("per_variant", [2, 3, 10, 37])
def test_the_smallest_lift_is_that_of_the_size_before_it_is_rounded_up(per_variant: int) -> None:
    found = sample_size(10.0, per_variant=per_variant, standard_deviation=5.0)
    if per_variant > 2:
        theirs = TTestIndPower().solve_power(nobs1=per_variant, alpha=0.05, power=0.8) * 5 / 10
        assert found.lift == pytest.approx(theirs, rel=1e-5)
    assert (found.per_variant, found.total) == (per_variant, 2 * per_variant)
    again = sample_size(10.0, found.lift, per_variant=per_variant, standard_deviation=5.0)
    assert again.power == pytest.approx(0.8, abs=1e-5)
    assert round(sample_size(10.0, per_variant=10, standard_deviation=5.0).lift, 4) == 0.6625
