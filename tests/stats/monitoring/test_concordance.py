"""How often the higher score wins: shares, exact interval and test."""

import pytest
from scipy import stats

from abkit.stats.monitoring.concordance import concordance_shift


def test_p_is_one_sided_a_score_that_wins_more_often_than_before_is_no_loss() -> None:
    worse = concordance_shift([True] * 18 + [False] * 2, [True] * 4 + [False] * 16)
    better = concordance_shift([True] * 4 + [False] * 16, [True] * 18 + [False] * 2)
    assert worse.p_value == pytest.approx(stats.hypergeom.cdf(4, 40, 22, 20))
    assert worse.p_value is not None
    assert better.p_value is not None
    assert worse.p_value < 1e-4 < 0.99 < better.p_value


def test_without_experiments_there_are_no_figures() -> None:
    assert concordance_shift([], []) == concordance_shift((), ())
    found = concordance_shift([True], [])
    assert (found.reference, found.current, found.p_value, found.ci_low) == (1.0, None, None, None)
