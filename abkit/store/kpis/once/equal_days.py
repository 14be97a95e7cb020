"""Days of a campaign that another file has to the impression and the click, or nearly so, under other names of ads,
accounts, platforms or segments.

Where few days or ads prove nothing (`same_ads`), both count: two ads may have had the same figures once. A whole
campaign that has them is said, so that nothing counts twice in silence.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import date

from sqlalchemy import select
from sqlalchemy.orm import Session

from abkit.records import Record
from abkit.store.catalog.places import CAMPAIGN, with_places
from abkit.store.database.statements import total
from abkit.store.kpis.once.nearness import very_near
from abkit.store.kpis.once.publishers import whole_of
from abkit.store.schema import Ad, Campaign, Kpi, KpiImport, KpiUndo

_SOME = 3  # periods that are compared first; all of them only where these are equal
_DIGITS = 4.0  # that agree: 1,000 impressions and 20 clicks are 4.3
_NEAR_PERIODS = 3  # different ones that are nearly equal

Period = tuple[date, date]
Place = tuple[str, str, int | None]  # platform, account, campaign
Shown = dict[Period, tuple[int, int]]  # impressions, clicks


@dataclass(frozen=True, kw_only=True)
class EqualDays(Record):
    """Periods of a campaign that two imports have with (nearly) the same figures, in other ads or segments.

    Attributes:
        campaign: Its key; '' where one of the files names none.
        first, last: Days that both have.
        impressions: What both have of them.
        other: Number of the other import.
    """

    campaign: str
    first: date
    last: date
    impressions: int
    other: int

    def __str__(self) -> str:
        """Say it in a line."""
        where = f"campaign {self.campaign!r}" if self.campaign else "the account"
        return (
            f"import {self.other} has the same impressions and clicks of {where} ({self.first} to {self.last}), or "
            "nearly the same, under other names of ads, accounts, platforms or segments: "
            f"if both are the same delivery, {self.impressions:,} impressions count twice; "
            f"then take one of them back (abkit kpi undo {self.other})"
        )


def equal_days(session: Session, import_id: int, periods: Collection[Period]) -> EqualDays | None:
    """Return what an import has of a campaign as another one has it, the largest of them; None without any.

    Args:
        session: A reading session; which rows count is settled.
        import_id: The import.
        periods: Its periods.
    """
    others = _days_of_others(session, import_id)
    periods = sorted(
        (start, end) for start, end in periods if any(first <= end and start <= last for first, last in others)
    )
    step = max(1, len(periods) // _SOME)
    some = periods[::step][:_SOME]
    if not some or not (found := _equal(_delivered(session, some), import_id)):
        return None
    all_of_them = _equal(_delivered(session, periods), import_id) if len(some) < len(periods) else found
    # Of other ads, only what is exactly the same is doubted.
    equal = {
        (campaign, other): shown
        for (campaign, other), (shown, exact) in all_of_them.items()
        if exact or _share_ads(session, import_id, other)
    }
    if not equal:
        return None
    (campaign, other), shown = max(equal.items(), key=lambda item: sum(one for one, _ in item[1].values()))
    key = session.scalar(select(Campaign.key).where(Campaign.id == campaign)) if campaign is not None else ""
    return EqualDays(
        campaign=key or "",
        first=min(shown)[0],
        last=max(end for _, end in shown),
        impressions=sum(one for one, _ in shown.values()),
        other=other,
    )


def _days_of_others(session: Session, import_id: int) -> list[Period]:
    """Return first and last day of the other imports; of a file of an earlier release they may be any."""
    undone = select(KpiUndo.kpi_import_id)
    kept = select(KpiImport.contents).where(KpiImport.id != import_id, KpiImport.id.not_in(undone))
    found = []
    for contents in session.scalars(kept):
        days = [(contents or {}).get(name) for name in ("first_day", "last_day")]
        if contents is None:
            found.append((date.min, date.max))
        elif all(days):
            found.append((date.fromisoformat(str(days[0])), date.fromisoformat(str(days[1]))))
    return found


def _delivered(session: Session, periods: Collection[Period]) -> dict[int, dict[Place, Shown]]:
    """Return what counts of these periods, by import and place."""
    key = (Kpi.kpi_import_id, Ad.platform, Ad.account, CAMPAIGN, Kpi.period_start, Kpi.period_end)
    sums = with_places(select(*key, total(Kpi.impressions), total(Kpi.clicks)).join(Ad, Ad.id == Kpi.ad_id))
    wanted = Kpi.period_end.in_({end for _, end in periods})
    found: dict[int, dict[Place, Shown]] = defaultdict(lambda: defaultdict(dict))
    for number, *place, start, end, shown, clicks in session.execute(
        sums.where(Kpi.left_out == "", wanted, Kpi.impressions > 0).group_by(*key)
    ):
        platform, account, campaign = place
        own = found[number][whole_of(platform), account, campaign]
        # Parts of one platform add up to it.
        before = own.get((start, end), (0, 0))
        own[start, end] = before[0] + shown, before[1] + clicks
    return found


def _share_ads(session: Session, one: int, other: int) -> bool:
    own = select(Kpi.ad_id).where(Kpi.kpi_import_id == one)
    theirs = select(Kpi.id).where(Kpi.kpi_import_id == other, Kpi.ad_id.in_(own))
    return session.execute(theirs.limit(1)).first() is not None


def _equal(
    found: Mapping[int, Mapping[Place, Shown]], import_id: int
) -> dict[tuple[int | None, int], tuple[Shown, bool]]:
    """Return by campaign and other import the periods that both have, where all agree, and whether exactly."""
    equal: dict[tuple[int | None, int], tuple[Shown, bool]] = {}
    own = found.get(import_id, {})
    of_campaign: dict[int | None, list[Shown]] = defaultdict(list)
    for place, shown in own.items():
        of_campaign[place[2]].append(shown)
    for number, places in found.items():
        if number == import_id:
            continue
        for place, others in places.items():
            several = [_summed(_of(own, place[2]))] if not place[0] else []
            for shown in (*of_campaign[place[2]], *several):
                if common := _common(shown, others):
                    equal[place[2], number] = common, common.items() <= others.items()
        # Where this file names no platform, those of the other file are one.
        for campaign in {campaign for platform, _, campaign in own if not platform}:
            one, other = (_summed(_of(some, campaign)) for some in (own, places))
            if common := _common(one, other):
                equal[campaign, number] = common, common.items() <= other.items()
        if None in {place[2] for place in (*own, *places)}:
            # Where a file names no campaign, all of the other file's are one.
            one, other = _summed(own), _summed(places)
            if common := _common(one, other):
                equal[None, number] = common, common.items() <= other.items()
    return equal


def _common(one: Shown, other: Shown) -> Shown:
    """Return the periods of both, if they agree in all of them, or nearly so, and not by chance."""
    both = {period: one[period] for period in one.keys() & other.keys()}
    if any(other[period] != figures for period, figures in both.items()):
        # A corrected export: several days that differ, and all of them a little.
        near = all(very_near(figures, other[period]) for period, figures in both.items())
        return both if near and len(set(both.values())) >= _NEAR_PERIODS else {}
    digits = sum(math.log10((shown + 1) * (clicks + 1)) for shown, clicks in set(both.values()))
    return both if digits >= _DIGITS else {}


def _of(places: Mapping[Place, Shown], campaign: int | None) -> dict[Place, Shown]:
    return {place: shown for place, shown in places.items() if place[2] == campaign}


def _summed(places: Mapping[Place, Shown]) -> Shown:
    sums: Shown = {}
    for shown in places.values():
        for period, (impressions, clicks) in shown.items():
            before = sums.get(period, (0, 0))
            sums[period] = before[0] + impressions, before[1] + clicks
    return sums
