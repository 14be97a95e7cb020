"""What a decision is worth: the gain or loss per week, in money, of showing one arm instead of the other."""

from __future__ import annotations

import math
from dataclasses import dataclass

from abkit.errors import InvalidInput
from abkit.records import Record
from abkit.stats.estimate import Estimate
from abkit.stats.tails import check_level, normal_below, quantile
from abkit.vocabulary import Direction


@dataclass(frozen=True, slots=True, kw_only=True)
class DecisionValue(Record):
    """What shipping a treatment is worth, in money per week.

    Attributes:
        per_week: Gain of shipping the treatment instead of the control, below 0 for a loss, with the interval of the
            difference that it is made of.
        expected_gain: Mean of the gain where there is one, and 0 where there is none; over a normal law as wide as the
            interval.
        expected_loss: Mean of the loss of shipping the treatment, in the same way. Gain − loss is the estimate.
        most_lost_by_shipping: The most that shipping the treatment costs, by the interval; 0 where that excludes a
            loss.
        most_lost_by_keeping: The most that keeping the control costs; 0 where the interval excludes a gain.
        volume_per_week: What the difference is multiplied by: impressions, clicks, … per week.
        value: What a unit of the difference is worth: money per click or conversion; 1 where it is money already.
        level: Confidence level of the interval.
    """

    per_week: Estimate
    expected_gain: float
    expected_loss: float
    most_lost_by_shipping: float
    most_lost_by_keeping: float
    volume_per_week: float
    value: float
    level: float


def decision_value(
    difference: Estimate,
    *,
    volume_per_week: float,
    value: float = 1.0,
    level: float = 0.95,
    direction: Direction = Direction.HIGHER,
) -> DecisionValue:
    """Return what a difference of two arms is worth per week.

    The volume and the value are taken as known: the interval is that of the difference. Where that is valid at any
    look, so is this one, and the expected gain and loss are those of its width, which is cautious.

    Source: expected loss of a normal posterior under a flat prior (Raiffa & Schlaifer 1961, unit normal loss integral).

    Args:
        difference: Treatment − control per unit of volume, with its interval.
        volume_per_week: Units of volume per week, above 0.
        value: Money per unit of the difference, above 0.
        level: Confidence level of the interval.
        direction: Which way of the difference is good: a cost that falls is a gain.

    Raises:
        InvalidInput: The interval has no ends, or the volume or the value is not above 0.

    >>> found = decision_value(Estimate(0.002, 0.0005, 0.0035), volume_per_week=70_000, value=3.0)
    >>> round(found.per_week.estimate), round(found.per_week.ci_low), round(found.per_week.ci_high)
    (420, 105, 735)
    >>> round(found.expected_loss, 2), found.most_lost_by_shipping, round(found.most_lost_by_keeping)
    (0.23, 0.0, 735)
    """
    check_level(level)
    if not all(map(math.isfinite, (difference.estimate, difference.ci_low, difference.ci_high))):
        raise InvalidInput("the difference has no interval with two ends; what it is worth has none either")
    for name, figure in (("volume per week", volume_per_week), ("value of a success", value)):
        if not (math.isfinite(figure) and figure > 0):
            raise InvalidInput(f"the {name} is {figure}; expected a number above 0")
    money = volume_per_week * value * (1 if direction is Direction.HIGHER else -1)
    low, high = sorted((difference.ci_low * money, difference.ci_high * money))
    mean, sd = difference.estimate * money, (high - low) / (2 * quantile((1 + level) / 2))
    gain = _mean_above_zero(mean, sd)
    return DecisionValue(
        per_week=Estimate(mean, low, high),
        expected_gain=gain,
        expected_loss=max(gain - mean, 0.0),
        most_lost_by_shipping=max(-low, 0.0),
        most_lost_by_keeping=max(high, 0.0),
        volume_per_week=volume_per_week,
        value=value,
        level=level,
    )


def _mean_above_zero(mean: float, sd: float) -> float:
    """Return E[max(X, 0)] of a normal X."""
    if sd == 0:
        return max(mean, 0.0)
    z = mean / sd
    return mean * normal_below(z) + sd * math.exp(-0.5 * z * z) / math.sqrt(2 * math.pi)
