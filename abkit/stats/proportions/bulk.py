"""Thousands of comparisons of proportions at once: the same figures as one at a time, on arrays."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import chdtrc, ndtr

from abkit.errors import InvalidInput
from abkit.stats.estimate import check_level
from abkit.stats.proportions.few_successes import clopper_pearson_many, too_few, touching_p
from abkit.stats.sequential.always_valid import DEFAULT_TUNING, mixture_precision

Array = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class BulkComparisons:
    """One entry a comparison, all arrays of one length.

    Attributes:
        control_rate: in [0, 1].
        treatment_rate: in [0, 1].
        difference: treatment − control.
        difference_low: Newcombe's interval, or MOVER with exact limits for few successes.
        difference_high: its other end.
        lift: NaN where the control is zero.
        lift_low: MOVER-R.
        lift_high: MOVER-R; inf where the control may be zero.
        z: of the pooled normal test; NaN without any success or any failure.
        p_value: of that z, or that of the exact limits where less than one success is expected in the smaller arm.
        anytime_p: always valid, at the tuning given.
        level: of the intervals.
    """

    control_rate: Array
    treatment_rate: Array
    difference: Array
    difference_low: Array
    difference_high: Array
    lift: Array
    lift_low: Array
    lift_high: Array
    z: Array
    p_value: Array
    anytime_p: Array
    level: float


def compare_many(
    control_successes: ArrayLike,
    control_trials: ArrayLike,
    treatment_successes: ArrayLike,
    treatment_trials: ArrayLike,
    *,
    level: float = 0.95,
    tuning: float = DEFAULT_TUNING,
) -> BulkComparisons:
    """Compare pairs of arms by the default of `compare_proportions`; the counts have to be possible.

    >>> result = compare_many([480, 0], [10_000, 100], [560, 5], [10_100, 100])
    >>> [round(p, 4) for p in result.p_value.tolist()]
    [0.0172, 0.0235]
    """
    from statsmodels.stats.proportion import proportion_confint

    check_level(level)
    x0, n0, x1, n1 = (
        np.asarray(values, dtype=float)
        for values in (control_successes, control_trials, treatment_successes, treatment_trials)
    )
    if len(x0) and not (impossible_counts(x0, n0) | impossible_counts(x1, n1)).sum() == 0:
        raise InvalidInput("some counts cannot be: expected 0 ≤ successes ≤ trials, trials of 1 or more")
    p0, p1 = x0 / n0, x1 / n1
    low0, high0 = proportion_confint(x0, n0, alpha=1 - level, method="wilson")
    low1, high1 = proportion_confint(x1, n1, alpha=1 - level, method="wilson")
    low0, low1 = np.where(x0 == 0, 0.0, low0), np.where(x1 == 0, 0.0, low1)
    high0, high1 = np.where(x0 == n0, 1.0, high0), np.where(x1 == n1, 1.0, high1)
    few = too_few(x0, n0, x1, n1)
    for x, n, low, high in ((x0, n0, low0, high0), (x1, n1, low1, high1)):
        low[few], high[few] = clopper_pearson_many(x[few], n[few], 1 - level)
    difference = p1 - p0
    lift_low, lift_high = _mover_r(p0, low0, high0, p1, low1, high1)
    touching = newcombe_z_many(x0, n0, x1, n1)
    pooled = (x0 + x1) / (n0 + n1)
    scaled = (n0 + n1) * mixture_precision(1 - level, tuning)
    with np.errstate(divide="ignore", invalid="ignore"):
        lift = np.where(p0 > 0, p1 / p0 - 1, np.nan)
        z = difference / np.sqrt(pooled * (1 - pooled) * (1 / n0 + 1 / n1))
    p_value = 2 * ndtr(-np.abs(np.nan_to_num(z)))
    p_value[few] = touching_p(x0[few], n0[few], x1[few], n1[few])
    return BulkComparisons(
        p0,
        p1,
        difference,
        np.maximum(difference - np.hypot(p1 - low1, high0 - p0), -1),
        np.minimum(difference + np.hypot(high1 - p1, p0 - low0), 1),
        lift,
        lift_low,
        lift_high,
        z,
        p_value,
        np.exp(np.minimum(0.5 * np.log1p(scaled) - 0.5 * touching**2 * scaled / (1 + scaled), 0.0)),
        level,
    )


def impossible_counts(successes: ArrayLike, trials: ArrayLike) -> NDArray[np.bool_]:
    """Which pairs cannot be: missing, negative, fractional, no trials, or more successes than trials.

    >>> impossible_counts([1, 5, -1, float("nan")], [10, 4, 10, 10]).tolist()
    [False, True, True, True]
    """
    x, n = np.asarray(successes, dtype=float), np.asarray(trials, dtype=float)
    with np.errstate(invalid="ignore"):
        possible = (x >= 0) & (n >= 1) & (x <= n) & (x == np.floor(x)) & (n == np.floor(n)) & np.isfinite(n)
    return np.asarray(~possible)


def newcombe_z_many(x0: Array, n0: Array, x1: Array, n1: Array) -> Array:
    """`newcombe_z` on arrays: safeguarded secant steps.

    >>> newcombe_z_many(*(np.array([value]) for value in (480.0, 10_000.0, 560.0, 10_100.0))).round(6).tolist()
    [2.381141]
    """
    p0, p1 = x0 / n0, x1 / n1
    gap, sign = np.abs(p1 - p0), np.sign(p1 - p0)
    pooled = (x0 + x1) / (n0 + n1)
    v0, v1 = p0 * (1 - p0) / n0, p1 * (1 - p1) / n1

    def standard_error(z: Array) -> Array:
        a1, a0 = z * z / n1, z * z / n0
        towards1 = (p1 + a1 / 2 - sign * z * np.sqrt(v1 + a1 / (4 * n1))) / (1 + a1)
        towards0 = (p0 + a0 / 2 + sign * z * np.sqrt(v0 + a0 / (4 * n0))) / (1 + a0)
        result: Array = np.sqrt(towards1 * (1 - towards1) / n1 + towards0 * (1 - towards0) / n0)
        return result

    with np.errstate(divide="ignore", invalid="ignore"):
        z = np.where(gap > 0, gap / np.sqrt(pooled * (1 - pooled) * (1 / n0 + 1 / n1)), 0.0)
        # Secant steps on z·se(z) − gap, which rises from −gap at 0, kept inside a shrinking bracket.
        before, value_before = np.zeros_like(z), -gap
        low, high = np.zeros_like(z), np.full_like(z, np.inf)
        for _ in range(100):
            value = z * standard_error(z) - gap
            low, high = np.where(value < 0, z, low), np.where(value >= 0, z, high)
            step = z - value * (z - before) / (value - value_before)
            middle = np.where(np.isinf(high), 2 * z, (low + high) / 2)
            step = np.where((step >= low) & (step <= high) & (step < np.inf), step, middle)
            step = np.where((gap > 0) & (value != 0), step, z)
            done = np.abs(step - z) <= 1e-13 * z
            before, value_before, z = z, value, step
            if done.all():
                break
    return sign * z


def homogeneity_p(successes: Array, trials: Array, test: NDArray[np.intp], tests: int) -> tuple[Array, Array]:
    """χ² of equal rates in all arms of each test, and its p-value; NaN where a test has no successes or no failures.

    Args:
        successes: one entry an arm.
        trials: one entry an arm.
        test: which test the arm belongs to, 0 … tests − 1.
        tests: how many there are.
    """
    return _chi2(successes, trials, test, tests, binomial=True)


def split_p(trials: Array, test: NDArray[np.intp], tests: int) -> tuple[Array, Array]:
    """χ² of an equal split of the trials over the arms of each test, and its p-value: the bulk SRM guard."""
    arms = np.bincount(test, minlength=tests)
    return _chi2(trials, 1 / arms[test], test, tests, binomial=False)


def _chi2(counts: Array, base: Array, test: Any, tests: int, *, binomial: bool) -> tuple[Array, Array]:
    arms = np.bincount(test, minlength=tests)
    total = np.bincount(test, counts, minlength=tests)
    share = total / np.bincount(test, base, minlength=tests)
    expected = share[test] * base
    with np.errstate(divide="ignore", invalid="ignore"):
        parts = (counts - expected) ** 2 / expected
        if binomial:
            parts /= 1 - share[test]
        chi2 = np.bincount(test, parts, minlength=tests)
    return np.asarray(chi2, dtype=float), np.asarray(chdtrc(arms - 1, chi2), dtype=float)


def _mover_r(p0: Array, low0: Array, high0: Array, p1: Array, low1: Array, high1: Array) -> tuple[Array, Array]:
    below, above, above0, below0 = p1 - low1, high1 - p1, high0 - p0, p0 - low0
    product = p1 * p0
    with np.errstate(divide="ignore", invalid="ignore"):
        root = np.sqrt(np.maximum((p1 * above0) ** 2 + below**2 * (p0**2 - above0**2), 0.0))
        low = np.where(product + root > 0, (p1**2 - below**2) / (product + root), 0.0)
        leading = p0**2 - below0**2
        root = np.sqrt(np.maximum((p1 * below0) ** 2 + above**2 * leading, 0.0))
        high = np.where((p0 > 0) & (leading > 1e-14 * p0**2), (product + root) / leading, np.inf)
    return low - 1, high - 1
