"""Intervals of the relative lift, treatment ÷ control − 1, each under the name that the literature gives it.

Peers disagree here: tea-tasting uses the log delta method, GrowthBook the linear delta method, spotify-confidence
divides the absolute interval by the control's mean (which takes the control as known). abkit uses Fieller's, the normal
form of the MOVER-R of proportions: it holds when the baseline is near zero, and it excludes 0 exactly when the interval
of the difference does.
"""

from __future__ import annotations

import math
from collections.abc import Callable

from abkit.stats.estimate import ArmMean, Limits
from abkit.vocabulary import LiftMethod


def fieller(control: float, control_se: float, treatment: float, treatment_se: float, quantile: float) -> Limits:
    """Return Fieller's interval of the lift for two independent normal estimates.

    Where the control is not clear of zero (|control| ≤ quantile·se) the data allow any lift: (−inf, inf).
    Source: Fieller (1954), doi 10.1111/j.2517-6161.1954.tb00159.x.

    >>> low, high = fieller(10.0, 0.1, 11.0, 0.1, 1.959964)
    >>> round(low, 4), round(high, 4)
    (0.0713, 0.1296)
    """
    a, b = quantile * treatment_se, quantile * control_se
    leading = control**2 - b**2
    if leading <= 0:
        return -math.inf, math.inf
    root = math.sqrt(max((treatment * b) ** 2 + a**2 * leading, 0.0))
    product = treatment * control
    low, high = (product - root) / leading, (product + root) / leading
    return low - 1, high - 1


def log_delta(control: float, control_se: float, treatment: float, treatment_se: float, quantile: float) -> Limits:
    """Return the delta method's interval on the logarithm of the ratio: tea-tasting's convention, for positive means.

    >>> low, high = log_delta(10.0, 0.1, 11.0, 0.1, 1.959964)
    >>> round(low, 4), round(high, 4)
    (0.0712, 0.1295)
    """
    if control <= 0 or treatment <= 0:
        return -math.inf, math.inf
    half = quantile * math.hypot(control_se / control, treatment_se / treatment)
    if half > 700:
        # Beyond what exp() can hold: nothing is known of the lift.
        return -1.0, math.inf
    return treatment / control * math.exp(-half) - 1, treatment / control * math.exp(half) - 1


def delta(control: float, control_se: float, treatment: float, treatment_se: float, quantile: float) -> Limits:
    """Return the linear delta method's interval of the ratio: GrowthBook's convention.

    >>> low, high = delta(10.0, 0.1, 11.0, 0.1, 1.959964)
    >>> round(low, 4), round(high, 4)
    (0.0709, 0.1291)
    """
    if control == 0:
        return -math.inf, math.inf
    ratio = treatment / control
    half = quantile * math.hypot(treatment_se, ratio * control_se) / abs(control)
    return ratio - 1 - half, ratio - 1 + half


def plug_in(control: float, control_se: float, treatment: float, treatment_se: float, quantile: float) -> Limits:
    """Return the interval of the difference, divided by the control's mean as if that were known: spotify-confidence's.

    >>> low, high = plug_in(10.0, 0.1, 11.0, 0.1, 1.959964)
    >>> round(low, 4), round(high, 4)
    (0.0723, 0.1277)
    """
    if control == 0:
        return -math.inf, math.inf
    half = quantile * math.hypot(treatment_se, control_se)
    ends = ((treatment - control - half) / control, (treatment - control + half) / control)
    return min(ends), max(ends)


_BY_METHOD: dict[LiftMethod, Callable[[float, float, float, float, float], Limits]] = {
    LiftMethod.FIELLER: fieller,
    LiftMethod.LOG_DELTA: log_delta,
    LiftMethod.DELTA: delta,
    LiftMethod.PLUG_IN: plug_in,
}


def lift_interval(control: ArmMean, treatment: ArmMean, *, quantile: float, method: LiftMethod) -> Limits:
    """Return the interval of the lift by one of the methods.

    >>> lift_interval(ArmMean(9, 0.0, 0.1), ArmMean(9, 1.0, 0.1), quantile=1.96, method=LiftMethod.FIELLER)
    (-inf, inf)
    """
    return _BY_METHOD[method](control.mean, control.standard_error, treatment.mean, treatment.standard_error, quantile)
