"""The split of the traffic: against scipy, at tiny counts, and looked at every day."""

import numpy as np
import pytest
from scipy import stats

from abkit.errors import InvalidInput
from abkit.stats.verdicts.sample_ratio import sample_ratio


@pytest.mark.parametrize(
    ("observed", "weights"), [([5000, 5300], [1, 1]), ([100, 210, 290], [1, 2, 3]), ([10**12, 10**12 + 10**7], [1, 1])]
)
def test_it_agrees_with_scipys_chi_square(observed: list[int], weights: list[float]) -> None:
    result = sample_ratio(observed, weights)
    share = np.array(weights) / sum(weights)
    theirs = stats.chisquare(observed, share * sum(observed))
    assert result.chi2 == pytest.approx(theirs.statistic, rel=1e-6)
    assert result.p_value == pytest.approx(theirs.pvalue, rel=1e-6)
    assert result.dof == len(observed) - 1


def test_there_is_no_false_alarm_at_tiny_n() -> None:
    for n in range(9):
        assert not sample_ratio([n, 0]).mismatch
    assert not sample_ratio([3, 0, 0]).mismatch
    assert sample_ratio([40, 2]).mismatch


def test_an_arm_without_a_share_is_no_degree_of_freedom_and_units_in_it_are_a_mismatch() -> None:
    assert sample_ratio([100, 103, 0], [1, 1, 0]).dof == 1
    found = sample_ratio([100, 103, 1], [1, 1, 0])
    assert (found.mismatch, found.method) == (True, "impossible")


def test_looked_at_every_day_the_sequential_guard_keeps_its_error_rate_and_the_fixed_one_does_not() -> None:
    rng = np.random.default_rng(1)
    tests, days, daily = 2000, 60, 400
    first = np.cumsum(rng.binomial(daily, 0.5, (tests, days)), axis=1)
    total = daily * np.arange(1, days + 1)
    alarms = {False: 0, True: 0}
    chi2 = (2 * first - total) ** 2 / total
    alarms[False] = int((stats.chi2.sf(chi2, 1) < 0.05).any(axis=1).sum())
    for row in first:
        alarms[True] += any(
            sample_ratio([int(a), int(n - a)], sequential=True).p_value < 0.05
            for a, n in zip(row[::4], total[::4], strict=True)
        )
    assert alarms[True] / tests <= 0.05
    assert alarms[False] / tests > 0.15


def test_the_sequential_guard_finds_a_real_fault() -> None:
    assert sample_ratio([50_000, 51_800], sequential=True).mismatch


@pytest.mark.parametrize(
    ("observed", "expected", "said"),
    [
        ([5000], None, "takes at least 2 arms; got 1"),
        ([5000, -1], None, "-1 units"),
        ([5000, float("nan")], None, "nan units"),
        ([5000, 5000.5], None, "5000.5 units"),
        ([5000, 5000], [1], "1 expected shares for 2 arms"),
        ([5000, 5000], [0.5, 0.4], "0.5, 0.4 sums to 0.9"),
        ([5000, 5000], [0, 0], "0, 0"),
        ([5000, 5000], [1, -1], "1, -1"),
    ],
)
def test_invalid_splits_are_refused_with_the_value(observed: list[float], expected: list[float], said: str) -> None:
    with pytest.raises(InvalidInput, match=said):
        sample_ratio(observed, expected)
