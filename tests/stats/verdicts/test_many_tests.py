"""Many tests, segments, past tests, several arms: multiplicity, strata, shrinkage, ranking, bulk."""

import math
from unittest.mock import patch

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from statsmodels.stats.contingency_tables import StratifiedTable
from statsmodels.stats.multitest import multipletests

from abkit.errors import InvalidInput
from abkit.stats.arms import Counts
from abkit.stats.design.pairs import ScoredVariant, plan_pairs
from abkit.stats.design.power import Design
from abkit.stats.means.normal_model import normal_posterior
from abkit.stats.proportions.bayes import rank
from abkit.stats.proportions.bulk import compare_many, homogeneity_p, split_p
from abkit.stats.proportions.compare import compare
from abkit.stats.proportions.stratified import compare_stratified
from abkit.stats.verdicts.multiplicity import adjust
from abkit.stats.verdicts.shrinkage import EffectPrior, exaggeration, fit_effect_prior, shrink


@pytest.mark.parametrize(
    ("correction", "theirs"), [("holm", "holm"), ("hochberg", "simes-hochberg"), ("bh", "fdr_bh"), ("by", "fdr_by")]
)
@given(st.lists(st.floats(0, 1), min_size=1, max_size=30))
@settings(max_examples=20, deadline=None)
def test_adjusted_p_values_agree_with_statsmodels_and_name_their_family(
    correction: str, theirs: str, raw: list[float]
) -> None:
    result = adjust([*raw, math.nan], correction=correction, family="the arms of x")  # type: ignore[arg-type]
    with patch("gc.collect"):  # statsmodels collects garbage at each call
        expected = multipletests(raw, method=theirs)[1]
    assert result.p_values[:-1] == pytest.approx(expected, rel=1e-9)
    assert (result.family, result.family_size) == ("the arms of x", len(raw))
    assert not result.rejected[-1]


def test_bulk_gives_the_figures_of_one_comparison_at_a_time() -> None:
    rng = np.random.default_rng(1)
    n0, n1 = rng.integers(1, 5000, 300), rng.integers(1, 5000, 300)
    x0, x1 = rng.binomial(n0, rng.beta(0.5, 5, 300)), rng.binomial(n1, rng.beta(0.5, 5, 300))
    found = compare_many(x0, n0, x1, n1)
    for i in range(300):
        control, treatment = Counts(int(x0[i]), int(n0[i])), Counts(int(x1[i]), int(n1[i]))
        one = compare(control, treatment)
        assert found.p_value[i] == pytest.approx(one.p_value, rel=1e-6)
        assert found.difference_low[i] == pytest.approx(one.difference.ci_low, rel=1e-6, abs=1e-15)
        assert found.lift_high[i] == pytest.approx(one.lift.ci_high, rel=1e-6)
        assert found.lift_low[i] == pytest.approx(one.lift.ci_low, rel=1e-6, abs=1e-12)
        any_time = compare(control, treatment, method="sequential")
        assert found.anytime_p[i] == pytest.approx(any_time.p_value, rel=1e-5)


def test_bulk_chi_squares_agree_with_scipy() -> None:
    from scipy import stats

    clicks, trials = np.array([30.0, 45, 12, 9, 20]), np.array([1000.0, 1100, 400, 420, 500])
    test = np.array([0, 0, 1, 1, 1])
    chi2, p = homogeneity_p(clicks, trials, test, 2)
    for index in range(2):
        own = test == index
        theirs = stats.chi2_contingency([clicks[own], trials[own] - clicks[own]], correction=False)
        assert (chi2[index], p[index]) == pytest.approx((theirs.statistic, theirs.pvalue), rel=1e-9)
        assert split_p(trials, test, 2)[1][index] == pytest.approx(stats.chisquare(trials[own]).pvalue, rel=1e-9)


def test_strata_agree_with_statsmodels_and_find_an_interaction() -> None:
    strata = [
        (Counts(50, 1000), Counts(60, 1000)),
        (Counts(20, 800), Counts(40, 800)),
        (Counts(90, 700), Counts(60, 700)),
    ]
    result = compare_stratified([*strata, (Counts(1, 10), None), (Counts(0, 10), Counts(0, 10))])
    tables = [[[t.successes, t.trials - t.successes], [c.successes, c.trials - c.successes]] for c, t in strata]
    theirs = StratifiedTable([np.array(table, dtype=float) for table in tables])
    assert result.odds_ratio.estimate == pytest.approx(theirs.oddsratio_pooled, rel=1e-9)
    assert result.p_value == pytest.approx(theirs.test_null_odds().pvalue, rel=1e-9)
    assert result.interaction_p_value < 0.01
    assert (result.strata, result.left_out) == (3, 2)
    with pytest.raises(InvalidInput, match="none of 1 segments"):
        compare_stratified([(Counts(1, 10), None)])


def test_stratifying_undoes_simpsons_paradox() -> None:
    # In both segments the treatment is better, in the sum it is worse.
    strata = [(Counts(10, 1000), Counts(140, 10_000)), (Counts(2000, 10_000), Counts(240, 1000))]
    pooled = compare(Counts(2010, 11_000), Counts(380, 11_000))
    assert pooled.difference.ci_high < 0
    result = compare_stratified(strata)
    assert result.odds_ratio.ci_low > 1
    assert result.difference.ci_low > 0


def test_the_prior_is_found_again_and_shrinking_removes_the_winners_curse() -> None:
    rng = np.random.default_rng(2)
    truth = rng.normal(0.0, 0.1, 3000)
    errors = rng.uniform(0.05, 0.2, 3000)
    seen = rng.normal(truth, errors)
    prior = fit_effect_prior(seen.tolist(), errors.tolist())
    assert prior.sd == pytest.approx(0.1, rel=0.1)
    winners = seen / errors > 1.96
    shrunk = np.array([shrink(e, s, prior).estimate for e, s in zip(seen[winners], errors[winners], strict=True)])
    raw_bias = (seen - truth)[winners].mean()
    assert raw_bias > 0.05
    assert abs((shrunk - truth[winners]).mean()) < 3 * 0.1 / np.sqrt(winners.sum())
    covered = [
        shrink(e, s, prior).ci_low <= t <= shrink(e, s, prior).ci_high
        for e, s, t in zip(seen[winners], errors[winners], truth[winners], strict=True)
    ]
    assert abs(np.mean(covered) - 0.95) < 3 * np.sqrt(0.05 * 0.95 / len(covered))


def test_exaggeration_and_type_s_agree_with_simulation() -> None:
    rng = np.random.default_rng(3)
    seen = rng.normal(0.1, 0.1, 400_000)
    significant = np.abs(seen) > 1.959964 * 0.1
    result = exaggeration(0.1, 0.1)
    assert result.power == pytest.approx(significant.mean(), abs=0.002)
    assert result.type_s == pytest.approx((seen[significant] < 0).mean(), abs=0.002)
    assert result.exaggeration == pytest.approx(np.abs(seen[significant]).mean() / 0.1, rel=0.01)


def test_chances_to_be_best_sum_to_one_and_agree_with_simulation() -> None:
    arms = [Counts(48, 1000), Counts(56, 1000), Counts(50, 900), Counts(0, 10)]
    ranked = rank({str(index): arm for index, arm in enumerate(arms)}).arms
    assert sum(arm.chance_to_be_best for arm in ranked) == pytest.approx(1, abs=1e-9)
    rng = np.random.default_rng(4)
    draws = np.array([rng.beta(arm.successes + 1, arm.trials - arm.successes + 1, 400_000) for arm in arms])
    best = draws.max(axis=0)
    assert [arm.chance_to_be_best for arm in ranked] == sorted((arm.chance_to_be_best for arm in ranked), reverse=True)
    for arm in ranked:
        index = int(arm.variant)
        assert arm.chance_to_be_best == pytest.approx((draws[index] == best).mean(), abs=0.003)
        assert arm.expected_loss == pytest.approx((best - draws[index]).mean(), rel=0.02)


def test_two_arms_ranked_are_two_arms_compared() -> None:
    ranked = rank({"a": (48, 1000), "b": (56, 1000)}).arms
    assert ranked[0].variant == "b"
    posterior = compare(Counts(48, 1000), Counts(56, 1000), method="bayes").bayes
    assert ranked[0].chance_to_be_best == pytest.approx(posterior.chance_to_win, rel=1e-9)
    assert ranked[0].expected_loss == pytest.approx(posterior.expected_loss, rel=1e-6)


def test_the_normal_posterior_agrees_with_simulation() -> None:
    estimate, posterior = normal_posterior(0.02, 0.01, prior_mean=0.0, prior_sd=0.02, practical=0.01)
    draws = np.random.default_rng(5).normal(estimate.estimate, 0.01 * 0.02 / math.hypot(0.01, 0.02), 400_000)
    assert estimate.estimate == pytest.approx(0.016, rel=1e-9)
    assert posterior.chance_to_win == pytest.approx((draws > 0).mean(), abs=0.002)
    assert posterior.expected_loss == pytest.approx(np.maximum(-draws, 0).mean(), rel=0.05)
    assert posterior.chance_of_practical_lift == pytest.approx((draws > 0.01).mean(), abs=0.003)


def test_pairs_without_a_relation_are_not_recommended_and_with_one_the_widest_gap_comes_first() -> None:
    variants = [ScoredVariant("a", 5.0, 0.3), ScoredVariant("b", 6.0, 0.3), ScoredVariant("c", 5.05, 0.3)]
    without = plan_pairs(variants, baseline=0.02)
    assert not any(plan.worth_testing for plan in without)
    assert "no score–KPI relation" in without[0].why
    plans = plan_pairs(variants, baseline=0.02, log_lift_per_point=0.1, design=Design(daily_traffic=20_000))
    assert (plans[0].control, plans[0].treatment, plans[0].worth_testing) == ("a", "b", True)
    assert not plans[-1].worth_testing


def test_a_prior_from_too_few_tests_is_refused() -> None:
    with pytest.raises(InvalidInput, match="3 past tests"):
        fit_effect_prior([0.1, 0.2, 0.3], [0.1] * 3)
    assert shrink(0.3, 0.1, EffectPrior(0.0, 0.0, 20, "")).estimate == 0
