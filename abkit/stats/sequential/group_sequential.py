"""Group-sequential boundaries: a few looks, planned beforehand, at less cost than looking at any time."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr, ndtri

from abkit.errors import InvalidInput
from abkit.records import Record
from abkit.vocabulary import Spending, parse_choice

Array = NDArray[np.float64]

_NODES = 96


@dataclass(frozen=True, slots=True, kw_only=True)
class GroupSequentialPlan(Record):
    """The looks of a test and what it takes to stop at each.

    Attributes:
        spending: `obrien-fleming` (hard to stop early) or `pocock` (even).
        alpha: Two-sided error rate of the whole test.
        information: Share of the planned sample at each look; the last is 1.
        boundaries: |z| from which on the test stops at that look.
        nominal_p: Two-sided p-value of that |z|: compare a look's p-value with it.
        alpha_spent: Cumulative error spent after each look.
    """

    spending: Spending
    alpha: float
    information: tuple[float, ...]
    boundaries: tuple[float, ...]
    nominal_p: tuple[float, ...]
    alpha_spent: tuple[float, ...]


def alpha_spent(
    information: float, *, alpha: float = 0.05, spending: Spending | str = Spending.OBRIEN_FLEMING
) -> float:
    """Return the error spent when this share of the sample is in.

    Source: Lan & DeMets (1983), doi 10.1093/biomet/70.3.659: a tail of a = α/2 spends 2 − 2Φ(z_{a/2}/√t), or
    a·ln(1 + (e−1)·t). It is the convention of gsDesign and ldbounds; spending α over both tails at once is another.

    >>> round(alpha_spent(0.5), 5), alpha_spent(1.0, spending="pocock")
    (0.00305, 0.05)
    """
    if parse_choice(Spending, spending, name="spending function") is Spending.OBRIEN_FLEMING:
        return float(4 * ndtr(ndtri(alpha / 4) / math.sqrt(information)))
    return alpha * math.log(1 + (math.e - 1) * information)


def plan_looks(
    information: Sequence[float], *, alpha: float = 0.05, spending: Spending | str = Spending.OBRIEN_FLEMING
) -> GroupSequentialPlan:
    """Return the boundaries of planned looks, two-sided and symmetric.

    The joint law of the z-values is integrated from look to look (Armitage, McPherson & Rowe 1969,
    doi 10.2307/2343787) by Gauss–Legendre quadrature over the region where the test goes on.

    Args:
        information: Share of the planned sample at each look, rising, at most 1.
        alpha: Two-sided error rate.
        spending: How it is spent: `obrien-fleming` or `pocock`.

    Raises:
        InvalidInput: There is no look, the shares do not rise, or one lies outside (0, 1].

    >>> [round(z, 3) for z in plan_looks([0.2, 0.4, 0.6, 0.8, 1.0]).boundaries]
    [4.877, 3.357, 2.68, 2.29, 2.031]
    """
    shares = tuple(float(share) for share in information)
    rising = all(after > before for before, after in pairwise(shares))
    if not shares or not rising or shares[0] <= 0 or shares[-1] > 1:
        raise InvalidInput(f"the looks are at {list(shares)} of the sample; expected rising shares within (0, 1]")
    return _plan(shares, alpha, parse_choice(Spending, spending, name="spending function"))


@lru_cache(maxsize=256)
def _plan(shares: tuple[float, ...], alpha: float, spending: Spending) -> GroupSequentialPlan:
    spent = [alpha_spent(share, alpha=alpha, spending=spending) for share in shares]
    boundaries: list[float] = []
    nodes, density, before, spent_before = np.zeros(1), np.ones(1), 0.0, 0.0
    for share, spent_now in zip(shares, spent, strict=True):
        boundaries.append(_next_boundary(nodes, density, before, share, spent_now - spent_before))
        nodes, density = _step(nodes, density, before, share, boundaries[-1] * math.sqrt(share), 0.0)
        before, spent_before = share, spent_now
    return GroupSequentialPlan(
        spending=spending,
        alpha=alpha,
        information=shares,
        boundaries=tuple(boundaries),
        nominal_p=tuple(float(2 * ndtr(-z)) for z in boundaries),
        alpha_spent=tuple(spent),
    )


def power_of_plan(plan: GroupSequentialPlan, drift: float) -> float:
    """Return the chance to stop for a difference whose z at the full sample would be `drift` on average.

    >>> plan = plan_looks([0.5, 1.0])
    >>> round(power_of_plan(plan, 0.0), 4), round(power_of_plan(plan, 2.8016), 3)
    (0.05, 0.799)
    """
    nodes, density, before = np.zeros(1), np.ones(1), 0.0
    for share, boundary in zip(plan.information, plan.boundaries, strict=True):
        nodes, density = _step(nodes, density, before, share, boundary * math.sqrt(share), drift)
        before = share
    return 1 - float(density.sum())


def inflation(plan: GroupSequentialPlan, *, power: float = 0.8) -> float:
    """Return how much larger the full sample of the plan has to be than that of a single look, for the same power.

    >>> round(inflation(plan_looks([0.25, 0.5, 0.75, 1.0])), 3), round(inflation(plan_looks([1.0])), 6)
    (1.02, 1.0)
    """
    from scipy.optimize import brentq

    single = plan_looks([1.0], alpha=plan.alpha, spending=plan.spending)
    drifts = [brentq(lambda d, p=p: power_of_plan(p, d) - power, 0.0, 30.0, xtol=1e-12) for p in (plan, single)]
    return float((drifts[0] / drifts[1]) ** 2)


def _next_boundary(nodes: Array, density: Array, before: float, share: float, error: float) -> float:
    from scipy.optimize import brentq

    sd = math.sqrt(share - before)

    def excess(z: float) -> float:
        limit = z * math.sqrt(share)
        tails = ndtr((nodes - limit) / sd) + ndtr((-limit - nodes) / sd)
        return float(density @ tails) - error

    return float(brentq(excess, 0.0, 38.0, xtol=1e-13, rtol=1e-13))


def _step(nodes: Array, weights: Array, before: float, share: float, limit: float, drift: float) -> tuple[Any, Any]:
    """Carry the weighted points of the score process to the next look, as far as the test goes on."""
    sd = math.sqrt(share - before)
    x, w = _legendre()
    new = limit * x
    center = nodes + drift * (share - before)
    kernel = np.exp(-0.5 * ((new[:, None] - center[None, :]) / sd) ** 2) / (sd * math.sqrt(2 * math.pi))
    return new, limit * w * (kernel @ weights)


@lru_cache(maxsize=1)
def _legendre() -> tuple[Array, Array]:
    return np.polynomial.legendre.leggauss(_NODES)
