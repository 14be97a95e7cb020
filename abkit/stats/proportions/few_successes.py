"""Less than one success expected in the smaller arm: there the default leaves Newcombe for exact limits.

With unequal arms Newcombe's interval then covers down to 91 % and the pooled z-test rejects up to 9 % of true nulls;
MOVER from Clopper–Pearson limits covers at least 98 % (docs/statistics.md).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import betaincinv

Array = NDArray[np.float64]

FEWEST_EXPECTED = 1
"""Successes, or failures, expected in the smaller arm if both arms were alike."""


def too_few(control_successes: ArrayLike, control_trials: ArrayLike, successes: ArrayLike, trials: ArrayLike) -> Array:
    """Where the default has to leave Newcombe.

    >>> too_few([0, 30], [200, 200], [4, 30], [2000, 2000]).tolist()
    [True, False]
    """
    x0, n0, x1, n1 = (
        np.asarray(value, dtype=float) for value in (control_successes, control_trials, successes, trials)
    )
    pooled = (x0 + x1) / (n0 + n1)
    return np.asarray(np.minimum(n0, n1) * np.minimum(pooled, 1 - pooled) < FEWEST_EXPECTED)


def clopper_pearson_many(successes: ArrayLike, trials: ArrayLike, alpha: ArrayLike) -> tuple[Array, Array]:
    """Exact limits of proportions, on arrays; as statsmodels' `proportion_confint(method="beta")`.

    >>> low, high = clopper_pearson_many([0], [10], 0.05)
    >>> low.tolist(), high.round(4).tolist()
    ([0.0], [0.3085])
    """
    x, n, a = (np.asarray(value, dtype=float) for value in (successes, trials, alpha))
    low = np.where(x == 0, 0.0, betaincinv(np.maximum(x, 0.5), n - x + 1, a / 2))
    high = np.where(x == n, 1.0, 1 - betaincinv(np.maximum(n - x, 0.5), x + 1, a / 2))
    return low, high


def touching_p(x0: ArrayLike, n0: ArrayLike, x1: ArrayLike, n1: ArrayLike) -> Array:
    """The p-value that belongs to MOVER with exact limits: the level at which its interval touches zero.

    >>> touching_p([0.0], [200.0], [4.0], [2000.0]).round(3).tolist()
    [1.0]
    """
    x0, n0, x1, n1 = (np.asarray(value, dtype=float) for value in (x0, n0, x1, n1))
    p0, p1 = x0 / n0, x1 / n1
    gap, up = np.abs(p1 - p0), p1 > p0
    # Bisection on the logarithm of α: the limits move apart as it falls.
    low, high = np.full(gap.shape, np.log(1e-290)), np.zeros(gap.shape)
    for _ in range(60):
        middle = (low + high) / 2
        limits0, limits1 = (clopper_pearson_many(x, n, np.exp(middle)) for x, n in ((x0, n0), (x1, n1)))
        reach = np.where(up, np.hypot(p1 - limits1[0], limits0[1] - p0), np.hypot(limits1[1] - p1, p0 - limits0[0]))
        crosses = reach >= gap
        low, high = np.where(crosses, middle, low), np.where(crosses, high, middle)
    return np.asarray(np.where(gap == 0, 1.0, np.exp((low + high) / 2)))
