"""The creatives of campaigns as their pages show them: written by one run, read back sorted, filtered and in pages."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Any

from sqlalchemy import ColumnElement, case, delete, func, insert, select
from sqlalchemy.orm import Session

from abkit.store.catalog.creatives import only_campaigns
from abkit.store.catalog.places import CAMPAIGN, with_places
from abkit.store.database.statements import among
from abkit.store.kpis.once.counting import COUNTS
from abkit.store.kpis.once.same_ads import ads_showing
from abkit.store.schema import (
    Ad,
    AdCreative,
    AdUnlinked,
    Campaign,
    CampaignCreative,
    Creative,
    CreativeTag,
    IdeaCreative,
    Kpi,
    KpiImport,
    KpiUndo,
    Leaderboard,
    LeaderboardEntry,
    Promotion,
    Score,
)
from abkit.store.shown import shown_creatives
from abkit.vocabulary import CreativeAction, CreativeFormat, Fatigue, LeaderboardOrder

# --- writing ------------------------------------------------------------------------------------------------------


def stamp_of(session: Session, campaign: int) -> str:
    """Return what a leaderboard is made from, as a text that changes when any of it does; a few look-ups.

    It is made of the members and their scores, of imports, undone imports, links, ideas and promotions.
    """
    members = select(func.max(CampaignCreative.id)).where(CampaignCreative.campaign_id == campaign)
    counted = select(func.count()).where(CampaignCreative.campaign_id == campaign)
    scored = (
        select(func.max(Score.id))
        .join(CampaignCreative, CampaignCreative.creative_id == Score.creative_id)
        .where(CampaignCreative.campaign_id == campaign)
    )
    parts = [members, counted, scored, *_of_all()]
    return _stamp(session.execute(select(*(part.scalar_subquery() for part in parts))).one())


def stamps(session: Session) -> dict[int, str]:
    """Return the stamp of every campaign that has a creative, as `stamp_of` does, in few queries."""
    whole = session.execute(select(*(part.scalar_subquery() for part in _of_all()))).one()
    counted = select(CampaignCreative.campaign_id, func.max(CampaignCreative.id), func.count(CampaignCreative.id))
    scored = select(CampaignCreative.campaign_id, func.max(Score.id)).join(
        Score, Score.creative_id == CampaignCreative.creative_id
    )
    last = {row[0]: row[1] for row in session.execute(scored.group_by(CampaignCreative.campaign_id))}
    rows = session.execute(counted.group_by(CampaignCreative.campaign_id))
    return {campaign: _stamp([member, number, last.get(campaign), *whole]) for campaign, member, number in rows}


def changes_stamp(session: Session) -> str:
    """Return a text that changes when anything does that any leaderboard is made from.

    It takes some look-ups, however large the store is; it may also change where every leaderboard stays as it is.
    """
    outdated = select(func.count()).where(Leaderboard.stamp == "")
    parts = [select(func.max(CampaignCreative.id)), select(func.max(Score.id)), outdated, *_of_all()]
    return _stamp(session.execute(select(*(part.scalar_subquery() for part in parts))).one())


def _of_all() -> list[Any]:
    tables = (KpiImport, KpiUndo, AdCreative, AdUnlinked, IdeaCreative, Promotion)
    return [select(func.max(table.id)) for table in tables]


def _stamp(parts: Iterable[Any]) -> str:
    return ".".join(str(one or 0) for one in parts)


@dataclass(frozen=True, kw_only=True)
class MadeBoard:
    """When a leaderboard was made and from what; `last_day` is the last one with delivery."""

    stamp: str
    as_of: date
    made_at: datetime
    last_day: date | None


def made_boards(session: Session) -> dict[int, MadeBoard]:
    """Return what was made last, by campaign."""
    days = select(LeaderboardEntry.campaign_id, func.max(LeaderboardEntry.last_day))
    last = {row[0]: row[1] for row in session.execute(days.group_by(LeaderboardEntry.campaign_id))}
    rows = select(Leaderboard.campaign_id, Leaderboard.stamp, Leaderboard.as_of, Leaderboard.made_at)
    return {
        row.campaign_id: MadeBoard(
            stamp=row.stamp, as_of=row.as_of, made_at=row.made_at, last_day=last.get(row.campaign_id)
        )
        for row in session.execute(rows)
    }


def write_leaderboard(
    session: Session,
    run_id: int,
    campaign: int,
    *,
    version_id: int | None,
    as_of: date,
    stamp: str,
    summary: Mapping[str, Any],
    entries: Iterable[Mapping[str, Any]],
) -> None:
    """Write what a campaign's page shows, in place of what was there."""
    for table in (LeaderboardEntry, Leaderboard):
        session.execute(delete(table).where(table.campaign_id == campaign))
    session.add(
        Leaderboard(
            campaign_id=campaign,
            model_version_id=version_id,
            as_of=as_of,
            stamp=stamp,
            summary=dict(summary),
            made_at=datetime.now(UTC),
            run_id=run_id,
        )
    )
    rows = [{"campaign_id": campaign, **entry} for entry in entries]
    if rows:
        session.execute(insert(LeaderboardEntry), rows)


def kpi_rows(session: Session) -> int:
    """Return about how many KPI rows the store has: the number of the last one."""
    return session.scalar(select(func.max(Kpi.id))) or 0


def last_day(session: Session, until: date) -> date | None:
    """Return the last day up to a day that any KPI row has."""
    return session.scalar(select(func.max(Kpi.period_end)).where(Kpi.period_end <= until))


def delivery_days(session: Session, creatives: Collection[int], campaign: int) -> dict[int, tuple[date, date]]:
    """Return first and last day on which each creative was shown in a campaign, by creative."""
    shown, home = shown_creatives().subquery(), only_campaigns()
    place = func.coalesce(CAMPAIGN, home.c.campaign_id)
    days = select(shown.c.creative_id, func.min(Kpi.period_start), func.max(Kpi.period_end)).select_from(Kpi)
    rows = session.execute(
        with_places(days.join(Ad, Ad.id == Kpi.ad_id).join(shown, shown.c.ad_id == Ad.id))
        .outerjoin(home, home.c.creative_id == shown.c.creative_id)
        .where(COUNTS, Kpi.impressions > 0, place == campaign)
        .where(among(session, Kpi.ad_id, ads_showing(session, creatives)))
        .group_by(shown.c.creative_id)
    )
    return {creative: (first, last) for creative, first, last in rows}


# --- reading ------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class EntryFilter:
    """Which creatives of a campaign are wanted; everything may stay open.

    Attributes:
        text: A part of the name.
        action, fatigue, format: Only these.
        idea: Id of the only idea.
        tag: Only those with this tag.
        delivered: Only those that ran (True), or did not (False).
        score, p_best, ctr, cvr, cpa, roas, spend: Lowest and highest value; each end may be None.
        first_day: First and last day on which it may have been shown first.
    """

    text: str = ""
    action: CreativeAction | None = None
    fatigue: Fatigue | None = None
    format: CreativeFormat | None = None
    idea: int | None = None
    tag: str = ""
    delivered: bool | None = None
    score: tuple[float | None, float | None] = (None, None)
    p_best: tuple[float | None, float | None] = (None, None)
    ctr: tuple[float | None, float | None] = (None, None)
    cvr: tuple[float | None, float | None] = (None, None)
    cpa: tuple[float | None, float | None] = (None, None)
    roas: tuple[float | None, float | None] = (None, None)
    spend: tuple[float | None, float | None] = (None, None)
    first_day: tuple[date | None, date | None] = (None, None)


def leaderboard_of(session: Session, campaign: int) -> Leaderboard | None:
    """Return what stands above the creatives of a campaign; None where nothing was made yet."""
    return session.scalars(select(Leaderboard).where(Leaderboard.campaign_id == campaign)).one_or_none()


def count_entries(session: Session, campaign: int, wanted: EntryFilter) -> int:
    """Return how many creatives of a campaign are wanted."""
    return session.scalar(select(func.count()).where(*_conditions(campaign, wanted))) or 0


def entries(
    session: Session,
    campaign: int,
    wanted: EntryFilter,
    order: LeaderboardOrder,
    *,
    reverse: bool = False,
    limit: int | None = None,
    offset: int = 0,
) -> list[tuple[LeaderboardEntry, str]]:
    """Return the wanted creatives of a campaign, each with its sha256.

    Args:
        session: A reading session.
        campaign: Its id.
        wanted: Which of its creatives.
        order: What they are sorted by: the best, the largest or the most urgent first. Unknown values come last.
        reverse: Whether the order is turned around; unknown values stay last.
        limit: At most so many.
        offset: How many to leave out at the beginning.
    """
    by, falling = _ORDER[order]
    rows = (
        select(LeaderboardEntry, Creative.sha256)
        .join(Creative, Creative.id == LeaderboardEntry.creative_id)
        .where(*_conditions(campaign, wanted))
        .order_by(by.is_(None), by.desc() if falling != reverse else by.asc())
        .order_by(LeaderboardEntry.rank.is_(None), LeaderboardEntry.rank, LeaderboardEntry.creative_id)
        .limit(limit)
        .offset(offset)
    )
    return [(entry, sha256) for entry, sha256 in session.execute(rows)]


def entries_of(session: Session, campaign: int, creatives: Sequence[int]) -> list[tuple[LeaderboardEntry, str]]:
    """Return some creatives of a campaign, each with its sha256; at most a few hundred."""
    rows = select(LeaderboardEntry, Creative.sha256).join(Creative, Creative.id == LeaderboardEntry.creative_id)
    rows = rows.where(LeaderboardEntry.campaign_id == campaign, LeaderboardEntry.creative_id.in_(creatives))
    return [(entry, sha256) for entry, sha256 in session.execute(rows)]


def entries_of_creative(session: Session, creative: int) -> list[tuple[LeaderboardEntry, str]]:
    """Return what the campaigns of a creative show of it, each with the key of the campaign."""
    rows = (
        select(LeaderboardEntry, Campaign.key)
        .join(Campaign, Campaign.id == LeaderboardEntry.campaign_id)
        .where(LeaderboardEntry.creative_id == creative)
        .order_by(Campaign.key)
    )
    return [(entry, key) for entry, key in session.execute(rows)]


@dataclass(frozen=True, kw_only=True)
class CampaignSummary:
    """A campaign in the list of campaigns; `summary` has what was asked for, and is None without a leaderboard."""

    id: int
    key: str
    creatives: int
    as_of: date | None
    summary: Mapping[str, Any] | None


def summary_member(member: str) -> ColumnElement[Any]:
    """Return a member of what stands above the creatives: the whole of it holds a chart, and takes long to read."""
    return Leaderboard.summary[member].label(member)


def campaign_summaries(
    session: Session, text: str, members: Sequence[str], *, limit: int, offset: int
) -> tuple[list[CampaignSummary], int]:
    """Return the campaigns whose key holds a text, the latest first, and how many there are.

    Args:
        session: A reading session.
        text: What their keys hold.
        members: What is wanted of their summaries.
        limit: At most so many.
        offset: How many to leave out at the beginning.
    """
    where = [Campaign.key.icontains(text, autoescape=True)] if text else []
    total = session.scalar(select(func.count(Campaign.id)).where(*where)) or 0
    rows = session.execute(
        select(Campaign.id, Campaign.key, Leaderboard.as_of, *map(summary_member, members))
        .outerjoin(Leaderboard, Leaderboard.campaign_id == Campaign.id)
        .where(*where)
        .order_by(Campaign.id.desc())
        .limit(limit)
        .offset(offset)
    ).all()
    counted = select(CampaignCreative.campaign_id, func.count()).group_by(CampaignCreative.campaign_id)
    counted = counted.where(CampaignCreative.campaign_id.in_([row.id for row in rows]))
    sizes = {id_: number for id_, number in session.execute(counted)}  # noqa: C416  # rows are not pairs to mypy
    found = [
        CampaignSummary(
            id=row.id,
            key=row.key,
            creatives=sizes.get(row.id, 0),
            as_of=row.as_of,
            summary=None if row.as_of is None else {name: row._mapping[name] for name in members},
        )
        for row in rows
    ]
    return found, total


_URGENCY = case(
    {state.value: place for place, state in enumerate((Fatigue.TIRED, Fatigue.STEADY, Fatigue.FRESH))},
    value=LeaderboardEntry.fatigue,
)
_FIRST_TAG = (
    select(func.min(CreativeTag.tag))
    .where(CreativeTag.creative_id == LeaderboardEntry.creative_id)
    .correlate(LeaderboardEntry)
    .scalar_subquery()
)
#: Column, and whether the largest come first.
_ORDER: Mapping[LeaderboardOrder, tuple[Any, bool]] = {
    LeaderboardOrder.SCORE: (LeaderboardEntry.score, True),
    LeaderboardOrder.P_BEST: (LeaderboardEntry.p_best, True),
    LeaderboardOrder.CTR: (LeaderboardEntry.ctr, True),
    LeaderboardOrder.CVR: (LeaderboardEntry.cvr, True),
    LeaderboardOrder.CPA: (LeaderboardEntry.cpa, False),
    LeaderboardOrder.ROAS: (LeaderboardEntry.roas, True),
    LeaderboardOrder.SPEND: (LeaderboardEntry.spend, True),
    LeaderboardOrder.IMPRESSIONS: (LeaderboardEntry.impressions, True),
    LeaderboardOrder.LIFT: (LeaderboardEntry.lift, True),
    LeaderboardOrder.AGE: (LeaderboardEntry.first_day, False),
    LeaderboardOrder.FATIGUE: (_URGENCY, False),
    LeaderboardOrder.IDEA: (LeaderboardEntry.idea, True),
    LeaderboardOrder.FORMAT: (LeaderboardEntry.format, False),
    LeaderboardOrder.TAG: (_FIRST_TAG, False),
    LeaderboardOrder.NAME: (LeaderboardEntry.name, False),
}


_RANGES = ("score", "p_best", "ctr", "cvr", "cpa", "roas", "spend", "first_day")


def _conditions(campaign: int, wanted: EntryFilter) -> list[ColumnElement[bool]]:
    entry = LeaderboardEntry
    found: list[ColumnElement[bool]] = [entry.campaign_id == campaign]
    if wanted.text:
        found.append(entry.name.icontains(wanted.text, autoescape=True))
    for name in ("action", "fatigue", "format", "idea"):
        value = getattr(wanted, name)
        if value is not None:
            found.append(getattr(entry, name) == value)
    if wanted.tag:
        tagged = select(CreativeTag.creative_id).where(CreativeTag.tag == wanted.tag)
        found.append(entry.creative_id.in_(tagged))
    if wanted.delivered is not None:
        found.append(entry.impressions > 0 if wanted.delivered else entry.impressions == 0)
    for name in _RANGES:
        low, high = getattr(wanted, name)
        column = getattr(entry, name)
        found += [column >= low] if low is not None else []
        found += [column <= high] if high is not None else []
    return found
