"""Which creatives an ad shows: found by the name or hash in the export, or linked by hand."""

from collections import defaultdict
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from typing import Any

from sqlalchemy import Select, and_, exists, func, select
from sqlalchemy.orm import Session

from abkit.store.creatives import creatives_named
from abkit.store.database.statements import count_rows, in_parts, insert_into, insert_missing, total
from abkit.store.kpis.counting import counts
from abkit.store.schema import Ad, AdCreative, Campaign, CampaignCreative, Kpi

NO_NAME = "the export does not name a creative"
NO_CREATIVE = "no scored creative has that name"


@dataclass(frozen=True)
class NamedAd:
    """An ad under one of its creative names."""

    ad_id: int
    name: str
    campaign_id: int | None


@dataclass
class LinkOutcome:
    """What linking found: how many links are new, and why ads got none."""

    linked: int = 0
    reasons: dict[int, str] = field(default_factory=dict)


def link_ads(session: Session, ads: Collection[NamedAd], run_id: int) -> LinkOutcome:
    """Link ads to the creatives that their names or hashes mean; links that are there stay.

    A name that several creatives have is not guessed: unless exactly one of them is in the ad's campaign, the ad stays
    unlinked. An ad that was linked by hand stays as it is.
    """
    outcome = LinkOutcome()
    found = creatives_named(session, {ad.name for ad in ads if ad.name})
    members = _campaigns_of(session, {one for _, ids in found.values() if len(ids) > 1 for one in ids})
    by_hand = set(session.scalars(select(AdCreative.ad_id).where(AdCreative.linked_by == "hand"))) if found else set()
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
            outcome.reasons[ad.ad_id] = f"{len(ids)} creatives have that name" if ids else NO_CREATIVE
    before = count_rows(session, AdCreative)
    insert_missing(session, AdCreative, rows, key=["ad_id", "creative_id"])
    outcome.linked = count_rows(session, AdCreative) - before
    for row in rows:
        outcome.reasons.pop(row["ad_id"], None)
    return outcome


def unlinked_ads(session: Session) -> list[NamedAd]:
    """Return every ad without a creative."""
    rows = session.execute(
        select(Ad.id, Ad.creative_name, Ad.campaign_id)
        .where(~exists().where(AdCreative.ad_id == Ad.id))
        .order_by(Ad.id)
    )
    return [NamedAd(*row) for row in rows]


def owned_unlinked(session: Session, import_id: int) -> int:
    """Return how many rows whose figures came with an import belong to ads without a creative now."""
    return count_rows(session, Kpi, Kpi.kpi_import_id == import_id, ~exists().where(AdCreative.ad_id == Kpi.ad_id))


def unlinked_delivery(session: Session) -> list[dict[str, Any]]:
    """Return the ads without a creative, with what they delivered and their share of all impressions; largest first."""
    counted = counts(session)
    everything = session.scalar(select(total(Kpi.impressions)).where(counted)) or 0
    delivered = func.coalesce(total(Kpi.impressions), 0)
    named: list[Any] = [Ad.id, Ad.platform, Ad.account, Ad.external_id, Ad.creative_name, Campaign.key]
    rows = session.execute(
        select(*named, func.count(Kpi.id), delivered)
        .select_from(Ad)
        .outerjoin(Kpi, and_(Kpi.ad_id == Ad.id, counted))
        .outerjoin(Campaign, Campaign.id == Ad.campaign_id)
        .where(~exists().where(AdCreative.ad_id == Ad.id))
        .group_by(*named)
        .order_by(delivered.desc(), Ad.id)
    )
    names = ("ad_id", "platform", "account", "ad", "creative", "campaign", "rows", "impressions")
    found: list[dict[str, Any]] = [dict(zip(names, row, strict=True)) for row in rows]
    for row in found:
        row["share_of_impressions"] = row["impressions"] / everything if everything else 0.0
    return found


def refresh_launches(session: Session, ads: Select[int], run_id: int) -> None:
    """Set `campaign_creative.launched_on` to the first day with impressions of the creatives of some ads.

    An ad that names its campaign puts its creative into it. An ad that names none counts for every campaign that the
    creative is in.

    Args:
        session: A writing session.
        ads: Selects the ids of the ads whose creatives are looked at.
        run_id: Of this run.
    """
    touched = select(AdCreative.creative_id).where(AdCreative.ad_id.in_(ads))
    first_days = session.execute(
        select(AdCreative.creative_id, Ad.campaign_id, func.min(Kpi.period_start))
        .join(Ad, Ad.id == AdCreative.ad_id)
        .join(Kpi, Kpi.ad_id == Ad.id)
        .where(AdCreative.creative_id.in_(touched), Kpi.left_out == "", Kpi.impressions > 0)
        .group_by(AdCreative.creative_id, Ad.campaign_id)
    ).all()
    anywhere = {creative: day for creative, campaign, day in first_days if campaign is None}
    launched: dict[tuple[int, int], date] = {
        (campaign, creative): day for creative, campaign, day in first_days if campaign is not None
    }
    for part in in_parts(anywhere):
        member = select(CampaignCreative.campaign_id, CampaignCreative.creative_id)
        for campaign, creative in session.execute(member.where(CampaignCreative.creative_id.in_(part))):
            day = anywhere[creative]
            launched[campaign, creative] = min(day, launched.get((campaign, creative), day))
    _write_launches(session, launched, run_id)


def _write_launches(session: Session, launched: Mapping[tuple[int, int], date], run_id: int) -> None:
    now = datetime.now(UTC)
    for part in in_parts(launched):
        own = {"created_at": now, "run_id": run_id}
        rows = [{"campaign_id": key[0], "creative_id": key[1], "launched_on": launched[key], **own} for key in part]
        statement = insert_into(session, CampaignCreative).values(rows)
        session.execute(
            statement.on_conflict_do_update(
                index_elements=["campaign_id", "creative_id"],
                set_={"launched_on": statement.excluded.launched_on},
                where=CampaignCreative.launched_on.is_distinct_from(statement.excluded.launched_on),
            )
        )


def _campaigns_of(session: Session, creatives: Collection[int]) -> Mapping[int, set[int]]:
    members: dict[int, set[int]] = defaultdict(set)
    for part in in_parts(creatives):
        member = select(CampaignCreative.creative_id, CampaignCreative.campaign_id)
        for creative, campaign in session.execute(member.where(CampaignCreative.creative_id.in_(part))):
            members[creative].add(campaign)
    return members
