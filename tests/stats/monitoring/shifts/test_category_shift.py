"""Mixes of categories: against scipy, in large and in small tables."""

import numpy as np
import pytest
from scipy import stats

from abkit.stats.monitoring.shifts.category_shift import category_shift


def test_a_large_table_is_scipys_chi_squared() -> None:
    before, now = {"a": 60, "b": 30, "c": 40}, {"a": 30, "b": 35, "c": 20}
    found = category_shift(before, now)
    theirs = stats.chi2_contingency([list(before.values()), list(now.values())], correction=False)
    assert (found.statistic, found.p_value) == pytest.approx((theirs.statistic, theirs.pvalue), rel=1e-12)
    assert found.method == "chi-squared"
    p, q = np.array([60, 30, 40]) / 130, np.array([30, 35, 20]) / 85
    assert found.effect == pytest.approx(np.abs(p - q).sum() / 2)


def test_a_small_table_of_two_categories_is_fishers_exact_test() -> None:
    found = category_shift({"a": 30, "b": 1}, {"a": 12, "b": 6})
    assert found.method == "exact"
    assert found.p_value == pytest.approx(stats.fisher_exact([[30, 1], [12, 6]]).pvalue)


def test_a_small_table_of_many_categories_agrees_with_scipys_permutation() -> None:
    before, now = {"a": 9, "b": 3, "c": 2, "d": 0}, {"a": 3, "b": 3, "c": 2, "d": 3}
    found = category_shift(before, now)
    method = stats.PermutationMethod(n_resamples=3_000, rng=np.random.default_rng(1))
    theirs = stats.chi2_contingency([list(before.values()), list(now.values())], correction=False, method=method)
    assert found.method == "permutation"
    assert found.statistic == pytest.approx(theirs.statistic)
    assert found.p_value == pytest.approx(theirs.pvalue, abs=0.05)


def test_a_category_never_seen_before_is_no_proof_by_itself() -> None:
    assert (category_shift({"a": 50, "b": 20}, {"a": 14, "b": 5, "new": 1}).p_value or 0) > 0.05
    assert (category_shift({"a": 100_000}, {"b": 100_000}).p_value or 0) > 0


def test_without_a_shift_p_is_small_no_more_often_than_it_should() -> None:
    rng = np.random.default_rng(2)
    share, runs = [0.55, 0.25, 0.12, 0.05, 0.03], 200
    found = [
        category_shift(*(dict(zip("abcde", rng.multinomial(n, share).tolist(), strict=True)) for n in (60, 25)))
        for _ in range(runs)
    ]
    assert sum((one.p_value or 1) <= 0.05 for one in found) <= stats.binom.ppf(0.999, runs, 0.05)


@pytest.mark.parametrize(("before", "now"), [({}, {"a": 3}), ({"a": 0}, {"a": 3}), ({"a": 3}, {"a": 9})])
def test_nothing_to_compare_gives_a_note(before: dict[str, int], now: dict[str, int]) -> None:
    found = category_shift(before, now)
    assert found.statistic is None
    assert found.note
