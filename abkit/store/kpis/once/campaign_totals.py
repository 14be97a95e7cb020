"""Totals of a campaign beside the days of other ads of it: one delivery under other names, or ads that differ.

Ads are found to be one by their own figures (`same_ads`). Where an export of weeks names its ads in another way than an
export of days, or has them by fewer ads, no ad agrees with another; the campaign does. What agrees exactly is the same
delivery twice. What does not may be other ads of the campaign, and is said.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import date
from typing import Any, NamedTuple

from sqlalchemy import ColumnElement, func, select
from sqlalchemy.orm import Session

from abkit.records import Record
from abkit.store.catalog.places import CAMPAIGN, with_places
from abkit.store.database.statements import total
from abkit.store.imports import imports_with_totals
from abkit.store.kpis.once.ad_names import agree
from abkit.store.kpis.once.publishers import agree_on_platform
from abkit.store.schema import Ad, Campaign, Kpi

_MOST_PERIODS = 40  # that are looked at, the latest ones; each takes a sum
_DIGITS = 4.0  # that agree: 1,000 impressions and 20 clicks are 4.3
_SHARE = 0.8  # of the totals
_HEAD: Any = func.coalesce(Ad.same_as, Ad.id)  # ads that are one have one number


@dataclass(frozen=True, kw_only=True)
class TotalsBesideDays(Record):
    """Periods of several days of a campaign, beside shorter ones of other ads of it from other files.

    Attributes:
        campaign: Key of one campaign, '' where an export names none.
        first, last: One period of it.
        impressions: What all these totals and the other ads' shorter periods have in common at most.
        equal: Whether both are the same delivery: impressions and clicks agree (and conversions where both have any).
        imports: Numbers of the imports with the totals, then of those with the shorter periods.
    """

    campaign: str
    first: date
    last: date
    impressions: int
    equal: bool
    imports: tuple[tuple[int, ...], tuple[int, ...]]

    def __str__(self) -> str:
        """Say it in a line."""
        where = f"of campaign {self.campaign!r} " if self.campaign else ""
        totals, days = (_numbers(some) for some in self.imports)
        shown = f"{self.impressions:,} impressions"
        return (
            f"{totals} {where}has totals ({self.first} to {self.last}) beside shorter periods of other ads in {days}: "
            f"if both are the same delivery under other names, up to {shown} count twice; then take one of them back "
            "(abkit kpi undo)"
        )


def _numbers(imports: Collection[int]) -> str:
    some = sorted(imports)
    more = f" and {len(some) - 1} more" if len(some) > 1 else ""
    return f"import {some[0]}{more}"


class _Side(NamedTuple):
    """What was delivered by the ads of one platform, account and campaign inside a period."""

    platform: str
    account: str
    campaign: int | None
    ad: int
    number: int
    impressions: int
    clicks: int
    conversions: float


def totals_beside_days(
    session: Session, ads: Collection[int] | None = None, days: tuple[date, date] | None = None
) -> TotalsBesideDays | None:
    """Return totals of campaigns that other ads may have delivered in shorter periods; None without any.

    Args:
        session: A reading session; which rows count is settled.
        ads: Only campaigns of these ads; all by default.
        days: Only totals that have one of these days; all by default.
    """
    touching = [Kpi.period_start <= days[1], Kpi.period_end >= days[0]] if days else []
    imports = imports_with_totals(session)
    if not imports:
        return None
    longer = [Kpi.period_end > Kpi.period_start, Kpi.left_out == "", Kpi.kpi_import_id.in_(imports), *touching]
    spans = select(Kpi.period_start, Kpi.period_end).where(*longer).distinct()
    periods = session.execute(spans.order_by(Kpi.period_end.desc(), Kpi.period_start).limit(_MOST_PERIODS)).all()
    found: list[tuple[date, date, int | None, list[_Side], list[_Side]]] = []
    for start, end in periods:
        this = (Kpi.period_start == start, Kpi.period_end == end)
        totals = _delivered(session, *this)
        finer = (Kpi.period_start > start) | (Kpi.period_end < end)
        inside = _delivered(session, Kpi.period_start >= start, Kpi.period_end <= end, finer)
        # Ads whose days count have their total, too: it says that these days are no other ad's.
        known = set(session.scalars(select(_HEAD).join(Kpi, Kpi.ad_id == Ad.id).where(*this).distinct()))
        others = [one for one in inside if one.ad not in known]
        found += [(start, end, *pair) for pair in _pairs(totals, others, ads)]
    return _judged(session, found)


def _delivered(session: Session, *where: ColumnElement[bool]) -> list[_Side]:
    """Return what counts of these rows, by ad, campaign and import."""
    key = (Ad.platform, Ad.account, CAMPAIGN, _HEAD, Kpi.kpi_import_id)
    sums = select(*key, total(Kpi.impressions), total(Kpi.clicks), func.sum(Kpi.conversions))
    counted = with_places(sums.join(Ad, Ad.id == Kpi.ad_id)).where(Kpi.left_out == "", *where)
    rows = session.execute(counted.group_by(*key))
    return [_Side(*row) for row in rows]


def _pairs(
    totals: list[_Side], inside: list[_Side], ads: Collection[int] | None
) -> Iterable[tuple[int | None, list[_Side], list[_Side]]]:
    """Yield the totals of a campaign and the shorter periods of other ads of it, from other files.

    Where an export names no campaign, it is compared with all of the account.
    """
    imports = {one.number for one in totals}
    others = [one for one in inside if one.number not in imports]
    touched = None if ads is None else frozenset(ads)
    places: dict[tuple[str, str, int | None], list[_Side]] = defaultdict(list)
    for one in totals:
        # Without a campaign on the other side, the totals of all campaigns are one.
        named = any(other.campaign is not None and _one_account(one, other) for other in others)
        places[one.platform, one.account, one.campaign if named else None].append(one)
    for (_, _, campaign), own in places.items():
        fits = [
            other
            for other in others
            if _one_account(own[0], other) and (campaign is None or other.campaign in (campaign, None))
        ]
        if fits and (touched is None or touched.intersection(one.ad for one in (*own, *fits))):
            yield campaign, own, fits


def _one_account(one: _Side, other: _Side) -> bool:
    return agree_on_platform(one.platform, other.platform) and agree(one.account, other.account)


def _sums(sides: list[_Side]) -> tuple[int, int, float]:
    return (
        sum(one.impressions for one in sides),
        sum(one.clicks for one in sides),
        sum(one.conversions for one in sides),
    )


def _judged(
    session: Session, found: list[tuple[date, date, int | None, list[_Side], list[_Side]]]
) -> TotalsBesideDays | None:
    if not found:
        return None
    equal, digits, largest = 0, 0.0, 0
    impressions = 0
    chosen = found[0]
    seen: set[tuple[int, int]] = set()
    for one in found:
        (shown, clicks, conversions), inside = (_sums(sides) for sides in one[3:])
        common = min(shown, inside[0])
        impressions += common
        if common > largest:
            largest, chosen = common, one
        converted = not (conversions and inside[2]) or math.isclose(conversions, inside[2], abs_tol=1e-6)
        if (shown, clicks) == inside[:2] and converted:
            equal += 1
            digits += 0.0 if (shown, clicks) in seen else math.log10((shown + 1) * (clicks + 1))
            seen.add((shown, clicks))
    if not impressions:
        return None
    start, end, campaign, own, others = chosen
    key = session.scalar(select(Campaign.key).where(Campaign.id == campaign)) if campaign is not None else ""
    return TotalsBesideDays(
        campaign=key or "",
        first=start,
        last=end,
        impressions=impressions,
        equal=equal >= _SHARE * len(found) and digits >= _DIGITS,
        imports=(tuple(sorted({one.number for one in own})), tuple(sorted({one.number for one in others}))),
    )
