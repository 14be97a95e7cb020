"""Many comparisons at once: the figures of one at a time, and scipy's."""

import numpy as np
import pytest

from abkit.stats.arms import Counts
from abkit.stats.proportions.bulk import compare_many, homogeneity_p, split_p
from abkit.stats.proportions.compare import compare


def test_bulk_gives_the_figures_of_one_comparison_at_a_time() -> None:
    rng = np.random.default_rng(1)
    n0, n1 = rng.integers(1, 5000, 300), rng.integers(1, 5000, 300)
    x0, x1 = rng.binomial(n0, rng.beta(0.5, 5, 300)), rng.binomial(n1, rng.beta(0.5, 5, 300))
    found = compare_many(x0, n0, x1, n1)
    for i in range(300):
        control, treatment = Counts(int(x0[i]), int(n0[i])), Counts(int(x1[i]), int(n1[i]))
        one = compare(control, treatment)
        assert found.p_value[i] == pytest.approx(one.p_value, rel=1e-6, abs=0)
        assert found.difference_low[i] == pytest.approx(one.difference.ci_low, rel=1e-6, abs=1e-15)
        assert found.lift_high[i] == pytest.approx(one.lift.ci_high, rel=1e-6)
        assert found.lift_low[i] == pytest.approx(one.lift.ci_low, rel=1e-6, abs=1e-12)
        any_time = compare(control, treatment, method="sequential")
        assert found.anytime_p[i] == pytest.approx(any_time.p_value, rel=1e-5, abs=0)


def test_rates_near_one_are_judged_by_their_failures_with_all_digits() -> None:
    rare = [(44, 404_247_847_441, 50, 39_129_772_126), (9, 10**12, 4, 517_568_185), (0, 10**12, 36, 27_434_492_396)]
    for x0, n0, x1, n1 in rare:
        near, far = compare_many([x0], [n0], [x1], [n1]), compare_many([n0 - x0], [n0], [n1 - x1], [n1])
        assert (far.z[0], far.p_value[0], far.anytime_p[0]) == (-near.z[0], near.p_value[0], near.anytime_p[0])
        one = compare(Counts(n0 - x0, n0), Counts(n1 - x1, n1))
        assert one.p_value == pytest.approx(near.p_value[0], rel=1e-9, abs=0)
        one = compare(Counts(n0 - x0, n0), Counts(n1 - x1, n1), method="sequential")
        assert one.p_value == pytest.approx(near.anytime_p[0], rel=1e-7, abs=0)


def test_no_evidence_is_too_strong_for_bulk_and_one_at_a_time_to_agree() -> None:
    counts = ((550_406, 1_230_847), (257_286, 257_286))
    bulk = compare_many([counts[0][0]], [counts[0][1]], [counts[1][0]], [counts[1][1]])
    assert bulk.p_value[0] == pytest.approx(compare(Counts(*counts[0]), Counts(*counts[1])).p_value, rel=1e-9, abs=0)


def test_bulk_chi_squares_agree_with_scipy() -> None:
    from scipy import stats

    clicks, trials = np.array([30.0, 45, 12, 9, 20]), np.array([1000.0, 1100, 400, 420, 500])
    test = np.array([0, 0, 1, 1, 1])
    chi2, p = homogeneity_p(clicks, trials, test, 2)
    for index in range(2):
        own = test == index
        theirs = stats.chi2_contingency([clicks[own], trials[own] - clicks[own]], correction=False)
        assert (chi2[index], p[index]) == pytest.approx((theirs.statistic, theirs.pvalue), rel=1e-9, abs=0)
        assert split_p(trials, test, 2)[1][index] == pytest.approx(stats.chisquare(trials[own]).pvalue, rel=1e-9, abs=0)
