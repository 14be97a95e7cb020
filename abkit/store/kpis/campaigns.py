"""Which campaign the rows of a file mean: by its id in one export, by its name in another, by both in a third.

A row that has both says that they are one. From then on ids and names lead to the same campaign, also where a person
has renamed or merged it since.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

from sqlalchemy import and_, exists, func, insert, literal, select, update
from sqlalchemy.orm import Session

from abkit.store.catalog.campaigns import merge
from abkit.store.database.statements import insert_into
from abkit.store.kpis.stage import STAGE_AD, STAGE_CAMPAIGN, STAGE_SEGMENT
from abkit.store.schema import Campaign, Segment

Pair = tuple[str, str]


def settle_campaigns(session: Session, run_id: int) -> list[Pair]:
    """Put staged ads into the campaigns that they mean, and make those that are new.

    Args:
        session: A writing session with staged ads and segments.
        run_id: Of the import.

    Returns:
        Key and name of campaigns that were two, and are one from now on.
    """
    pairs = _staged_pairs(session)
    twins: list[Pair] = []
    if pairs:
        known = _known(session)
        if twins := sorted(_twins(pairs, known)):
            for key, name in twins:
                merge(session, key, name)
            known = _known(session)
        _note(session, pairs, known)
    _make_campaigns(session, run_id)
    return twins


@dataclass(frozen=True, kw_only=True)
class _Known:
    """The campaigns of the store.

    Attributes:
        keys: By key, its id.
        named: By name, the keys of those that are called so.
        meant: By what rows call a campaign, the keys of those that they meant.
    """

    keys: Mapping[str, int]
    named: Mapping[str, Collection[str]]
    meant: Mapping[str, Collection[str]]


def _known(session: Session) -> _Known:
    keys: dict[str, int] = {}
    named: dict[str, set[str]] = defaultdict(set)
    meant: dict[str, set[str]] = defaultdict(set)
    for number, key, name in session.execute(select(Campaign.id, Campaign.key, Campaign.name)):
        keys[key] = number
        if name:
            named[name].add(key)
    placed = select(Segment.campaign, Campaign.key).join(Campaign, Campaign.id == Segment.campaign_id).distinct()
    for text, key in session.execute(placed.where(Segment.campaign != "")):
        meant[text].add(key)
    return _Known(keys=keys, named=named, meant=meant)


def _staged_pairs(session: Session) -> set[Pair]:
    """Return what the rows of the file call their campaigns: the key, and the name beside it, if any."""
    found: set[Pair] = set()
    for table in (STAGE_AD, STAGE_SEGMENT):
        name = func.coalesce(table.c.campaign_name, "")
        rows = select(table.c.campaign, name).where(table.c.campaign != "").distinct()
        found.update((row[0], row[1]) for row in session.execute(rows))
    return found


def _twins(pairs: Iterable[Pair], known: _Known) -> Iterable[Pair]:
    """Yield key and name of campaigns that came by their id and by their name, and of which a row now has both."""
    names: dict[str, set[str]] = defaultdict(set)
    ids: dict[str, set[str]] = defaultdict(set)
    for key, name in pairs:
        if name and name != key:
            names[key].add(name)
            ids[name].add(key)
    for key, own in names.items():
        name = next(iter(own))
        both = key in known.keys and name in known.keys
        # Of two ids with one name, nothing says which of them rows by name meant.
        alone = len(own) == len(ids[name]) == 1 and {*known.named.get(name, ())} <= {key, name}
        if both and alone and not _has_other_ids(known, key, name):
            yield key, name


def _has_other_ids(known: _Known, key: str, name: str) -> bool:
    return any(name in keys and text not in (key, name) for text, keys in known.meant.items())


def _note(session: Session, pairs: Iterable[Pair], known: _Known) -> None:
    """Note which campaigns of the file have another key in the store, and put its ads into them."""
    called: dict[str, str] = {}
    for text, name in sorted(pairs):
        if (key := _key_of(text, name, known)) != text:
            # A campaign that was renamed within the file is one all the same.
            called.setdefault(text, key)
    others = [{"campaign": text, "campaign_name": name, "key": called[text]} for text, name in pairs if text in called]
    if not others:
        return
    session.execute(insert(STAGE_CAMPAIGN), others)
    same = and_(
        STAGE_CAMPAIGN.c.campaign == STAGE_AD.c.campaign,
        STAGE_CAMPAIGN.c.campaign_name == func.coalesce(STAGE_AD.c.campaign_name, ""),
    )
    theirs = select(STAGE_CAMPAIGN.c.key).where(same).scalar_subquery()
    session.execute(update(STAGE_AD).values(campaign=theirs).where(exists().where(same)))


def _key_of(text: str, name: str, known: _Known) -> str:
    """Return the key of the campaign that rows with this key and this name mean; their own where it is new."""
    if text in known.keys:
        return text
    if len(meant := known.meant.get(text, ())) == 1:
        return next(iter(meant))
    if name in known.keys:
        # Scores are stored under the name that people use; an export with ids must not make a second campaign of it.
        return name
    if not name and len(named := known.named.get(text, ())) == 1:
        return next(iter(named))
    return text


def _make_campaigns(session: Session, run_id: int) -> None:
    """Make the campaigns that are new: those that ads were named in last, and all others that rows name."""
    is_known = exists().where(
        STAGE_CAMPAIGN.c.campaign == STAGE_SEGMENT.c.campaign,
        STAGE_CAMPAIGN.c.campaign_name == func.coalesce(STAGE_SEGMENT.c.campaign_name, ""),
    )
    ads = (STAGE_AD, STAGE_AD.c.idle == 0)
    places = (STAGE_SEGMENT, and_(func.coalesce(STAGE_SEGMENT.c.idle, 0) == 0, ~is_known))
    for table, made in (ads, places):
        key, named = table.c.campaign, func.coalesce(func.max(table.c.campaign_name), "")
        keys = select(key, named, literal(datetime.now(UTC), Campaign.created_at.type), literal(run_id))
        campaigns = insert_into(session, Campaign).from_select(
            ["key", "name", "created_at", "run_id"], keys.where(key != "", made).group_by(key)
        )
        session.execute(
            # A name that a person gave stays.
            campaigns.on_conflict_do_update(
                index_elements=["key"],
                set_={"name": campaigns.excluded.name},
                where=and_(Campaign.name == "", campaigns.excluded.name != ""),
            )
        )


def place_segments(session: Session) -> None:
    """Note which campaign each segment means; what is called alike means the same, in segments of any file."""
    noted = and_(
        STAGE_CAMPAIGN.c.campaign == STAGE_SEGMENT.c.campaign,
        STAGE_CAMPAIGN.c.campaign_name == func.coalesce(STAGE_SEGMENT.c.campaign_name, ""),
    )
    by_note = select(Campaign.id).join(STAGE_CAMPAIGN, STAGE_CAMPAIGN.c.key == Campaign.key).where(noted)
    by_key = select(Campaign.id).where(Campaign.key == STAGE_SEGMENT.c.campaign)
    campaign = func.coalesce(by_note.scalar_subquery(), by_key.scalar_subquery())
    meant = (
        select(STAGE_SEGMENT.c.campaign, func.max(campaign).label("campaign_id"))
        .where(STAGE_SEGMENT.c.campaign != "")
        .group_by(STAGE_SEGMENT.c.campaign)
        .subquery()
    )
    session.execute(
        update(Segment)
        .values(campaign_id=meant.c.campaign_id)
        .where(Segment.campaign == meant.c.campaign, meant.c.campaign_id.is_not(None))
        .where(Segment.campaign_id.is_distinct_from(meant.c.campaign_id))
        .execution_options(synchronize_session=False)
    )
