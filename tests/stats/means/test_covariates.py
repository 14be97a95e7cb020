"""CUPED for ratios agrees with tea-tasting's, takes noise out and no effect, and errs as often as it says."""

import numpy as np
import pytest
import tea_tasting
from hypothesis import given, settings
from hypothesis import strategies as st
from tea_tasting.aggr import Aggregates

from abkit.errors import InvalidInput
from abkit.stats.means.covariates import UnitsBefore, compare_ratios_with_covariate

NAMES = ("y", "x", "before_y", "before_x")


def users(rng: np.random.Generator, n: int, lift: float = 1.0) -> UnitsBefore:
    """Users with a taste that stays: impressions and revenue, now and before."""
    taste, shown, before = rng.gamma(2.0, 0.02, n), rng.poisson(30, n) + 1, rng.poisson(20, n) + 1
    spent = rng.gamma(8.0, 1.0, n) * rng.poisson(2.0 * taste * shown * lift)
    return UnitsBefore.of(spent, shown, rng.gamma(8.0, 1.0, n) * rng.poisson(2.0 * taste * before), before)


def aggregates(arm: UnitsBefore) -> Aggregates:
    columns = {name: getattr(arm, name) for name in NAMES}
    pairs = [(a, b) for i, a in enumerate(NAMES) for b in NAMES[i + 1 :]]
    return Aggregates(
        count_=len(arm),
        mean_={name: float(values.mean()) for name, values in columns.items()},
        var_={name: float(values.var(ddof=1)) for name, values in columns.items()},
        cov_={tuple(sorted(pair)): float(np.cov(columns[pair[0]], columns[pair[1]])[0, 1]) for pair in pairs},
    )


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 10_000), st.integers(5, 300), st.integers(5, 300))
def test_it_agrees_with_tea_tasting(seed: int, n: int, m: int) -> None:
    rng = np.random.default_rng(seed)
    one, two = users(rng, n), users(rng, m, 1.2)
    if min(one.y.sum(), two.y.sum(), one.before_y.sum(), two.before_y.sum()) == 0:
        return
    ours = compare_ratios_with_covariate(one, two, lift_method="log-delta")
    metric = tea_tasting.RatioOfMeans("y", "x", "before_y", "before_x")
    theirs = metric.analyze_aggregates(aggregates(one), aggregates(two))
    assert ours.adjusted.difference.estimate == pytest.approx(theirs.effect_size, rel=1e-6, abs=1e-12)
    assert ours.adjusted.difference.ci_low == pytest.approx(theirs.effect_size_ci_lower, rel=1e-6, abs=1e-9)
    assert ours.adjusted.p_value == pytest.approx(theirs.pvalue, rel=1e-6)
    if ours.adjusted.control.mean > 0 and ours.adjusted.treatment.mean > 0:  # type: ignore[union-attr]
        assert ours.adjusted.lift.ci_high == pytest.approx(theirs.rel_effect_size_ci_upper, rel=1e-6)
    plain = tea_tasting.RatioOfMeans("y", "x").analyze_aggregates(aggregates(one), aggregates(two))
    assert ours.raw.p_value == pytest.approx(plain.pvalue, rel=1e-6)


def test_it_errs_as_often_as_it_says_and_keeps_the_effect() -> None:
    rng, runs = np.random.default_rng(8), 600
    found = [compare_ratios_with_covariate(users(rng, 200), users(rng, 200)) for _ in range(runs)]
    wrong = np.mean([one.adjusted.significant for one in found])
    assert wrong <= 0.05 + 2 * np.sqrt(0.05 * 0.95 / runs)
    assert np.mean([one.variance_kept for one in found]) < 0.85
    lifted = [compare_ratios_with_covariate(users(rng, 200), users(rng, 200, 1.5)) for _ in range(200)]
    raw, adjusted = (np.array([getattr(one, k).difference.estimate for one in lifted]) for k in ("raw", "adjusted"))
    assert adjusted.mean() == pytest.approx(raw.mean(), abs=2 * raw.std() / np.sqrt(200))
    assert adjusted.std() < raw.std()


@pytest.mark.parametrize(
    ("columns", "said"),
    [
        (([1, 2], [1, 1], [1, 1], [1, 1]), "all units had 1"),
        (([1, 2], [0, 0], [1, 2], [1, 1]), "denominator of a ratio is 0 in the test"),
        (([1, 2], [1, 1], [1, 2], [0, 0]), "0 in the time before"),
        (([1], [1], [1], [1]), "1 unit"),
        (([1, 2], [1, 1], [1, 2], [1]), "2, 2, 2, 1 values"),
        (([1, float("nan")], [1, 1], [1, 2], [1, 1]), "missing or infinite"),
    ],
)
def test_units_that_cannot_be_adjusted_are_refused(columns: tuple[list[float], ...], said: str) -> None:
    with pytest.raises(InvalidInput, match=said):
        compare_ratios_with_covariate(UnitsBefore.of(*columns), UnitsBefore.of(*columns))
