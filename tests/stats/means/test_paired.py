"""Two arms on the same units: the paired t test for ratios, and what moves both arms moves nothing."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from abkit.errors import InvalidInput
from abkit.stats.means.paired import PairedRates, compare_paired
from abkit.vocabulary import Alternative


def drawn(seed: int, *, days: int = 12, lift: float = 0.1, equal: bool = False) -> tuple[tuple[np.ndarray, ...], ...]:
    rng = np.random.default_rng(seed)
    mood = np.exp(rng.normal(0, 0.3, days))
    arms = []
    for factor in (1.0, 1 + lift):
        x = np.full(days, 5000.0) if equal else rng.integers(500, 9000, days).astype(float)
        arms.append((rng.poisson(0.02 * factor * mood * x).astype(float), x))
    return tuple(arms)


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("alternative", list(Alternative))
def test_with_equal_denominators_it_is_the_paired_t_test_of_scipy(seed: int, alternative: Alternative) -> None:
    (y0, x0), (y1, x1) = drawn(seed, equal=True)
    found = compare_paired(PairedRates.of((y0, x0), (y1, x1)), alternative=alternative)
    theirs = stats.ttest_rel(y1 / x1, y0 / x0, alternative=str(alternative))
    assert found.p_value == pytest.approx(theirs.pvalue, rel=1e-6)
    assert found.statistic == pytest.approx(theirs.statistic, rel=1e-6)
    interval = theirs.confidence_interval(0.95)
    assert (found.difference.ci_low, found.difference.ci_high) == pytest.approx((interval.low, interval.high), rel=1e-6)


@settings(max_examples=60, deadline=None)
@given(seed=st.integers(0, 10_000), lift=st.floats(-0.4, 0.6), tuning=st.sampled_from([None, 10.0, 28.0]))
def test_the_interval_of_the_lift_excludes_zero_exactly_when_that_of_the_difference_does_and_p_is_small(
    seed: int, lift: float, tuning: float | None
) -> None:
    found = compare_paired(PairedRates.of(*drawn(seed, lift=lift)), tuning=tuning)
    assert found.difference.excludes(0) == (found.p_value < 0.05)
    if math.isfinite(found.lift.ci_low):
        assert found.lift.excludes(0) == found.difference.excludes(0)


def test_a_day_that_is_good_for_both_arms_moves_neither_the_lift_nor_its_error() -> None:
    x, mood = np.full(4, 1e4), np.array([1.0, 2, 3, 4])
    y0, y1 = np.array([100.0, 110, 95, 105]), np.array([120.0, 125, 118, 130])
    calm, loud = PairedRates.of((y0, x), (y1, x)), PairedRates.of((y0 * mood, x), (y1 * mood, x))
    errors = [rates.error(rates.treatment / rates.control) / rates.control for rates in (calm, loud)]
    assert errors[1] < 2 * errors[0]
    assert loud.error(0.0) > 5 * calm.error(0.0)
    # Exposures that shift between the arms on good days are no difference: the raw ratios would show one.
    rates, exposures = np.array([0.01, 0.03] * 6), np.array([1000.0, 9000] * 6)
    shifted = PairedRates.of((rates * exposures, exposures), (rates * exposures[::-1], exposures[::-1]))
    assert shifted.treatment == pytest.approx(shifted.control)


def test_units_of_one_arm_alone_are_no_pairs() -> None:
    rates = PairedRates.of(([5, 6, 7, 9], [100, 100, 100, 0]), ([5, 8, 9, 1], [100, 100, 100, 100]))
    assert rates.units == 3
    with pytest.raises(InvalidInput, match="1 units are in both arms"):
        PairedRates.of(([5, 6], [100, 0]), ([5, 6], [100, 100]))
    with pytest.raises(InvalidInput, match="do not differ between units"):
        compare_paired(PairedRates.of(([5, 5], [100, 100]), ([6, 6], [100, 100])))


def test_the_cost_per_event_of_equal_spending_is_that_of_the_totals_and_errs_at_5_percent() -> None:
    rng = np.random.default_rng(3)
    wrong = 0
    for _ in range(400):
        spend, mood = rng.uniform(50, 150, 28), np.exp(rng.normal(0, 0.2, 28))
        bought = [rng.poisson(spend / 60 * mood) for _ in range(2)]
        rates = PairedRates.of((bought[0], spend), (bought[1], spend)).inverse()
        assert rates.control == pytest.approx(spend.sum() / bought[0].sum())
        wrong += compare_paired(rates).p_value < 0.05
    assert wrong <= 0.05 * 400 + 2 * math.sqrt(0.05 * 0.95 * 400)
    with pytest.raises(InvalidInput, match="no events"):
        PairedRates.of(([0, 0, 0], [5, 5, 5]), ([1, 0, 2], [5, 5, 5])).inverse()


def test_a_control_that_loses_has_no_lift() -> None:
    shown = np.full(8, 1000.0)
    losses = -60 * shown + np.arange(8) * 400
    found = compare_paired(PairedRates.of((losses, shown), (losses + 9000 + np.arange(8)[::-1] * 90, shown)))
    assert found.difference.ci_low > 0
    assert math.isnan(found.lift.estimate)
    assert (found.lift.ci_low, found.lift.ci_high) == (-math.inf, math.inf)
