"""Which running creatives are fresh, steady or tired, what that costs a week, and when each is likely worn out."""

from __future__ import annotations

import math
from collections.abc import Collection
from dataclasses import dataclass
from datetime import date, timedelta

import numpy as np
from sqlalchemy.orm import Session

from abkit.errors import AbkitError
from abkit.money import Exchange, Rates
from abkit.records import Record, RecordList
from abkit.stats.estimate import Estimate
from abkit.stats.monitoring.fatigue import Wear, fatigue
from abkit.store.catalog.creatives import creative_names
from abkit.store.kpis import delivery
from abkit.store.kpis.late_events import DeliveryRow
from abkit.vocabulary import Fatigue

_WEEK = timedelta(days=7)
_ONE_DAY = timedelta(0)
_ORDER = {state: place for place, state in enumerate((Fatigue.TIRED, Fatigue.STEADY, Fatigue.FRESH))}


@dataclass(frozen=True, kw_only=True)
class CreativeFatigue(Record):
    """What age did to one running creative. Season and budgets may have a part in it.

    Attributes:
        creative: Its name.
        creative_id: Its id in the store.
        state: Fresh, steady, tired, or not enough data.
        first_day, last_day: First and last day with delivery.
        change: CTR in its last week over that in its first along its trend, at equal placement, as a lift with its 95 %
            interval; None where there is no trend.
        adjusted_p: p-value of "its CTR does not change with age", by Benjamini and Hochberg over all running creatives.
        worn_out: Day on which its trend reaches half of the CTR of its first day; None where that is not to be seen.
        worn_out_from, worn_out_until: Its 95 % interval.
        lost_per_week: Spend of its last seven days that bought fewer clicks than at first, with its 95 % interval; None
            where it is not tired or its spend is not known.
        currency: Currency of `lost_per_week`.
        days, clicks, impressions: What the trend rests on.
    """

    creative: str
    creative_id: int
    state: Fatigue
    first_day: date
    last_day: date
    change: Estimate | None = None
    adjusted_p: float | None = None
    worn_out: date | None = None
    worn_out_from: date | None = None
    worn_out_until: date | None = None
    lost_per_week: Estimate | None = None
    currency: str = ""
    days: int
    clicks: int
    impressions: int


@dataclass(frozen=True, kw_only=True)
class FatigueReport(RecordList):
    """Every creative that ran in the last seven days; what costs most first.

    Attributes:
        creatives: What is known of each: tired ones first, those that lose most money before others.
        as_of: The last day that counts.
        notes: Why there is no money, and what was left out.
    """

    creatives: tuple[CreativeFatigue, ...]
    as_of: date
    notes: tuple[str, ...] = ()

    @property
    def tired(self) -> tuple[CreativeFatigue, ...]:
        """The creatives to replace."""
        return tuple(one for one in self.creatives if one.state is Fatigue.TIRED)

    @property
    def sentence(self) -> str:
        """The answer in one sentence."""
        if not self.creatives:
            return f"No linked creative has run in the seven days up to {self.as_of}."
        counts = {state: sum(one.state is state for one in self.creatives) for state in Fatigue}
        unknown = counts[Fatigue.INSUFFICIENT_DATA]
        return (
            f"Of {len(self.creatives):,} running creatives {counts[Fatigue.TIRED]:,} are tired, "
            f"{counts[Fatigue.STEADY]:,} steady and {counts[Fatigue.FRESH]:,} fresh; {unknown:,} cannot be told yet."
        )

    def rows(self) -> list[dict[str, object]]:
        """Return one row per creative."""
        return [one.to_dict() for one in self.creatives]


def find_fatigue(
    session: Session, day: date, *, campaigns: Collection[int] | None = None, rates: Rates | None = None
) -> FatigueReport:
    """Return what age did to each creative that ran in the seven days up to a day.

    Args:
        session: A reading session.
        day: The last day of delivery that counts.
        campaigns: Ids of the only campaigns to look at; all by default.
        rates: The currency of amounts, and what others are worth in it.
    """
    notes: list[str] = []
    money: Exchange | None = None
    try:
        ads = None if campaigns is None else delivery.ads_of_members(session, campaigns)
        money = delivery.currency_between(session, None, day, rates, ads=ads)
    except AbkitError as error:
        notes.append(f"no amounts: {error}")
    rows = delivery.delivery_rows(session, None, day, money, campaigns=campaigns)
    single = [row for row in rows if row.period_end - row.period_start == _ONE_DAY]
    if len(single) < len(rows):
        notes.append(f"{len(rows) - len(single):,} rows of more than a day are left out")
    last = {row.creative_id: row.period_end for row in sorted(single, key=lambda row: row.period_end)}
    running = [row for row in single if last[row.creative_id] > day - _WEEK]
    if not running:
        return FatigueReport(creatives=(), as_of=day, notes=tuple(notes))
    names = creative_names(session, {row.creative_id for row in running})
    found = [
        _described(wear, running, names.get(wear.creative), day, money)
        for wear, running in zip(_wear(running), _by_creative(running), strict=True)
    ]
    found.sort(key=_urgency)
    return FatigueReport(creatives=tuple(found), as_of=day, notes=tuple(notes))


def _wear(rows: list[DeliveryRow]) -> tuple[Wear, ...]:
    places = {key: n for n, key in enumerate(sorted({(row.campaign_id, row.segment_id) for row in rows}))}
    return fatigue(
        events=np.array([row.clicks for row in rows], np.float64),
        exposure=np.array([row.impressions for row in rows], np.float64),
        creative=np.array([row.creative_id for row in rows]),
        segment=np.array([places[row.campaign_id, row.segment_id] for row in rows]),
        day=np.array([row.period_end.toordinal() for row in rows]),
    )


def _by_creative(rows: list[DeliveryRow]) -> list[list[DeliveryRow]]:
    found: dict[int, list[DeliveryRow]] = {}
    for row in rows:
        if row.impressions > 0:
            found.setdefault(row.creative_id, []).append(row)
    return [found[creative] for creative in sorted(found)]


def _described(
    wear: Wear, rows: list[DeliveryRow], names: list[tuple[str, str]] | None, day: date, money: Exchange | None
) -> CreativeFatigue:
    first = min(row.period_end for row in rows)
    worn, lost = wear.worn_out_age, None
    spent = [row.spend for row in rows if row.period_end > day - _WEEK]
    known = money is not None and money.currency and all(spend is not None for spend in spent)
    if wear.state is Fatigue.TIRED and wear.change is not None and known:
        week = math.fsum(spend or 0.0 for spend in spent)
        change = wear.change
        lost = Estimate(*(week * max(0.0, -share) for share in (change.estimate, change.ci_high, change.ci_low)))
    return CreativeFatigue(
        creative=names[0][1] if names else f"creative {wear.creative}",
        creative_id=wear.creative,
        state=wear.state,
        first_day=first,
        last_day=max(row.period_end for row in rows),
        change=wear.change,
        adjusted_p=wear.adjusted_p,
        worn_out=_day(first, worn.estimate) if worn else None,
        worn_out_from=_day(first, worn.ci_low) if worn else None,
        worn_out_until=_day(first, worn.ci_high) if worn else None,
        lost_per_week=lost,
        currency=money.currency if money and lost else "",
        days=wear.days,
        clicks=round(wear.events),
        impressions=round(wear.exposure),
    )


def _day(first: date, age: float) -> date | None:
    """Return the day of an age; None beyond ten years, which no trend can tell."""
    return first + timedelta(days=math.ceil(age)) if age <= 3_650 else None


def _urgency(one: CreativeFatigue) -> tuple[int, float, float]:
    lost = one.lost_per_week.estimate if one.lost_per_week else 0.0
    return _ORDER.get(one.state, len(_ORDER)), -lost, one.change.estimate if one.change else 0.0
