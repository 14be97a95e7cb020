"""Two proportions: against statsmodels, scipy and tea-tasting, at ordinary and at extreme counts."""

import math

import pytest
import tea_tasting
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import integrate, stats
from statsmodels.stats.proportion import (
    confint_proportions_2indep,
    proportion_confint,
    proportions_ztest,
    score_test_proportions_2indep,
)
from tea_tasting.aggr import Aggregates

from abkit.errors import InvalidInput
from abkit.stats.arms import Counts
from abkit.stats.proportions.compare import compare
from abkit.stats.proportions.intervals import newcombe_z
from abkit.vocabulary import Method

METHODS = [method for method in Method if method is not Method.WELCH]

FIXED = [
    (480, 10_000, 560, 10_100),
    (1, 40, 9, 40),
    (30, 1000, 30, 1000),
    (999, 1000, 990, 1000),
    (50_000, 1_000_000, 51_000, 1_000_000),
]
EXTREME = [
    (0, 100, 0, 100),
    (0, 100, 5, 100),
    (5, 100, 0, 100),
    (100, 100, 100, 100),
    (100, 100, 0, 100),
    (0, 1, 1, 1),
    (1, 1, 1, 1),
    (0, 1, 0, 1),
    (50_000_000_000, 10**12, 50_001_000_000, 10**12),
    (3, 10**9, 9, 10**9),
    (0, 10**12, 10**12, 10**12),
]


@st.composite
def counts(draw: st.DrawFn, most: int = 10**12) -> tuple[int, int]:
    trials = draw(st.integers(1, most))
    few = st.integers(0, min(trials, 50))
    return draw(st.one_of(few, st.integers(0, trials), st.just(trials), few.map(lambda k: trials - k))), trials


def arms(values: tuple[int, int, int, int]) -> tuple[Counts, Counts]:
    return Counts(*values[:2]), Counts(*values[2:])


def flipped(values: tuple[int, int, int, int]) -> tuple[int, int, int, int]:
    """statsmodels' first sample is our treatment."""
    return (*values[2:], *values[:2])


@pytest.mark.parametrize("values", FIXED)
def test_z_agrees_with_statsmodels_and_tea_tasting(values: tuple[int, int, int, int]) -> None:
    control, treatment = arms(values)
    result = compare(control, treatment, method="z")
    z, p = proportions_ztest([treatment.successes, control.successes], [treatment.trials, control.trials])
    theirs = tea_tasting.Proportion("x", method="norm", correction=False).analyze_aggregates(
        *(Aggregates(arm.trials, {"x": arm.rate}, {"x": arm.rate * (1 - arm.rate)}) for arm in (control, treatment))
    )
    assert result.statistic == pytest.approx(z, rel=1e-9)
    assert result.p_value == pytest.approx(p, rel=1e-6)
    assert result.p_value == pytest.approx(theirs.pvalue, rel=1e-6)
    assert result.difference.ci_low == pytest.approx(theirs.effect_size_ci_lower, rel=1e-6)
    assert result.difference.ci_high == pytest.approx(theirs.effect_size_ci_upper, rel=1e-6)
    assert result.lift.ci_low == pytest.approx(theirs.rel_effect_size_ci_lower, rel=1e-6)
    assert result.lift.ci_high == pytest.approx(theirs.rel_effect_size_ci_upper, rel=1e-6)


@given(control=counts(), treatment=counts())
@settings(max_examples=200, deadline=None)
def test_newcombe_agrees_with_statsmodels_for_any_counts(control: tuple[int, int], treatment: tuple[int, int]) -> None:
    result = compare(Counts(*control), Counts(*treatment), method="newcombe")
    low, high = confint_proportions_2indep(*treatment, *control, method="newcomb")
    assert result.difference.ci_low == pytest.approx(max(low, -1), rel=1e-6, abs=1e-15)
    assert result.difference.ci_high == pytest.approx(min(high, 1), rel=1e-6, abs=1e-15)


@pytest.mark.parametrize("values", FIXED)
def test_the_lift_interval_is_where_the_difference_to_a_multiple_of_the_control_vanishes(
    values: tuple[int, int, int, int],
) -> None:
    control, treatment = arms(values)
    result = compare(control, treatment, method="newcombe")
    (l0, u0), (l1, u1) = (proportion_confint(a.successes, a.trials, method="wilson") for a in (control, treatment))
    for end, inner, outer in ((result.lift.ci_low, l1, u0), (result.lift.ci_high, u1, l0)):
        ratio = 1 + end
        reach = math.hypot(treatment.rate - inner, ratio * (control.rate - outer))
        assert abs(treatment.rate - ratio * control.rate) == pytest.approx(reach, rel=1e-6)


@given(
    control=counts(10**6), treatment=counts(10**6), method=st.sampled_from(["auto", "newcombe", "exact", "sequential"])
)
@settings(max_examples=200, deadline=None)
def test_difference_and_lift_never_contradict_each_other(
    control: tuple[int, int], treatment: tuple[int, int], method: str
) -> None:
    result = compare(Counts(*control), Counts(*treatment), method=method)  # type: ignore[arg-type]
    low, high = result.difference.ci_low, result.difference.ci_high
    if abs(low) > 1e-12 and control[0] > 0:
        assert (low > 0) == (result.lift.ci_low > 0)
    if abs(high) > 1e-12 and math.isfinite(result.lift.ci_high):
        assert (high < 0) == (result.lift.ci_high < 0)


@given(control=counts(10**9), treatment=counts(10**9))
@settings(max_examples=200, deadline=None)
def test_at_newcombes_z_the_interval_touches_zero(control: tuple[int, int], treatment: tuple[int, int]) -> None:
    z = newcombe_z(*control, *treatment)
    difference = treatment[0] / treatment[1] - control[0] / control[1]
    if not 1e-6 < abs(z) < 30:
        return
    low, high = confint_proportions_2indep(*treatment, *control, method="newcomb", alpha=2 * stats.norm.sf(abs(z)))
    assert (low if z > 0 else high) == pytest.approx(0, abs=2e-6 * abs(difference))


@pytest.mark.parametrize("values", FIXED)
def test_score_is_what_statsmodels_gives(values: tuple[int, int, int, int]) -> None:
    result = compare(*arms(values), method="score")
    low, high = confint_proportions_2indep(*flipped(values), method="score")
    ratio_low, ratio_high = confint_proportions_2indep(*flipped(values), method="score", compare="ratio")
    assert (result.difference.ci_low, result.difference.ci_high) == pytest.approx((low, high), rel=1e-9)
    assert (result.lift.ci_low, result.lift.ci_high) == pytest.approx((ratio_low - 1, ratio_high - 1), rel=1e-9)
    assert result.p_value == pytest.approx(score_test_proportions_2indep(*flipped(values)).pvalue, rel=1e-6, abs=1e-300)


@pytest.mark.parametrize("values", [(0, 100, 0, 100), (3, 10**9, 9, 10**9), (100, 100, 0, 100), (100, 100, 100, 100)])
def test_score_has_an_interval_where_statsmodels_has_none_and_says_so(values: tuple[int, int, int, int]) -> None:
    control, treatment = arms(values)
    result = compare(control, treatment, method="score")
    assert result.difference.ci_low <= result.difference.estimate <= result.difference.ci_high
    assert any("own inversion" in note for note in result.notes)
    # At its ends the score test has the level; the constrained rates by brute force instead of by their equation.
    for end in (result.difference.ci_low, result.difference.ci_high):
        if abs(end) < 1:
            assert abs(score_by_search(control, treatment, end)) == pytest.approx(1.959964, rel=1e-4)


def score_by_search(control: Counts, treatment: Counts, difference: float) -> float:
    from scipy.optimize import minimize_scalar
    from scipy.special import xlog1py, xlogy

    def loss(logit: float) -> float:
        p0 = low + (high - low) / (1 + math.exp(-logit))
        p1 = p0 + difference
        return -float(
            xlogy(control.successes, p0)
            + xlog1py(control.trials - control.successes, -p0)
            + xlogy(treatment.successes, p1)
            + xlog1py(treatment.trials - treatment.successes, -p1)
        )

    low, high = max(0.0, -difference), min(1.0, 1 - difference)
    best = minimize_scalar(loss, bounds=(-40, 40), method="bounded", options={"xatol": 1e-12})
    p0 = low + (high - low) / (1 + math.exp(-best.x))
    p1 = p0 + difference
    trials = control.trials + treatment.trials
    variance = (p0 * (1 - p0) / control.trials + p1 * (1 - p1) / treatment.trials) * trials / (trials - 1)
    return (treatment.rate - control.rate - difference) / math.sqrt(variance)


@pytest.mark.parametrize("alternative", ["two-sided", "greater", "less"])
@pytest.mark.parametrize("values", [FIXED[0], FIXED[1], (0, 100, 5, 100), (0, 1, 1, 1)])
def test_exact_has_clopper_pearson_limits_with_their_p_value_and_fishers_in_a_note(
    values: tuple[int, int, int, int], alternative: str
) -> None:
    control, treatment = arms(values)
    result = compare(control, treatment, method="exact", alternative=alternative)  # type: ignore[arg-type]
    table = [[a.successes, a.trials - a.successes] for a in (treatment, control)]
    (said,) = (note for note in result.notes if note.startswith("Fisher's exact test has p = "))
    fisher = float(said.removeprefix("Fisher's exact test has p = ").split(";")[0])
    assert fisher == pytest.approx(stats.fisher_exact(table, alternative=alternative).pvalue, rel=1e-9)
    if alternative == "two-sided":
        exact = [stats.binomtest(a.successes, a.trials).proportion_ci(method="exact") for a in (control, treatment)]
        reach = math.hypot(treatment.rate - exact[1].low, exact[0].high - control.rate)
        assert result.difference.ci_low == pytest.approx(max(result.difference.estimate - reach, -1), rel=1e-6)


@pytest.mark.parametrize("values", [*FIXED, (0, 50, 3, 60)])
def test_sequential_is_newcombes_interval_at_the_multiplier_of_the_normal_mixture(
    values: tuple[int, int, int, int],
) -> None:
    control, treatment = arms(values)
    result = compare(control, treatment, method="sequential", tuning=20_000)
    n, alpha = control.trials + treatment.trials, 0.05
    rho = math.sqrt((-2 * math.log(alpha) + math.log(1 - 2 * math.log(alpha))) / 20_000)
    half = math.sqrt(n) * math.sqrt(2 * (n * rho**2 + 1) / (n * rho) ** 2 * math.log(math.sqrt(n * rho**2 + 1) / alpha))
    low, high = confint_proportions_2indep(*flipped(values), method="newcomb", alpha=2 * stats.norm.sf(half))
    assert result.difference.ci_low == pytest.approx(low, rel=1e-6)
    assert result.difference.ci_high == pytest.approx(high, rel=1e-6)
    assert (result.p_value < alpha) == result.difference.excludes(0)


@pytest.mark.parametrize("values", [FIXED[0], FIXED[1], (0, 100, 5, 100), (0, 1, 1, 1), (3, 10, 100_000, 1_000_000)])
def test_bayes_agrees_with_direct_integration(values: tuple[int, int, int, int]) -> None:
    control, treatment = arms(values)
    result = compare(control, treatment, method="bayes")
    a = stats.beta(control.successes + 1, control.trials - control.successes + 1)
    b = stats.beta(treatment.successes + 1, treatment.trials - treatment.successes + 1)
    marks = sorted({*a.ppf([1e-12, 0.01, 0.5, 0.99]), *b.ppf([1e-12, 0.01, 0.5, 0.99])})
    options = {"points": marks, "epsabs": 1e-15, "epsrel": 1e-11, "limit": 500}
    win = integrate.quad(lambda x: a.pdf(x) * b.sf(x), 0, 1, **options)[0]
    loss = integrate.quad(lambda x: a.sf(x) * b.cdf(x), 0, 1, **options)[0]
    assert result.bayes.chance_to_win == pytest.approx(win, rel=1e-6)
    assert result.bayes.expected_loss == pytest.approx(loss, rel=1e-6)
    for end, share in ((result.difference.ci_low, 0.025), (result.difference.ci_high, 0.975)):
        kinks = sorted({*marks, *(min(max(mark - end, 0.0), 1.0) for mark in marks)})
        below = integrate.quad(lambda x, d=end: a.pdf(x) * b.cdf(x + d), 0, 1, **{**options, "points": kinks})[0]
        assert below == pytest.approx(share, rel=1e-6)


@pytest.mark.parametrize("values", EXTREME)
@pytest.mark.parametrize("method", METHODS)
def test_extreme_counts_give_an_answer_with_the_estimate_inside_the_interval(
    method: str, values: tuple[int, int, int, int]
) -> None:
    control, treatment = arms(values)
    if method == "exact" and control.trials > 10**8:
        with pytest.raises(InvalidInput, match="`exact` is for small samples"):
            compare(control, treatment, method="exact")
        return
    result = compare(control, treatment, method=method)  # type: ignore[arg-type]
    assert -1 <= result.difference.ci_low <= result.difference.estimate <= result.difference.ci_high <= 1
    assert method == "bayes" or 0 <= result.p_value <= 1
    if control.successes == 0:
        # The posterior's lift is finite by its prior: then nothing may say that there is none.
        assert math.isfinite(result.lift.estimate) is (method == "bayes")
        said = "rests on the prior" if method == "bayes" else "lift has a lower bound"
        assert [said in note for note in result.notes if "0 of" in note] == [True]
    else:
        assert result.lift.ci_low - 1e-12 <= result.lift.estimate


@pytest.mark.parametrize("method", [method for method in METHODS if method != "bayes"])
def test_a_one_sided_test_spends_its_whole_error_on_one_side(method: str) -> None:
    control, treatment = Counts(480, 10_000), Counts(560, 10_100)
    one = compare(control, treatment, method=method, alternative="greater")  # type: ignore[arg-type]
    two = compare(control, treatment, method=method, level=0.9)  # type: ignore[arg-type]
    assert one.difference.ci_low == pytest.approx(two.difference.ci_low, rel=1e-9)
    assert one.difference.ci_high == 1
    if method != "exact":
        assert one.p_value == pytest.approx(two.p_value / 2, rel=1e-9)
    less = compare(control, treatment, method=method, alternative="less")  # type: ignore[arg-type]
    assert less.p_value > 0.5


def test_the_default_is_newcombe_with_its_own_p_value_unless_too_little_is_expected() -> None:
    ordinary = compare(Counts(10, 1000), Counts(20, 1000))
    assert ordinary.method == "newcombe"
    low, _ = confint_proportions_2indep(20, 1000, 10, 1000, method="newcomb", alpha=ordinary.p_value)
    assert low == pytest.approx(0, abs=1e-12)
    few = compare(Counts(2, 200), Counts(1, 2000))
    assert few.method == "clopper-pearson"
    at_p = compare(Counts(2, 200), Counts(1, 2000), level=1 - few.p_value)
    assert at_p.difference.ci_high == pytest.approx(0, abs=1e-9)
    exact = [stats.binomtest(x, n).proportion_ci(method="exact") for x, n in ((2, 200), (1, 2000))]
    high = -0.0095 + math.hypot(exact[1].high - 0.0005, 0.01 - exact[0].low)
    assert few.difference.ci_high == pytest.approx(high, rel=1e-6)


@pytest.mark.parametrize(
    ("successes", "trials", "said"),
    [
        (11, 10, "11 successes out of 10 trials"),
        (-1, 10, "-1 successes"),
        (math.nan, 10, "nan successes"),
        (1.5, 10, "1.5 successes"),
        (0, 0, "0 trials"),
        (1, math.inf, "inf trials"),
    ],
)
def test_invalid_counts_are_refused_with_the_value(successes: float, trials: float, said: str) -> None:
    with pytest.raises(InvalidInput, match=said):
        Counts(successes, trials)  # type: ignore[arg-type]


def test_unknown_options_are_refused_with_what_was_expected() -> None:
    control, treatment = Counts(1, 10), Counts(2, 10)
    with pytest.raises(InvalidInput, match="'wald'; expected one of auto, newcombe, z"):
        compare(control, treatment, method="wald")  # type: ignore[arg-type]
    with pytest.raises(InvalidInput, match="'up'; expected one of two-sided"):
        compare(control, treatment, alternative="up")  # type: ignore[arg-type]
    with pytest.raises(InvalidInput, match="level is 95"):
        compare(control, treatment, level=95)


def test_the_lift_has_an_upper_end_as_soon_as_the_control_has_a_success() -> None:
    assert math.isfinite(compare(1, 1000, 5, 1000, method="newcombe", level=0.999999).lift.ci_high)
    assert math.isinf(compare(0, 1000, 5, 1000, method="newcombe").lift.ci_high)


def test_four_figures_are_the_control_then_the_treatment() -> None:
    assert compare(480, 10_000, 560, 10_100) == compare(Counts(480, 10_000), Counts(560, 10_100))
    assert compare(480, 10_000, 560, 10_100, method="score").method == "score"
    with pytest.raises(InvalidInput, match="3 figures are given; expected two Counts, or successes and trials"):
        compare(480, 10_000, 560)  # type: ignore[call-overload]
    with pytest.raises(InvalidInput, match="welch compares means"):
        compare(480, 10_000, 560, 10_100, method="welch")
