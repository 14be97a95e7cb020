"""Shifts of scores and embeddings: against scipy and by simulation."""

import numpy as np
import pytest
from scipy import stats
from scipy.spatial.distance import cdist

from abkit.stats.monitoring.distribution_shift import Drift, drift, input_shift


def test_ks_and_wasserstein_are_scipys_and_psi_is_the_textbook_sum() -> None:
    rng = np.random.default_rng(1)
    x, y = rng.normal(size=150), rng.normal(0.4, 1.2, size=130)
    found = drift(x, y, bins=5)
    theirs = stats.ks_2samp(x, y)
    assert (found.ks.statistic, found.ks.p_value) == pytest.approx((theirs.statistic, theirs.pvalue))
    assert found.wasserstein.statistic == pytest.approx(stats.wasserstein_distance(x, y))
    assert found.wasserstein.effect == pytest.approx(stats.wasserstein_distance(x, y) / x.std())
    edges = np.concatenate([[-np.inf], np.quantile(x, [0.2, 0.4, 0.6, 0.8]), [np.inf]])
    p, q = ((np.histogram(v, edges)[0] + 0.5) / (len(v) + 2.5) for v in (x, y))
    assert found.psi.statistic == pytest.approx(((q - p) * np.log(q / p)).sum())


def test_the_p_value_of_wasserstein_agrees_with_scipys_permutation_test() -> None:
    rng = np.random.default_rng(2)
    x, y = rng.normal(size=40), rng.normal(0.45, 1, size=40)
    theirs = stats.permutation_test(
        (x, y), stats.wasserstein_distance, n_resamples=2000, alternative="greater", rng=rng
    ).pvalue
    assert drift(x, y).wasserstein.p_value == pytest.approx(theirs, abs=0.03)


@pytest.fixture(scope="module")
def calm() -> list[Drift]:
    """Pairs of windows of one distribution."""
    rng = np.random.default_rng(3)
    return [drift(rng.normal(size=100), rng.normal(size=100), seed=i) for i in range(300)]


@pytest.mark.parametrize("test", ["ks", "psi", "wasserstein"])
def test_without_a_shift_the_p_value_is_small_no_more_often_than_it_should(test: str, calm: list[Drift]) -> None:
    alarms = sum(getattr(one, test).p_value < 0.05 for one in calm)
    assert alarms <= stats.binom.ppf(0.999, len(calm), 0.05)


def test_the_input_effect_is_the_energy_coefficient_of_standardized_features() -> None:
    rng = np.random.default_rng(4)
    x, y = rng.normal(size=(60, 7)) * 3, rng.normal(0.5, 2, size=(50, 7))
    pooled = np.concatenate([x, y])
    a, b = (v / pooled.std(axis=0) for v in (x, y))
    between, inside_a, inside_b = cdist(a, b).mean(), cdist(a, a).sum() / (60 * 59), cdist(b, b).sum() / (50 * 49)
    expected = (2 * between - inside_a - inside_b) / (2 * between)
    assert input_shift(x, y).effect == pytest.approx(expected, rel=1e-3)


def test_the_input_effect_of_a_shift_by_d_deviations_is_a_quarter_of_its_square() -> None:
    rng = np.random.default_rng(5)
    x, y = rng.normal(size=(400, 100)), rng.normal(0.5, 1, size=(400, 100))
    found = input_shift(x, y, permutations=99)
    assert found.effect == pytest.approx(0.5**2 / 4, rel=0.15)
    assert found.p_value == pytest.approx(1 / 100)


def test_without_a_shift_the_input_p_value_is_small_no_more_often_than_it_should() -> None:
    rng = np.random.default_rng(6)
    runs = 200
    found = [
        input_shift(rng.normal(size=(100, 30)), rng.normal(size=(100, 30)), permutations=99, seed=i)
        for i in range(runs)
    ]
    assert sum((one.p_value or 1) <= 0.05 for one in found) <= stats.binom.ppf(0.999, runs, 0.05)
    assert abs(np.mean([one.effect for one in found])) < 0.001


@pytest.mark.parametrize("n", [100, 1000])
def test_the_effects_do_not_grow_with_n(n: int) -> None:
    rng = np.random.default_rng(7)
    x, y = rng.normal(size=(n, 20)), rng.normal(0.3, 1, size=(n, 20))
    assert input_shift(x, y, permutations=9).effect == pytest.approx(0.3**2 / 4, abs=0.008)
    assert drift(x[:, 0], y[:, 0]).wasserstein.effect == pytest.approx(0.3, abs=0.2)


def test_larger_windows_are_drawn_down_and_that_is_said() -> None:
    rng = np.random.default_rng(8)
    found = input_shift(rng.normal(size=(300, 4)), rng.normal(size=(50, 4)), most=100)
    assert (found.n_reference, found.n_current) == (300, 50)
    assert "100 drawn" in found.method


def test_nothing_one_or_broken_rows_give_a_note_instead_of_a_number() -> None:
    assert "at least 2" in input_shift(np.zeros((0, 3)), np.ones((5, 3))).note
    assert "at least 2" in drift([1.0], [1.0, 2.0]).ks.note
    assert drift([1, 2, np.nan], [1, 2, 3]).ks.n_reference == 2
    assert input_shift(np.full((4, 2), np.nan), np.ones((4, 2))).n_reference == 0


@pytest.mark.parametrize("to", [2.0, 4.0])
def test_constant_scores_that_stay_are_no_shift_and_that_move_are_one(to: float) -> None:
    still, moved = drift([3.0] * 60, [3.0] * 60), drift([3.0] * 60, [to] * 60)
    assert still.wasserstein.p_value == 1
    assert still.psi.statistic == 0
    assert (moved.wasserstein.p_value or 1) < 0.01
    assert (moved.psi.p_value or 1) < 0.01
    assert (moved.psi.statistic or 0) > 1


def test_windows_of_different_encoders_are_refused() -> None:
    with pytest.raises(ValueError, match="3 and 4 features"):
        input_shift(np.zeros((5, 3)), np.zeros((5, 4)))
