"""Looking at any time at few units of unknown variance: Student's t, mixed over effects as a confidence sequence is.

With days as units there are seven of them after a week. The normal mixture takes their variance as known, which makes
7 % of false alarms out of 5 % (`benchmarks/experiment_error_rates.py`). The mixture of t does not.

The plan says how many units will come, so most of the weight lies on effects that this many can just show: the interval
is tightest there, at the price of one that narrows little long after. The rest is spread as in `always_valid`.
"""

from __future__ import annotations

import math

from abkit.stats.sequential.always_valid import mixture_precision
from abkit.vocabulary import Alternative

WEIGHT = 0.9
"""Of the effect that the planned units can just show, on both sides."""

OVERSHOOT = 0.3
"""Evidence that comes in steps jumps past its bound, by a factor e^(0.58·step) for small steps in standard deviations
(Siegmund 1985, doi 10.1007/978-1-4757-1862-1). About half of it is taken back: see docs/statistics.md for the error."""


def t_multiplier(n: float, dof: float, *, alpha: float = 0.05, tuning: float, step: float = 1.0) -> float:
    """Return how many standard errors the interval reaches after n units: infinite where they are too few.

    The likelihood ratio of t with effects in standard deviations that are drawn from a distribution, against none: it
    does not depend on the scale, so it is a martingale whatever the variance is, for normal units (Lai 1976,
    doi 10.1214/aos/1176343406; Wang & Ramdas 2023, arXiv 2310.03722).

    Args:
        n: Units (of pairs, their number; of two arms, n₀·n₁/(n₀+n₁)).
        dof: Degrees of freedom of the variance.
        alpha: Two-sided error rate.
        tuning: The planned n, at which the interval is about as tight as it can be.
        step: By how much n grows between two looks, at least.

    >>> round(t_multiplier(28, 27, tuning=28), 3), round(t_multiplier(1e6, 1e6 - 1, tuning=1e6), 3)
    (2.837, 2.747)
    >>> t_multiplier(2, 1, tuning=28)
    inf
    """
    if dof <= 0:
        return math.inf
    bound = _bound(alpha, tuning, step) - math.log(alpha)
    if _evidence(1.0, n, dof, alpha, tuning) <= bound:
        return math.inf
    # The share u = t² ÷ (dof + t²) at which the evidence meets the bound: found from outside, by halving and secants.
    low, high = 0.0, min(8 / (dof + 8), 1.0)
    at_low, at_high = _evidence(low, n, dof, alpha, tuning) - bound, _evidence(high, n, dof, alpha, tuning) - bound
    while at_high < 0:
        low, at_low, high = high, at_high, min(2 * high, 1.0)
        at_high = _evidence(high, n, dof, alpha, tuning) - bound
    kept = 0
    for _ in range(200):
        share = (low * at_high - high * at_low) / (at_high - at_low)
        value = _evidence(share, n, dof, alpha, tuning) - bound
        if abs(value) < 1e-13 or high - low < 1e-15 * high:
            break
        # An end that stays twice pulls half as much (the Illinois rule).
        if value < 0:
            low, at_low, at_high, kept = share, value, at_high / 2 if kept < 0 else at_high, -1
        else:
            high, at_high, at_low, kept = share, value, at_low / 2 if kept > 0 else at_low, 1
    return math.sqrt(dof * share / (1 - share)) if share < 1 else math.inf


def always_valid_t_p(
    t: float,
    n: float,
    dof: float,
    *,
    alpha: float = 0.05,
    tuning: float,
    alternative: Alternative = Alternative.TWO_SIDED,
    step: float = 1.0,
) -> float:
    """Return the p-value, valid at any look, that belongs to the interval of `t_multiplier`.

    It is halved for a one-sided alternative, and 1 where t points the other way.

    >>> round(always_valid_t_p(t_multiplier(28, 27, tuning=28), 28, 27, tuning=28), 6)
    0.05
    >>> always_valid_t_p(0.0, 28, 27, tuning=28)
    1.0
    """
    if dof <= 0 or math.isnan(t):
        return 1.0
    square = t * t
    share = square / (dof + square) if math.isfinite(square) else 1.0
    p_value = math.exp(min(_bound(alpha, tuning, step) - _evidence(share, n, dof, alpha, tuning), 0.0))
    if alternative is Alternative.TWO_SIDED:
        return p_value
    return p_value / 2 if (t > 0) == (alternative is Alternative.GREATER) and t != 0 else 1.0


def just_shown(alpha: float) -> float:
    """Return the effect that most of the weight lies on, in standard errors at the planned end.

    It is a tenth above the one that makes the interval tightest there, for the sake of the looks before.

    >>> round(just_shown(0.05), 3)
    2.988
    """
    return 1.1 * math.sqrt(-2 * math.log(alpha / 2))


def _bound(alpha: float, tuning: float, step: float) -> float:
    """Return what evidence counts from, on the log scale: a little less than nothing, as it comes in steps."""
    return -OVERSHOOT * just_shown(alpha) * math.sqrt(step / tuning)


def _evidence(share: float, n: float, dof: float, alpha: float, tuning: float) -> float:
    """Return the log of the likelihood ratio mixed over effects, at a share t² ÷ (dof + t²)."""
    kept = 1 / (1 + n * mixture_precision(alpha, tuning))
    left = 1 - share * (1 - kept)
    spread = 0.5 * math.log(kept) - (dof + 1) / 2 * math.log(left)
    half = just_shown(alpha) ** 2 * n / tuning / 2
    planned = _kummer((dof + 1) / 2, half * share) - half
    high, low = sorted((math.log(WEIGHT) + planned, math.log(1 - WEIGHT) + spread), reverse=True)
    return high + math.log1p(math.exp(low - high))


def _kummer(a: float, x: float) -> float:
    """Return the log of Kummer's function M(a, ½, x), which noncentral t over central t is, both signs averaged."""
    total = term = 1.0
    log_scale, k = 0.0, 0
    while term > 1e-17 * total:
        term *= (a + k) * x / ((k + 0.5) * (k + 1))
        total += term
        k += 1
        if total > 1e200:
            total, term, log_scale = total * 1e-200, term * 1e-200, log_scale + 200 * math.log(10)
    return log_scale + math.log(total)
