"""A cap is one for all arms, says what it takes away, and keeps the size of a test of heavy tails."""

import numpy as np
import pytest
from scipy.stats.mstats import winsorize

from abkit.errors import InvalidInput
from abkit.stats.means.capping import cap_values
from abkit.stats.means.compare import compare_means


def test_it_is_the_winsorized_sample_of_scipy() -> None:
    values = np.random.default_rng(1).lognormal(3, 1.5, 1001)
    (one, two), cap = cap_values([values[:400], values[400:]], 0.99)
    theirs = winsorize(values, limits=(0, 10 / 1001))
    assert np.concatenate([one, two]) == pytest.approx(np.asarray(theirs))
    assert (cap.units, cap.of_units) == (10, 1001)
    assert cap.taken == pytest.approx(1 - theirs.sum() / values.sum())
    assert "10 of 1,001 units" in str(cap)
    assert "the capped mean is compared" in str(cap)


@pytest.mark.parametrize("quantile", [0.5, 1.0, 0.0, float("nan")])
def test_a_quantile_outside_of_the_upper_half_is_refused(quantile: float) -> None:
    with pytest.raises(InvalidInput, match="the quantile of the cap"):
        cap_values([[1.0, 2.0]], quantile)


def test_where_nearly_all_have_nothing_a_cap_at_nothing_is_refused_with_a_higher_one() -> None:
    values = np.zeros(1000)
    values[:20] = 50.0
    with pytest.raises(InvalidInput, match=r"98.0 % of the units have nothing") as error:
        cap_values([values, values], 0.95)
    assert "above 0.9800" in str(error.value.hint)


def test_revenue_with_many_zeros_and_a_heavy_tail_is_compared_with_the_stated_error() -> None:
    rng, runs = np.random.default_rng(5), 800
    wrong = 0
    for _ in range(runs):
        arms = [rng.pareto(1.5, 1500) * 20 * (rng.random(1500) < 0.1) for _ in range(2)]
        wrong += compare_means(*cap_values(arms, 0.99)[0]).significant
    assert wrong / runs <= 0.05 + 2 * np.sqrt(0.05 * 0.95 / runs)
