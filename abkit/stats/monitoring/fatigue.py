"""How much each creative has worn out since its first week, and when it is likely to be worn out.

Each creative is compared with itself, at equal placement: its rate falls or rises by one trend in age inside each of
its segments (Poisson with a level per segment, errors clustered by day, because a day has luck of its own). The trend
is fitted to all its days, not to its best ones: picking the best week first would make every creative look tired.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import ArrayLike, NDArray

from abkit.errors import InvalidInput
from abkit.records import Record
from abkit.stats.appeal.absorbed_poisson import absorbed_poisson
from abkit.stats.estimate import Estimate
from abkit.stats.false_discovery import q_values
from abkit.stats.student_t import t_quantile, upper_tail
from abkit.vocabulary import Fatigue

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

FRESH_DAYS = 14
"""A creative with fewer days between its first and its last is fresh: nobody can call it tired."""

_FEWEST_DAYS = 7
_WEEK = 7
_WORN_OUT = math.log(0.5)
_LATEST = 365.0


@dataclass(frozen=True, kw_only=True)
class Wear(Record):
    """What age did to one creative.

    Attributes:
        creative: Its label.
        state: Fresh, steady, tired, or not enough data.
        change: Rate in its last week over that in its first along its trend, as a lift with its 95 % interval; None
            where there is no trend.
        p_value, adjusted_p: Two-sided p-value of "its rate does not change with age", and by Benjamini and Hochberg
            over all creatives with a trend.
        worn_out_age: Age in days at which its trend reaches half of the rate of its first day, with its 95 % interval.
            None where the trend is not shown to fall, or takes more than a year.
        age: Its age on its last day.
        days: Days with delivery.
        events, exposure: What it got, in all.
    """

    creative: int
    state: Fatigue
    change: Estimate | None = None
    p_value: float | None = None
    adjusted_p: float | None = None
    worn_out_age: Estimate | None = None
    age: int
    days: int
    events: float
    exposure: float


def fatigue(
    *,
    events: ArrayLike,
    exposure: ArrayLike,
    creative: ArrayLike,
    segment: ArrayLike,
    day: ArrayLike,
    floor: float = 0.1,
    alpha: float = 0.05,
) -> tuple[Wear, ...]:
    """Return what age did to each creative, in the order of their labels.

    Tired: the adjusted p-value is below alpha, and along its trend the creative lost the floor or more. Steady: the
    interval rules out that it lost more than twice the floor. Whatever lies between is not known yet, and said so.

    Args:
        events, exposure: Shape (n,), one row per creative, segment and day, e.g. clicks and impressions.
        creative, segment: Shape (n,), integer labels; a segment is whatever should not matter: campaign and placement.
        day: Shape (n,), number of the day.
        floor: Loss that matters, in (0, 0.5).
        alpha: Share of those called tired that may be called so by mistake.

    Raises:
        InvalidInput: The floor lies outside (0, 0.5).

    >>> days = np.arange(40)
    >>> (worn,) = fatigue(
    ...     events=np.round(400 * np.exp(-days / 40)),
    ...     exposure=np.full(40, 20_000),
    ...     creative=np.zeros(40, int),
    ...     segment=np.zeros(40, int),
    ...     day=days,
    ... )
    >>> worn.state.value, round(worn.change.estimate, 2), round(worn.worn_out_age.estimate)
    ('tired', -0.56, 28)
    """
    if not 0 < floor < 0.5:
        raise InvalidInput(f"the floor of a loss is {floor}; it has to lie between 0 and 0.5")
    count, shown = np.asarray(events, np.float64), np.asarray(exposure, np.float64)
    label, where, when = (np.asarray(column, np.int64) for column in (creative, segment, day))
    keep = (shown > 0) & np.isfinite(count)
    count, shown = count[keep], shown[keep]
    label, where, when = label[keep], where[keep], when[keep]
    if not len(label):
        return ()
    order = np.argsort(label, kind="stable")
    labels, starts = np.unique(label[order], return_index=True)
    trends = [
        _trend(int(one), count[rows], shown[rows], where[rows], when[rows])
        for one, rows in zip(labels, np.split(order, starts[1:]), strict=True)
    ]
    adjusted = q_values([trend.p_value for trend in trends])
    return tuple(_wear(trend, q, floor=floor, alpha=alpha) for trend, q in zip(trends, adjusted, strict=True))


@dataclass(frozen=True, kw_only=True)
class _Trend:
    """Change of the log of the rate per day, and what it was found from."""

    creative: int
    age: int
    days: int
    events: float
    exposure: float
    slope: float = 0.0
    error: float = math.inf
    freedom: int = 0
    p_value: float | None = None


def _trend(creative: int, count: Floats, shown: Floats, where: Ints, when: Ints) -> _Trend:
    age = (when - when.min()).astype(np.float64)
    days = len(np.unique(when))
    found = _Trend(
        creative=creative, age=int(age.max()), days=days, events=float(count.sum()), exposure=float(shown.sum())
    )
    if found.age < FRESH_DAYS or days < _FEWEST_DAYS or found.events < 1:
        return found
    fit = absorbed_poisson(count, shown, age, where, [when])
    slope, robust = float(fit.coefficients[0]), float(fit.standard_errors[0])
    if not math.isfinite(robust):
        return found
    # With few days a sandwich is too small now and then; no error is below that of counting alone.
    error = max(robust, _counting_error(count, shown, age, where, slope))
    freedom = days - 2
    return replace(
        found,
        slope=slope,
        error=error,
        freedom=freedom,
        p_value=2 * upper_tail(abs(slope) / error, freedom) if error > 0 else 1.0,
    )


def _counting_error(count: Floats, shown: Floats, age: Floats, where: Ints, slope: float) -> float:
    """Return the standard error of the slope if counts were Poisson."""
    index = np.unique(where, return_inverse=True)[1].reshape(-1)
    rate = shown * np.exp(slope * (age - age.mean()))
    level = np.bincount(index, count) / np.bincount(index, rate)
    fitted = rate * level[index]
    total = np.bincount(index, fitted)
    mean = np.bincount(index, fitted * age) / np.where(total > 0, total, 1.0)
    information = float(fitted @ (age - mean[index]) ** 2)
    return 1 / math.sqrt(information) if information > 0 else math.inf


def _wear(trend: _Trend, adjusted: float | None, *, floor: float, alpha: float) -> Wear:
    wear = Wear(
        state=Fatigue.FRESH if trend.age < FRESH_DAYS else Fatigue.INSUFFICIENT_DATA,
        creative=trend.creative,
        age=trend.age,
        days=trend.days,
        events=trend.events,
        exposure=trend.exposure,
    )
    if trend.p_value is None or adjusted is None:
        return wear
    half = t_quantile(0.975, trend.freedom) * trend.error
    low, high = trend.slope - half, trend.slope + half
    weeks_apart = trend.age - _WEEK + 1
    change = Estimate(*(_share(slope * weeks_apart) for slope in (trend.slope, low, high)))
    if adjusted <= alpha and change.estimate <= -floor:
        state = Fatigue.TIRED
    elif change.ci_low >= -2 * floor:
        state = Fatigue.STEADY
    else:
        state = Fatigue.INSUFFICIENT_DATA
    worn = None
    if high < 0:
        worn = Estimate(_WORN_OUT / trend.slope, _WORN_OUT / low, _WORN_OUT / high)
        worn = worn if worn.estimate <= _LATEST else None
    return replace(wear, state=state, change=change, p_value=trend.p_value, adjusted_p=adjusted, worn_out_age=worn)


def _share(log_change: float) -> float:
    return math.expm1(min(log_change, 20.0))
