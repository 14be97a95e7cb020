"""Looking at any time at few units of unknown variance: Student's t, mixed over effects as a confidence sequence is.

With days as units there are seven of them after a week. The normal mixture takes their variance as known, which makes
7 % of false alarms out of 5 % (`benchmarks/experiment_error_rates.py`). The mixture of t does not.
"""

from __future__ import annotations

import math

from abkit.stats.sequential.always_valid import mixture_precision
from abkit.vocabulary import Alternative


def t_multiplier(n: float, dof: float, *, alpha: float = 0.05, tuning: float) -> float:
    """Return how many standard errors the interval reaches after n units: infinite where they are too few.

    The likelihood ratio of t with effects in standard deviations drawn from Normal(0, ρ²), against none: it does not
    depend on the scale, so it is a martingale whatever the variance is, for normal units (Lai 1976,
    doi 10.1214/aos/1176343406; Wang & Ramdas 2023, arXiv 2310.03722). ρ² is that of `mixture_precision`; with many
    units it is `always_valid.multiplier`.

    Args:
        n: Units (of pairs, their number; of two arms, n₀·n₁/(n₀+n₁)).
        dof: Degrees of freedom of the variance.
        alpha: Two-sided error rate.
        tuning: The planned n, at which the interval is about as tight as it can be.

    >>> round(t_multiplier(28, 27, tuning=28), 3), round(t_multiplier(1e6, 1e6 - 1, tuning=1e6), 3)
    (3.283, 3.035)
    >>> t_multiplier(2, 1, tuning=28)
    inf
    """
    if dof <= 0:
        return math.inf
    kept = 1 / (1 + n * mixture_precision(alpha, tuning))
    # With many units the power below is 1 + little: what rounding would leave of it is kept by expm1.
    growth = math.expm1(min(2 / (dof + 1) * (-math.log(alpha) - 0.5 * math.log(kept)), 700.0))
    left = 1 - (1 + growth) * kept
    return math.sqrt(dof * growth / left) if left > 0 else math.inf


def always_valid_t_p(
    t: float,
    n: float,
    dof: float,
    *,
    alpha: float = 0.05,
    tuning: float,
    alternative: Alternative = Alternative.TWO_SIDED,
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
    kept = 1 / (1 + n * mixture_precision(alpha, tuning))
    square = t * t / dof
    grown = math.log1p(square) - math.log1p(kept * square) if math.isfinite(square) else -math.log(kept)
    evidence = 0.5 * math.log(kept) + (dof + 1) / 2 * grown
    p_value = math.exp(-max(evidence, 0.0))
    if alternative is Alternative.TWO_SIDED:
        return p_value
    return p_value / 2 if (t > 0) == (alternative is Alternative.GREATER) and t != 0 else 1.0
