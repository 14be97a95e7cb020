"""What was delivered: sums per creative and campaign, and rows per creative and period, each figure counted once.

Two rules keep figures from being counted twice. Of the rows of one ad, segment and conversion event that overlap in
time, the one that contains the others counts, and of two that merely overlap the one that began first. Of the
breakdowns of one ad (by placement, by age, none) and of its conversion events, the one with most impressions counts.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, fields
from datetime import date
from typing import Any

from sqlalchemy import ColumnElement, Row, Select, and_, case, exists, func, or_, select
from sqlalchemy.orm import Session, aliased

from abkit.errors import UsageError
from abkit.store.creatives import find_campaign, only_campaigns
from abkit.store.database.statements import in_parts, total
from abkit.store.schema import Ad, AdCreative, CampaignCreative, Kpi, Segment
from abkit.vocabulary import Dimension

#: Why ads are left out.
NO_CREATIVE = "ads without a creative"
SEVERAL_CREATIVES = "ads that may show several creatives"

# --- which rows count ---------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Filters:
    """Which KPI rows count.

    Attributes:
        start, end: The period of a row must lie inside; None is open.
        campaign: Key of the only campaign; None for all.
        segment: Values wanted by dimension; empty is all delivery.
    """

    start: date | None = None
    end: date | None = None
    campaign: str | None = None
    segment: Mapping[str, str] = field(default_factory=dict)


def parse_segment(text: str | None) -> dict[str, str]:
    """Return a segment from the way it is written on the command line.

    Raises:
        UsageError: Not NAME=VALUE, or an unknown name.

    >>> parse_segment("placement=feed,country=DE")
    {'placement': 'feed', 'country': 'DE'}
    """
    wanted = {}
    for part in (text or "").split(","):
        if not part.strip():
            continue
        name, sign, value = (piece.strip() for piece in part.partition("="))
        if not sign or name not in list(Dimension):
            raise UsageError(
                f"{part.strip()!r} is not a segment", hint=f"write NAME=VALUE with a name of {', '.join(Dimension)}"
            )
        wanted[name] = value
    return wanted


def _conditions(session: Session, filters: Filters) -> list[ColumnElement[bool]]:
    conditions = within(Kpi, filters.start, filters.end)
    if filters.campaign is not None:
        wanted = find_campaign(session, filters.campaign)
        only = only_campaigns()
        homeless = (
            select(AdCreative.ad_id)
            .join(only, only.c.creative_id == AdCreative.creative_id)
            .where(only.c.campaign_id == wanted)
        )
        mine = select(Ad.id).where(or_(Ad.campaign_id == wanted, and_(Ad.campaign_id.is_(None), Ad.id.in_(homeless))))
        conditions.append(Kpi.ad_id.in_(mine))
    if filters.segment:
        like = [getattr(Segment, name) == value for name, value in filters.segment.items()]
        conditions.append(Kpi.segment_id.in_(select(Segment.id).where(*like)))
    return conditions


def within(table: Any, start: date | None, end: date | None) -> list[ColumnElement[bool]]:
    """Return conditions that a row's whole period lies between two days."""
    conditions = [] if start is None else [table.period_start >= start]
    return conditions if end is None else [*conditions, table.period_end <= end]


def _overlapped(filters: Filters) -> ColumnElement[bool]:
    """Return the condition that another row of the same key contains this one, or began before and runs into it."""
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


def by_breakdown(session: Session, rows: Iterable[Any], owner: str) -> dict[int, dict[tuple[Any, ...], list[Any]]]:
    """Return the rows of each owner by breakdown and conversion event. The first kind is the one that counts.

    That is the one with most impressions, then most conversions, then fewest dimensions.

    Args:
        session: Where the segments are.
        rows: Rows with a segment, an event, an attribution window and sums.
        owner: Name of the column of the ad or creative whose impressions they are.
    """
    columns = [getattr(Segment, name) for name in Dimension]
    breakdowns = {
        row[0]: tuple(value != "" for value in row[1:]) for row in session.execute(select(Segment.id, *columns))
    }
    found: dict[int, dict[tuple[Any, ...], list[Any]]] = defaultdict(lambda: defaultdict(list))
    for row in rows:
        found[getattr(row, owner)][breakdowns[row.segment_id], row.event, row.attribution_window].append(row)

    def order(item: tuple[tuple[Any, ...], list[Any]]) -> tuple[Any, ...]:
        kind, rows = item
        return (-sum(row.impressions for row in rows), -sum(row.conversions for row in rows), sum(kind[0]), kind)

    return {number: dict(sorted(kinds.items(), key=order)) for number, kinds in found.items()}


# --- sums per creative and campaign -------------------------------------------------------------------------------


@dataclass
class LeftOut:
    """What is not in the figures: how many, and how many impressions they had."""

    count: int = 0
    impressions: int = 0

    def add(self, impressions: int, count: int = 1) -> None:
        """Count one more, or several."""
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
    """Everything delivered that can be attributed to one creative each, and what cannot.

    Attributes:
        rows: One per creative and campaign.
        left_out: By reason.
        first, last: Days that the rows span; None without rows.
        impressions: Of all rows that the filters let through, attributed or not.
    """

    rows: tuple[Delivered, ...]
    left_out: Mapping[str, LeftOut]
    first: date | None
    last: date | None
    impressions: int


def deliveries(session: Session, filters: Filters) -> Deliveries:
    """Sum what each creative delivered in each campaign; SQL does the sums."""
    left_out: dict[str, LeftOut] = defaultdict(LeftOut)
    sums = _sums(session, filters, left_out)
    ads = _ads(session)
    totals: dict[tuple[int, int | None], list[int]] = defaultdict(lambda: [0, 0, 0])
    attributed = []
    everything = 0
    for ad_id, chosen in _one_breakdown(session, sums, left_out).items():
        impressions = sum(row.impressions for row in chosen)
        everything += impressions
        campaign, creative, shown = ads[ad_id]
        if shown != 1:
            left_out[SEVERAL_CREATIVES if shown else NO_CREATIVE].add(impressions)
            continue
        attributed += chosen
        sums_here = totals[creative, campaign]
        for i, name in enumerate(("impressions", "clicks", "conversions")):
            sums_here[i] += sum(getattr(row, name) for row in chosen)
    return Deliveries(
        rows=tuple(Delivered(creative, campaign, *sums_here) for (creative, campaign), sums_here in totals.items()),
        left_out=dict(left_out),
        first=min((row.first for row in attributed), default=None),
        last=max((row.last for row in attributed), default=None),
        impressions=everything,
    )


_TOTALS: list[Any] = [total(getattr(Kpi, name)).label(name) for name in ("impressions", "clicks", "conversions")]
_KEY = (Kpi.ad_id, Kpi.segment_id, Kpi.event, Kpi.attribution_window)


def _sums(session: Session, filters: Filters, left_out: dict[str, LeftOut]) -> list[Row[Any]]:
    summed = list(session.execute(_summed(session, filters)))
    periods = {row.ad_id for row in summed if row.longer}
    if not periods:
        return summed
    # Only rows longer than a day can overlap others; the natural key keeps days apart.
    kept = [
        row
        for part in in_parts(sorted(periods))
        for row in session.execute(_summed(session, filters).where(Kpi.ad_id.in_(part), ~_overlapped(filters)))
    ]
    before = [row for row in summed if row.ad_id in periods]
    dropped = sum(row.rows for row in before) - sum(row.rows for row in kept)
    if dropped:
        twice = sum(row.impressions for row in before) - sum(row.impressions for row in kept)
        left_out["rows that another period of the same ad covers"].add(twice, dropped)
    return [row for row in summed if row.ad_id not in periods] + kept


def _summed(session: Session, filters: Filters) -> Select[Any]:
    columns: list[Any] = [
        *_KEY,
        *_TOTALS,
        func.min(Kpi.period_start).label("first"),
        func.max(Kpi.period_end).label("last"),
        func.count().label("rows"),
        total(case((Kpi.period_end > Kpi.period_start, 1), else_=0)).label("longer"),  # rows of more than a day
    ]
    return select(*columns).where(*_conditions(session, filters)).group_by(*_KEY)


def _one_breakdown(
    session: Session, sums: Sequence[Row[Any]], left_out: dict[str, LeftOut]
) -> dict[int, list[Row[Any]]]:
    """Return the sums of each ad, of one breakdown and one conversion event only."""
    chosen = {}
    for ad_id, kinds in by_breakdown(session, sums, "ad_id").items():
        (best, chosen[ad_id]), *others = kinds.items()
        for kind, rows in others:
            reason = "further breakdowns of the same ad" if kind[0] != best[0] else "further conversion events"
            left_out[reason].add(sum(row.impressions for row in rows))
    return chosen


def _ads(session: Session) -> dict[int, tuple[int | None, int, int]]:
    """Return of each ad: its campaign, its (lowest) creative, and how many creatives it may show."""
    found = session.execute(
        select(Ad.id, Ad.campaign_id, func.min(AdCreative.creative_id), func.count(AdCreative.id))
        .outerjoin(AdCreative, AdCreative.ad_id == Ad.id)
        .group_by(Ad.id, Ad.campaign_id)
    ).all()
    only: dict[int, int] = {}
    if any(row[1] is None for row in found):
        only = {row.creative_id: row.campaign_id for row in session.execute(select(only_campaigns()))}
    return {
        ad: (only.get(creative) if campaign is None else campaign, creative, n) for ad, campaign, creative, n in found
    }


# --- rows per creative and period ---------------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class DeliveryRow:
    """What one creative delivered in one campaign, segment and period."""

    creative_id: int
    campaign_id: int
    segment_id: int
    period_start: date
    period_end: date
    impressions: int
    clicks: int


def delivery_rows(session: Session, start: date | None, end: date) -> list[DeliveryRow]:
    """Return what can be attributed to one creative in a campaign, of periods between two days; SQL does the sums."""
    single = (
        select(AdCreative.ad_id, func.min(AdCreative.creative_id).label("creative_id"))
        .group_by(AdCreative.ad_id)
        .having(func.count() == 1)
        .subquery()
    )
    home = only_campaigns()
    campaign = func.coalesce(Ad.campaign_id, home.c.campaign_id)
    key: list[Any] = [single.c.creative_id, campaign.label("campaign_id"), Kpi.segment_id, Kpi.event]
    key += [Kpi.attribution_window, Kpi.period_start, Kpi.period_end]
    order = [single.c.creative_id, campaign, *key[2:]]
    statement = (
        select(*key, *_TOTALS)
        .join(Ad, Ad.id == Kpi.ad_id)
        .join(single, single.c.ad_id == Kpi.ad_id)
        .outerjoin(home, home.c.creative_id == single.c.creative_id)
        .where(campaign.is_not(None), Kpi.impressions > 0, *within(Kpi, start, end))
        .group_by(*order)
        .order_by(*order)
    )
    longer = select(Kpi.id).where(Kpi.period_end > Kpi.period_start, *within(Kpi, start, end)).limit(1)
    if session.scalars(longer).first() is not None:
        statement = statement.where(~_overlapped(Filters(start, end)))
    same = [field.name for field in fields(DeliveryRow)]
    return [
        DeliveryRow(**{name: getattr(row, name) for name in same})
        for kinds in by_breakdown(session, session.execute(statement), "creative_id").values()
        for row in next(iter(kinds.values()))
    ]


def first_deliveries(session: Session, creatives: Collection[int]) -> dict[tuple[int, int], date]:
    """Return the first day on which each creative delivered in each campaign (creative, campaign), in any window."""
    delivered = (
        select(AdCreative.creative_id, Ad.campaign_id, func.min(Kpi.period_start))
        .select_from(Kpi)
        .join(Ad, Ad.id == Kpi.ad_id)
        .join(AdCreative, AdCreative.ad_id == Ad.id)
        .where(Kpi.impressions > 0, Ad.campaign_id.is_not(None))
        .group_by(AdCreative.creative_id, Ad.campaign_id)
    )
    launched = select(CampaignCreative.creative_id, CampaignCreative.campaign_id, CampaignCreative.launched_on).where(
        CampaignCreative.launched_on.is_not(None)
    )
    found: dict[tuple[int, int], date] = {}
    wanted = set(creatives)
    for statement in (delivered, launched):
        for creative, campaign, day in session.execute(statement):
            if creative in wanted:
                found[creative, campaign] = min(day, found.get((creative, campaign), day))
    return found


def daily_impressions(session: Session, first: date, last: date) -> dict[date, int]:
    """Return the impressions of all ads by day, where the platforms report by day."""
    rows = session.execute(
        select(Kpi.period_start, total(Kpi.impressions))
        .where(Kpi.period_start == Kpi.period_end, *within(Kpi, first, last))
        .group_by(Kpi.period_start)
    )
    return {day: impressions for day, impressions in rows}  # noqa: C416  # rows are not pairs to mypy
