"""What linking looks at: ads with and without a creative and what they delivered, and the names of both sides."""

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, and_, exists, func, select
from sqlalchemy.orm import Session

from abkit.store.catalog.creatives import creative_names
from abkit.store.database.statements import in_parts, total
from abkit.store.kpis.once.counting import counts
from abkit.store.schema import Ad, AdCreative, AdName, Campaign, CampaignCreative, Creative, CreativeAlias, Kpi
from abkit.store.shown import without_creative
from abkit.vocabulary import LinkStatus

_NAMED = (Ad.id, Ad.platform, Ad.account, Ad.external_id, Ad.creative_name, Campaign.key)
_KEYS = ("ad_id", "platform", "account", "ad", "creative", "campaign", "rows", "impressions")


@dataclass(frozen=True, kw_only=True)
class Advertised:
    """A creative that is in a campaign.

    Attributes:
        creative_id: Its number.
        sha256, perceptual_hash, width, height: Of its content; pixels.
        name: What its file is called: its latest name.
        names: All its file names.
        campaigns: The campaigns that it is in.
    """

    creative_id: int
    sha256: str
    perceptual_hash: str
    width: int
    height: int
    name: str
    names: tuple[str, ...]
    campaigns: frozenset[int]


def advertised(session: Session) -> list[Advertised]:
    """Return all creatives that are in a campaign."""
    campaigns: dict[int, set[int]] = {}
    for creative, campaign in session.execute(select(CampaignCreative.creative_id, CampaignCreative.campaign_id)):
        campaigns.setdefault(creative, set()).add(campaign)
    names = creative_names(session, sorted(campaigns))
    columns = (Creative.id, Creative.sha256, Creative.perceptual_hash, Creative.width, Creative.height)
    found = []
    for part in in_parts(sorted(campaigns)):
        for id_, sha256, bits, width, height in session.execute(select(*columns).where(Creative.id.in_(part))):
            called = tuple(dict.fromkeys(base for _, base in names.get(id_, ())))
            found.append(
                Advertised(
                    creative_id=id_,
                    sha256=sha256,
                    perceptual_hash=bits,
                    width=width,
                    height=height,
                    name=called[0] if called else sha256[:12],
                    names=called,
                    campaigns=frozenset(campaigns[id_]),
                )
            )
    return found


def advertised_names(session: Session) -> list[tuple[int, str]]:
    """Return id and file names of all creatives that are in a campaign."""
    member = exists().where(CampaignCreative.creative_id == CreativeAlias.creative_id)
    rows = session.execute(select(CreativeAlias.creative_id, CreativeAlias.base_name).where(member).distinct())
    return [(creative, name) for creative, name in rows]


def names_of_ads(session: Session, ads: Collection[int]) -> dict[int, list[str]]:
    """Return the names of ads, in the order of the ads; those without a name are not in it."""
    names: dict[int, list[str]] = {}
    for part in in_parts(ads):
        found = select(AdName.ad_id, AdName.name).where(AdName.ad_id.in_(part)).order_by(AdName.id)
        for ad, name in session.execute(found):
            names.setdefault(ad, []).append(name)
    return {ad: names[ad] for ad in ads if ad in names}


def campaigns_of_ads(session: Session, ads: Collection[int]) -> dict[int, int]:
    """Return the campaign of each ad that names one."""
    found: dict[int, int] = {}
    for part in in_parts(sorted(ads)):
        rows = session.execute(select(Ad.id, Ad.campaign_id).where(Ad.id.in_(part), Ad.campaign_id.is_not(None)))
        found.update((ad, campaign) for ad, campaign in rows if campaign is not None)
    return found


def unlinked_delivery(session: Session) -> list[dict[str, Any]]:
    """Return the ads without a creative, with what they delivered and their share of all impressions; largest first."""
    return _delivery(session, without_creative(Ad.id))


def linked_delivery(session: Session, ads: Collection[int] | None = None) -> list[dict[str, Any]]:
    """Return a row per link of these ads, or of all: what the ad delivered, what it shows, and how that is known.

    The keys are those of `unlinked_delivery`, and status, shows (name of the creative), linked_by, confidence and run.
    """
    delivered = _delivery(session, exists().where(AdCreative.ad_id == Ad.id))
    if ads is not None:
        delivered = [row for row in delivered if row["ad_id"] in ads]
    links: dict[int, list[Any]] = {}
    columns = (AdCreative.ad_id, AdCreative.creative_id, AdCreative.linked_by, AdCreative.confidence, AdCreative.run_id)
    for part in in_parts([row["ad_id"] for row in delivered]):
        for link in session.execute(select(*columns).where(AdCreative.ad_id.in_(part)).order_by(AdCreative.id)):
            links.setdefault(link.ad_id, []).append(link)
    names = creative_names(session, sorted({link.creative_id for some in links.values() for link in some}))
    return [
        row
        | {
            "status": LinkStatus.LINKED,
            "shows": names[link.creative_id][0][1] if link.creative_id in names else None,
            "linked_by": link.linked_by,
            "confidence": link.confidence,
            "run": link.run_id,
        }
        for row in delivered
        for link in links[row["ad_id"]]
    ]


def _delivery(session: Session, wanted: ColumnElement[bool]) -> list[dict[str, Any]]:
    counted = counts(session)
    everything = session.scalar(select(total(Kpi.impressions)).where(counted)) or 0
    delivered = func.coalesce(total(Kpi.impressions), 0)
    rows = session.execute(
        select(*_NAMED, func.count(Kpi.id), delivered)
        .select_from(Ad)
        .outerjoin(Kpi, and_(Kpi.ad_id == Ad.id, counted))
        .outerjoin(Campaign, Campaign.id == Ad.campaign_id)
        .where(wanted)
        .group_by(*_NAMED)
        .order_by(delivered.desc(), Ad.id)
    )
    found: list[dict[str, Any]] = [dict(zip(_KEYS, row, strict=True)) for row in rows]
    for row in found:
        row["share_of_impressions"] = row["impressions"] / everything if everything else 0.0
    return found
