"""Scores beside what was delivered: sums a creative and campaign, and rows a creative and day.

Two rules keep figures from being counted twice. Of the rows of one ad, segment and conversion event that overlap in
time, the one that contains the others counts, and of two that merely overlap the one that began first. Of the
breakdowns of one ad (by placement, by age, none) and of its conversion events, the one with most impressions counts.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import Any

from sqlalchemy import ColumnElement, Select, and_, case, exists, func, or_, select
from sqlalchemy.orm import Session, aliased

from abkit.errors import UsageError
from abkit.store.schema import Ad, AdCreative, Campaign, CampaignCreative, Kpi, Score, Segment

DIMENSIONS = ("platform", "placement", "country", "device", "age", "gender", "other")


@dataclass(frozen=True)
class Filters:
    """Which KPI rows count.

    Attributes:
        start, end: the period of a row must lie inside; None is open.
        campaign: key, or None for all.
        segment: values wanted by dimension; empty is all delivery.
    """

    start: date | None = None
    end: date | None = None
    campaign: str | None = None
    segment: Mapping[str, str] = field(default_factory=dict)


@dataclass
class LeftOut:
    """What is not in the figures: how many, and how many impressions they had."""

    count: int = 0
    impressions: int = 0

    def add(self, impressions: int, count: int = 1) -> None:
        """One more (or several)."""
        self.count += count
        self.impressions += impressions


@dataclass(frozen=True)
class Delivered:
    """What one creative delivered in one campaign (None: the ad has no campaign)."""

    creative_id: int
    campaign_id: int | None
    impressions: int
    clicks: int
    conversions: int


@dataclass(frozen=True)
class Deliveries:
    """Everything delivered that can be attributed to one picture each, and what cannot.

    Attributes:
        rows: one a creative and campaign.
        left_out: by reason.
        first, last: days that the rows span; None without rows.
        impressions: of all rows that the filters let through, attributed or not.
    """

    rows: tuple[Delivered, ...]
    left_out: Mapping[str, LeftOut]
    first: date | None
    last: date | None
    impressions: int


def parse_segment(text: str | None) -> dict[str, str]:
    """A segment as it is written on the command line.

    Raises:
        UsageError: not NAME=VALUE, or an unknown name.

    >>> parse_segment("placement=feed,country=DE")
    {'placement': 'feed', 'country': 'DE'}
    """
    wanted = {}
    for part in (text or "").split(","):
        if not part.strip():
            continue
        name, sign, value = (piece.strip() for piece in part.partition("="))
        if not sign or name not in DIMENSIONS:
            raise UsageError(
                f"{part.strip()!r} is not a segment", hint=f"write NAME=VALUE with a name of {', '.join(DIMENSIONS)}"
            )
        wanted[name] = value
    return wanted


def campaign_id(session: Session, key: str) -> int:
    """The id of the campaign with this key.

    Raises:
        UsageError: there is none.
    """
    found = session.scalars(select(Campaign.id).where(Campaign.key == key)).one_or_none()
    if found is None:
        known = session.scalars(select(Campaign.key).order_by(Campaign.key).limit(5)).all()
        hint = f"there are: {', '.join(known)}" if known else "there are none yet: abkit score PICTURES --campaign KEY"
        raise UsageError(f"there is no campaign {key!r} in the store", hint=hint)
    return found


def deliveries(session: Session, filters: Filters) -> Deliveries:
    """Sum what each creative delivered in each campaign; SQL does the sums."""
    left_out: dict[str, LeftOut] = defaultdict(LeftOut)
    sums = _sums(session, filters, left_out)
    ads = _ads(session, filters)
    totals: dict[tuple[int, int | None], list[int]] = defaultdict(lambda: [0, 0, 0])
    attributed = []
    everything = 0
    for ad_id, chosen in _one_breakdown(session, sums, left_out).items():
        impressions = sum(row.impressions for row in chosen)
        everything += impressions
        campaign, creative, shown = ads[ad_id]
        if shown != 1:
            left_out["ads without a picture" if not shown else "ads that may show several pictures"].add(impressions)
            continue
        attributed += chosen
        total = totals[creative, campaign]
        for i, name in enumerate(("impressions", "clicks", "conversions")):
            total[i] += sum(getattr(row, name) for row in chosen)
    return Deliveries(
        rows=tuple(Delivered(creative, campaign, *total) for (creative, campaign), total in totals.items()),
        left_out=dict(left_out),
        first=min((row.first for row in attributed), default=None),
        last=max((row.last for row in attributed), default=None),
        impressions=everything,
    )


def scores_of(session: Session, version_id: int) -> dict[int, float]:
    """Mean score by creative, of one model version."""
    scored = select(Score.creative_id, Score.mean).where(Score.model_version_id == version_id)
    return {row[0]: row[1] for row in session.execute(scored)}


# --- sums ---------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Sum:
    ad_id: int
    segment_id: int
    event: str
    attribution_window: str
    impressions: int
    clicks: int
    conversions: int
    first: date
    last: date
    rows: int
    longer: int  # rows of more than a day


_KEY = (Kpi.ad_id, Kpi.segment_id, Kpi.event, Kpi.attribution_window)


def _sums(session: Session, filters: Filters, left_out: dict[str, LeftOut]) -> list[_Sum]:
    summed = _read(session, _summed(session, filters))
    with_periods = sorted({row.ad_id for row in summed if row.longer})
    if not with_periods:
        return summed
    # Only rows longer than a day can overlap others; the natural key keeps days apart.
    kept = [
        row
        for start in range(0, len(with_periods), 5_000)
        for row in _read(
            session,
            _summed(session, filters).where(
                Kpi.ad_id.in_(with_periods[start : start + 5_000]), ~overlapped(session, filters)
            ),
        )
    ]
    periods = set(with_periods)
    before = [row for row in summed if row.ad_id in periods]
    dropped = sum(row.rows for row in before) - sum(row.rows for row in kept)
    if dropped:
        twice = sum(row.impressions for row in before) - sum(row.impressions for row in kept)
        left_out["rows that another period of the same ad covers"].add(twice, dropped)
    return [row for row in summed if row.ad_id not in periods] + kept


def _summed(session: Session, filters: Filters) -> Select[Any]:
    columns: list[Any] = [
        *_KEY,
        func.sum(Kpi.impressions),
        func.sum(Kpi.clicks),
        func.sum(Kpi.conversions),
        func.min(Kpi.period_start),
        func.max(Kpi.period_end),
        func.count(),
        func.sum(case((Kpi.period_end > Kpi.period_start, 1), else_=0)),
    ]
    return select(*columns).where(*_conditions(session, filters)).group_by(*_KEY)


def _read(session: Session, statement: Select[Any]) -> list[_Sum]:
    return [
        _Sum(
            ad, segment, event, window, int(impressions), int(clicks), int(conversions), first, last, rows, int(longer)
        )
        for ad, segment, event, window, impressions, clicks, conversions, first, last, rows, longer in session.execute(
            statement
        )
    ]


def _conditions(session: Session, filters: Filters) -> list[ColumnElement[bool]]:
    conditions = within(Kpi, filters.start, filters.end)
    if filters.campaign is not None:
        wanted = campaign_id(session, filters.campaign)
        only_there = _campaigns_of_creatives(session)
        homeless = select(AdCreative.ad_id).where(
            AdCreative.creative_id.in_([c for c, campaign in only_there.items() if campaign == wanted])
        )
        mine = select(Ad.id).where(or_(Ad.campaign_id == wanted, and_(Ad.campaign_id.is_(None), Ad.id.in_(homeless))))
        conditions.append(Kpi.ad_id.in_(mine))
    if filters.segment:
        like = [getattr(Segment, name) == value for name, value in filters.segment.items()]
        conditions.append(Kpi.segment_id.in_(select(Segment.id).where(*like)))
    return conditions


def within(table: Any, start: date | None, end: date | None) -> list[ColumnElement[bool]]:
    """Conditions that a row's whole period lies between two days."""
    conditions = []
    if start is not None:
        conditions.append(table.period_start >= start)
    if end is not None:
        conditions.append(table.period_end <= end)
    return conditions


def overlapped(session: Session, filters: Filters) -> ColumnElement[bool]:
    """Condition that another row of the same key contains this one, or began before it and runs into it."""
    other = aliased(Kpi)
    return exists().where(
        other.ad_id == Kpi.ad_id,
        other.segment_id == Kpi.segment_id,
        other.event == Kpi.event,
        other.attribution_window == Kpi.attribution_window,
        other.id != Kpi.id,
        other.period_start <= Kpi.period_start,
        other.period_end >= Kpi.period_start,
        or_(other.period_start < Kpi.period_start, other.period_end >= Kpi.period_end),
        *within(other, filters.start, filters.end),
    )


def _one_breakdown(session: Session, sums: Sequence[_Sum], left_out: dict[str, LeftOut]) -> dict[int, list[_Sum]]:
    """The sums of each ad, of one breakdown and one conversion event only."""
    shapes = segment_shapes(session)
    by_ad: dict[int, dict[tuple[Any, ...], list[_Sum]]] = defaultdict(lambda: defaultdict(list))
    for row in sums:
        by_ad[row.ad_id][shapes[row.segment_id], row.event, row.attribution_window].append(row)
    chosen = {}
    for ad_id, kinds in by_ad.items():
        chosen[ad_id] = preferred(kinds)
        best = next(kind for kind, rows in kinds.items() if rows is chosen[ad_id])
        for kind, rows in kinds.items():
            if kind != best:
                reason = "further breakdowns of the same ad" if kind[0] != best[0] else "further conversion events"
                left_out[reason].add(sum(row.impressions for row in rows))
    return chosen


def preferred(kinds: Mapping[tuple[Any, ...], list[Any]]) -> list[Any]:
    """The rows of the breakdown and event with most impressions, then most conversions, then fewest dimensions."""

    def order(kind: tuple[Any, ...]) -> tuple[Any, ...]:
        rows = kinds[kind]
        return (-sum(row.impressions for row in rows), -sum(row.conversions for row in rows), sum(kind[0]), kind)

    return kinds[min(kinds, key=order)]


def segment_shapes(session: Session) -> dict[int, tuple[bool, ...]]:
    """Which dimensions each segment names."""
    columns = [getattr(Segment, name) for name in DIMENSIONS]
    return {row[0]: tuple(value != "" for value in row[1:]) for row in session.execute(select(Segment.id, *columns))}


def _ads(session: Session, filters: Filters) -> dict[int, tuple[int | None, int, int]]:
    """Of each ad: its campaign, its (lowest) creative, and how many creatives it may show."""
    found = session.execute(
        select(Ad.id, Ad.campaign_id, func.min(AdCreative.creative_id), func.count(AdCreative.id))
        .outerjoin(AdCreative, AdCreative.ad_id == Ad.id)
        .group_by(Ad.id, Ad.campaign_id)
    ).all()
    # An export without campaigns: the campaign is that of the creative, where it is a candidate of just one.
    only: dict[int, int] = _campaigns_of_creatives(session) if any(row[1] is None for row in found) else {}
    return {
        ad: (only.get(creative) if campaign is None else campaign, creative, n) for ad, campaign, creative, n in found
    }


def _campaigns_of_creatives(session: Session) -> dict[int, int]:
    """The campaign of each creative that is a candidate in exactly one."""
    found = session.execute(
        select(CampaignCreative.creative_id, func.min(CampaignCreative.campaign_id))
        .group_by(CampaignCreative.creative_id)
        .having(func.count() == 1)
    )
    return {row[0]: row[1] for row in found}
