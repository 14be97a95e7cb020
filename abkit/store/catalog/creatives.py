"""Campaigns and their creatives: contents, the names under which they came, and when they were launched."""

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Any

from sqlalchemy import Select, Subquery, and_, case, func, or_, select, update
from sqlalchemy.orm import Session

from abkit.errors import UsageError
from abkit.names import base_name, composed, is_sha256
from abkit.store.database.statements import in_parts, insert_missing
from abkit.store.keys import clean_key, is_text
from abkit.store.runs import RunRecord
from abkit.store.schema import AdCreative, Campaign, CampaignAlias, CampaignCreative, Creative, CreativeAlias

# --- campaigns ----------------------------------------------------------------------------------------------------


def ensure_campaign(session: Session, run: RunRecord, key: str) -> int:
    """Return the id of a campaign; make it when it is new."""
    row = {"key": key, "name": key, "created_at": datetime.now(UTC), "run_id": run.id}
    insert_missing(session, Campaign, [row], key=["key"])
    return session.scalars(select(Campaign.id).where(Campaign.key == key)).one()


def find_campaign(session: Session, key: str) -> int:
    """Return the id of the campaign with this key.

    Raises:
        UsageError: There is none, or the key is blank or no text.
    """
    if not key.strip() or not is_text(key):
        clean_key(key, "campaign")
    found = session.scalars(select(Campaign.id).where(Campaign.key == key)).one_or_none()
    if found is None:
        known = session.scalars(select(Campaign.key).order_by(Campaign.key).limit(5)).all()
        hint = f"there are: {', '.join(known)}" if known else "there are none yet: abkit score IMAGES --campaign KEY"
        raise UsageError(f"there is no campaign {key!r} in the store", hint=hint)
    return found


def campaign_keys(session: Session) -> dict[int, str]:
    """Return the key of every campaign, by id."""
    return {id_: key for id_, key in session.execute(select(Campaign.id, Campaign.key))}  # noqa: C416


def candidates(session: Session, campaign: int) -> list[int]:
    """Return the creatives of a campaign in order of launch; those not launched yet come last."""
    rows = session.execute(
        select(CampaignCreative.creative_id, CampaignCreative.launched_on).where(
            CampaignCreative.campaign_id == campaign
        )
    )
    return [id_ for _, id_ in sorted((launched or date.max, id_) for id_, launched in rows)]


def campaigns_of(session: Session, ids: Collection[int]) -> dict[int, int]:
    """Return the first campaign of each of these creatives that is in one."""
    found: dict[int, int] = {}
    for part in in_parts(sorted(ids)):
        first = (
            select(CampaignCreative.creative_id, func.min(CampaignCreative.campaign_id))
            .where(CampaignCreative.creative_id.in_(part))
            .group_by(CampaignCreative.creative_id)
        )
        found |= {creative: campaign for creative, campaign in session.execute(first)}  # noqa: C416
    return found


def creatives_launched(session: Session, first: date, last: date) -> list[int]:
    """Return the creatives launched between two days, in that order."""
    return [creative for _, creative in launches(session, last, first)]


def count_launched(session: Session, first: date, last: date, campaigns: Collection[int] | None = None) -> int:
    """Return how many creatives were launched between two days; of those in some campaigns only, where they are given.

    The day of a launch is that of `launches`, in whatever campaign it was.
    """
    each = first_launches(first if campaigns is None else None, last)
    if campaigns is not None:
        row = CampaignCreative
        each = each.where(row.creative_id.in_(select(row.creative_id).where(row.campaign_id.in_(campaigns))))
    began = each.subquery()
    day = func.coalesce(began.c.launched, func.date(began.c.added))
    return session.scalar(select(func.count()).where(day.between(first, last))) or 0


def launches(session: Session, last: date, first: date | None = None) -> list[tuple[date, int]]:
    """Return the creatives launched between two days, each with its day, in that order; by default from the beginning.

    A creative that is not launched goes by the day on which it was first added to a campaign.
    """
    dated = sorted(
        (launched or added.date(), creative)
        for creative, launched, added in session.execute(first_launches(first, last))
    )
    return [(day, creative) for day, creative in dated if (first is None or first <= day) and day <= last]


def first_launches(first: date | None, last: date) -> Select[int, date | None, Any]:
    """Select the creatives that were launched between two days, or before in another campaign.

    Columns are `creative_id`, the first day of a launch, and where none is known the first instant in a campaign.
    """
    row = CampaignCreative
    launched_on = func.min(row.launched_on)
    # Of a million creatives, an instant that nobody asks for takes longest.
    added_at = case((launched_on.is_(None), func.min(row.created_at)))
    rows = select(row.creative_id, launched_on.label("launched"), added_at.label("added")).group_by(row.creative_id)
    if first is None:
        return rows
    begin, end = (datetime.combine(day, time.min, UTC) for day in (first, last + timedelta(days=1)))
    added = and_(row.launched_on.is_(None), row.created_at >= begin, row.created_at < end)
    inside = select(row.creative_id).where(or_(row.launched_on.between(first, last), added))
    return rows.where(row.creative_id.in_(inside))


def launch_days(session: Session, ids: Collection[int]) -> dict[int, date]:
    """Return the day of launch of these creatives, as `launches` has it."""
    row, found = CampaignCreative, {}
    for part in in_parts(sorted(ids)):
        rows = select(row.creative_id, func.min(row.launched_on), func.min(row.created_at)).group_by(row.creative_id)
        for creative, launched, added in session.execute(rows.where(row.creative_id.in_(part))):
            found[creative] = launched or added.date()
    return found


def launches_by_day(session: Session, last: date) -> list[tuple[date, int, int]]:
    """Return how many creatives were launched on each day up to a day, and the sum of their ids.

    One of both changes when a creative comes, goes, or gets another day.
    """
    row = CampaignCreative
    several = select(row.creative_id).group_by(row.creative_id).having(func.count() > 1).limit(1)
    if session.execute(several).first() is None:
        # All are in one campaign each: of a million, putting each together takes longest.
        rows = select(row.creative_id, row.launched_on.label("launched"), row.created_at.label("added"))
    else:
        first = func.min(row.launched_on).label("launched"), func.min(row.created_at).label("added")
        rows = select(row.creative_id, *first).group_by(row.creative_id)
    each = rows.subquery()
    day = func.coalesce(each.c.launched, func.date(each.c.added))
    found = session.execute(select(day, func.count(), func.sum(each.c.creative_id)).group_by(day))
    return sorted((launched, int(n), int(ids)) for launched, n, ids in found if launched <= last)


def only_campaigns(*, advertised: bool = False, wanted: Select[Any] | None = None) -> Subquery:
    """Select `creative_id` and `campaign_id` of the creatives that are candidates in exactly one campaign.

    Where an export has no campaigns, that is the campaign of the creative's delivery.

    Args:
        advertised: Only those that an ad shows; of the others there may be many, and they have no delivery.
        wanted: Selects the ids of the only creatives that are asked for; of a million, few are quick to count.
    """
    shown = CampaignCreative.creative_id.in_(select(AdCreative.creative_id))
    return (
        select(CampaignCreative.creative_id, func.min(CampaignCreative.campaign_id).label("campaign_id"))
        .where(*([shown] if advertised else []))
        .where(*([] if wanted is None else [CampaignCreative.creative_id.in_(wanted)]))
        .group_by(CampaignCreative.creative_id)
        .having(func.count() == 1)
        .subquery()
    )


# --- contents -----------------------------------------------------------------------------------------------------


def creative_ids(session: Session, sha256s: Collection[str]) -> dict[str, int]:
    """Return the ids of the creatives that the store knows, by content."""
    return dict(
        row
        for part in in_parts(sorted(sha256s))
        for row in session.execute(select(Creative.sha256, Creative.id).where(Creative.sha256.in_(part)))
    )


def contents_of(session: Session, creatives: Collection[int]) -> dict[int, str]:
    """Return the content of creatives, a sha256, by id."""
    return dict(
        row
        for part in in_parts(sorted(creatives))
        for row in session.execute(select(Creative.id, Creative.sha256).where(Creative.id.in_(part)))
    )


def creative_columns(session: Session, sha256s: Collection[str]) -> dict[str, dict[str, Any]]:
    """Return what the store knows of creatives, by content, as `write_creatives` takes it."""
    names = ("sha256", "perceptual_hash", "width", "height", "media_type", "bytes", "reading", "properties")
    wanted = [getattr(Creative, name) for name in names]
    return {
        row.sha256: dict(row._mapping)
        for part in in_parts(sorted(sha256s))
        for row in session.execute(select(*wanted).where(Creative.sha256.in_(part)))
    }


@dataclass(frozen=True, kw_only=True)
class CreativeFile:
    """What the store knows of the file of a creative.

    Attributes:
        width, height: Pixels.
        bytes: Size of the file.
        media_type: Such as "image/png".
        properties: Of its pixels, as `abkit.intake.media.properties` has them; None where they are not known.
    """

    id: int
    width: int
    height: int
    bytes: int
    media_type: str
    properties: dict[str, Any] | None


def creative_files(session: Session, ids: Collection[int]) -> dict[int, CreativeFile]:
    """Return what the store knows of the files of creatives, by creative."""
    columns = (Creative.id, Creative.width, Creative.height, Creative.bytes, Creative.media_type, Creative.properties)
    return {
        row.id: CreativeFile(**row._mapping)
        for part in in_parts(sorted(ids))
        for row in session.execute(select(*columns).where(Creative.id.in_(part)))
    }


def write_creatives(session: Session, run: RunRecord, contents: Iterable[Mapping[str, Any]]) -> None:
    """Write the columns of creatives; those that the store knows stay as they are."""
    own = {"created_at": datetime.now(UTC), "run_id": run.id}
    insert_missing(session, Creative, [{**content, **own} for content in contents], key=["sha256"])


def readings(session: Session, sha256s: Collection[str]) -> dict[str, dict[str, Any] | None]:
    """Return how the pixels of creatives that the store knows came about, by content; None where nobody noted it."""
    return {
        sha256: reading
        for part in in_parts(sorted(sha256s))
        for sha256, reading in session.execute(
            select(Creative.sha256, Creative.reading).where(Creative.sha256.in_(part))
        )
    }


def update_readings(session: Session, contents: Iterable[Mapping[str, Any]]) -> None:
    """Write what today's rules make of creatives that the store knows: all their columns but size and time."""
    for content in contents:
        session.execute(update(Creative).where(Creative.sha256 == content["sha256"]).values(**content))


# --- names --------------------------------------------------------------------------------------------------------


def write_names(
    session: Session, run: RunRecord, names: Iterable[tuple[int, str, str]], *, campaign: int | None = None
) -> None:
    """Write the names under which creatives came. A creative has names of its own in each campaign.

    Args:
        session: A writing session.
        run: Whose work this is.
        names: (creative id, full name, last part of the name) of each file.
        campaign: Id of the campaign whose candidates they become, if any.
    """
    named = list(dict.fromkeys(names))
    own = {"created_at": datetime.now(UTC), "run_id": run.id}
    aliases = [{"creative_id": id_, "name": name, "base_name": composed(base), **own} for id_, name, base in named]
    insert_missing(session, CreativeAlias, aliases, key=["creative_id", "name"])
    if campaign is None:
        return
    ids = list(dict.fromkeys(id_ for id_, _, _ in named))
    members = [{"creative_id": id_, "campaign_id": campaign, "launched_on": None, **own} for id_ in ids]
    insert_missing(session, CampaignCreative, members, key=["campaign_id", "creative_id"])
    wanted = {(id_, name) for id_, name, _ in named}
    found = {
        (creative, name): alias
        for part in in_parts(ids)
        for alias, creative, name in session.execute(
            select(CreativeAlias.id, CreativeAlias.creative_id, CreativeAlias.name).where(
                CreativeAlias.creative_id.in_(part)
            )
        )
        if (creative, name) in wanted
    }
    here = [{"campaign_id": campaign, "creative_alias_id": alias, "run_id": run.id} for alias in found.values()]
    insert_missing(session, CampaignAlias, here, key=["campaign_id", "creative_alias_id"])


def creative_names(
    session: Session, creatives: Collection[int], *, campaign: int | None = None
) -> dict[int, list[tuple[str, str]]]:
    """Return the names of each creative, in full and their last part: those of a campaign first, the latest first."""
    found: dict[int, list[tuple[str, str]]] = defaultdict(list)
    rows = select(CreativeAlias.creative_id, CreativeAlias.name, CreativeAlias.base_name)
    if campaign is not None:
        of_campaign = and_(CampaignAlias.creative_alias_id == CreativeAlias.id, CampaignAlias.campaign_id == campaign)
        rows = rows.outerjoin(CampaignAlias, of_campaign)
        rows = rows.order_by(CampaignAlias.id.is_(None), CampaignAlias.id.desc())
    rows = rows.order_by(CreativeAlias.id.desc())
    for part in in_parts(creatives):
        for creative, name, base in session.execute(rows.where(CreativeAlias.creative_id.in_(part))):
            found[creative].append((name, base))
    return dict(found)


def creatives_named(session: Session, names: Collection[str]) -> dict[str, tuple[str, set[int]]]:
    """Return the creatives that each name could mean.

    A sha256 decides alone; a full name as it was scored comes before the last part of a path. Letters count as they
    are.

    Returns:
        By name: "sha256" or "name", and the ids.
    """
    found: dict[str, tuple[str, set[int]]] = {}
    hashes = {name.lower(): name for name in names if is_sha256(name)}
    for sha256, id_ in creative_ids(session, hashes).items():
        found[hashes[sha256]] = ("sha256", {id_})
    for column, spelled in ((CreativeAlias.name, str), (CreativeAlias.base_name, _composed_base)):
        wanted: dict[str, list[str]] = defaultdict(list)
        for name in names:
            if name not in found:
                wanted[spelled(name)].append(name)
        for part in in_parts(wanted):
            known = select(column, CreativeAlias.creative_id).where(column.in_(part)).distinct()
            for spelling, creative_id in session.execute(known):
                for name in wanted[spelling]:
                    found.setdefault(name, ("name", set()))[1].add(creative_id)
    return found


def _composed_base(name: str) -> str:
    return composed(base_name(name))
