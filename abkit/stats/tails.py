"""Confidence levels, and the tails of the normal and t distributions; without SciPy, which takes long to import."""

from __future__ import annotations

import math
from statistics import NormalDist

from abkit.errors import InvalidInput
from abkit.stats.student_t import upper_tail
from abkit.vocabulary import TWO_SIDED, Alternative

_inverse = NormalDist().inv_cdf
_SQRT2 = math.sqrt(2)


def check_level(level: float) -> None:
    """Refuse a confidence level outside (0, 1), or one so small that 1 − level rounds to 1."""
    if not (0 < level < 1 and 1 - level < 1):
        raise InvalidInput(f"the confidence level is {level}; it has to lie between 0 and 1, such as 0.95")


def two_sided_alpha(level: float, alternative: Alternative) -> float:
    """Return the α of the two-sided interval whose relevant end is the one-sided bound; refuse an invalid level.

    >>> round(two_sided_alpha(0.95, Alternative.GREATER), 12)
    0.1
    """
    check_level(level)
    if alternative is TWO_SIDED:
        return 1 - level
    if level <= 0.5:
        raise InvalidInput(f"the confidence level is {level}; a one-sided bound takes more than 0.5, such as 0.95")
    return 2 * (1 - level)


def quantile(probability: float) -> float:
    """Return the standard normal quantile.

    >>> round(quantile(0.975), 6)
    1.959964
    """
    return _inverse(probability)


def normal_below(z: float) -> float:
    """Return the chance that a standard normal value lies below z, without cancellation in the tail.

    >>> round(normal_below(-1.959964), 6), normal_below(0.0)
    (0.025, 0.5)
    """
    return 0.5 * math.erfc(-z / _SQRT2)


def reach_of(alpha: float) -> float:
    """Return how many standard errors a two-sided normal interval reaches.

    >>> round(reach_of(0.05), 6)
    1.959964
    """
    return -_inverse(alpha / 2)


def two_sided_p(z: float) -> float:
    """Return the two-sided p-value of z, without cancellation in the tail.

    >>> round(two_sided_p(1.959964), 6)
    0.05
    """
    return math.erfc(abs(z) / _SQRT2)


def tail_p(z: float, alternative: Alternative) -> float:
    """Return the p-value of z against the alternative.

    >>> round(tail_p(1.959964, Alternative.GREATER), 6)
    0.025
    """
    if alternative is TWO_SIDED:
        return two_sided_p(z)
    return normal_below(-z if alternative is Alternative.GREATER else z)


def t_tail_p(t: float, dof: float, alternative: Alternative) -> float:
    """Return the p-value of Student's t against the alternative.

    >>> round(t_tail_p(2.228139, 10, Alternative.TWO_SIDED), 6)
    0.05
    """
    upper = upper_tail(abs(t), dof)
    if alternative is TWO_SIDED:
        return 2 * upper
    return upper if (t > 0) == (alternative is Alternative.GREATER) else 1 - upper
