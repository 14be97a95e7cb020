"""The normal and t distributions for single numbers: scipy.special, without the cost of scipy.stats objects."""

from __future__ import annotations

from scipy.special import ndtr, ndtri, stdtr, stdtrit

from abkit.stats.estimate import Alternative


def quantile(probability: float) -> float:
    """The standard normal quantile.

    >>> round(quantile(0.975), 6)
    1.959964
    """
    return float(ndtri(probability))


def t_quantile(probability: float, dof: float) -> float:
    """Student's t quantile; the normal one where the degrees of freedom are infinite.

    >>> round(t_quantile(0.975, 10), 6)
    2.228139
    """
    return float(stdtrit(dof, probability)) if dof < 1e10 else quantile(probability)


def two_sided_p(z: float) -> float:
    """The two-sided p-value of z, without cancellation in the tail.

    >>> round(two_sided_p(1.959964), 6)
    0.05
    """
    return 2.0 * float(ndtr(-abs(z)))


def tail_p(z: float, alternative: Alternative) -> float:
    """The p-value of z against the alternative.

    >>> round(tail_p(1.959964, "greater"), 6)
    0.025
    """
    if alternative == "greater":
        return float(ndtr(-z))
    if alternative == "less":
        return float(ndtr(z))
    return two_sided_p(z)


def t_tail_p(t: float, dof: float, alternative: Alternative) -> float:
    """The p-value of Student's t against the alternative.

    >>> round(t_tail_p(2.228139, 10, "two-sided"), 6)
    0.05
    """
    if dof >= 1e10:
        return tail_p(t, alternative)
    if alternative == "greater":
        return float(stdtr(dof, -t))
    if alternative == "less":
        return float(stdtr(dof, t))
    return 2.0 * float(stdtr(dof, -abs(t)))
