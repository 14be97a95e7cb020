"""Do the intervals of proportions cover? Exact where the sums are small, by simulation where they are not."""

from functools import cache

import numpy as np
import pytest
from scipy import stats

from abkit.stats.proportions.bulk import compare_many, intervals_many

RATES = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2)
SIZES = (200, 500, 1000, 3000, 10_000)
LARGE = (100_000, 1_000_000)
DRAWS = 40_000
# Treatments per control, and true lifts.
DESIGNS = [(1, 0.0), (1, 0.2), (4, -0.3), (0.25, 0.2), (50, 0.2)]


def is_exact(n0: int, n1: int, p0: float, p1: float) -> bool:
    """Whether all outcomes are summed: where they are not many more than the draws that a simulation takes."""
    return n0 * p0 <= 150 and n1 * p1 <= 1000 and 120 * np.sqrt(n0 * p0 * n1 * p1) <= DRAWS


def happens(n0: int, n1: int, p0: float, p1: float) -> tuple[np.ndarray, ...]:
    """Successes, trials and weights of what happens, as `compare_many` takes them; exact up to 2e-7 where possible."""
    if not is_exact(n0, n1, p0, p1):
        rng = np.random.default_rng(n0 + int(1e6 * p0))
        drawn = np.stack([rng.binomial(n0, p0, DRAWS), rng.binomial(n1, p1, DRAWS)])
        (x0, x1), times = np.unique(drawn, axis=1, return_counts=True)
        weight = times / DRAWS
    else:
        ends0, ends1 = (stats.binom.ppf([1e-7, 1 - 1e-7], n, p).astype(int) for n, p in ((n0, p0), (n1, p1)))
        grid0, grid1 = np.arange(ends0[0], ends0[1] + 1), np.arange(ends1[0], ends1[1] + 1)
        weight = np.outer(stats.binom.pmf(grid0, n0, p0), stats.binom.pmf(grid1, n1, p1)).ravel()
        x0, x1 = (grid.ravel() for grid in np.meshgrid(grid0, grid1, indexing="ij"))
    likely = weight > 1e-12  # the others are a few billionths in all
    x0, x1, weight = x0[likely], x1[likely], weight[likely]
    return x0.astype(float), np.full(x0.shape, float(n0)), x1.astype(float), np.full(x1.shape, float(n1)), weight


@cache
def covered(n0: int, n1: int, p0: float, p1: float) -> tuple[float, float]:
    """Coverage of the difference and of the lift, by the intervals alone: p-values take sixty times as long."""
    *counts, weight = happens(n0, n1, p0, p1)
    low, high, lift_low, lift_high = intervals_many(*counts)
    gap, lift = p1 - p0, p1 / p0 - 1
    inside = (low <= gap + 1e-15) & (gap - 1e-15 <= high)
    inside_lift = (lift_low <= lift + 1e-12) & (lift - 1e-12 <= lift_high)
    total = weight.sum()
    return float(weight @ inside / total), float(weight @ inside_lift / total)


@cache
def rejected(n0: int, n1: int, rate: float) -> float:
    """How often arms of one rate have a p-value below 5 %."""
    *counts, weight = happens(n0, n1, rate, rate)
    return float(weight @ (compare_many(*counts).p_value < 0.05) / weight.sum())


@pytest.mark.parametrize(("ratio", "lift"), DESIGNS)
def test_the_default_interval_covers_at_every_rate_and_size(ratio: float, lift: float) -> None:
    for rate in RATES:
        for n in SIZES + LARGE:
            n1, p1 = max(1, int(n * ratio)), rate * (1 + lift)
            difference, relative = covered(n, n1, rate, p1)
            simulated = not is_exact(n, n1, rate, p1)
            # Three standard errors of a share of 40,000 draws, where it is one.
            slack = 3 * np.sqrt(0.05 * 0.95 / DRAWS) if simulated else 0.0
            assert difference >= 0.945 - slack, (rate, n)
            assert relative >= 0.945 - slack, (rate, n)
            if min(n * rate, n1 * p1) >= 30:
                assert abs(difference - 0.95) <= 0.01, (rate, n)
                assert abs(relative - 0.95) <= 0.01, (rate, n)


@pytest.mark.parametrize("ratio", [1, 4])
def test_the_default_p_value_holds_its_level_and_is_within_one_point_of_it_from_thirty_clicks(ratio: int) -> None:
    for rate in RATES:
        for n in SIZES:
            wrong = rejected(n, n * ratio, rate)
            slack = 0.0 if is_exact(n, n * ratio, rate, rate) else 3 * np.sqrt(0.05 * 0.95 / DRAWS)
            assert wrong <= 0.055 + slack, (rate, n)
            if n * rate >= 30:
                assert abs(wrong - 0.05) <= 0.01, (rate, n)


def test_the_pooled_test_alone_would_not_hold_its_level_for_few_clicks_in_unequal_arms() -> None:
    # Why the default switches: 0.4 expected clicks in the control, four times as many in the treatment.
    n0, n1, rate = 200, 800, 0.002
    x0, x1 = (grid.ravel() for grid in np.meshgrid(np.arange(8), np.arange(14), indexing="ij"))
    weight = stats.binom.pmf(x0, n0, rate) * stats.binom.pmf(x1, n1, rate)
    pooled = (x0 + x1) / (n0 + n1)
    with np.errstate(divide="ignore", invalid="ignore"):
        z = np.nan_to_num((x1 / n1 - x0 / n0) / np.sqrt(pooled * (1 - pooled) * (1 / n0 + 1 / n1)))
    assert weight @ (np.abs(z) > 1.959964) > 0.08
    assert rejected(n0, n1, rate) < 0.055
