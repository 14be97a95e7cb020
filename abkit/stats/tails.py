"""Confidence levels, and the tails of the normal and t distributions: scipy.special, without scipy.stats objects."""

from __future__ import annotations

from scipy.special import ndtr, ndtri, stdtr, stdtrit

from abkit.errors import InvalidInput
from abkit.vocabulary import TWO_SIDED, Alternative


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
    return float(ndtri(probability))


def t_quantile(probability: float, dof: float) -> float:
    """Return Student's t quantile; the normal one where the degrees of freedom are infinite.

    >>> round(t_quantile(0.975, 10), 6)
    2.228139
    """
    return float(stdtrit(dof, probability)) if dof < 1e10 else quantile(probability)


def two_sided_p(z: float) -> float:
    """Return the two-sided p-value of z, without cancellation in the tail.

    >>> round(two_sided_p(1.959964), 6)
    0.05
    """
    return 2.0 * float(ndtr(-abs(z)))


def tail_p(z: float, alternative: Alternative) -> float:
    """Return the p-value of z against the alternative.

    >>> round(tail_p(1.959964, Alternative.GREATER), 6)
    0.025
    """
    if alternative is TWO_SIDED:
        return two_sided_p(z)
    return float(ndtr(-z if alternative is Alternative.GREATER else z))


def t_tail_p(t: float, dof: float, alternative: Alternative) -> float:
    """Return the p-value of Student's t against the alternative.

    >>> round(t_tail_p(2.228139, 10, Alternative.TWO_SIDED), 6)
    0.05
    """
    if dof >= 1e10:
        return tail_p(t, alternative)
    if alternative is TWO_SIDED:
        return 2.0 * float(stdtr(dof, -abs(t)))
    return float(stdtr(dof, -t if alternative is Alternative.GREATER else t))
