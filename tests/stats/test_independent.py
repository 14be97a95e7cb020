"""Generated inputs, extremes included, against implementations that share no code with ours, to 1e-6."""

import math

import numpy as np
import pytest
import tea_tasting
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from scipy import special, stats
from statsmodels.stats.contingency_tables import StratifiedTable
from statsmodels.stats.proportion import (
    confint_proportions_2indep,
    proportion_confint,
    proportions_ztest,
    score_test_proportions_2indep,
)
from tea_tasting.aggr import Aggregates

from abkit.stats.arms import Counts, PairMoments
from abkit.stats.means.pairs import compare_ratios, compare_with_covariate
from abkit.stats.proportions.bayes import rank
from abkit.stats.proportions.bulk import compare_many
from abkit.stats.proportions.compare import compare
from abkit.stats.proportions.stratified import compare_stratified
from abkit.stats.verdicts.sample_ratio import sample_ratio

MANY = settings(max_examples=80, deadline=None)


@st.composite
def counts(draw: st.DrawFn, most: int = 10**12) -> Counts:
    """Ordinary arms, and those with no, few, or only successes, with one trial, with as many as a day has."""
    trials = draw(st.one_of(st.just(1), st.integers(1, min(most, 5000)), st.integers(1, most), st.just(most)))
    few = st.integers(0, min(trials, 50))
    kinds = st.one_of(st.just(0), few, st.integers(0, trials), few.map(lambda k: trials - k), st.just(trials))
    return Counts(draw(kinds), trials)


@st.composite
def two(draw: st.DrawFn, most: int = 10**12) -> tuple[Counts, Counts]:
    control = draw(counts(most))
    return control, draw(st.one_of(counts(most), st.just(control)))


def of(arm: Counts) -> tuple[int, int]:
    return arm.successes, arm.trials


@given(two())
@MANY
def test_z_agrees_with_statsmodels_and_tea_tasting(arms: tuple[Counts, Counts]) -> None:
    control, treatment = arms
    successes = control.successes + treatment.successes
    assume(0 < successes < control.trials + treatment.trials)
    found = compare(control, treatment, method="z")
    z, p = proportions_ztest([treatment.successes, control.successes], [treatment.trials, control.trials])
    assert (found.statistic, found.p_value) == pytest.approx((z, p), rel=1e-6, abs=1e-290)
    aggregates = [Aggregates(arm.trials, {"x": arm.rate}, {"x": arm.rate * (1 - arm.rate)}) for arm in arms]
    assume(control.successes and treatment.successes)
    try:
        theirs = tea_tasting.Proportion("x", method="norm", correction=False).analyze_aggregates(*aggregates)
    except (OverflowError, ZeroDivisionError):
        return
    assert found.difference.ci_low == pytest.approx(max(theirs.effect_size_ci_lower, -1), rel=1e-6, abs=1e-12)
    assert found.difference.ci_high == pytest.approx(min(theirs.effect_size_ci_upper, 1), rel=1e-6, abs=1e-12)
    assert 1 + found.lift.ci_low == pytest.approx(1 + theirs.rel_effect_size_ci_lower, rel=1e-6)


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
@given(two(10**6))
@MANY
def test_score_agrees_with_statsmodels_wherever_that_has_an_answer(arms: tuple[Counts, Counts]) -> None:
    control, treatment = arms
    found = compare(control, treatment, method="score")
    assume(not any("own inversion" in note for note in found.notes))
    values = (*of(treatment), *of(control))
    assert (found.difference.ci_low, found.difference.ci_high) == pytest.approx(
        # an end near 0 is where a root finder of theirs stopped
        confint_proportions_2indep(*values, method="score"),
        rel=1e-6,
        abs=1e-11,
    )
    low, high = confint_proportions_2indep(*values, method="score", compare="ratio")
    # Without any success the end is 0; theirs lies where a root finder stopped.
    assert treatment.successes or low == pytest.approx(0, abs=1e-9)
    low = low if treatment.successes else 0.0
    assert (1 + found.lift.ci_low, 1 + found.lift.ci_high) == pytest.approx((low, high), rel=1e-6)
    theirs = score_test_proportions_2indep(*values)
    assert found.p_value == pytest.approx(theirs.pvalue, rel=1e-6, abs=1e-290)


@given(two(20_000))
@MANY
def test_exact_agrees_with_scipy(arms: tuple[Counts, Counts]) -> None:
    control, treatment = arms
    found = compare(control, treatment, method="exact")
    table = [[arm.successes, arm.trials - arm.successes] for arm in (treatment, control)]
    (said,) = (note for note in found.notes if note.startswith("Fisher's exact test has p = "))
    fisher = float(said.removeprefix("Fisher's exact test has p = ").split(";")[0])
    assert fisher == pytest.approx(stats.fisher_exact(table).pvalue, rel=1e-6, abs=1e-290)
    ends = [stats.binomtest(*of(arm)).proportion_ci(method="exact") for arm in arms]
    gap = treatment.rate - control.rate
    low = gap - math.hypot(treatment.rate - ends[1].low, ends[0].high - control.rate)
    high = gap + math.hypot(ends[1].high - treatment.rate, control.rate - ends[0].low)
    assert found.difference.ci_low == pytest.approx(max(low, -1), rel=1e-6, abs=1e-12)
    assert found.difference.ci_high == pytest.approx(min(high, 1), rel=1e-6, abs=1e-12)


@given(two(), st.floats(1, 1e12))
@MANY
def test_sequential_agrees_with_statsmodels_at_the_level_of_the_published_mixture(
    arms: tuple[Counts, Counts], tuning: float
) -> None:
    control, treatment = arms
    found = compare(control, treatment, method="sequential", tuning=tuning)
    n = control.trials + treatment.trials
    rho = math.sqrt((-2 * math.log(0.05) + math.log(1 - 2 * math.log(0.05))) / tuning)
    reach = math.sqrt(n) * math.sqrt(2 * (n * rho**2 + 1) / (n * rho) ** 2 * math.log(math.sqrt(n * rho**2 + 1) / 0.05))
    alpha = 2 * stats.norm.sf(reach)
    assume(alpha > 1e-280)
    low, high = confint_proportions_2indep(*of(treatment), *of(control), method="newcomb", alpha=alpha)
    assert found.difference.ci_low == pytest.approx(max(low, -1), rel=1e-6, abs=1e-12)
    assert found.difference.ci_high == pytest.approx(min(high, 1), rel=1e-6, abs=1e-12)


@given(two())
@MANY
def test_the_default_agrees_with_its_limits_from_statsmodels(arms: tuple[Counts, Counts]) -> None:
    control, treatment = arms
    found = compare(control, treatment)
    method = "wilson" if found.method == "newcombe" else "beta"
    (l0, u0), (l1, u1) = (np.nan_to_num(proportion_confint(*of(arm), method=method), nan=0.0) for arm in arms)
    u0, u1 = (1.0 if arm.successes == arm.trials else end for arm, end in zip(arms, (u0, u1), strict=True))
    gap = treatment.rate - control.rate
    low = gap - math.hypot(treatment.rate - l1, u0 - control.rate)
    high = gap + math.hypot(u1 - treatment.rate, control.rate - l0)
    assert found.difference.ci_low == pytest.approx(max(low, -1), rel=1e-6, abs=1e-12)
    assert found.difference.ci_high == pytest.approx(min(high, 1), rel=1e-6, abs=1e-12)


@given(two(3000))
@MANY
def test_the_chance_to_win_agrees_with_its_closed_form(arms: tuple[Counts, Counts]) -> None:
    # Whole numbers of successes: a finite sum over the treatment's (Miller 2015; Cook 2005).
    (a0, b0), (a1, b1) = ((x + 1, n - x + 1) for x, n in map(of, arms))
    i = np.arange(a1)
    terms = special.betaln(a0 + i, b0 + b1) - np.log(b1 + i) - special.betaln(1 + i, b1) - special.betaln(a0, b0)
    chance = float(np.exp(terms).sum())
    found = compare(*arms, method="bayes").bayes
    assert found.chance_to_win == pytest.approx(chance, rel=1e-6, abs=1e-9)
    ranked = {arm.variant: arm for arm in rank({"a": arms[0], "b": arms[1]}).arms}
    assert ranked["b"].chance_to_be_best == pytest.approx(chance, rel=1e-6, abs=1e-9)


@given(st.integers(0, 60), st.integers(0, 60), st.integers(10**11, 10**12), st.integers(10**11, 10**12))
@settings(max_examples=20, deadline=None)
def test_the_chance_to_win_of_few_successes_in_very_many_trials_is_that_of_gamma_laws(
    x0: int, x1: int, n0: int, n1: int
) -> None:
    found = compare(Counts(x0, n0), Counts(x1, n1), method="bayes").bayes
    # With few failures instead everything is mirrored.
    turned = compare(Counts(n1 - x1, n1), Counts(n0 - x0, n0), method="bayes").bayes
    assert turned.chance_to_win == pytest.approx(found.chance_to_win, rel=1e-6, abs=1e-9)
    assert found.chance_to_win == pytest.approx(special.betainc(x0 + 1, x1 + 1, n0 / (n0 + n1)), rel=1e-6, abs=1e-9)


@given(counts(), st.integers(2, 6))
@MANY
def test_equal_arms_are_equally_likely_to_be_the_best(arm: Counts, arms: int) -> None:
    ranked = rank({str(number): arm for number in range(arms)}).arms
    promised = 1e-6 if arm.trials <= 10**10 else 1e-5
    assert [one.chance_to_be_best for one in ranked] == pytest.approx([1 / arms] * arms, rel=promised)


@st.composite
def pairs(draw: st.DrawFn) -> PairMoments:
    y, x = draw(st.floats(0.01, 1e4)), draw(st.floats(0.01, 1e4))
    sy, sx = y * draw(st.floats(0.01, 10)), x * draw(st.floats(0.01, 10))
    n = draw(st.one_of(st.integers(2, 300), st.just(10**12)))
    covariance = draw(st.floats(-0.99, 0.99)) * sy * sx
    return PairMoments(n=n, mean_y=y, mean_x=x, variance_y=sy * sy, variance_x=sx * sx, covariance=covariance)


def tea(arm: PairMoments) -> Aggregates:
    means, variances = {"y": arm.mean_y, "x": arm.mean_x}, {"y": arm.variance_y, "x": arm.variance_x}
    return Aggregates(int(arm.n), means, variances, {("x", "y"): arm.covariance})


@given(pairs(), pairs())
@MANY
def test_ratios_and_cuped_agree_with_tea_tasting(control: PairMoments, treatment: PairMoments) -> None:
    for ours, theirs in (
        (compare_ratios(control, treatment, lift_method="log-delta"), tea_tasting.RatioOfMeans("y", "x")),
        (compare_with_covariate(control, treatment, lift_method="log-delta").adjusted, tea_tasting.Mean("y", "x")),
    ):
        try:
            expected = theirs.analyze_aggregates(tea(control), tea(treatment))
        except (OverflowError, ValueError):
            # A logarithm of an adjusted mean below zero, or an exponential beyond what a float holds.
            continue
        assert ours.p_value == pytest.approx(expected.pvalue, rel=1e-6, abs=1e-200)
        scale = abs(expected.effect_size) + abs(expected.effect_size_ci_upper)
        assert ours.difference.estimate == pytest.approx(expected.effect_size, rel=1e-6, abs=1e-9 * scale)
        assert ours.difference.ci_low == pytest.approx(expected.effect_size_ci_lower, rel=1e-6, abs=1e-9 * scale)


@given(st.lists(st.integers(0, 10**12), min_size=2, max_size=6), st.data())
@MANY
def test_the_split_agrees_with_scipy(observed: list[int], data: st.DataObject) -> None:
    weights = data.draw(st.lists(st.integers(1, 50), min_size=len(observed), max_size=len(observed)))
    share = np.array(weights) / sum(weights)
    found = sample_ratio(observed, weights)
    assume(sum(observed))
    if found.method == "chi-square":
        theirs = stats.chisquare(observed, share * sum(observed))
        assert (found.chi2, found.p_value) == pytest.approx((theirs.statistic, theirs.pvalue), rel=1e-6, abs=1e-290)


@given(st.integers(0, 12), st.integers(0, 12), st.integers(1, 9))
@MANY
def test_a_small_split_of_two_agrees_with_scipys_binomial_test(one: int, other: int, weight: int) -> None:
    found = sample_ratio([one, other], [1, weight])
    if found.method == "exact multinomial":
        theirs = stats.binomtest(one, one + other, 1 / (1 + weight)).pvalue
        assert found.p_value == pytest.approx(theirs, rel=1e-6)


def test_a_small_split_of_three_agrees_with_adding_up_all_splits() -> None:
    shares = np.array([0.5, 0.3, 0.2])
    law = stats.multinomial(12, shares)
    splits = np.array([(a, b, 12 - a - b) for a in range(13) for b in range(13 - a)])
    for seen in ([2, 2, 8], [10, 1, 1], [6, 4, 2]):
        exact = law.pmf(splits)[law.pmf(splits) <= law.pmf(seen) * (1 + 1e-9)].sum()
        assert sample_ratio(seen, shares.tolist()).p_value == pytest.approx(exact, abs=4 * 0.5 / np.sqrt(20_000))


@given(st.lists(st.tuples(*[st.integers(1, 5000)] * 4), min_size=2, max_size=6))
@MANY
def test_strata_agree_with_statsmodels(cells: list[tuple[int, int, int, int]]) -> None:
    strata = [(Counts(c, c + d), Counts(a, a + b)) for a, b, c, d in cells]
    theirs = StratifiedTable([np.array([[a, b], [c, d]], dtype=float) for a, b, c, d in cells])
    found = compare_stratified(strata)
    assert found.odds_ratio.estimate == pytest.approx(theirs.oddsratio_pooled, rel=1e-6)
    ends = theirs.oddsratio_pooled_confint()
    assert (found.odds_ratio.ci_low, found.odds_ratio.ci_high) == pytest.approx(ends, rel=1e-6)
    assert found.p_value == pytest.approx(theirs.test_null_odds().pvalue, rel=1e-6, abs=1e-290)
    assume(abs(theirs.oddsratio_pooled - 1) > 1e-6)
    assert found.interaction_p_value == pytest.approx(theirs.test_equal_odds(adjust=True).pvalue, rel=1e-6, abs=1e-290)


@given(st.lists(two(), min_size=1, max_size=8))
@MANY
def test_bulk_gives_the_figures_of_one_at_a_time_at_the_extremes_too(pairs: list[tuple[Counts, Counts]]) -> None:
    columns = [[getattr(pair[arm], name) for pair in pairs] for arm in (0, 1) for name in ("successes", "trials")]
    bulk = compare_many(*columns)
    for place, pair in enumerate(pairs):
        one = compare(*pair)
        assert bulk.p_value[place] == pytest.approx(one.p_value, rel=1e-6, abs=1e-280)
        for name, estimate in (("difference", one.difference), ("lift", one.lift)):
            ends = (getattr(bulk, f"{name}_low")[place], getattr(bulk, f"{name}_high")[place])
            assert ends == pytest.approx((estimate.ci_low, estimate.ci_high), rel=1e-6, abs=1e-12)
        any_time = compare(*pair, method="sequential")
        assert bulk.anytime_p[place] == pytest.approx(any_time.p_value, rel=1e-5, abs=1e-280)
