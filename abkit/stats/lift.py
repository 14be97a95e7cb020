"""Intervals of the relative lift, treatment ÷ control − 1, each under the name that the literature gives it.

Peers disagree here: tea-tasting uses the log delta method, GrowthBook the linear delta method, spotify-confidence
divides the absolute interval by the control's mean (which takes the control as known). abkit uses MOVER-R and its
normal form, Fieller: they hold when the baseline is near zero, and they exclude 0 exactly when the interval of the
difference does.
"""

from __future__ import annotations

import math
from collections.abc import Callable

from abkit.errors import InvalidInput

Limits = tuple[float, float]


def mover_r(control: float, control_limits: Limits, treatment: float, treatment_limits: Limits) -> Limits:
    """Interval of the lift from the intervals of the two arms: MOVER-R.

    Solves treatment − θ·control = ∓√(…) as Newcombe's interval does for θ = 1, so the two never contradict each other.
    Source: Donner & Zou (2012), doi 10.1177/0962280210383450; Fagerland & Newcombe (2013), doi 10.1002/sim.5673.

    Args:
        control: the control's estimate, at least 0.
        control_limits: its interval, at the level wanted for the lift.
        treatment: the treatment's estimate, at least 0.
        treatment_limits: its interval, at the same level.

    Returns:
        Lower and upper end; the upper one is inf when the control's interval reaches 0.

    >>> low, high = mover_r(0.048, (0.044, 0.0524), 0.0554, (0.0511, 0.0600))
    >>> round(low, 3), round(high, 3)
    (0.024, 0.299)
    """
    below, above = treatment - treatment_limits[0], treatment_limits[1] - treatment
    control_below, control_above = control - control_limits[0], control_limits[1] - control
    product = treatment * control
    # Each root is written so that nothing cancels when the control is near zero.
    root = math.sqrt(max((treatment * control_above) ** 2 + below**2 * (control**2 - control_above**2), 0.0))
    numerator, denominator = treatment**2 - below**2, product + root
    low = numerator / denominator if denominator > 0 else 0.0
    root = math.sqrt(max((treatment * control_below) ** 2 + above**2 * (control**2 - control_below**2), 0.0))
    denominator = control**2 - control_below**2
    # A control of zero has a lower limit of zero, up to rounding.
    high = (product + root) / denominator if control > 0 and denominator > 1e-14 * control**2 else math.inf
    return low - 1, high - 1


def fieller(control: float, control_se: float, treatment: float, treatment_se: float, quantile: float) -> Limits:
    """Fieller's interval of the lift for two independent normal estimates.

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
    """Delta method on the logarithm of the ratio: tea-tasting's convention. Both means have to be positive.

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
    """Linear delta method on the ratio: GrowthBook's convention.

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
    """The interval of the difference, divided by the control's mean as if that were known: spotify-confidence's.

    >>> low, high = plug_in(10.0, 0.1, 11.0, 0.1, 1.959964)
    >>> round(low, 4), round(high, 4)
    (0.0723, 0.1277)
    """
    if control == 0:
        return -math.inf, math.inf
    half = quantile * math.hypot(treatment_se, control_se)
    ends = ((treatment - control - half) / control, (treatment - control + half) / control)
    return min(ends), max(ends)


_BY_NAME: dict[str, Callable[[float, float, float, float, float], Limits]] = {
    "fieller": fieller,
    "log-delta": log_delta,
    "delta": delta,
    "plug-in": plug_in,
}


def lift_interval(
    control: float,
    control_se: float,
    treatment: float,
    treatment_se: float,
    *,
    quantile: float,
    method: str = "fieller",
) -> Limits:
    """The interval of the lift by the method of that name: fieller, log-delta, delta or plug-in.

    >>> lift_interval(0.0, 0.1, 1.0, 0.1, quantile=1.96)
    (-inf, inf)
    """
    try:
        function = _BY_NAME[method]
    except KeyError:
        raise InvalidInput(f"the lift method is {method!r}; expected one of {', '.join(_BY_NAME)}") from None
    return function(control, control_se, treatment, treatment_se, quantile)
