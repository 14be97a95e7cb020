"""Limits and intervals of one comparison of two proportions, in plain floats.

The same formulas as `intervals` has for arrays, which take several times as long for a single comparison. Everything
goes by a reach in standard errors rather than a level, so that a confidence sequence is the same interval with another
reach. The tests hold the two modules together.
"""

from __future__ import annotations

import math

from abkit.stats.estimate import Limits

NO_EVIDENCE = 1e-300
"""The smallest level that is looked at."""

FEWEST_EXPECTED, FEWEST_TRIALS = 1, 41
"""Successes (or failures) expected in the smaller arm if both arms were alike, and its trials."""

UNEVEN, ENOUGH_IF_UNEVEN = 3, 30
"""From this ratio of the arms on, the smaller one has to have so many successes, and so many failures."""

TOO_FEW = "the smaller arm has few trials, successes or failures: exact limits instead of Newcombe's"


def too_few(x0: float, n0: float, x1: float, n1: float) -> bool:
    """Return whether the default has to leave Newcombe's interval for exact limits.

    Elsewhere Newcombe's covers at least 94 %, whatever the rates and sizes; here down to 90 % (docs/statistics.md).

    >>> too_few(0, 200, 4, 2000), too_few(30, 200, 30, 2000), too_few(2, 200, 4, 200)
    (True, False, False)
    """
    successes, trials = (x0, n0) if n0 < n1 else (x1, n1)
    pooled = (x0 + x1) / (n0 + n1)
    if trials < FEWEST_TRIALS or trials * min(pooled, 1 - pooled) < FEWEST_EXPECTED:
        return True
    return max(n0, n1) > UNEVEN * trials and min(successes, trials - successes) < ENOUGH_IF_UNEVEN


def wilson(successes: float, trials: float, reach: float) -> Limits:
    """Return Wilson's score limits of a proportion: those that lie `reach` standard errors from the estimate.

    Source: Wilson (1927), doi 10.1080/01621459.1927.10502953.

    >>> low, high = wilson(0, 100, 1.959964)
    >>> low, round(high, 5)
    (0.0, 0.03699)
    """
    rate, a = successes / trials, reach * reach / trials
    half = reach * math.sqrt(rate * (1 - rate) / trials + a / (4 * trials))
    # The two roots' product is known: so nothing cancels where an end is near 0 or 1.
    low = rate * rate / (rate + a / 2 + half) if successes else 0.0
    failed = 1 - rate
    high = 1 - failed * failed / (failed + a / 2 + half) if successes < trials else 1.0
    return low, high


def clopper_pearson(successes: float, trials: float, alpha: float) -> Limits:
    """Return exact limits of a proportion.

    Source: Clopper & Pearson (1934), doi 10.1093/biomet/26.4.404.

    >>> low, high = clopper_pearson(0, 10, 0.05)
    >>> low, round(high, 4)
    (0.0, 0.3085)
    """
    return _exact_low(successes, trials, alpha), 1 - _exact_low(trials - successes, trials, alpha)


def _exact_low(successes: float, trials: float, alpha: float) -> float:
    from scipy.special import betaincinv

    return float(betaincinv(successes, trials - successes + 1, alpha / 2)) if successes else 0.0


def difference_from(rate0: float, limits0: Limits, rate1: float, limits1: Limits) -> Limits:
    """Return the interval of treatment − control from the limits of the arms: Newcombe's, with Wilson limits.

    Source: Newcombe (1998), doi 10.1002/(SICI)1097-0258(19980430)17:8<873::AID-SIM779>3.0.CO;2-I, method 10; with
    other limits it is MOVER: Zou & Donner (2008), doi 10.1002/sim.3095.

    >>> low, high = difference_from(0.5, (0.4, 0.6), 0.5, (0.4, 0.6))
    >>> round(low, 4), round(high, 4)
    (-0.1414, 0.1414)
    """
    gap = rate1 - rate0
    low = gap - math.hypot(rate1 - limits1[0], limits0[1] - rate0)
    high = gap + math.hypot(limits1[1] - rate1, rate0 - limits0[0])
    return max(low, -1.0), min(high, 1.0)


def lift_from(rate0: float, limits0: Limits, rate1: float, limits1: Limits) -> Limits:
    """Return the interval of treatment ÷ control − 1 from the limits of the arms: MOVER-R.

    Source: Donner & Zou (2012), doi 10.1177/0962280210383450; see `intervals.mover_r`.

    >>> low, high = lift_from(0.048, (0.044, 0.0524), 0.0554, (0.0511, 0.0600))
    >>> round(low, 3), round(high, 3)
    (0.024, 0.299)
    """
    below, above = rate1 - limits1[0], limits1[1] - rate1
    below0, above0 = rate0 - limits0[0], limits0[1] - rate0
    product, square = rate1 * rate0, rate0 * rate0
    inside = rate1 * above0 * rate1 * above0 + below * below * (square - above0 * above0)
    whole = product + math.sqrt(max(inside, 0.0))
    low = (rate1 * rate1 - below * below) / whole if whole > 0 else 0.0
    leading, high = square - below0 * below0, math.inf
    # A control of zero has a lower limit of zero, up to rounding.
    if rate0 > 0 and leading > 1e-14 * square:
        inside = rate1 * below0 * rate1 * below0 + above * above * leading
        high = (product + math.sqrt(max(inside, 0.0))) / leading
    return low - 1, high - 1


def newcombe_z(x0: float, n0: float, x1: float, n1: float, ratio: float = 1.0) -> float:
    """Return the signed z at which the interval from Wilson limits just touches a ratio of treatment to control.

    Solves z·√(l(1−l)/n₁ + ratio²·u(1−u)/n₀) = |p₁ − ratio·p₀|, where l and u are the Wilson limits of the two arms that
    face each other at that z, by secant steps kept inside a shrinking bracket. A ratio of 1 is no difference.

    >>> round(newcombe_z(480, 10_000, 560, 10_100), 6), newcombe_z(0, 10, 0, 10)
    (2.381141, 0.0)
    >>> round(newcombe_z(5000, 100_000, 5830, 100_000, ratio=1.2), 3)
    -1.533
    """
    p0, p1 = x0 / n0, x1 / n1
    if ratio == 1 and p0 + p1 > 1:
        # Rates near 1 have few digits of what is missing to 1: the failures tell the same, with all digits.
        return 0.0 - newcombe_z(n0 - x0, n0, n1 - x1, n1)
    gap = abs(p1 - ratio * p0)
    if gap == 0:
        return 0.0
    up = p1 > ratio * p0
    v0, v1 = p0 * (1 - p0) / n0, p1 * (1 - p1) / n1
    sign, square = (1.0 if up else -1.0), ratio * ratio
    low, high, before, value_before = 0.0, math.inf, 0.0, -gap
    spread = math.sqrt(v1 + square * v0)
    z = gap / spread if spread else 1.0
    for _ in range(100):
        a1, a0 = z * z / n1, z * z / n0
        reach = sign * z
        end1 = (p1 + a1 / 2 - reach * math.sqrt(v1 + a1 / (4 * n1))) / (1 + a1)
        end0 = (p0 + a0 / 2 + reach * math.sqrt(v0 + a0 / (4 * n0))) / (1 + a0)
        value = z * math.sqrt(max(end1 * (1 - end1) / n1 + square * end0 * (1 - end0) / n0, 0.0)) - gap
        if value == 0:
            break
        if value < 0:
            low = z
        else:
            high = z
        step = z - value * (z - before) / (value - value_before) if value != value_before else math.inf
        if not low <= step <= high or step == math.inf:
            step = 2 * z if high == math.inf else (low + high) / 2
        before, value_before, z, moved = z, value, step, abs(step - z)
        if moved <= 1e-13 * z:
            break
    return sign * z


def touching_alpha(x0: float, n0: float, x1: float, n1: float, ratio: float = 1.0) -> float:
    """Return the level α at which the interval from exact limits touches a ratio of treatment to control.

    >>> round(touching_alpha(0, 100, 5, 100), 4)
    0.047
    """
    p0, p1 = x0 / n0, x1 / n1
    if ratio == 1 and p0 + p1 > 1:
        return touching_alpha(n0 - x0, n0, n1 - x1, n1)
    gap = p1 - ratio * p0
    if gap == 0:
        return 1.0

    def crosses(log_alpha: float) -> bool:
        alpha = math.exp(log_alpha)
        if gap > 0:
            facing = p1 - _exact_low(x1, n1, alpha), ratio * (1 - _exact_low(n0 - x0, n0, alpha) - p0)
        else:
            facing = 1 - _exact_low(n1 - x1, n1, alpha) - p1, ratio * (p0 - _exact_low(x0, n0, alpha))
        # At the smallest levels the inverse of the beta law may be NaN: there the limits are as far apart as can be.
        return not math.hypot(*facing) < abs(gap)

    # Bisection on the logarithm of α: the limits move apart as it falls.
    low, high = math.log(NO_EVIDENCE), 0.0
    if crosses(high):
        return 1.0
    for _ in range(60):
        middle = (low + high) / 2
        if crosses(middle):
            low = middle
        else:
            high = middle
    return math.exp((low + high) / 2)
