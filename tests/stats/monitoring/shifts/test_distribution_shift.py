"""Shifts of one figure: against scipy and by simulation."""

import numpy as np
import pytest
from scipy import stats
from scipy.spatial.distance import jensenshannon

from abkit.stats.monitoring.shifts import distribution_shift
from abkit.stats.monitoring.shifts.distribution_shift import Drift, drift


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


@pytest.mark.parametrize(
    ("n", "m", "digits"), [(2, 2, 9), (3, 5, 9), (150, 130, 1), (1999, 40, 0), (6_000, 9_001, 9), (30_000, 25_000, 2)]
)
def test_every_statistic_is_that_of_scipy_to_the_last_digits(n: int, m: int, digits: int) -> None:
    rng = np.random.default_rng(n)
    x, y = rng.normal(size=n).round(digits), rng.normal(0.1, 1.3, size=m).round(digits)

    found = drift(x, y)

    assert found.ks.statistic == pytest.approx(stats.ks_2samp(x, y, method="asymp").statistic, abs=1e-12)
    assert found.wasserstein.statistic == pytest.approx(stats.wasserstein_distance(x, y), abs=1e-12)
    # Quantiles that coincide give a value a bin of its own: every bin ends with one of these values.
    quantiles, times = np.unique(np.quantile(x, np.arange(1, 10) / 10), return_counts=True)
    own = quantiles[(times > 1) | (quantiles == x.min())]
    ends = np.unique([*quantiles, *np.nextafter(own, -np.inf), np.inf])
    shares = [np.diff([(v <= end).sum() for end in ends], prepend=0) / len(v) for v in (x, y)]
    assert found.js.statistic == pytest.approx(jensenshannon(*shares, base=2), abs=1e-12)
    p, q = ((share * len(v) + 0.5) / (len(v) + len(ends) / 2) for share, v in zip(shares, (x, y), strict=True))
    assert found.psi.statistic == pytest.approx(np.sum((q - p) * np.log(q / p)), abs=1e-12)


@pytest.mark.parametrize(("n", "m"), [(90, 70), (2_001, 5_000), (40_000, 45_000)])
def test_the_p_value_of_ks_is_scipys(n: int, m: int) -> None:
    rng = np.random.default_rng(n)
    x, y = rng.normal(size=n), rng.normal(2 / np.sqrt(n), 1, size=m)
    theirs = stats.ks_2samp(x, y, method="auto" if n < 2_000 else "asymp").pvalue
    assert drift(x, y).ks.p_value == pytest.approx(theirs, rel=1e-12 if n < 10_000 else 0.02)


def test_bridges_stand_for_permutations_in_large_windows(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(9)
    x, y = rng.lognormal(size=3_000), rng.lognormal(0.045, 1, size=4_000)
    dealt = drift(x, y, permutations=2_000).wasserstein
    monkeypatch.setattr(distribution_shift, "_MOST_TO_PERMUTE", 5_000)
    bridged = drift(x, y, permutations=2_000).wasserstein
    assert "permutations" in dealt.method
    assert "bridges" in bridged.method
    assert bridged.p_value == pytest.approx(dealt.p_value, abs=0.025)


def test_a_p_value_is_never_zero() -> None:
    found = drift(np.zeros(20_000), np.ones(20_000))
    assert min(one.p_value or 0 for one in (found.ks, found.psi, found.js, found.wasserstein)) > 0


@pytest.fixture(scope="module")
def calm() -> list[Drift]:
    """Pairs of windows of one distribution."""
    rng = np.random.default_rng(3)
    return [drift(rng.normal(size=100), rng.normal(size=100), seed=i) for i in range(300)]


@pytest.mark.parametrize("test", ["ks", "psi", "js", "wasserstein"])
def test_without_a_shift_the_p_value_is_small_no_more_often_than_it_should(test: str, calm: list[Drift]) -> None:
    alarms = sum(getattr(one, test).p_value < 0.05 for one in calm)
    assert alarms <= stats.binom.ppf(0.999, len(calm), 0.05)


@pytest.mark.parametrize("n", [100, 1000])
def test_the_effects_do_not_grow_with_n(n: int) -> None:
    rng = np.random.default_rng(7)
    found = drift(rng.normal(size=n), rng.normal(0.3, 1, size=n))
    assert found.wasserstein.effect == pytest.approx(0.3, abs=0.2)


def test_nothing_one_or_broken_rows_give_a_note_instead_of_a_number() -> None:
    assert "at least 2" in drift([1.0], [1.0, 2.0]).ks.note
    assert drift([1, 2, np.nan], [1, 2, 3]).ks.n_reference == 2


@pytest.mark.parametrize("to", [2.0, 4.0])
def test_constant_scores_that_stay_are_no_shift_and_that_move_are_one(to: float) -> None:
    still, moved = drift([3.0] * 60, [3.0] * 60), drift([3.0] * 60, [to] * 60)
    assert still.wasserstein.p_value == 1
    assert still.psi.statistic == 0
    assert (moved.wasserstein.p_value or 1) < 0.01
    assert (moved.psi.p_value or 1) < 0.01
    assert (moved.psi.statistic or 0) > 1


@pytest.mark.parametrize(
    ("test", "shift", "true"), [("ks", 0.507, 0.2), ("psi", 0.451, 0.2), ("wasserstein", 0.4, 0.4)]
)
def test_the_upper_end_is_seldom_below_the_true_distance(test: str, shift: float, true: float) -> None:
    rng = np.random.default_rng(3)
    worlds = [
        getattr(drift(rng.normal(size=n), rng.normal(shift, 1, n), permutations=1), test)
        for n in (60, 100, 400)
        for _ in range(60)
    ]
    assert np.mean([one.upper < true for one in worlds]) <= 0.06
    assert np.median([one.beyond for one in worlds]) == pytest.approx(true, rel=0.25)


@pytest.mark.parametrize("test", ["ks", "psi", "wasserstein"])
def test_where_nothing_moved_nothing_is_beyond_chance_and_the_upper_end_is_the_resolution(test: str) -> None:
    rng = np.random.default_rng(4)
    worlds = [getattr(drift(rng.gumbel(size=80), rng.gumbel(size=150), permutations=1), test) for _ in range(80)]
    assert np.median([one.beyond for one in worlds]) < 0.07
    usual = np.median([one.resolution for one in worlds])
    assert np.median([one.upper for one in worlds]) == pytest.approx(usual, rel=0.25)


def test_a_reference_of_one_value_has_no_unit_and_rules_nothing_out() -> None:
    found = drift(np.ones(30), np.arange(30.0)).wasserstein
    assert (found.upper, found.resolution, found.beyond) == (None, None, None)
