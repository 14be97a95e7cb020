"""Thousands of comparisons of proportions at once: the same figures as one at a time, on arrays."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import chdtrc, ndtr

from abkit.errors import InvalidInput
from abkit.stats.proportions.intervals import (
    Array,
    ArrayLimits,
    clopper_pearson,
    hybrid_interval,
    mover_r,
    newcombe_z,
    too_few,
    touching_p,
    wilson,
)
from abkit.stats.sequential.always_valid import DEFAULT_TUNING, mixture_precision
from abkit.stats.tails import check_level


@dataclass(frozen=True, slots=True, kw_only=True)
class BulkComparisons:
    """One entry per comparison, all arrays of one length.

    Attributes:
        control_rate: Rate of the control, in [0, 1].
        treatment_rate: Rate of the treatment, in [0, 1].
        difference: Treatment − control.
        difference_low: Lower end of Newcombe's interval, or of MOVER with exact limits for few successes.
        difference_high: Upper end.
        lift: Treatment ÷ control − 1; NaN where the control is zero.
        lift_low: Lower end of the lift, by MOVER-R.
        lift_high: Upper end; inf where the control may be zero.
        z: Statistic at which the interval from Wilson limits touches zero.
        p_value: The level at which the interval touches zero.
        anytime_p: Always-valid p-value, at the tuning given.
        level: Confidence level of the intervals.
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
    """Compare pairs of arms by the default of `compare`.

    Raises:
        InvalidInput: Some counts are impossible: see `impossible_counts`.

    >>> result = compare_many([480, 0], [10_000, 100], [560, 5], [10_100, 100])
    >>> [round(p, 4) for p in result.p_value.tolist()]
    [0.0173, 0.0398]
    """
    check_level(level)
    x0, n0, x1, n1 = (
        np.asarray(values, dtype=float)
        for values in (control_successes, control_trials, treatment_successes, treatment_trials)
    )
    if (impossible_counts(x0, n0) | impossible_counts(x1, n1)).any():
        raise InvalidInput("some counts are impossible: expected 0 ≤ successes ≤ trials, trials of 1 or more")
    p0, p1 = x0 / n0, x1 / n1
    few = too_few(x0, n0, x1, n1)
    difference_low, difference_high, lift_low, lift_high = intervals_many(x0, n0, x1, n1, level=level)
    with np.errstate(divide="ignore", invalid="ignore"):
        lift = np.where(p0 > 0, p1 / p0 - 1, np.nan)
    z = newcombe_z(x0, n0, x1, n1)
    p_value = 2 * ndtr(-np.abs(z))
    p_value[few] = touching_p(x0[few], n0[few], x1[few], n1[few])
    return BulkComparisons(
        control_rate=p0,
        treatment_rate=p1,
        difference=p1 - p0,
        difference_low=difference_low,
        difference_high=difference_high,
        lift=lift,
        lift_low=lift_low,
        lift_high=lift_high,
        z=z,
        p_value=p_value,
        anytime_p=_anytime_p(z, n0 + n1, 1 - level, tuning),
        level=level,
    )


def intervals_many(
    x0: Array, n0: Array, x1: Array, n1: Array, *, level: float = 0.95
) -> tuple[Array, Array, Array, Array]:
    """Return the ends of the difference's and of the lift's intervals that `compare_many` has, without its p-values.

    Args:
        x0, n0: Successes and trials of the controls.
        x1, n1: The same of the treatments.
        level: Confidence level.

    >>> ends = intervals_many(*(np.array([value]) for value in (480.0, 10_000.0, 560.0, 10_100.0)))
    >>> [round(float(end[0]), 4) for end in ends]
    [0.0013, 0.0136, 0.0258, 0.3007]
    """
    p0, p1, few = x0 / n0, x1 / n1, too_few(x0, n0, x1, n1)
    limits0, limits1 = (_limits(x, n, few, 1 - level) for x, n in ((x0, n0), (x1, n1)))
    return (*hybrid_interval(p0, limits0, p1, limits1), *mover_r(p0, limits0, p1, limits1))


def _anytime_p(z: Array, n: Array, alpha: float, tuning: float) -> Array:
    """Return `always_valid_p`, on arrays."""
    scaled = n * mixture_precision(alpha, tuning)
    return np.asarray(np.exp(np.minimum(0.5 * np.log1p(scaled) - 0.5 * z * z * scaled / (1 + scaled), 0.0)))


def _limits(x: Array, n: Array, few: NDArray[np.bool_], alpha: float) -> ArrayLimits:
    low, high = wilson(x, n, alpha)
    low[few], high[few] = clopper_pearson(x[few], n[few], alpha)
    return low, high


def impossible_counts(successes: ArrayLike, trials: ArrayLike) -> NDArray[np.bool_]:
    """Return which counts are impossible: missing, negative, fractional, no trials, or more successes than trials.

    >>> impossible_counts([1, 5, -1, float("nan")], [10, 4, 10, 10]).tolist()
    [False, True, True, True]
    """
    x, n = np.asarray(successes, dtype=float), np.asarray(trials, dtype=float)
    with np.errstate(invalid="ignore"):
        possible = (x >= 0) & (n >= 1) & (x <= n) & (x == np.floor(x)) & (n == np.floor(n)) & np.isfinite(n)
    return np.asarray(~possible)


def homogeneity_p(successes: Array, trials: Array, test: NDArray[np.intp], tests: int) -> tuple[Array, Array]:
    """Return χ² of equal rates in all arms of each test, and its p-value; NaN without successes or without failures.

    Args:
        successes: One entry per arm.
        trials: One entry per arm.
        test: Number of the test that the arm belongs to, 0 … tests − 1.
        tests: Number of tests.
    """
    return _chi2(successes, trials, test, tests, binomial=True)


def split_p(trials: Array, test: NDArray[np.intp], tests: int) -> tuple[Array, Array]:
    """Return χ² of an equal split of the trials over the arms of each test, and its p-value: the bulk SRM guard."""
    return _chi2(trials, 1 / np.bincount(test, minlength=tests)[test], test, tests, binomial=False)


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
