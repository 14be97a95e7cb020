"""Which picture an ad shows: found by the name or hash in the export, or said by hand."""

import re
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from typing import Any, TypeVar

from sqlalchemy import Select, exists, func, select
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Session

from abkit.store.schema import Ad, AdCreative, CampaignCreative, Creative, CreativeAlias, Kpi
from abkit.store.upsert import insert_missing

NO_NAME = "the export does not name a creative"
NO_PICTURE = "no scored picture has that name"
_AT_ONCE = 5_000
T = TypeVar("T")
_SHA256 = re.compile(r"[0-9a-fA-F]{64}")


@dataclass(frozen=True)
class NamedAd:
    """An ad under one of its creative names."""

    ad_id: int
    name: str
    campaign_id: int | None


@dataclass
class LinkOutcome:
    """What linking found: how many links are new, and by ad why it got none."""

    linked: int = 0
    reasons: dict[int, str] = field(default_factory=dict)


def base_name(name: str) -> str:
    """The last part of a path, of either kind.

    >>> base_name("ads/a.png"), base_name("C:\\\\ads\\\\b.png")
    ('a.png', 'b.png')
    """
    return re.split(r"[/\\]", name)[-1]


def candidates(session: Session, names: Collection[str]) -> dict[str, tuple[str, set[int]]]:
    """The creatives that each name could be.

    A sha256 decides alone; a full name as it was scored comes before the last part of a path. Letters count as they
    are.

    Returns:
        By name: "sha256" or "name", and the ids.
    """
    found: dict[str, tuple[str, set[int]]] = {}
    hashes = {name.lower(): name for name in names if _SHA256.fullmatch(name)}
    for part in _parts(hashes):
        for creative_id, sha256 in session.execute(
            select(Creative.id, Creative.sha256).where(Creative.sha256.in_(part))
        ):
            found[hashes[sha256]] = ("sha256", {creative_id})
    others = [name for name in names if name not in found]
    for part in _parts(others):
        rows = session.execute(
            select(CreativeAlias.name, CreativeAlias.creative_id).where(CreativeAlias.name.in_(part))
        )
        for name, creative_id in rows:
            found.setdefault(name, ("name", set()))[1].add(creative_id)
    by_base: dict[str, list[str]] = defaultdict(list)
    for name in others:
        if name not in found:
            by_base[base_name(name)].append(name)
    for part in _parts(by_base):
        rows = session.execute(
            select(CreativeAlias.base_name, CreativeAlias.creative_id)
            .where(CreativeAlias.base_name.in_(part))
            .distinct()
        )
        for base, creative_id in rows:
            for name in by_base[base]:
                found.setdefault(name, ("name", set()))[1].add(creative_id)
    return found


def link_ads(session: Session, ads: Collection[NamedAd], run_id: int) -> LinkOutcome:
    """Link ads to the creatives that their names or hashes mean; links that are there stay.

    A name that several pictures have is not guessed: unless exactly one of them is in the ad's campaign, the ad stays
    unlinked. An ad that was linked by hand is left alone.
    """
    outcome = LinkOutcome()
    found = candidates(session, {ad.name for ad in ads if ad.name})
    members = _campaigns_of(session, {one for _, ids in found.values() if len(ids) > 1 for one in ids})
    by_hand = _linked_by_hand(session) if found else set()
    rows: list[dict[str, Any]] = []
    for ad in ads:
        kind, ids = found.get(ad.name, ("name", set()))
        if len(ids) > 1 and ad.campaign_id is not None:
            inside = {one for one in ids if ad.campaign_id in members[one]}
            ids = inside if len(inside) == 1 else ids
        if len(ids) == 1:
            if ad.ad_id not in by_hand:
                rows.append({"ad_id": ad.ad_id, "creative_id": next(iter(ids)), "linked_by": kind, "run_id": run_id})
        elif not ad.name:
            outcome.reasons[ad.ad_id] = NO_NAME
        else:
            outcome.reasons[ad.ad_id] = f"{len(ids)} pictures have that name" if ids else NO_PICTURE
    before = _links(session)
    insert_missing(session, AdCreative, rows, key=["ad_id", "creative_id"])
    outcome.linked = _links(session) - before
    for row in rows:
        outcome.reasons.pop(row["ad_id"], None)
    return outcome


def unlinked_ads(session: Session) -> list[NamedAd]:
    """Every ad without a creative."""
    rows = session.execute(
        select(Ad.id, Ad.creative_name, Ad.campaign_id)
        .where(~exists().where(AdCreative.ad_id == Ad.id))
        .order_by(Ad.id)
    )
    return [NamedAd(*row) for row in rows]


def refresh_launches(session: Session, ads: Select[int], run_id: int) -> None:
    """Set `campaign_creative.launched_on` to the first day with impressions of the creatives of some ads.

    The ads that name their campaign put their creative into it; those that name none count for every campaign that
    the creative is in.

    Args:
        session: a writing session.
        ads: selects the ids of the ads whose creatives are looked at.
        run_id: of this run.
    """
    touched = select(AdCreative.creative_id).where(AdCreative.ad_id.in_(ads))
    first_days = session.execute(
        select(AdCreative.creative_id, Ad.campaign_id, func.min(Kpi.period_start))
        .join(Ad, Ad.id == AdCreative.ad_id)
        .join(Kpi, Kpi.ad_id == Ad.id)
        .where(AdCreative.creative_id.in_(touched), Kpi.impressions > 0)
        .group_by(AdCreative.creative_id, Ad.campaign_id)
    ).all()
    anywhere = {creative: day for creative, campaign, day in first_days if campaign is None}
    launched: dict[tuple[int, int], date] = {
        (campaign, creative): day for creative, campaign, day in first_days if campaign is not None
    }
    for part in _parts(anywhere):
        member = select(CampaignCreative.campaign_id, CampaignCreative.creative_id)
        for campaign, creative in session.execute(member.where(CampaignCreative.creative_id.in_(part))):
            day = anywhere[creative]
            launched[campaign, creative] = min(day, launched.get((campaign, creative), day))
    _write_launches(session, launched, run_id)


def _write_launches(session: Session, launched: Mapping[tuple[int, int], date], run_id: int) -> None:
    now = datetime.now(UTC)
    make = postgresql.insert if session.get_bind().dialect.name == "postgresql" else sqlite.insert
    for part in _parts(launched):
        rows = [
            {
                "campaign_id": key[0],
                "creative_id": key[1],
                "launched_on": launched[key],
                "created_at": now,
                "run_id": run_id,
            }
            for key in part
        ]
        statement = make(CampaignCreative).values(rows)
        session.execute(
            statement.on_conflict_do_update(
                index_elements=["campaign_id", "creative_id"],
                set_={"launched_on": statement.excluded.launched_on},
                where=CampaignCreative.launched_on.is_distinct_from(statement.excluded.launched_on),
            )
        )


def _campaigns_of(session: Session, creatives: Collection[int]) -> Mapping[int, set[int]]:
    members: dict[int, set[int]] = defaultdict(set)
    for part in _parts(creatives):
        member = select(CampaignCreative.creative_id, CampaignCreative.campaign_id)
        for creative, campaign in session.execute(member.where(CampaignCreative.creative_id.in_(part))):
            members[creative].add(campaign)
    return members


def _linked_by_hand(session: Session) -> set[int]:
    return set(session.scalars(select(AdCreative.ad_id).where(AdCreative.linked_by == "hand")))


def _links(session: Session) -> int:
    return session.scalar(select(func.count()).select_from(AdCreative)) or 0


def _parts(values: Iterable[T]) -> Iterable[list[T]]:
    everything = list(values)
    return (everything[start : start + _AT_ONCE] for start in range(0, len(everything), _AT_ONCE))
