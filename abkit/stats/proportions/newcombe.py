"""Newcombe's hybrid score interval for a difference of proportions, and the p-value that belongs to it."""

from __future__ import annotations

import math
from collections.abc import Callable

Limits = tuple[float, float]

SMALLEST_ALPHA = 1e-290
"""Below it no normal quantile exists in double precision; the first looks of a sequence come here."""


def wilson(successes: int, trials: int, alpha: float) -> Limits:
    """Wilson's score interval of one proportion, as statsmodels' `proportion_confint(method="wilson")` gives it.

    >>> low, high = wilson(0, 100, 0.05)
    >>> low, round(high, 5)
    (0.0, 0.03699)
    """
    from statsmodels.stats.proportion import proportion_confint

    if alpha < SMALLEST_ALPHA:
        return 0.0, 1.0
    low, high = proportion_confint(successes, trials, alpha=alpha, method="wilson")
    # Rounding must not push an end past the estimate at 0 or 1.
    return (0.0 if successes == 0 else float(low)), (1.0 if successes == trials else float(high))


def hybrid_interval(control: float, control_limits: Limits, treatment: float, treatment_limits: Limits) -> Limits:
    """Newcombe's interval of treatment − control from the two Wilson intervals.

    Source: Newcombe (1998), doi 10.1002/(SICI)1097-0258(19980430)17:8<873::AID-SIM779>3.0.CO;2-I, method 10;
    equal to statsmodels' `confint_proportions_2indep(method="newcomb")`.

    >>> low, high = hybrid_interval(0.5, (0.4, 0.6), 0.5, (0.4, 0.6))
    >>> round(low, 4), round(high, 4)
    (-0.1414, 0.1414)
    """
    difference = treatment - control
    low = difference - math.hypot(treatment - treatment_limits[0], control_limits[1] - control)
    high = difference + math.hypot(treatment_limits[1] - treatment, control - control_limits[0])
    return max(low, -1.0), min(high, 1.0)


def newcombe_z(control_successes: int, control_trials: int, treatment_successes: int, treatment_trials: int) -> float:
    """The signed z at which Newcombe's interval just touches zero: its p-value is that of this z.

    Solves z = |d| / √(l(1−l)/n₁ + u(1−u)/n₀), where l and u are the Wilson limits of the two arms that face each
    other at that z: a few steps of that iteration where counts are ordinary, a bracketed root where they are extreme.

    >>> round(newcombe_z(480, 10_000, 560, 10_100), 6)
    2.381141
    >>> newcombe_z(0, 10, 0, 10)
    0.0
    """
    p0, p1 = control_successes / control_trials, treatment_successes / treatment_trials
    difference = abs(p1 - p0)
    if difference == 0:
        return 0.0
    sign = 1.0 if p1 > p0 else -1.0
    v0, v1 = p0 * (1 - p0) / control_trials, p1 * (1 - p1) / treatment_trials

    def standard_error(z: float) -> float:
        a1, a0 = z * z / treatment_trials, z * z / control_trials
        # The Wilson limits that face each other: the treatment's towards the control, the control's towards it.
        towards1 = (p1 + a1 / 2 - sign * z * math.sqrt(v1 + a1 / (4 * treatment_trials))) / (1 + a1)
        towards0 = (p0 + a0 / 2 + sign * z * math.sqrt(v0 + a0 / (4 * control_trials))) / (1 + a0)
        return math.sqrt(towards1 * (1 - towards1) / treatment_trials + towards0 * (1 - towards0) / control_trials)

    pooled = (control_successes + treatment_successes) / (control_trials + treatment_trials)
    z = difference / math.sqrt(pooled * (1 - pooled) * (1 / control_trials + 1 / treatment_trials))
    for _ in range(12):
        before, z = z, difference / standard_error(z)
        if abs(z - before) <= 1e-13 * z:
            return sign * z
    return sign * _root(lambda z: z * standard_error(z) - difference, z)


def _root(increasing: Callable[[float], float], guess: float) -> float:
    from scipy.optimize import brentq

    low = high = guess
    while increasing(low) > 0:
        low /= 2
    while increasing(high) < 0:
        high *= 2
    return float(brentq(increasing, low, high, xtol=1e-14 * guess, rtol=1e-14)) if low < high else guess
