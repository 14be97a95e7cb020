"""Whether two means can be judged by Welch's t: below a stated rule of skewness and effective size there is a warning.

The t interval errs by the skewness of the difference of means: that of the units, less what equal arms cancel, over the
square root of their number. And a variance that rests on a handful of units is hardly known.

Where the skewness is known, from rows, intervals widen as the rule comes near: samples that just pass are those that
happened to miss their large values, so they know the least of their variance, and nothing in them says so.

Where only mean and standard deviation are known, intervals stay Welch's own and the rule is stricter. The skewness is
taken to be that of a metric with a heavy tail: 3·CV + CV³, a lognormal's, but at least 4·CV, as Pareto's tails have at
a small CV. Measured: docs/statistics.md, `python benchmarks/coverage.py means`.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from abkit.stats.estimate import ArmMean

MOST_SKEWNESS = 0.35
"""Of the difference of means: at more, an interval at 95 %, widened, covers less than 94 %."""

MOST_IMBALANCE = 0.6
"""Of the difference of means as the two arms have it, without the assumption that they are alike."""

MOST_ASSUMED_SKEWNESS, MOST_ASSUMED_IMBALANCE = 0.105, 0.35
"""The same two where the skewness is not known, and nothing is widened."""

FEWEST_EFFECTIVE = 4.0
"""Effective units, n ÷ skewness²: at fewer the variance rests on single units."""

WIDENED_FROM, WIDENED_BY = 0.5, 0.25
"""The share of what the rule allows from which intervals are widened, and the share by which they are at the rule."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Shape:
    """How well a t interval suits two means.

    Attributes:
        warnings: Why the intervals may miss their level; nothing where they hold it.
        widening: By what the intervals are multiplied: 1, or up to 1.25 as the rule comes near.
    """

    warnings: tuple[str, ...] = ()
    widening: float = 1.0


def shape_of(control: ArmMean, treatment: ArmMean) -> Shape:
    """Judge whether the intervals of two means hold their level.

    Where there is a warning the interval is Welch's own; so it is where the skewness is not known, as the rule is
    stricter there.

    >>> shape_of(ArmMean(1000, 10.0, 0.3, skewness=2.0), ArmMean(900, 10.0, 0.3, skewness=2.1))
    Shape(warnings=(), widening=1.0)
    >>> round(shape_of(ArmMean(100, 10.0, 0.9, skewness=5.0), ArmMean(100, 10.0, 0.9, skewness=6.0)).widening, 3)
    1.139
    >>> len(shape_of(ArmMean(1000, 10.0, 1.0, skewness=20.0), ArmMean(100, 10.0, 3.0, skewness=9.0)).warnings)
    1
    """
    n0, n1 = control.n, treatment.n
    v0, v1 = n0 * control.standard_error**2, n1 * treatment.standard_error**2
    total = n0 + n1
    variance = (n0 * v0 + n1 * v1) / total
    spread = _variation(math.sqrt(variance), (n0 * control.mean + n1 * treatment.mean) / total)
    known = control.skewness is not None and treatment.skewness is not None
    if control.skewness is not None and treatment.skewness is not None:
        g0, g1 = control.skewness, treatment.skewness
    else:
        g0 = g1 = max(4 * spread, 3 * spread + spread**3)
    third0, third1 = g0 * v0 * math.sqrt(v0), g1 * v1 * math.sqrt(v1)
    pooled = (n0 * third0 + n1 * third1) / total / (variance * math.sqrt(variance))
    # Of alike arms each has its share of the variance by its size alone.
    share0, share1 = n1 / total, n0 / total
    of_difference = abs(pooled) * abs(share1 * math.sqrt(share1 / n1) - share0 * math.sqrt(share0 / n0))
    seen = abs(third1 / n1**2 - third0 / n0**2) / (v0 / n0 + v1 / n1) ** 1.5
    # Where large values are rare, a sample's own skewness often misses them; its spread says a little more.
    effective = total / max(abs(pooled), min(3 * spread, math.sqrt(total)) if control.mean > 0 else 0.0, 1e-9) ** 2
    most = (MOST_SKEWNESS, MOST_IMBALANCE) if known else (MOST_ASSUMED_SKEWNESS, MOST_ASSUMED_IMBALANCE)
    used = max(of_difference / most[0], seen / most[1], math.sqrt(FEWEST_EFFECTIVE / effective))
    if used <= 1:
        near = max(used - WIDENED_FROM, 0.0) / (1 - WIDENED_FROM) if known else 0.0
        return Shape(widening=1 + WIDENED_BY * near)
    taken = f"skewness {abs(pooled):.3g}" if known else f"skewness not known, taken as {abs(pooled):.3g}"
    more = "cap the values at a quantile, or wait for more units"
    if not known:
        more = "compare from rows or give the skewness, so that it need not be assumed; " + more
    return Shape(
        warnings=(
            f"no verdict: {n0:,.0f} and {n1:,.0f} units with {taken} are too few or too uneven for a t interval "
            f"(about {effective:,.0f} effective units); {more}",
        )
    )


def _variation(deviation: float, mean: float) -> float:
    """Return the coefficient of variation, within what a double can cube."""
    return min(deviation / abs(mean), 1e6) if mean else 1e6
