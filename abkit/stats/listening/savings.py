"""What dropping variants before launch saves and costs: money, hours, and the price from which it pays."""

from __future__ import annotations

import math
from dataclasses import dataclass

from abkit.errors import InvalidInput
from abkit.records import Record
from abkit.stats.estimate import Estimate


@dataclass(frozen=True, kw_only=True)
class VariantCosts:
    """What one more variant costs until its rate is known.

    Attributes:
        money: Making it and the media that testing it takes; None where it is not stated.
        hours: Hours of work; None where they are not stated.

    Raises:
        InvalidInput: A cost is not a number of 0 or more.
    """

    money: float | None = None
    hours: float | None = None

    def __post_init__(self) -> None:
        for name in ("money", "hours"):
            value = getattr(self, name)
            if value is not None and not (math.isfinite(value) and value >= 0):
                raise InvalidInput(f"a variant costs {value} {name}; expected a number of 0 or more")


@dataclass(frozen=True, kw_only=True)
class Savings(Record):
    """Dropping a share of the variants before launch, per month.

    Attributes:
        variants: New variants per month.
        dropped: How many of them are dropped.
        money: Saved on them; None where their cost is not stated.
        hours: Saved on them; None where the hours are not stated.
        lost: Money lost because a better variant may be among them, with its interval; None where no money is known.
        net: Saved less lost; None where either is not known.
        break_even: The cost per variant from which dropping pays; None where no money is known.
    """

    variants: float
    dropped: float
    money: float | None
    hours: float | None
    lost: Estimate | None
    net: Estimate | None
    break_even: Estimate | None


def savings(
    *, variants: float, share: float, costs: VariantCosts, regret: Estimate, worth_of_rate: float | None
) -> Savings:
    """Return what dropping a share of the variants saves and costs in a month.

    Args:
        variants: New variants per month.
        share: Share of them that is dropped, 0 to 1.
        costs: What a variant costs.
        regret: How much of the rate is lost by dropping them, as a share of it, with its interval.
        worth_of_rate: Money per month that the whole rate earns: events × what an event is worth; None where it is not
            known.

    >>> found = savings(variants=40, share=0.5, costs=VariantCosts(money=100, hours=2),
    ...                 regret=Estimate(0.02, 0.0, 0.04), worth_of_rate=20_000)
    >>> found.money, found.hours, found.lost.estimate, found.net.estimate, found.break_even.estimate
    (2000.0, 40.0, 400.0, 1600.0, 20.0)
    """
    dropped = variants * share
    money = None if costs.money is None else dropped * costs.money
    known = worth_of_rate is not None and math.isfinite(regret.estimate)
    lost = _times(regret, worth_of_rate) if worth_of_rate is not None and known else None
    net = None
    if lost is not None and money is not None:
        net = Estimate(money - lost.estimate, money - lost.ci_high, money - lost.ci_low)
    return Savings(
        variants=variants,
        dropped=dropped,
        money=money,
        hours=None if costs.hours is None else dropped * costs.hours,
        lost=lost,
        net=net,
        break_even=_times(lost, 1 / dropped) if lost is not None and dropped > 0 else None,
    )


def _times(figure: Estimate, factor: float) -> Estimate:
    """Return a loss times a factor; none is below 0."""
    ends = (max(one * factor, 0.0) for one in (figure.estimate, figure.ci_low, figure.ci_high))
    return Estimate(*ends)
