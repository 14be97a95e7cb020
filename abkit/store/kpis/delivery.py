"""What was delivered: sums per creative and campaign, and rows per creative and period, of the rows that count."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from datetime import date, timedelta
from types import MappingProxyType
from typing import Any, Self

from sqlalchemy import ColumnElement, Subquery, and_, exists, func, or_, select, true
from sqlalchemy.orm import Session, aliased

from abkit.errors import UsageError
from abkit.metrics import MONEY, MetricDefinition
from abkit.money import Exchange, Rates
from abkit.store.catalog.creatives import find_campaign, only_campaigns
from abkit.store.catalog.places import CAMPAIGN, NAMED, with_places
from abkit.store.database.statements import among, any_fraction, as_count, execute_hashed, total
from abkit.store.imports import imports_with_totals
from abkit.store.kpis.late_events import DeliveryRow, with_late_events
from abkit.store.kpis.money import AMOUNTS, Figures, exchange_of, figures_by
from abkit.store.kpis.once.counting import SetAside, counts, set_aside, within
from abkit.store.kpis.once.provisional import Provisional, provisional
from abkit.store.kpis.once.same_ads import ads_showing
from abkit.store.schema import Ad, CampaignCreative, Kpi, Segment
from abkit.store.shown import shown_creatives
from abkit.vocabulary import Dimension

# Of so many creatives, rows are looked up; of more, all rows are read.
_MANY = 200_000
_RECENT = timedelta(days=28)

#: Why ads are left out.
NO_CREATIVE = "ads without a creative"
SEVERAL_CREATIVES = "ads that may show several creatives"

_FEW_CREATIVES = 5_000  # whose rows are looked up one ad after the other; those of more are all read

# --- which rows count ---------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Filters:
    """Which KPI rows count.

    Attributes:
        start, end: The period of a row must lie inside; None is open.
        campaign: Key of the only campaign; None for all.
        segment: Values wanted by dimension; empty is all delivery.
        ads: Ids of the only ads: those of a campaign's creatives make a large store quick to ask. None for all.
    """

    start: date | None = None
    end: date | None = None
    campaign: str | None = None
    segment: Mapping[str, str] = field(default_factory=dict)
    ads: Collection[int] | None = None


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
        only, shown = only_campaigns(advertised=True), shown_creatives().subquery()
        homeless = (
            select(shown.c.ad_id)
            .join(only, only.c.creative_id == shown.c.creative_id)
            .where(only.c.campaign_id == wanted)
        )
        mine = select(Ad.id).where(or_(Ad.campaign_id == wanted, and_(Ad.campaign_id.is_(None), Ad.id.in_(homeless))))
        place = aliased(Segment)
        named = Kpi.segment_id.in_(select(place.id).where(place.campaign_id == wanted))
        nameless = Kpi.segment_id.in_(select(place.id).where(place.campaign_id.is_(None)))
        conditions.append(or_(named, and_(nameless, Kpi.ad_id.in_(mine))))
    if filters.ads is not None:
        conditions.append(among(session, Kpi.ad_id, filters.ads))
    if filters.segment:
        like = [getattr(Segment, name) == value for name, value in filters.segment.items()]
        conditions.append(Kpi.segment_id.in_(select(Segment.id).where(*like)))
    return conditions


def without_their_campaign(session: Session, filters: Filters) -> str:
    """Say how much is in the campaign that its ad was named in last, as its rows name none of several.

    Returns:
        A sentence; '' where every row of ads that ran in several campaigns names its own.
    """
    conditions = [counts(session, filters.start, filters.end, filters.segment), *_conditions(session, filters)]
    ads = with_places(select(Kpi.ad_id)).where(NAMED.is_not(None))
    if filters.ads is not None:
        ads = ads.where(among(session, Kpi.ad_id, filters.ads))
    several = ads.group_by(Kpi.ad_id).having(func.count(NAMED.distinct()) > 1)
    nameless = with_places(select(total(Kpi.impressions))).where(*conditions, NAMED.is_(None), Kpi.ad_id.in_(several))
    if not (impressions := session.scalar(nameless) or 0):
        return ""
    return (
        f"{impressions:,} impressions of ads that ran in several campaigns come in rows that name none: they are with "
        "the campaign that the ad was last named in"
    )


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


@dataclass(frozen=True, kw_only=True)
class Delivered:
    """What one creative delivered in one campaign (None: the ad has no campaign)."""

    creative_id: int
    campaign_id: int | None
    impressions: int
    clicks: int
    conversions: float
    spend: float | None = None
    revenue: float | None = None

    @classmethod
    def of(cls, creative_id: int, campaign_id: int | None, figures: Figures) -> Self:
        """Return a creative with its figures."""
        return cls(
            creative_id=creative_id,
            campaign_id=campaign_id,
            impressions=figures.impressions,
            clicks=figures.clicks,
            conversions=figures.conversions,
            spend=figures.spend,
            revenue=figures.revenue,
        )


@dataclass(frozen=True, kw_only=True)
class Deliveries:
    """Everything delivered that can be attributed to one creative each, and what cannot.

    Attributes:
        rows: One per creative and campaign.
        left_out: By reason.
        first, last: Days that the rows span; None without rows.
        impressions: Of all rows that the filters let through and that count, attributed or not.
        set_aside: Rows that do not count because others hold the same delivery.
        provisional: Rows of days that the platform may still change; None without any.
        modeled: Whether any row has a fraction of a conversion, whatever the sums are.
        money: The currency of spend and revenue, and how they came to it; None where no money was asked for.
    """

    rows: tuple[Delivered, ...]
    left_out: Mapping[str, LeftOut]
    first: date | None
    last: date | None
    impressions: int
    set_aside: tuple[SetAside, ...] = ()
    provisional: Provisional | None = None
    modeled: bool = False
    money: Exchange | None = None


def deliveries(
    session: Session, filters: Filters, *, with_money: bool = False, rates: Rates | None = None
) -> Deliveries:
    """Sum what each creative delivered in each campaign; SQL does the sums.

    Args:
        session: A reading session.
        filters: Which rows count.
        with_money: Whether spend and revenue are wanted: they have one currency.
        rates: That currency, and what others are worth in it.

    Raises:
        AbkitError: Amounts are in several currencies, and no table says how to convert them or it lacks one of them.
    """
    left_out: dict[str, LeftOut] = defaultdict(LeftOut)
    counted = counts(session, filters.start, filters.end, filters.segment)
    conditions = _conditions(session, filters)
    ads = _ads(session, filters.ads)
    totals: dict[tuple[int, int | None], Figures] = defaultdict(Figures)
    attributed = []
    everything = 0
    first_and_last = (func.min(Kpi.period_start).label("first"), func.max(Kpi.period_end).label("last"))
    modeled = False
    fraction = any_fraction(Kpi.conversions).label("fraction")
    key = (Kpi.ad_id, NAMED)
    sums = with_places(select(Kpi.ad_id, NAMED.label("named"), *_TOTALS, *first_and_last, fraction))
    for row in session.execute(sums.where(counted, *conditions).group_by(*key)):
        everything += row.impressions
        _, creative, shown = ads[row.ad_id]
        if shown != 1:
            left_out[SEVERAL_CREATIVES if shown else NO_CREATIVE].add(row.impressions)
            continue
        attributed.append(row)
        modeled |= bool(row.fraction)
    shown_alone = {row.ad_id for row in attributed}
    money, amounts = None, {}
    if with_money:
        alone = (among(session, Kpi.ad_id, shown_alone), *conditions)
        money = exchange_of(session, rates, counted, *alone)
        amounts = figures_by(session, key, money, counted, *alone)
    for row in attributed:
        campaign, creative, _ = ads[row.ad_id]
        campaign = row.named or campaign
        spend, revenue = amounts[row.ad_id, row.named][3:] if with_money else (None, None)
        part = Figures(row.impressions, row.clicks, as_count(row.conversions), spend, revenue)
        totals[creative, campaign] = totals[creative, campaign].plus(part)
    return Deliveries(
        rows=tuple(Delivered.of(creative, campaign, sums) for (creative, campaign), sums in totals.items()),
        left_out=dict(left_out),
        first=min((row.first for row in attributed), default=None),
        last=max((row.last for row in attributed), default=None),
        impressions=everything,
        set_aside=set_aside(session, counted, conditions, everything),
        provisional=provisional(session, counted, conditions),
        modeled=modeled,
        money=money,
    )


@dataclass(frozen=True)
class Covered:
    """What was delivered in all, as `Deliveries` has it, without the creatives."""

    left_out: Mapping[str, LeftOut]
    impressions: int
    set_aside: tuple[SetAside, ...]
    provisional: Provisional | None
    modeled: bool


def covered(session: Session, end: date) -> Covered:
    """Return what was delivered up to a day, added up by the engine: of any number of rows.

    Whether conversions are modeled is told by those of the last days alone.
    """
    counted, until = counts(session, None, end), within(Kpi, None, end)
    last = session.scalar(select(func.max(Kpi.period_end)).where(*until))
    if last == session.scalar(select(func.max(Kpi.period_end))):
        until = []  # all rows: to read them in the order of their days would take twice as long
    impressions = session.scalar(select(total(Kpi.impressions)).where(counted, *until)) or 0
    shown = _shown(session, None)
    unlinked = select(Ad.id).where(~exists().where(shown.c.ad_id == Ad.id))
    without = [among(session, Kpi.ad_id, session.scalars(unlinked).all())]
    ads, theirs = session.execute(
        select(func.count(Kpi.ad_id.distinct()), total(Kpi.impressions)).where(counted, *until, *without)
    ).one()
    recent = [] if last is None else [Kpi.period_end > last - _RECENT]
    fraction = session.scalar(select(any_fraction(Kpi.conversions)).where(counted, *until, *recent))
    return Covered(
        left_out={NO_CREATIVE: LeftOut(ads, theirs or 0)} if ads else {},
        impressions=impressions,
        set_aside=set_aside(session, counted, until, impressions),
        provisional=provisional(session, counted, until),
        modeled=bool(fraction),
    )


def impressions_by_campaign(session: Session, first: date, last: date) -> dict[int, int]:
    """Return the impressions of each campaign between two days; of those that no campaign has, nothing."""
    shown = with_places(select(CAMPAIGN, total(Kpi.impressions)).select_from(Kpi).join(Ad, Ad.id == Kpi.ad_id))
    days = (Kpi.period_end >= first, *within(Kpi, first, last))
    rows = session.execute(shown.where(counts(session, first, last), *days).group_by(CAMPAIGN))
    return {campaign: impressions for campaign, impressions in rows if campaign is not None}


def figures_by_dimension(
    session: Session, filters: Filters, dimension: Dimension, money: Exchange | None = None
) -> dict[str, Figures]:
    """Return what all ads delivered, linked or not, by the values of a dimension; SQL does the sums."""
    counted = counts(session, filters.start, filters.end, [dimension])
    found: dict[str, Figures] = defaultdict(Figures)
    by_segment = figures_by(session, [Kpi.segment_id], money, counted, *_conditions(session, filters))
    values = select(Segment.id, getattr(Segment, dimension.value)).where(
        among(session, Segment.id, [key for (key,) in by_segment])
    )
    for segment, value in session.execute(values):
        if value:
            found[value] = found[value].plus(by_segment[segment,])
    return dict(found)


def day_sums(
    session: Session, filters: Filters, definition: MetricDefinition, money: Exchange | None, margin_rate: float = 1.0
) -> dict[tuple[int, int | None], tuple[float, ...]]:
    """Return Σ1, Σy, Σx, Σy², Σx², Σxy over the days of each creative in each campaign; SQL does the sums.

    y is the numerator of a metric and x its denominator. Rows of each ad and period are a day. Amounts are converted at
    the rate of the last day: the sums say how a metric varies, not what it is.
    """
    counted = counts(session, filters.start, filters.end, filters.segment)
    weights = definition.weights(margin_rate)
    above = sum((func.coalesce(func.sum(getattr(Kpi, name)), 0.0) * weight for name, weight in weights.items()), 0.0)
    below = func.coalesce(func.sum(getattr(Kpi, definition.denominator)), 0.0) * 1.0
    days = (
        with_places(
            select(Kpi.ad_id, NAMED.label("named"), Kpi.currency, above.label("y"), below.label("x"))  # type: ignore[union-attr]
        )
        .where(counted, *_conditions(session, filters))
        .group_by(Kpi.ad_id, NAMED, Kpi.currency, Kpi.period_end)
        .subquery()
    )
    y, x = days.c.y, days.c.x
    sums = [func.count(), *(func.sum(part) for part in (y, x, y * y, x * x, x * y))]
    ads = _ads(session, filters.ads)
    found: dict[tuple[int, int | None], tuple[float, ...]] = {}
    by = (days.c.ad_id, days.c.named, days.c.currency)
    for ad, named, currency, *row in session.execute(select(*by, *sums).group_by(*by)):
        campaign, creative, shown = ads[ad]
        campaign = named or campaign
        if shown != 1:  # nor does it need a rate
            continue
        rate = money.converted(1.0, currency, filters.end) if money else 1.0
        if rate is None:
            continue
        of_y = rate if definition.needs else 1.0
        of_x = rate if definition.denominator in definition.needs else 1.0
        scales = (1.0, of_y, of_x, of_y * of_y, of_x * of_x, of_x * of_y)
        before = found.get((creative, campaign), (0.0,) * 6)
        found[creative, campaign] = tuple(a + b * scale for a, b, scale in zip(before, row, scales, strict=True))
    return found


# Conversions may be fractions.
_TOTALS: list[Any] = [total(getattr(Kpi, name)).label(name) for name in ("impressions", "clicks")]
_TOTALS.append(func.sum(Kpi.conversions).label("conversions"))


def _ads(session: Session, only_ads: Collection[int] | None = None) -> dict[int, tuple[int | None, int, int]]:
    """Return of each ad: its campaign, its (lowest) creative, and how many creatives it may show."""
    shown = _shown(session, only_ads)
    found = session.execute(
        select(Ad.id, Ad.campaign_id, func.min(shown.c.creative_id), func.count(shown.c.creative_id))
        .outerjoin(shown, shown.c.ad_id == Ad.id)
        .where(true() if only_ads is None else among(session, Ad.id, only_ads))
        .group_by(Ad.id, Ad.campaign_id)
    ).all()
    only: dict[int, int] = {}
    if any(row[1] is None for row in found):
        only = {row.creative_id: row.campaign_id for row in session.execute(select(only_campaigns(advertised=True)))}
    return {
        ad: (only.get(creative) if campaign is None else campaign, creative, n) for ad, campaign, creative, n in found
    }


def _shown(session: Session, ads: Collection[int] | None) -> Subquery:
    """Return what ads show, or only some of them."""
    return shown_creatives(None if ads is None else lambda ad: among(session, ad, ads)).subquery()


# --- rows per creative and period ---------------------------------------------------------------------------------


def ads_of_members(session: Session, campaigns: Collection[int]) -> list[int]:
    """Return the ads that show a creative of one of these campaigns: all that is attributed to them is by these."""
    members = select(CampaignCreative.creative_id).where(among(session, CampaignCreative.campaign_id, campaigns))
    return ads_showing(session, set(session.scalars(members)))


def currency_between(
    session: Session,
    start: date | None,
    end: date,
    rates: Rates | None = None,
    *,
    ads: Collection[int] | None = None,
) -> Exchange:
    """Return the one currency of what was delivered between two days by ads that are linked, or by some of them.

    Raises:
        AbkitError: It is in several, and no table says how to convert them; or the table lacks one of them.
    """
    linked: ColumnElement[bool]
    if ads is None:
        linked = Kpi.ad_id.in_(select(shown_creatives().subquery().c.ad_id))
    else:
        linked = among(session, Kpi.ad_id, ads)
    return exchange_of(session, rates, counts(session, start, end), linked, *within(Kpi, start, end))


def delivery_rows(
    session: Session,
    start: date | None,
    end: date,
    money: Exchange | None = None,
    *,
    segment: Mapping[str, str] = MappingProxyType({}),
    campaigns: Collection[int] | None = None,
    ads: Collection[int] | None = None,
) -> list[DeliveryRow]:
    """Return what can be attributed to one creative in a campaign, of periods between two days; SQL does the sums.

    Args:
        session: A reading session.
        start, end: The period of a row lies inside; `start` None is open.
        money: The currency of spend and revenue, which are None without it; rows of several currencies stay apart.
        segment: Values wanted by dimension; empty is all delivery.
        campaigns: Ids of the only campaigns; None for all.
        ads: Ids of the only ads; None for all.
    """
    if campaigns is not None:
        members = ads_of_members(session, campaigns)
        ads = members if ads is None else list(set(members).intersection(ads))
    shown = _shown(session, ads)
    single = (
        select(shown.c.ad_id, func.min(shown.c.creative_id).label("creative_id"))
        .group_by(shown.c.ad_id)
        .having(func.count() == 1)
        .subquery()
    )
    of_ads = None if ads is None else select(shown.c.creative_id)
    home = only_campaigns(advertised=ads is None, wanted=of_ads)
    campaign = func.coalesce(CAMPAIGN, home.c.campaign_id)
    # Segments that only differ in where the ad ran are one cell, called by the first of them.
    dimensions = [getattr(Segment, name) for name in Dimension]
    first_id = func.min(Segment.id).over(partition_by=dimensions).label("first_id")
    cell = select(Segment.id, first_id).subquery()
    key: list[Any] = [single.c.creative_id, campaign.label("campaign_id"), cell.c.first_id.label("segment_id")]
    key += [Kpi.period_start, Kpi.period_end]
    order = [single.c.creative_id, campaign, cell.c.first_id, *key[3:]]
    split: list[Any] = [Kpi.currency] if money else []
    wanted = select(Segment.id).where(*(getattr(Segment, name) == value for name, value in segment.items()))
    amounts = [*split, *(AMOUNTS if money else ())]
    rows = execute_hashed(
        session,
        with_places(select(*key, *_TOTALS, *amounts).join(Ad, Ad.id == Kpi.ad_id))
        .join(cell, cell.c.id == Kpi.segment_id)
        .join(single, single.c.ad_id == Kpi.ad_id)
        .outerjoin(home, home.c.creative_id == single.c.creative_id)
        .where(campaign.is_not(None), counts(session, start, end, segment), *within(Kpi, start, end))
        .where(*([Kpi.segment_id.in_(wanted)] if segment else []))
        .where(*([] if campaigns is None else [among(session, campaign, campaigns)]))
        # An index finds the rows of these ads; where they are, no index tells.
        .where(*([] if ads is None else [among(session, Kpi.ad_id, ads)]))
        .group_by(*order, *split)
        .order_by(*order, *split),
    )
    if money is None:
        return with_late_events(
            [
                DeliveryRow(
                    creative_id=creative,
                    campaign_id=of,
                    segment_id=place,
                    period_start=first,
                    period_end=last,
                    impressions=impressions,
                    clicks=clicks,
                    conversions=conversions,
                )
                for creative, of, place, first, last, impressions, clicks, conversions in rows
            ]
        )
    names = tuple(rows.keys())
    return with_late_events([_with_amounts(dict(zip(names, row, strict=True)), money) for row in rows])


def _with_amounts(values: dict[str, Any], money: Exchange) -> DeliveryRow:
    currency = values.pop("currency")
    for name in MONEY:
        unknown = values.pop(f"no_{name}")
        first, last = values["period_start"], values["period_end"]
        values[name] = None if unknown else money.converted(values[name] or 0.0, currency, last, since=first)
    return DeliveryRow(**values)


def set_aside_between(session: Session, start: date | None, end: date) -> tuple[SetAside, ...]:
    """Return what does not count of the periods between two days, because other rows hold the same delivery."""
    return set_aside(session, counts(session, start, end), within(Kpi, start, end))


def provisional_between(session: Session, start: date | None, end: date) -> Provisional | None:
    """Return what counts of the periods between two days, and that the platform may still change."""
    return provisional(session, counts(session, start, end), within(Kpi, start, end))


def first_deliveries(
    session: Session, creatives: Collection[int], ads: Collection[int] | None = None
) -> dict[tuple[int, int], date]:
    """Return the first day on which each creative delivered in each campaign (creative, campaign), in any window.

    Args:
        session: A reading session.
        creatives: Ids of the creatives.
        ads: Ids of the only ads whose rows are looked at; all by default.
    """
    if ads is not None or len(creatives) <= _FEW_CREATIVES:
        showing = ads_showing(session, creatives)
        ads = showing if ads is None else set(ads).intersection(showing)
    shown = _shown(session, ads)
    looked_at = [] if ads is None else [among(session, Kpi.ad_id, ads)]
    first = select(shown.c.creative_id, CAMPAIGN, func.min(Kpi.period_start)).select_from(Kpi)
    delivered = (
        with_places(first.join(Ad, Ad.id == Kpi.ad_id).join(shown, shown.c.ad_id == Ad.id))
        .where(Kpi.left_out == "", Kpi.impressions > 0, CAMPAIGN.is_not(None), *looked_at)
        .group_by(shown.c.creative_id, CAMPAIGN)
    )
    launched = select(CampaignCreative.creative_id, CampaignCreative.campaign_id, CampaignCreative.launched_on).where(
        CampaignCreative.launched_on.is_not(None)
    )
    found: dict[tuple[int, int], date] = {}
    wanted = set(creatives)
    for column, statement in ((shown.c.creative_id, delivered), (CampaignCreative.creative_id, launched)):
        some = statement.where(among(session, column, wanted)) if len(wanted) <= _MANY else statement
        for creative, campaign, day in session.execute(some):
            if creative in wanted:
                found[creative, campaign] = min(day, found.get((creative, campaign), day))
    return found


def first_day(session: Session, until: date) -> date | None:
    """Return the first day on which anything was delivered up to a day; None without any delivery."""
    delivered = (Kpi.left_out == "", Kpi.impressions > 0, *within(Kpi, None, until))
    if not imports_with_totals(session):
        # What ends first begins first, and an index has the last days.
        return session.scalar(select(Kpi.period_start).where(*delivered).order_by(Kpi.period_end).limit(1))
    return session.scalar(select(func.min(Kpi.period_start)).where(*delivered))


def impressions_after(session: Session, day: date) -> int:
    """Return the impressions that are dated after a day."""
    # An index has the last days; none has the first ones.
    later = select(total(Kpi.impressions)).where(Kpi.left_out == "", Kpi.period_end > day, Kpi.period_start > day)
    return session.scalar(later) or 0


def daily_impressions(session: Session, first: date, last: date) -> dict[date, int]:
    """Return the impressions of all ads by day, where the platforms report by day."""
    # Every condition is held against millions of rows: a day that ends inside begins inside.
    days = [Kpi.period_start == Kpi.period_end] if imports_with_totals(session) else []
    rows = session.execute(
        # An index has the rows in the order of their last days: there is nothing to sort.
        select(Kpi.period_end, total(Kpi.impressions))
        .where(*days, counts(session, first, last), Kpi.period_end >= first, Kpi.period_end <= last)
        .group_by(Kpi.period_end)
    )
    return {day: impressions for day, impressions in rows}  # noqa: C416  # rows are not pairs to mypy
