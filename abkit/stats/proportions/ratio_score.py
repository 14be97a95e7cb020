"""The score test of a ratio of two proportions, corrected for skewness: for margins relative to the control.

At the edge of a margin the two rates differ, and then the intervals from the limits of the arms err by up to a point to
one side. The corrected score test keeps its level on either side (docs/statistics.md).
"""

from __future__ import annotations

import math

from abkit.stats.estimate import Limits

_FARTHEST = 60.0
"""The logarithm of the largest ratio that is looked at."""

_MOST_SKEWNESS = 0.9
_FARTHEST_CORRECTED = 3.0
"""Beyond these the correction, a series in the skewness, no longer rises with z: there it is held."""


def ratio_z(x0: float, n0: float, x1: float, n1: float, ratio: float) -> float:
    """Return the signed z of treatment − ratio·control under the hypothesis that it is zero.

    The rates are the most likely ones with that ratio. Source: Miettinen & Nurminen (1985), doi 10.1002/sim.4780040211,
    without N/(N−1); the correction for skewness is that of Gart & Nam (1988), doi 10.2307/2531848.

    >>> round(ratio_z(5000, 100_000, 5830, 100_000, 1.2), 3)
    -1.533
    """
    a = (n0 + n1) * ratio
    b = n1 * ratio + x1 + n0 + x0 * ratio
    c = x0 + x1
    # The smaller root of a·p² − b·p + c, written without cancellation.
    rate0 = min(2 * c / (b + math.sqrt(max(b * b - 4 * a * c, 0.0))), 1.0, 1.0 / ratio)
    rate1 = min(ratio * rate0, 1.0)
    spread0, spread1 = rate0 * (1 - rate0) / n0, rate1 * (1 - rate1) / n1
    gap, variance = x1 / n1 - ratio * x0 / n0, spread1 + ratio * ratio * spread0
    if variance <= 0:
        return math.copysign(math.inf, gap) if gap else 0.0
    error = math.sqrt(variance)
    third = spread1 * (1 - 2 * rate1) / n1 - ratio**3 * spread0 * (1 - 2 * rate0) / n0
    skewness = min(max(third / (variance * error), -_MOST_SKEWNESS), _MOST_SKEWNESS)
    z = gap / error
    return z - (min(z * z, _FARTHEST_CORRECTED**2) - 1) * skewness / 6


def ratio_limits(x0: float, n0: float, x1: float, n1: float, reach: float) -> Limits:
    """Return the interval of treatment ÷ control − 1: the ratios whose z lies within the reach.

    >>> low, high = ratio_limits(5000, 100_000, 5830, 100_000, 1.644854)
    >>> round(low, 4), round(high, 4)
    (0.1306, 0.2025)
    """

    def beyond(log_ratio: float, target: float) -> bool:
        return ratio_z(x0, n0, x1, n1, math.exp(log_ratio)) < target

    def crossing(target: float) -> float:
        # z falls as the ratio rises.
        low, high = -_FARTHEST, _FARTHEST
        for _ in range(70):
            middle = (low + high) / 2
            if beyond(middle, target):
                high = middle
            else:
                low = middle
        return (low + high) / 2

    lower = math.exp(crossing(reach)) if x1 else 0.0
    upper = math.exp(crossing(-reach)) if x0 else math.inf
    return lower - 1, upper - 1
