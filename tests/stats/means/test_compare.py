"""Means, ratios, CUPED, clusters, margins: against scipy, statsmodels, tea-tasting and spotify-confidence."""

import math

import numpy as np
import pytest
import tea_tasting
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from statsmodels.stats.proportion import test_proportions_2indep as proportions_test
from statsmodels.stats.proportion import tost_proportions_2indep
from statsmodels.stats.weightstats import ttost_ind
from tea_tasting.aggr import Aggregates

from abkit.errors import InvalidInput
from abkit.stats.arms import Counts, Moments, PairMoments
from abkit.stats.estimate import ArmMean
from abkit.stats.means.compare import compare_means
from abkit.stats.means.estimates import LIFT_INTERVALS
from abkit.stats.means.pairs import compare_ratios, compare_with_covariate
from abkit.stats.proportions.compare import compare
from abkit.stats.verdicts.equivalence import equivalent, non_inferior
from abkit.vocabulary import LiftMethod

moments = st.builds(
    Moments,
    n=st.one_of(st.integers(2, 200), st.just(10**12)),
    mean=st.floats(0.01, 1e6),
    variance=st.floats(1e-3, 1e9),
)


@given(control=moments, treatment=moments)
@settings(max_examples=200, deadline=None)
def test_means_agree_with_scipy_and_tea_tasting(control: Moments, treatment: Moments) -> None:
    result = compare_means(control, treatment, lift_method="log-delta")
    theirs = stats.ttest_ind_from_stats(
        treatment.mean, math.sqrt(treatment.variance), treatment.n,
        control.mean, math.sqrt(control.variance), control.n, equal_var=False,
    )  # fmt: skip
    assert result.statistic == pytest.approx(theirs.statistic, rel=1e-9)
    assert result.p_value == pytest.approx(theirs.pvalue, rel=1e-6, abs=1e-290)
    try:
        tea = tea_tasting.Mean("x").analyze_aggregates(*(tea_moments(arm) for arm in (control, treatment)))
    except OverflowError:
        assert math.isinf(result.lift.ci_high)
        return
    assert result.difference.ci_low == pytest.approx(tea.effect_size_ci_lower, rel=1e-6, abs=1e-9 * control.mean)
    assert result.difference.ci_high == pytest.approx(tea.effect_size_ci_upper, rel=1e-6, abs=1e-9 * control.mean)
    assert 1 + result.lift.ci_low == pytest.approx(1 + tea.rel_effect_size_ci_lower, rel=1e-6, abs=1e-12)


def moments_of_two(*figures: float) -> PairMoments:
    names = ("n", "mean_y", "mean_x", "variance_y", "variance_x", "covariance")
    return PairMoments(**dict(zip(names, figures, strict=True)))


def tea_moments(arm: Moments) -> Aggregates:
    return Aggregates(arm.n, {"x": arm.mean}, {"x": arm.variance})  # type: ignore[arg-type]


def test_the_lift_conventions_of_the_peers_are_there_by_name() -> None:
    control, treatment = Moments(500, 10.0, 25.0), Moments(400, 11.0, 30.0)
    z = stats.norm.ppf(0.975)
    se0, se1 = math.sqrt(25 / 500), math.sqrt(30 / 400)
    means = ArmMean(500, 10.0, se0), ArmMean(400, 11.0, se1)
    gap = z * math.hypot(se0, se1)
    assert LIFT_INTERVALS[LiftMethod.PLUG_IN](*means, z) == pytest.approx(((1 - gap) / 10, (1 + gap) / 10))
    half = z * math.sqrt(se1**2 / 100 + (11 / 10) ** 2 * se0**2 / 100)
    assert LIFT_INTERVALS[LiftMethod.DELTA](*means, z) == pytest.approx((0.1 - half, 0.1 + half))
    with pytest.raises(InvalidInput, match="'ratio'; expected one of fieller"):
        compare_means(control, treatment, lift_method="ratio")


@given(st.floats(-3, 3), st.floats(0.1, 50), st.floats(-30, 30))
@settings(max_examples=100, deadline=None)
def test_fieller_is_the_set_of_lifts_that_are_not_rejected(shift: float, control: float, treatment: float) -> None:
    means = ArmMean(9, control, 1.0), ArmMean(9, treatment, 2.0)
    low, high = LIFT_INTERVALS[LiftMethod.FIELLER](*means, 1.96)
    if math.isinf(low):
        assert control <= 1.96
        return
    for end in (low, high):
        ratio = 1 + end
        assert abs(treatment - ratio * control) == pytest.approx(1.96 * math.hypot(2.0, ratio * 1.0), rel=1e-6)


def test_a_lift_over_a_baseline_near_zero_has_no_finite_interval_and_says_why() -> None:
    result = compare_means(Moments(100, 0.1, 100.0), Moments(100, 2.0, 100.0))
    assert math.isinf(result.lift.ci_low)
    assert "not clear of zero" in result.notes[0]


def users(seed: int, n: int, effect: float) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    impressions = rng.poisson(20, n) + 1
    rate = rng.beta(4, 60, n) * (1 + effect)
    return rng.binomial(impressions, rate).astype(float), impressions.astype(float)


def pair(y: np.ndarray, x: np.ndarray) -> PairMoments:
    return PairMoments.from_sums(n=len(y), y=y.sum(), x=x.sum(), yy=y @ y, xx=x @ x, xy=x @ y)


def tea_pair(y: np.ndarray, x: np.ndarray) -> Aggregates:
    cov = np.cov(y, x)
    return Aggregates(len(y), {"y": y.mean(), "x": x.mean()}, {"y": cov[0, 0], "x": cov[1, 1]}, {("x", "y"): cov[0, 1]})


def test_ratios_and_cuped_agree_with_tea_tasting() -> None:
    one, two = users(1, 900, 0.0), users(2, 1100, 0.1)
    result = compare_ratios(pair(*one), pair(*two), lift_method="log-delta")
    theirs = tea_tasting.RatioOfMeans("y", "x").analyze_aggregates(tea_pair(*one), tea_pair(*two))
    assert result.p_value == pytest.approx(theirs.pvalue, rel=1e-6)
    assert result.lift.ci_high == pytest.approx(theirs.rel_effect_size_ci_upper, rel=1e-6)
    cuped = compare_with_covariate(pair(*one), pair(*two), lift_method="log-delta")
    theirs = tea_tasting.Mean("y", "x").analyze_aggregates(tea_pair(*one), tea_pair(*two))
    assert cuped.adjusted.p_value == pytest.approx(theirs.pvalue, rel=1e-6)
    assert cuped.adjusted.difference.ci_low == pytest.approx(theirs.effect_size_ci_lower, rel=1e-6)
    assert cuped.variance_kept < 1


def test_cluster_robust_figures_agree_with_statsmodels() -> None:
    import statsmodels.api as sm

    (y0, x0), (y1, x1) = users(3, 300, 0.0), users(4, 300, 0.05)
    result = compare_ratios(pair(y0, x0), pair(y1, x1))
    # Weighted least squares of the users' rates on the arm is the same estimate from rows of impressions.
    rate, weight = np.concatenate((y0 / x0, y1 / x1)), np.concatenate((x0, x1))
    arm = np.repeat([0.0, 1.0], [len(y0), len(y1)])
    fit = sm.WLS(rate, sm.add_constant(arm), weights=weight).fit(
        cov_type="cluster", cov_kwds={"groups": np.arange(len(rate)), "use_correction": False}
    )
    se = math.hypot(result.control.standard_error, result.treatment.standard_error)  # type: ignore[union-attr]
    assert result.difference.estimate == pytest.approx(fit.params[1], rel=1e-9)
    assert se * math.sqrt(299 / 300) == pytest.approx(fit.bse[1], rel=1e-6)


def test_clusters_hold_the_error_rate_where_impressions_as_trials_do_not() -> None:
    rng = np.random.default_rng(5)
    tests, n = 2000, 200
    impressions = rng.poisson(50, (tests, 2, n)) + 1
    clicks = rng.binomial(impressions, rng.beta(1, 30, (tests, 2, n)))
    rejected = {"clusters": 0, "trials": 0}
    for y, x in zip(clicks.astype(float), impressions.astype(float), strict=True):
        rejected["clusters"] += compare_ratios(pair(y[0], x[0]), pair(y[1], x[1])).p_value < 0.05
        arms = [Counts(int(a.sum()), int(b.sum())) for a, b in zip(y, x, strict=True)]
        rejected["trials"] += compare(*arms).p_value < 0.05
    three = 3 * math.sqrt(0.05 * 0.95 / tests)
    assert abs(rejected["clusters"] / tests - 0.05) < three
    assert rejected["trials"] / tests > 0.1


def test_moments_add_up_over_days() -> None:
    rng = np.random.default_rng(6)
    y, x = rng.normal(5, 2, 50), rng.normal(3, 1, 50)
    both = pair(y[:20], x[:20]) + pair(y[20:], x[20:])
    whole = pair(y, x)
    assert (both.n, both.mean_y, both.variance_x, both.covariance) == pytest.approx(
        (whole.n, whole.mean_y, whole.variance_x, whole.covariance)
    )
    day = Moments.from_sums(n=20, total=y[:20].sum(), total_squares=(y[:20] ** 2).sum())
    rest = Moments.from_sums(n=30, total=y[20:].sum(), total_squares=(y[20:] ** 2).sum())
    assert (day + rest).variance == pytest.approx(y.var(ddof=1))


def test_margins_agree_with_statsmodels() -> None:
    rng = np.random.default_rng(7)
    a, b = rng.normal(10, 2, 300), rng.normal(9.9, 2.5, 280)
    comparison = compare_means(*(Moments(len(v), v.mean(), v.var(ddof=1)) for v in (a, b)))
    assert equivalent(comparison, margin=0.5).p_value == pytest.approx(
        ttost_ind(b, a, -0.5, 0.5, usevar="unequal")[0], rel=1e-6
    )
    rates = compare(Counts(480, 10_000), Counts(470, 10_000))
    wald = proportions_test(470, 10_000, 480, 10_000, value=-0.005, method="wald", alternative="larger")
    assert non_inferior(rates, margin=0.005).p_value == pytest.approx(wald.pvalue, rel=1e-6)
    both = tost_proportions_2indep(470, 10_000, 480, 10_000, -0.005, 0.005, method="wald")
    assert equivalent(rates, margin=0.005).p_value == pytest.approx(both.pvalue, rel=1e-6)


def test_means_agree_with_spotify_confidence() -> None:
    import pandas as pd
    from spotify_confidence import ZTest

    frame = pd.DataFrame(
        {"group": ["a", "b"], "sum": [5200.0, 5500.0], "sum2": [31000.0, 34000.0], "n": [1000.0, 1000.0]}
    )
    theirs = (
        ZTest(frame, numerator_column="sum", numerator_sum_squares_column="sum2", denominator_column="n",
              categorical_group_columns="group", interval_size=0.95)
        .difference(level_1="a", level_2="b", absolute=True)
    ).iloc[0]  # fmt: skip
    arms = [
        Moments.from_sums(n=1000, total=total, total_squares=squares)
        for total, squares in ((5200, 31000), (5500, 34000))
    ]
    result = compare_means(*arms)
    # Theirs is normal, ours Student's t: the standard error behind both intervals is the same.
    theirs_se = (theirs["ci_upper"] - theirs["ci_lower"]) / (2 * stats.norm.ppf(0.975))
    se = math.hypot(result.control.standard_error, result.treatment.standard_error)  # type: ignore[union-attr]
    assert se == pytest.approx(theirs_se, rel=1e-6)
    assert result.difference.estimate == pytest.approx(theirs["difference"], rel=1e-9)


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda: compare_means(Moments(10, 1.0, 0.0), Moments(10, 1.0, 0.0)), "neither arm varies"),
        (lambda: compare_means(Moments(1, 1.0, 0.0), Moments(10, 1.0, 1.0)), "1 unit"),
        (lambda: Moments(10, 1.0, -1.0), "variance of an arm is -1.0"),
        (lambda: Moments(10, math.nan, 1.0), "mean of an arm is nan"),
        (lambda: Moments(0, 1.0, 1.0), "n = 0"),
        (lambda: Moments.from_sums(n=10, total=100, total_squares=10), "sum of squares is 10"),
        (lambda: moments_of_two(10, 1, 1, 1, 1, 5), "covariance is 5"),
        (lambda: compare_ratios(*[moments_of_two(10, 1, 0, 1, 0, 0)] * 2), "denominator"),
        (lambda: non_inferior(compare_means(Moments(9, 1, 1), Moments(9, 1, 1)), margin=0), "margin is 0"),
        (lambda: compare_with_covariate(*[moments_of_two(9, 1, 2, 1, 0, 0)] * 2), "covariate is 2"),
    ],
)
def test_invalid_figures_are_refused_with_the_value(make: object, said: str) -> None:
    with pytest.raises(InvalidInput, match=said):
        make()  # type: ignore[operator]


def test_single_values_are_compared_by_their_moments() -> None:
    rng = np.random.default_rng(8)
    one, other = rng.normal(10, 2, 50), rng.normal(11, 3, 60)
    found = compare_means(one.tolist(), other)
    theirs = stats.ttest_ind(other, one, equal_var=False)
    assert (found.statistic, found.p_value) == pytest.approx((theirs.statistic, theirs.pvalue), rel=1e-9)
    with pytest.raises(InvalidInput, match="'score' does not compare means"):
        compare_means(one, other, method="score")
    with pytest.raises(InvalidInput, match="n = 0"):
        compare_means([], other)


def test_the_normal_posterior_agrees_with_simulation() -> None:
    arms = Moments(100, 1.0, 0.005), Moments(100, 1.02, 0.005)
    found = compare_means(*arms, method="bayes", prior=(0.0, 0.02), practical_lift=0.01)
    estimate, posterior = found.difference, found.bayes
    assert posterior is not None
    draws = np.random.default_rng(5).normal(estimate.estimate, 0.01 * 0.02 / math.hypot(0.01, 0.02), 400_000)
    assert estimate.estimate == pytest.approx(0.016, rel=1e-9)
    assert posterior.chance_to_win == pytest.approx((draws > 0).mean(), abs=0.002)
    assert posterior.expected_loss == pytest.approx(np.maximum(-draws, 0).mean(), rel=0.05)
    assert posterior.chance_of_practical_lift == pytest.approx((draws > 0.01).mean(), abs=0.003)
