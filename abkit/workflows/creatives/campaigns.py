"""Campaigns: list them, rename one, merge two, delete an empty one; and look at their creatives."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from functools import partial
from typing import Any

from sqlalchemy import case, exists, func, select
from sqlalchemy.orm import Session

from abkit.errors import UsageError
from abkit.records import Record, RecordList
from abkit.store.catalog import campaigns
from abkit.store.catalog.creatives import creative_names, creatives_named, find_campaign
from abkit.store.catalog.tags import tags_of
from abkit.store.database.engine import Store
from abkit.store.database.statements import among, in_parts, total
from abkit.store.keys import clean_key
from abkit.store.kpis.once.same_ads import ads_showing
from abkit.store.runs import recorded_run
from abkit.store.schema import (
    Ad,
    Campaign,
    CampaignCreative,
    Creative,
    CreativeTag,
    Kpi,
    ModelVersion,
    Schedule,
    Score,
)
from abkit.store.shown import shown_creatives

# Arguments of schedules that may name a campaign.
_NAMED = ("campaign", "reference", "current")


@dataclass(frozen=True, kw_only=True)
class CampaignList(RecordList):
    """The campaigns, each with its creatives, ads, experiments, impressions that count, and days."""

    campaigns: tuple[Mapping[str, Any], ...]

    def rows(self) -> list[dict[str, Any]]:
        """Return one row per campaign."""
        return [dict(row) for row in self.campaigns]


@dataclass(frozen=True, kw_only=True)
class CampaignChange(Record):
    """What happened to a campaign.

    Attributes:
        campaign: Its key, before.
        became: The key under which all of it is now; "" where it was deleted.
        what: renamed, merged or deleted.
        creatives, ads, experiments: How many of each it had.
        schedules: Keys of the schedules that still name it: those of abkit.toml, or all where it was deleted.
        changed_schedules: Keys of the schedules that name the new key now: those that were added by a command.
    """

    campaign: str
    became: str
    what: str
    creatives: int = 0
    ads: int = 0
    experiments: int = 0
    schedules: tuple[str, ...] = ()
    changed_schedules: tuple[str, ...] = ()


def list_campaigns(store: Store) -> CampaignList:
    """Return all campaigns, by key."""
    with store.read() as session:
        return CampaignList(campaigns=tuple(campaigns.campaign_rows(session)))


def rename_campaign(store: Store, key: str, new: str) -> CampaignChange:
    """Give a campaign another key; scores, ads, experiments and figures stay with it.

    Raises:
        UsageError: There is no such campaign, or the new key is taken or not valid.
    """
    new = clean_key(new, "campaign")
    _require(store, key)
    with recorded_run(store, "campaign rename", {"campaign": key, "to": new}), store.write() as session:
        campaigns.rename(session, key, new)
        changed = _rewrite_schedules(session, key, new)
    named = _schedules_of(store, key)
    return CampaignChange(campaign=key, became=new, what="renamed", schedules=named, changed_schedules=changed)


def merge_campaigns(store: Store, key: str, into: str) -> CampaignChange:
    """Move all of a campaign into another one, and remove it.

    Raises:
        UsageError: There is no such campaign, or it is the same one twice.
    """
    _require(store, key, into)
    with recorded_run(store, "campaign merge", {"campaign": key, "into": into}) as run, store.write() as session:
        moved = campaigns.merge(session, key, into)
        changed = _rewrite_schedules(session, key, into)
        run.outcome.update(moved)
    named = _schedules_of(store, key)
    return CampaignChange(campaign=key, became=into, what="merged", schedules=named, changed_schedules=changed, **moved)


def delete_campaign(store: Store, key: str) -> CampaignChange:
    """Delete a campaign without ads and experiments; its creatives stay, with their scores.

    Raises:
        UsageError: There is no such campaign, or ads or experiments hang on it.
    """
    _require(store, key)
    with recorded_run(store, "campaign delete", {"campaign": key}) as run, store.write() as session:
        run.outcome.update(creatives=(creatives := campaigns.remove(session, key)))
    named = _schedules_of(store, key)
    return CampaignChange(campaign=key, became="", what="deleted", creatives=creatives, schedules=named)


def _naming(session: Session, key: str) -> list[Schedule]:
    """Return the schedules that name a campaign: as their campaign, or as a window such as campaign:spring."""
    rows = session.scalars(select(Schedule).order_by(Schedule.key))
    wanted = {key, f"campaign:{key}"}
    return [row for row in rows if wanted.intersection(str(row.arguments.get(name)) for name in _NAMED)]


def _schedules_of(store: Store, key: str) -> tuple[str, ...]:
    with store.read() as session:
        return tuple(schedule.key for schedule in _naming(session, key))


def _rewrite_schedules(session: Session, key: str, new: str) -> tuple[str, ...]:
    """Let schedules that were added by a command name the new key; those of abkit.toml are what the file says."""
    became = {key: new, f"campaign:{key}": f"campaign:{new}"}
    mine = [schedule for schedule in _naming(session, key) if schedule.source == "command"]
    for schedule in mine:
        changed = {name: became.get(schedule.arguments[name]) for name in _NAMED if name in schedule.arguments}
        schedule.arguments = schedule.arguments | {name: value for name, value in changed.items() if value}
    return tuple(schedule.key for schedule in mine)


def _require(store: Store, *keys: str) -> None:
    with store.read() as session:
        for key in keys:
            find_campaign(session, key)


# --- creatives ------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class CreativeRecord(Record):
    """A creative, under all its names.

    Attributes:
        creative: The last part of its latest name.
        sha256: Digest of its content.
        width, height: In pixels.
        media_type: Such as image/png.
        size: Of the file, in bytes.
        added_at: When it came, UTC.
        names: All its names, the latest first.
        tags: Words that people gave it.
        campaigns: By campaign, the first day of delivery; None before.
        scores: By name of the model version, the mean score.
        ads: Number of ads that show it.
        impressions, clicks, conversions: What counts of their delivery.
        first_day, last_day: Days that it spans.
        shared_impressions: Of the impressions, those of ads that show other creatives, too: these count them as well,
            and nothing tells whose they are.
    """

    creative: str
    sha256: str
    width: int
    height: int
    media_type: str
    size: int
    added_at: datetime
    names: tuple[str, ...]
    tags: tuple[str, ...]
    campaigns: Mapping[str, date | None]
    scores: Mapping[str, float]
    ads: int
    impressions: int
    clicks: int
    conversions: float
    first_day: date | None
    last_day: date | None
    shared_impressions: int


@dataclass(frozen=True, kw_only=True)
class CreativeList(RecordList):
    """Creatives, the latest first."""

    creatives: tuple[CreativeRecord, ...]

    def rows(self) -> list[dict[str, Any]]:
        """Return one row per creative."""
        return [record.to_dict() for record in self.creatives]


def list_creatives(
    store: Store, *, campaign: str | None = None, tag: str | None = None, limit: int = 100
) -> CreativeList:
    """Return creatives with their campaigns, scores and delivery, the latest first.

    Args:
        store: A store at the current migration.
        campaign: Only candidates of this campaign.
        tag: Only those with this tag.
        limit: At most so many.

    Raises:
        UsageError: There is no such campaign.
    """
    with store.read() as session:
        latest = select(Creative.id).order_by(Creative.id.desc()).limit(limit)
        if tag is not None:
            latest = latest.where(Creative.id.in_(select(CreativeTag.creative_id).where(CreativeTag.tag == tag)))
        if campaign is not None:
            of = CampaignCreative.campaign_id == find_campaign(session, campaign)
            latest = latest.where(Creative.id.in_(select(CampaignCreative.creative_id).where(of)))
        ids = list(session.scalars(latest))
        return CreativeList(creatives=tuple(creatives_by_id(session, ids)))


def show_creative(store: Store, name: str) -> CreativeRecord:
    """Return one creative.

    Args:
        store: A store at the current migration.
        name: A name, a path or the sha256.

    Raises:
        UsageError: There is none, or several have that name.
    """
    with store.read() as session:
        _, ids = creatives_named(session, {name}).get(name, ("", set()))
        found = creatives_by_id(session, sorted(ids))
    if not found:
        raise UsageError(f"no creative is called {name!r}", hint="`abkit creative list` lists them")
    if len(found) > 1:
        which = ", ".join(one.sha256 for one in found[:5])
        raise UsageError(f"{len(found)} creatives are called {name!r}", hint=f"say which by sha256: {which}")
    return found[0]


def creatives_by_id(session: Session, ids: list[int]) -> list[CreativeRecord]:
    """Return creatives with their names, campaigns, scores and delivery, in the given order."""
    names = creative_names(session, ids)
    tags = tags_of(session, ids)
    members: dict[int, dict[str, date | None]] = {id_: {} for id_ in ids}
    scores: dict[int, dict[str, float]] = {id_: {} for id_ in ids}
    delivered: dict[int, Any] = {}
    rows: dict[int, Creative] = {}
    for part in in_parts(ids):
        rows |= {row.id: row for row in session.scalars(select(Creative).where(Creative.id.in_(part)))}
        member = select(CampaignCreative.creative_id, Campaign.key, CampaignCreative.launched_on)
        member = member.join(Campaign, Campaign.id == CampaignCreative.campaign_id).order_by(Campaign.key)
        for id_, key, day in session.execute(member.where(CampaignCreative.creative_id.in_(part))):
            members[id_][key] = day
        scored = select(Score.creative_id, ModelVersion.name, Score.mean)
        scored = scored.join(ModelVersion, ModelVersion.id == Score.model_version_id).order_by(Score.id)
        for id_, version, mean in session.execute(scored.where(Score.creative_id.in_(part))):
            scores[id_][version] = mean
        ads = ads_showing(session, part)
        shown = shown_creatives(partial(among, session, ids=ads)).subquery()
        others = shown_creatives(partial(among, session, ids=ads)).subquery()
        several = exists().where(others.c.ad_id == shown.c.ad_id, others.c.creative_id != shown.c.creative_id)
        sums = (
            select(
                shown.c.creative_id,
                # An ad that repeats another one counts as that one.
                func.count(func.coalesce(Ad.same_as, Ad.id).distinct()).label("ads"),
                func.coalesce(total(Kpi.impressions), 0).label("impressions"),
                func.coalesce(total(Kpi.clicks), 0).label("clicks"),
                func.coalesce(func.sum(Kpi.conversions), 0).label("conversions"),
                func.min(Kpi.period_start).label("first_day"),
                func.max(Kpi.period_end).label("last_day"),
                func.coalesce(func.sum(case((several, Kpi.impressions), else_=0)), 0).label("shared_impressions"),
            )
            .join(Ad, Ad.id == shown.c.ad_id)
            .outerjoin(Kpi, (Kpi.ad_id == Ad.id) & (Kpi.left_out == ""))
            .where(shown.c.creative_id.in_(part))
            .group_by(shown.c.creative_id)
        )
        delivered |= {row.creative_id: row for row in session.execute(sums)}
    found = []
    for id_ in ids:
        row, sums_of = rows[id_], delivered.get(id_)
        found.append(
            CreativeRecord(
                creative=names[id_][0][1] if id_ in names else row.sha256[:12],
                sha256=row.sha256,
                width=row.width,
                height=row.height,
                media_type=row.media_type,
                size=row.bytes,
                added_at=row.created_at,
                names=tuple(name for name, _ in names.get(id_, ())),
                tags=tags.get(id_, ()),
                campaigns=members[id_],
                scores=scores[id_],
                ads=sums_of.ads if sums_of else 0,
                impressions=sums_of.impressions if sums_of else 0,
                clicks=sums_of.clicks if sums_of else 0,
                conversions=float(sums_of.conversions) if sums_of else 0.0,
                first_day=sums_of.first_day if sums_of else None,
                last_day=sums_of.last_day if sums_of else None,
                shared_impressions=int(sums_of.shared_impressions) if sums_of else 0,
            )
        )
    return found
