"""Where a t interval may miss its level there is a warning and no verdict; elsewhere it covers."""

from collections.abc import Callable

import numpy as np
import pytest
from scipy import stats

from abkit.stats.arms import Moments, PairMoments
from abkit.stats.means.compare import compare_means
from abkit.stats.means.pairs import compare_ratios
from abkit.stats.verdicts.equivalence import non_inferior
from abkit.stats.verdicts.verdict import judge

Law = Callable[[np.random.Generator, int], np.ndarray]
EXPONENTIAL: Law = lambda rng, n: rng.exponential(1.0, n)  # noqa: E731
LOGNORMAL: Law = lambda rng, n: rng.lognormal(0.0, 2.0, n)  # noqa: E731
CV_OF_1: Law = lambda rng, n: rng.lognormal(0.0, 0.8326, n)  # noqa: E731
PARETO: Law = lambda rng, n: rng.pareto(3.0, n) + 1.0  # noqa: E731
RARE: Law = lambda rng, n: (rng.random(n) < 0.05) * rng.lognormal(0.0, 1.0, n)  # noqa: E731


def looked_at(law: Law, n0: int, n1: int, tests: int, *, rows: bool = True) -> tuple[float, float, float]:
    """Return the share warned, the coverage of the difference without a warning, and that of all."""
    rng = np.random.default_rng(41)
    warned, covered = [], []
    for _ in range(tests):
        arms = [Moments.from_values(law(rng, n)) for n in (n0, n1)]
        if not rows:
            arms = [Moments(arm.n, arm.mean, arm.variance) for arm in arms]
        if arms[0].variance + arms[1].variance == 0:
            continue
        found = compare_means(*arms)
        warned.append(bool(found.warnings))
        covered.append(not found.difference.excludes(0.0))
    silent = ~np.array(warned)
    all_of = np.array(covered)
    return 1 - silent.mean(), all_of[silent].mean() if silent.any() else 1.0, all_of.mean()


@pytest.mark.parametrize("rows", [True, False])
def test_of_moderate_spread_few_are_warned_and_the_others_cover(rows: bool) -> None:
    warned, covered, _ = looked_at(EXPONENTIAL, 100, 100, 2000, rows=rows)
    assert warned <= 0.05
    assert covered >= 0.94 - 2 * np.sqrt(0.94 * 0.06 / 2000)


@pytest.mark.parametrize("law", [LOGNORMAL, RARE])
def test_uneven_arms_of_heavy_tails_miss_their_level_and_are_warned(law: Law) -> None:
    warned, _, all_of = looked_at(law, 1000, 100, 400)
    assert all_of < 0.9
    assert warned > 0.97


def test_uneven_arms_of_moderate_spread_are_judged_from_rows_by_wider_intervals_and_cover() -> None:
    warned, covered, _ = looked_at(CV_OF_1, 300, 100, 1500)
    assert warned <= 0.05 + 2 * np.sqrt(0.05 * 0.95 / 1500)
    assert covered >= 0.94 - 2 * np.sqrt(0.94 * 0.06 / 1500)


@pytest.mark.parametrize(("n0", "n1"), [(300, 100), (1000, 100)])
def test_uneven_arms_that_may_have_a_heavy_tail_are_warned_of_where_only_sums_are_known(n0: int, n1: int) -> None:
    warned, _, _ = looked_at(PARETO, n0, n1, 300, rows=False)
    assert warned > 0.6


def test_a_warning_takes_the_verdict_away_and_says_what_to_do() -> None:
    wide = [Moments(200, 30.0, 40.0**2, skewness=9.0), Moments(20, 90.0, 40.0**2, skewness=3.0)]
    found = compare_means(*wide)
    assert found.difference.excludes(0.0)
    assert not found.significant
    assert "effective units); cap the values at a quantile, or wait" in found.warnings[0]
    said = judge(found, [], allocation="random", treatment="b", control="a")
    assert (said.state, said.blocked_by) == ("blocked", ("shape",))
    assert not non_inferior(found, margin=0.2, relative=True).holds
    # Known to be harmless, the same figures are judged.
    assert compare_means(*(Moments(arm.n, arm.mean, arm.variance, skewness=0.1) for arm in wide)).warnings == ()
    assumed = compare_means(*(Moments(arm.n, arm.mean, arm.variance) for arm in wide)).warnings[0]
    assert "skewness not known, taken as" in assumed
    assert "give the skewness" in assumed


def test_rows_bring_their_skewness_and_a_ratio_that_of_its_residuals() -> None:
    rng = np.random.default_rng(2)
    y, x = rng.gamma(1.0, 2.0, 400), rng.poisson(20, 400) + 1.0
    assert Moments.from_values(y).skewness == pytest.approx(stats.skew(y))
    pair = PairMoments.from_values(y, x)
    assert pair.skewness == pytest.approx(stats.skew(y - y.mean() / x.mean() * x))
    assert compare_ratios(pair, pair).control.skewness == pair.skewness  # type: ignore[union-attr]
    assert Moments.from_values([3.0, 3.0]).skewness == 0
