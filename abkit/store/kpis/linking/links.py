"""Which creatives an ad shows: links that names and hashes decide, made and withdrawn as names come in."""

from collections import defaultdict
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from typing import Any

from sqlalchemy import Row, Select, delete, exists, func, select, update
from sqlalchemy.orm import Session

from abkit.names import is_sha256, link_key
from abkit.store.catalog.campaigns import outdate_leaderboards
from abkit.store.catalog.creatives import creative_ids, creative_names
from abkit.store.catalog.places import CAMPAIGN, campaigns_of, with_places
from abkit.store.database.statements import count_rows, in_parts, insert_into, insert_missing, wait_for_turn
from abkit.store.kpis.linking.matching import Candidates, NamedCreative
from abkit.store.schema import (
    Ad,
    AdCreative,
    AdName,
    AdUnlinked,
    CampaignAlias,
    CampaignCreative,
    CreativeAlias,
    Kpi,
    KpiRetention,
)
from abkit.store.shown import links_of_same_ads, shown_creatives, without_creative
from abkit.vocabulary import AUTOMATIC_LINKS, LinkedBy, LinkStatus

# Any number, the same in all processes: names that come in one and ads that come in another must see each other.
_LINK_LOCK = 6_223_816
_MOST_SHOWN = 5


@dataclass(frozen=True)
class Missing:
    """Why an ad has no creative."""

    status: LinkStatus
    reason: str


NO_NAME = Missing(LinkStatus.UNLINKED, "the export does not name a creative")
NO_CREATIVE = Missing(LinkStatus.UNLINKED, "no scored creative has that name")
REMOVED = Missing(LinkStatus.UNLINKED, "a person removed its link")


@dataclass
class LinkOutcome:
    """What linking did: links made and withdrawn, and why ads that were looked at have none."""

    linked: int = 0
    withdrawn: int = 0
    missing: dict[int, Missing] = field(default_factory=dict)

    def reason(self, ad: int) -> Missing:
        """Return why an ad has no creative; an ad that was not looked at has no name."""
        return self.missing.get(ad, NO_NAME)


def name_ads(session: Session, names: Select[int, str], run_id: int, *, numbers: bool = True) -> None:
    """Keep names of ads, each once.

    Args:
        session: A writing session.
        names: Selects the id of the ad and the name.
        run_id: Of this run.
        numbers: Whether a name may be a number.
    """
    named = names.subquery()
    ad, name = named.c
    known = exists().where(AdName.ad_id == ad, AdName.name == name)
    rows = session.execute(select(ad, name).where(~known).distinct())
    new = [
        {"ad_id": id_, "name": text, "link_key": link_key(text), "run_id": run_id}
        for id_, text in rows
        if numbers or not text.isdecimal()
    ]
    insert_missing(session, AdName, new, key=["ad_id", "name"])


def relink(
    session: Session, run_id: int, *, ads: Select[int] | None = None, keys: Collection[str] | None = None
) -> LinkOutcome:
    """Make the links that names and hashes decide now, and withdraw those that they no longer do.

    What a person linked stays as it is, and an ad whose links a person removed stays without.

    1. Wait for other processes that link.
    2. The ads to look at, with all their names, and the creatives that these can mean.
    3. What each name means (`matching`), against the links that are there.
    4. The difference is written, and the first days of delivery follow.

    Args:
        session: A writing session.
        run_id: Of this run.
        ads: Selects the ids of the ads to look at; all when None, unless there are keys.
        keys: Look at the ads with names of these keys only: those of creatives that are new.
    """
    wait_for_turn(session, _LINK_LOCK)
    outcome = LinkOutcome()
    names = _names_to_link(session, ads, keys)
    candidates = _candidates(session, {key for _, _, key, _ in names}, None if keys is not None else _keys_of(ads))
    wanted: dict[tuple[int, int], LinkedBy] = {}
    unclear: dict[int, tuple[int, ...]] = {}
    for ad, name, key, campaign in names:
        found = candidates.match(name, key, campaign)
        if found.creative_id is not None and found.linked_by is not None:
            wanted.setdefault((ad, found.creative_id), found.linked_by)
        elif found.candidates or ad not in unclear:
            unclear[ad] = found.candidates
    looked_at = {ad for ad, *_ in names}
    there = _automatic_links(session, looked_at, ads)
    gone = {pair: row for pair, row in there.items() if wanted.get(pair) != row.linked_by}
    new = [pair for pair in wanted if pair not in there or pair in gone]
    for part in in_parts([row.id for row in gone.values()]):
        session.execute(delete(AdCreative).where(AdCreative.id.in_(part)))
    rows = [{"ad_id": ad, "creative_id": c, "linked_by": wanted[ad, c], "run_id": run_id} for ad, c in new]
    insert_missing(session, AdCreative, rows, key=["ad_id", "creative_id"])
    outcome.linked = sum(pair not in there for pair in new)
    outcome.withdrawn = sum(pair not in wanted for pair in gone)
    if outcome.withdrawn:
        outdate_leaderboards(session)
    linked = {ad for ad, _ in wanted}
    outcome.missing = _describe(session, {ad: ids for ad, ids in unclear.items() if ad not in linked})
    outcome.missing |= dict.fromkeys(session.scalars(select(AdUnlinked.ad_id)), REMOVED)
    refresh_launches(session, {creative for _, creative in (*new, *gone)}, run_id)
    _leave_campaigns(session, [pair for pair in gone if pair not in wanted])
    return outcome


def set_links(session: Session, pairs: Mapping[tuple[int, int], float | None], by: LinkedBy, run_id: int) -> int:
    """Write links that a person decided: they replace those that were made by themselves, or taken from suggestions.

    Args:
        session: A writing session.
        pairs: By ad and creative, the confidence of the suggestion, or None.
        by: How the person said so.
        run_id: Of this run.

    Returns:
        How many links are new.
    """
    before = _forget(session, {ad for ad, _ in pairs}, kept=(LinkedBy.HAND, LinkedBy.TABLE))
    rows = [
        {"ad_id": ad, "creative_id": creative, "linked_by": by, "confidence": confidence, "run_id": run_id}
        for (ad, creative), confidence in pairs.items()
    ]
    insert_missing(session, AdCreative, rows, key=["ad_id", "creative_id"])
    refresh_launches(session, {creative for _, creative in (*pairs, *before)}, run_id)
    _leave_campaigns(session, [pair for pair in before if pair not in pairs])
    return sum(pair not in before for pair in pairs)


def remove_links(session: Session, ads: Collection[int], run_id: int) -> int:
    """Remove all links of these ads, and keep linking by names from making them anew; return how many there were."""
    before = _forget(session, ads, kept=())
    rows = [{"ad_id": ad, "run_id": run_id} for ad in ads]
    insert_missing(session, AdUnlinked, rows, key=["ad_id"])
    refresh_launches(session, {creative for _, creative in before}, run_id)
    _leave_campaigns(session, before)
    return len(before)


def take_links_back(session: Session, by: LinkedBy, run_id: int) -> int:
    """Remove all links that were made in this way; return how many there were."""
    rows = session.execute(select(AdCreative.ad_id, AdCreative.creative_id).where(AdCreative.linked_by == by))
    before = [(ad, creative) for ad, creative in rows]
    session.execute(delete(AdCreative).where(AdCreative.linked_by == by))
    refresh_launches(session, {creative for _, creative in before}, run_id)
    _leave_campaigns(session, before)
    outdate_leaderboards(session)
    return len(before)


def _forget(session: Session, ads: Collection[int], *, kept: Collection[LinkedBy]) -> list[tuple[int, int]]:
    before: list[tuple[int, int]] = []
    for part in in_parts(sorted(ads)):
        there = select(AdCreative.ad_id, AdCreative.creative_id).where(AdCreative.ad_id.in_(part))
        before += [(ad, creative) for ad, creative in session.execute(there)]
        session.execute(delete(AdUnlinked).where(AdUnlinked.ad_id.in_(part)))
        session.execute(delete(AdCreative).where(AdCreative.ad_id.in_(part), AdCreative.linked_by.not_in(kept)))
    return before


def _names_to_link(
    session: Session, ads: Select[int] | None, keys: Collection[str] | None
) -> list[tuple[int, str, str, int | None]]:
    """Return ad, name, key and campaign of all names of the ads that automatic linking decides."""
    by_a_person = exists().where(AdCreative.ad_id == AdName.ad_id, AdCreative.linked_by.not_in(AUTOMATIC_LINKS))
    removed = exists().where(AdUnlinked.ad_id == AdName.ad_id)
    rows = (
        select(AdName.ad_id, AdName.name, AdName.link_key, Ad.campaign_id)
        .join(Ad, Ad.id == AdName.ad_id)
        .where(~by_a_person, ~removed)
        .order_by(AdName.id)
    )
    if keys is None:
        statements = [rows if ads is None else rows.where(AdName.ad_id.in_(ads))]
    else:
        touched = [select(AdName.ad_id).where(AdName.link_key.in_(part)) for part in in_parts(sorted(keys))]
        statements = [rows.where(AdName.ad_id.in_(part)) for part in touched]
    found = (row for statement in statements for row in session.execute(statement))
    return list(dict.fromkeys((row[0], row[1], row[2], row[3]) for row in found))


def _keys_of(ads: Select[int] | None) -> Select[str]:
    """Return a statement of the keys of all names of these ads; of all ads when None."""
    keys = select(AdName.link_key)
    return keys if ads is None else keys.where(AdName.ad_id.in_(ads))


def _candidates(session: Session, keys: Collection[str], selected: Select[str] | None) -> Candidates:
    """Return the creatives of campaigns that names with these keys could mean.

    Args:
        session: A writing session.
        keys: The keys.
        selected: Selects them, and perhaps others: a hundred thousand keys need not travel to the engine and back.
    """
    # Images that came with ratings only have names, too, but are not what anybody advertises.
    in_a_campaign = exists().where(CampaignCreative.creative_id == CreativeAlias.creative_id)
    statement = (
        select(
            CreativeAlias.creative_id,
            CreativeAlias.name,
            CreativeAlias.base_name,
            CreativeAlias.link_key,
            CampaignAlias.campaign_id,
        )
        .outerjoin(CampaignAlias, CampaignAlias.creative_alias_id == CreativeAlias.id)
        .where(in_a_campaign)
    )
    wanted = sorted(keys)
    parts = in_parts(wanted) if selected is None else [selected]
    found = (row for part in parts for row in session.execute(statement.where(CreativeAlias.link_key.in_(part))))
    named = (NamedCreative(*row) for row in found if row.link_key in keys)
    return Candidates(named, creative_ids(session, [key for key in wanted if is_sha256(key)]).items())


def _automatic_links(
    session: Session, ads: Collection[int], selected: Select[int] | None
) -> dict[tuple[int, int], Row[int, int, int, str]]:
    """Return the links of these ads that were made by themselves, by ad and creative; a statement may select them."""
    wanted = select(AdCreative.id, AdCreative.ad_id, AdCreative.creative_id, AdCreative.linked_by)
    wanted = wanted.where(AdCreative.linked_by.in_(AUTOMATIC_LINKS))
    parts = in_parts(sorted(ads)) if selected is None else [selected]
    found = (row for part in parts for row in session.execute(wanted.where(AdCreative.ad_id.in_(part))))
    return {(row.ad_id, row.creative_id): row for row in found if row.ad_id in ads}


def _describe(session: Session, unclear: Mapping[int, tuple[int, ...]]) -> dict[int, Missing]:
    shown = {id_ for ids in unclear.values() for id_ in ids[:_MOST_SHOWN]}
    names = creative_names(session, sorted(shown))
    missing: dict[int, Missing] = {}
    for ad, ids in unclear.items():
        if ids:
            called = ", ".join(names[id_][0][0] for id_ in ids[:_MOST_SHOWN])
            more = ", …" if len(ids) > _MOST_SHOWN else ""
            missing[ad] = Missing(LinkStatus.AMBIGUOUS, f"{len(ids)} creatives match that name: {called}{more}")
        else:
            missing[ad] = NO_CREATIVE
    return missing


def _leave_campaigns(session: Session, withdrawn: Collection[tuple[int, int]]) -> None:
    """Take creatives out of campaigns that only a withdrawn link had put them into."""
    shown = [(ad, creative) for ad, creative in withdrawn]
    for part in in_parts(sorted({creative for _, creative in withdrawn})):
        links = select(AdCreative.ad_id, AdCreative.creative_id).where(AdCreative.creative_id.in_(part))
        shown += [(ad, creative) for ad, creative in session.execute(links)]
    campaigns: dict[int, set[int]] = defaultdict(set)
    for ad, campaign in campaigns_of(session, {ad for ad, _ in shown}):
        campaigns[ad].add(campaign)
    left, still = (
        {(campaign, creative) for ad, creative in links for campaign in campaigns[ad]}
        for links in (shown[: len(withdrawn)], shown[len(withdrawn) :])
    )
    named = select(CampaignAlias.id).join(CreativeAlias, CreativeAlias.id == CampaignAlias.creative_alias_id)
    for campaign, creative in sorted(left - still):
        own = named.where(CreativeAlias.creative_id == creative)
        session.execute(
            delete(CampaignCreative)
            .where(CampaignCreative.campaign_id == campaign, CampaignCreative.creative_id == creative)
            # Rows from before names were kept by campaign say nothing about where a creative was scored.
            .where(own.exists(), ~own.where(CampaignAlias.campaign_id == campaign).exists())
            .execution_options(synchronize_session=False)
        )


def creatives_of(session: Session, ads: Select[int]) -> set[int]:
    """Return the creatives that some ads are linked to, under whichever of their names."""
    shown = shown_creatives(lambda ad: ad.in_(ads)).subquery()
    return set(session.scalars(select(shown.c.creative_id)))


def owned_unlinked(session: Session, import_id: int) -> int:
    """Return how many rows whose figures came with an import belong to ads without a creative now."""
    return count_rows(session, Kpi, Kpi.kpi_import_id == import_id, without_creative(Kpi.ad_id))


def refresh_launches(session: Session, creatives: Collection[int], run_id: int) -> None:
    """Set `campaign_creative.launched_on` to the first day with impressions of these creatives; None without any.

    An ad that names its campaign puts its creative into it. An ad that names none counts for every campaign that the
    creative is in.
    """
    launched: dict[tuple[int, int], date] = {}
    member = select(CampaignCreative.campaign_id, CampaignCreative.creative_id, CampaignCreative.launched_on)
    gone_before = session.scalar(select(func.max(KpiRetention.before)))
    stale: set[tuple[int, int]] = set()
    for part in in_parts(sorted(creatives)):
        first_days = _first_days(session, part)
        anywhere: dict[int, date] = {}
        for creative, campaign, day in first_days:
            if campaign is None:
                anywhere[creative] = min(day, anywhere.get(creative, day))
            else:
                launched[campaign, creative] = min(day, launched.get((campaign, creative), day))
        for campaign, creative, known in session.execute(member.where(CampaignCreative.creative_id.in_(part))):
            if creative in anywhere:
                day = anywhere[creative]
                launched[campaign, creative] = min(day, launched.get((campaign, creative), day))
            if known is not None and gone_before is not None and known < gone_before:
                # Its first rows are in files now: it was launched all the same.
                launched[campaign, creative] = min(known, launched.get((campaign, creative), known))
            elif known is not None and (campaign, creative) not in launched:
                stale.add((campaign, creative))
    _write_launches(session, launched, run_id)
    for campaign, creative in sorted(stale):
        session.execute(
            update(CampaignCreative)
            .where(CampaignCreative.campaign_id == campaign, CampaignCreative.creative_id == creative)
            .values(launched_on=None)
            .execution_options(synchronize_session=False)
        )


def _first_days(session: Session, creatives: Collection[int]) -> list[tuple[int, int | None, date]]:
    """Return creative, campaign and first day with impressions, under whichever of its names an ad is linked."""
    same = links_of_same_ads()
    days: list[tuple[int, int | None, date]] = []
    # Each by itself: most ads have one name, and links in a union have no index.
    for ad, creative in ((AdCreative.ad_id, AdCreative.creative_id), (same.c.ad_id, same.c.creative_id)):
        first: Any = select(creative, CAMPAIGN, func.min(Kpi.period_start))
        delivered = with_places(first.join(Ad, Ad.id == ad).join(Kpi, Kpi.ad_id == Ad.id))
        delivered = delivered.where(creative.in_(creatives), Kpi.left_out == "", Kpi.impressions > 0)
        days += [
            (shown, campaign, day) for shown, campaign, day in session.execute(delivered.group_by(creative, CAMPAIGN))
        ]
    return days


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
