"""Limits of one proportion, how two arms' limits are joined, and the p-values that belong to them.

Everything takes numbers or arrays of one shape; `single` has the same for one comparison in plain floats. The limits
of an arm are Wilson's, or exact ones where the smaller arm has few trials, or few successes beside a much larger one:
there Newcombe's interval covers down to 90 % and the pooled z-test rejects up to 9 % of true nulls, while MOVER from
Clopper–Pearson limits covers at least 94 % (docs/statistics.md).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import betaincinv, ndtri

from abkit.stats.proportions.single import ENOUGH_IF_UNEVEN, FEWEST_EXPECTED, FEWEST_TRIALS, NO_EVIDENCE, UNEVEN

Array = NDArray[np.float64]
ArrayLimits = tuple[Array, Array]

SMALLEST_ALPHA = 1e-290
"""Below it no normal quantile exists in double precision; the first looks of a sequence come here."""


def wilson(successes: ArrayLike, trials: ArrayLike, alpha: float) -> ArrayLimits:
    """Return Wilson's score interval of proportions, as statsmodels' `proportion_confint(method="wilson")`.

    Source: Wilson (1927), doi 10.1080/01621459.1927.10502953.

    >>> low, high = wilson([0], [100], 0.05)
    >>> low.tolist(), high.round(5).tolist()
    ([0.0], [0.03699])
    """
    x, n = _floats(successes, trials)
    if alpha < SMALLEST_ALPHA:
        return np.zeros(x.shape), np.ones(x.shape)
    z, rate = -ndtri(alpha / 2), x / n
    failed, a = 1 - rate, z * z / n
    half = z * np.sqrt(rate * failed / n + a / (4 * n))
    # The two roots' product is known: so nothing cancels where an end is near 0 or 1.
    low, high = rate * rate / (rate + a / 2 + half), 1 - failed * failed / (failed + a / 2 + half)
    return _where(x == 0, 0.0, low), _where(x == n, 1.0, high)


def clopper_pearson(successes: ArrayLike, trials: ArrayLike, alpha: ArrayLike) -> ArrayLimits:
    """Return exact limits of proportions, as statsmodels' `proportion_confint(method="beta")`.

    Source: Clopper & Pearson (1934), doi 10.1093/biomet/26.4.404.

    >>> low, high = clopper_pearson([0], [10], 0.05)
    >>> low.tolist(), high.round(4).tolist()
    ([0.0], [0.3085])
    """
    x, n, a = _floats(successes, trials, alpha)
    return _exact_low(x, n, a), 1 - _exact_low(n - x, n, a)


def _exact_low(x: Array, n: Array, alpha: Array) -> Array:
    return np.where(x == 0, 0.0, betaincinv(np.maximum(x, 0.5), n - x + 1, alpha / 2))


def hybrid_interval(
    control: ArrayLike, control_limits: ArrayLimits, treatment: ArrayLike, treatment_limits: ArrayLimits
) -> ArrayLimits:
    """Return the interval of treatment − control from the limits of the two arms: Newcombe's, with Wilson limits.

    Source: Newcombe (1998), doi 10.1002/(SICI)1097-0258(19980430)17:8<873::AID-SIM779>3.0.CO;2-I, method 10;
    equal to statsmodels' `confint_proportions_2indep(method="newcomb")`. Joining other limits is MOVER: Zou & Donner
    (2008), doi 10.1002/sim.3095.

    >>> low, high = hybrid_interval(0.5, (0.4, 0.6), 0.5, (0.4, 0.6))
    >>> round(float(low), 4), round(float(high), 4)
    (-0.1414, 0.1414)
    """
    p0, p1 = _floats(control, treatment)
    low = p1 - p0 - np.hypot(p1 - treatment_limits[0], control_limits[1] - p0)
    high = p1 - p0 + np.hypot(treatment_limits[1] - p1, p0 - control_limits[0])
    return np.maximum(low, -1.0), np.minimum(high, 1.0)


def mover_r(
    control: ArrayLike, control_limits: ArrayLimits, treatment: ArrayLike, treatment_limits: ArrayLimits
) -> ArrayLimits:
    """Return the interval of the lift from the limits of the two arms: MOVER-R.

    Solves treatment − θ·control = ∓√(…) as `hybrid_interval` does for θ = 1, so the two never contradict each other.
    Source: Donner & Zou (2012), doi 10.1177/0962280210383450; Fagerland & Newcombe (2013), doi 10.1002/sim.5673.

    Args:
        control: The control's estimate, at least 0.
        control_limits: Its limits, at the level wanted for the lift.
        treatment: The treatment's estimate, at least 0.
        treatment_limits: Its limits, at the same level.

    Returns:
        Lower and upper end; the upper one is inf where the control's interval reaches 0.

    >>> low, high = mover_r(0.048, (0.044, 0.0524), 0.0554, (0.0511, 0.0600))
    >>> round(float(low), 3), round(float(high), 3)
    (0.024, 0.299)
    """
    p0, p1 = _floats(control, treatment)
    below, above = p1 - treatment_limits[0], treatment_limits[1] - p1
    below0, above0 = p0 - control_limits[0], control_limits[1] - p0
    product = p1 * p0
    with np.errstate(divide="ignore", invalid="ignore"):
        # Each root is written so that nothing cancels when the control is near zero.
        root = np.sqrt(np.maximum((p1 * above0) ** 2 + below**2 * (p0**2 - above0**2), 0.0))
        low = _where(product + root > 0, (p1**2 - below**2) / (product + root), 0.0)
        leading = p0**2 - below0**2
        root = np.sqrt(np.maximum((p1 * below0) ** 2 + above**2 * leading, 0.0))
        # A control of zero has a lower limit of zero, up to rounding.
        high = np.where((p0 > 0) & (leading > 1e-14 * p0**2), (product + root) / leading, np.inf)
    return low - 1, high - 1


def pooled_z(x0: ArrayLike, n0: ArrayLike, x1: ArrayLike, n1: ArrayLike) -> Array:
    """Return z of the pooled normal test, treatment − control; NaN without any success or any failure.

    >>> round(float(pooled_z(480, 10_000, 560, 10_100)), 4)
    2.3827
    """
    x0, n0, x1, n1 = _floats(x0, n0, x1, n1)
    pooled = (x0 + x1) / (n0 + n1)
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.asarray((x1 / n1 - x0 / n0) / np.sqrt(pooled * (1 - pooled) * (1 / n0 + 1 / n1)))


def newcombe_z(x0: ArrayLike, n0: ArrayLike, x1: ArrayLike, n1: ArrayLike) -> Array:
    """Return the signed z at which Newcombe's interval just touches zero: its p-value is that of this z.

    Solves z·√(l(1−l)/n₁ + u(1−u)/n₀) = |d|, where l and u are the Wilson limits of the two arms that face each other
    at that z, by secant steps kept inside a shrinking bracket.

    >>> round(float(newcombe_z(480, 10_000, 560, 10_100)), 6), float(newcombe_z(0, 10, 0, 10))
    (2.381141, 0.0)
    """
    x0, n0, x1, n1 = _floats(x0, n0, x1, n1)
    x0, x1, mirrored = _rarer(x0, n0, x1, n1)
    p0, p1 = x0 / n0, x1 / n1
    gap, sign = np.abs(p1 - p0), np.sign(p1 - p0)
    v0, v1 = p0 * (1 - p0) / n0, p1 * (1 - p1) / n1

    def excess(z: Array) -> Array:
        """How far the reach of z exceeds the gap; it rises from −gap at 0."""
        reach = sign * z
        facing1, facing0 = _wilson_end(p1, v1, n1, -reach), _wilson_end(p0, v0, n0, reach)
        result: Array = z * np.sqrt(facing1 * (1 - facing1) / n1 + facing0 * (1 - facing0) / n0) - gap
        return result

    with np.errstate(divide="ignore", invalid="ignore"):
        z = _where(gap > 0, np.abs(pooled_z(x0, n0, x1, n1)), 0.0)
        before, value_before = 0 * z, -gap
        low, high = 0 * z, 0 * z + np.inf
        for _ in range(100):
            value = excess(z)
            low, high = _where(value < 0, z, low), _where(value >= 0, z, high)
            step = z - value * (z - before) / (value - value_before)
            middle = _where(np.isinf(high), 2 * z, (low + high) / 2)
            step = _where((step >= low) & (step <= high) & (step < np.inf), step, middle)
            step = _where((gap > 0) & (value != 0), step, z)
            done = np.abs(step - z) <= 1e-13 * z
            before, value_before, z = z, value, step
            if np.all(done):
                break
    return np.asarray(_where(mirrored, -1.0, 1.0) * sign * z) + 0.0


def too_few(x0: ArrayLike, n0: ArrayLike, x1: ArrayLike, n1: ArrayLike) -> NDArray[np.bool_]:
    """Return where the default has to leave Newcombe's interval for exact limits.

    >>> too_few([0, 30], [200, 200], [4, 30], [2000, 2000]).tolist()
    [True, False]
    """
    x0, n0, x1, n1 = _floats(x0, n0, x1, n1)
    pooled, first = (x0 + x1) / (n0 + n1), n0 < n1
    successes, trials = np.where(first, x0, x1), np.where(first, n0, n1)
    few = (trials < FEWEST_TRIALS) | (trials * np.minimum(pooled, 1 - pooled) < FEWEST_EXPECTED)
    uneven = np.maximum(n0, n1) > UNEVEN * trials
    return np.asarray(few | (uneven & (np.minimum(successes, trials - successes) < ENOUGH_IF_UNEVEN)))


def touching_p(x0: ArrayLike, n0: ArrayLike, x1: ArrayLike, n1: ArrayLike) -> Array:
    """Return the p-value that belongs to MOVER with exact limits: the level at which its interval touches zero.

    >>> touching_p([0.0], [200.0], [4.0], [2000.0]).round(3).tolist()
    [1.0]
    """
    x0, n0, x1, n1 = _floats(x0, n0, x1, n1)
    x0, x1, _ = _rarer(x0, n0, x1, n1)
    up = x1 / n1 > x0 / n0
    (below, of_below), (above, of_above) = (
        (_where(up, one, other), _where(up, n, m)) for one, n, other, m in ((x0, n0, x1, n1), (x1, n1, x0, n0))
    )
    lower, higher = below / of_below, above / of_above
    gap = np.asarray(higher - lower)
    # Bisection on the logarithm of α: the limits move apart as it falls. Those that face each other meet, or do not.
    low, high = np.full(gap.shape, np.log(NO_EVIDENCE)), np.zeros(gap.shape)
    for _ in range(60):
        middle = (low + high) / 2
        alpha = np.exp(middle)
        beneath = higher - _exact_low(above, of_above, alpha)
        beyond = 1 - _exact_low(of_below - below, of_below, alpha) - lower
        reach = np.hypot(beneath, beyond)
        # At the smallest levels the inverse of the beta law may be NaN: there the limits are as far apart as can be.
        crosses = ~(reach < gap)
        low, high = np.where(crosses, middle, low), np.where(crosses, high, middle)
    return np.asarray(np.where(gap == 0, 1.0, np.exp((low + high) / 2)))


def _rarer(x0: Array, n0: Array, x1: Array, n1: Array) -> tuple[Array, Array, NDArray[np.bool_]]:
    """Return the successes of both arms, or the failures where those are rarer, and where that is.

    Rates near 1 have few digits of what is missing to 1, on which everything rests.
    """
    mirrored = np.asarray(x0 / n0 + x1 / n1 > 1)
    return _where(mirrored, n0 - x0, x0), _where(mirrored, n1 - x1, x1), mirrored


def _floats(*values: ArrayLike) -> tuple[Array, ...]:
    return tuple(np.asarray(value, dtype=float)[()] for value in values)


def _where(condition: ArrayLike, one: ArrayLike, other: ArrayLike) -> Array:
    # For a single number a NumPy scalar, with which arithmetic is several times faster than with an array of no axes.
    chosen: Array = np.where(np.asarray(condition), one, other)[()]
    return chosen


def _wilson_end(rate: Array, variance: Array, trials: Array, z: Array | float) -> Array:
    """Return the upper end of Wilson's interval that reaches z standard errors; the lower end for a negative z."""
    a = z * z / trials
    end: Array = (rate + a / 2 + z * np.sqrt(variance + a / (4 * trials))) / (1 + a)
    return end
