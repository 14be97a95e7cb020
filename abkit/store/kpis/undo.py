"""Take an import back out: afterwards the store holds the figures that it would hold without that file.

The steps, in the order of the code:

1. One import at a time, as when they are published.
2. Stage what the import delivered, and match it with the rows of the store.
3. Rows that were there before imports kept what they deliver go back to their figures of then; all others are removed.
4. In the order in which they came, the other imports deliver these rows once more, by the code that published them.
5. Links that rested on a name that only this import gave are made anew.
6. Ads, segments and campaigns that only this import brought go, with their links; an ad that a person linked stays,
   and so does one that an experiment names. Which rows count and first days of delivery are settled anew.
7. Rejects, remembered mappings and the archive of the import go; its row stays, as a trace, and frees its digest.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from sqlalchemy import CursorResult, Select, UniqueConstraint, and_, delete, exists, func, or_, select, true, update
from sqlalchemy.orm import Session, aliased

from abkit.errors import InvalidInput, UsageError
from abkit.metrics import FIGURES
from abkit.store.database.staging import drop_stage
from abkit.store.database.statements import count_rows, in_parts
from abkit.store.imports import came_first
from abkit.store.kpis import archive, publish
from abkit.store.kpis.linking.links import creatives_of, refresh_launches, relink
from abkit.store.kpis.once.counting import recount
from abkit.store.kpis.once.same_ads import groups_of
from abkit.store.kpis.stage import STAGE_AD, STAGE_KPI, STAGE_MATCH, STAGE_NAME, STAGE_SEGMENT, TEMPORARY
from abkit.store.schema import (
    Ad,
    AdCreative,
    AdName,
    Base,
    Campaign,
    CampaignAlias,
    CampaignCreative,
    CreativeAlias,
    Kpi,
    KpiArchive,
    KpiImport,
    KpiMapping,
    KpiReject,
    KpiRevision,
    KpiUndo,
    Run,
    Segment,
)
from abkit.vocabulary import AUTOMATIC_LINKS, Dimension

if TYPE_CHECKING:
    import polars as pl

_RESTATED = ("currency", *FIGURES)


@dataclass(frozen=True, kw_only=True)
class Undone:
    """What taking an import back changed.

    Attributes:
        removed: Rows that no other import delivered.
        restored: Rows that have the figures of another import again.
        kept: Rows that another import delivered too, and later.
        rejects: Rows that it had refused.
        ads, segments, campaigns: Those that only it brought.
        links: Links of ads to creatives that are gone.
        mappings: Remembered mappings that were said with it.
    """

    removed: int
    restored: int
    kept: int
    rejects: int
    ads: int
    segments: int
    campaigns: int
    links: int
    mappings: int


def natural_key(table: type[Base]) -> list[str]:
    """Return the columns of a table's natural key, without references to other tables.

    >>> natural_key(Ad)
    ['platform', 'account', 'external_id']
    """
    constraints = Base.metadata.tables[table.__tablename__].constraints
    unique = next(one for one in constraints if isinstance(one, UniqueConstraint))
    return [column.name for column in unique.columns if not column.foreign_keys]


def undo_import(session: Session, import_id: int, run_id: int) -> Undone:
    """Take an import back out.

    Args:
        session: A writing session.
        import_id: The import.
        run_id: Of the undo.

    Raises:
        UsageError: There is no such import, or it was taken back before.
        InvalidInput: An earlier release imported it.
    """
    publish.wait_for_imports(session)
    record = _undoable(session, import_id)
    frames = archive.unpack(session, import_id)
    publish.stage_again(session, frames, record.run_id)
    affected = count_rows(session, STAGE_MATCH)
    before = count_rows(session, Kpi)
    owned = count_rows(session, Kpi, Kpi.kpi_import_id == import_id)
    place = _look_around(session)
    _set_back(session)
    delivered = _deliver_again(session, record, frames)
    removed = before - count_rows(session, Kpi)
    _relink(session, place, run_id)
    ads = _remove_ads(session, place, delivered)
    _count_again(session, place)
    links = place.links - count_rows(session, AdCreative)
    segments = _remove_unused(session, Segment, place.segments)
    campaigns = _remove_campaigns(session, place)
    refresh_launches(session, place.shown | place.creatives, run_id)
    rejects = session.execute(delete(KpiReject).where(KpiReject.kpi_import_id == import_id))
    mappings = session.execute(delete(KpiMapping).where(KpiMapping.kpi_import_id == import_id))
    if count_rows(session, Kpi, Kpi.kpi_import_id == import_id):
        raise InvalidInput(
            f"import {import_id} cannot be taken back: rows of it are stored in a way that its archive does not know",
            hint="import a corrected file: it restates the periods that it covers",
        )
    archive.forget(session, import_id)
    record.digest = f"undone by run {run_id}: {record.digest}"
    session.add(KpiUndo(kpi_import_id=import_id, undone_at=datetime.now(UTC), run_id=run_id))
    session.flush()
    drop_stage(session.connection(), TEMPORARY)
    return Undone(
        removed=removed,
        restored=owned - removed,
        kept=affected - owned,
        rejects=_count(rejects),
        ads=ads,
        segments=segments,
        campaigns=campaigns,
        links=max(links, 0),
        mappings=_count(mappings),
    )


def _undoable(session: Session, import_id: int) -> KpiImport:
    record = session.get(KpiImport, import_id)
    if record is None:
        raise UsageError(f"there is no import {import_id}", hint="`abkit kpi list` lists the imports")
    done = session.scalar(select(KpiUndo).where(KpiUndo.kpi_import_id == import_id))
    if done is not None:
        raise UsageError(
            f"import {import_id} was taken back on {done.undone_at:%Y-%m-%d %H:%M} UTC (run {done.run_id})",
            hint="the same file can be imported again",
        )
    if session.scalar(select(KpiArchive.id).where(KpiArchive.kpi_import_id == import_id).limit(1)) is None:
        raise InvalidInput(
            f"import {import_id} is from an earlier release of abkit, which did not keep what an undo needs",
            hint="import a corrected file: it restates the periods that it covers",
        )
    return record


# --- rows -----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class _Place:
    """What the import touched: ids, and the number of links before.

    Members are the creatives of its ads by campaign; those of ads without a campaign (None) count in every campaign.
    Its ads and those that are the same as one of them compete for what counts, and all that these show was launched
    by what counts.
    """

    ads: list[int]
    segments: list[int]
    members: Mapping[int | None, set[int]]
    links: int
    competing: list[int]
    shown: set[int]

    @property
    def campaigns(self) -> list[int]:
        """The campaigns of its ads."""
        return sorted(campaign for campaign in self.members if campaign is not None)

    @property
    def creatives(self) -> set[int]:
        """The creatives of its ads."""
        return set().union(*self.members.values())


def _ads() -> Select[int]:
    # An ad whose rows have no delivery at all was not made.
    return select(STAGE_AD.c.ad_id).where(STAGE_AD.c.ad_id.is_not(None))


def _look_around(session: Session) -> _Place:
    staged = _ads()
    shown = select(Ad.campaign_id, AdCreative.creative_id).join(AdCreative, AdCreative.ad_id == Ad.id)
    said = select(Campaign.id, AdCreative.creative_id).join(STAGE_AD, STAGE_AD.c.campaign == Campaign.key)
    said = said.outerjoin(AdCreative, AdCreative.ad_id == STAGE_AD.c.ad_id)
    members: dict[int | None, set[int]] = defaultdict(set)
    placed = select(Segment.campaign_id, AdCreative.creative_id).select_from(publish.STAGED)
    placed = placed.join(Segment, and_(Segment.id == STAGE_SEGMENT.c.segment_id, Segment.campaign_id.is_not(None)))
    placed = placed.outerjoin(AdCreative, AdCreative.ad_id == STAGE_AD.c.ad_id)
    for pairs in (shown.where(Ad.id.in_(staged)).distinct(), said.distinct(), placed.distinct()):
        for campaign, creative in session.execute(pairs):
            members[campaign] |= {creative} - {None}
    return _Place(
        ads=list(session.scalars(staged)),
        segments=list(session.scalars(select(STAGE_SEGMENT.c.segment_id))),
        members=members,
        links=count_rows(session, AdCreative),
        competing=list(groups_of(session, list(session.scalars(staged)))),
        shown=creatives_of(session, staged),
    )


def _set_back(session: Session) -> None:
    """Remove the matched rows, but for those that are older than the archive.

    These go back to what they were when the first archived import came. Names and campaigns of ads likewise: what is
    archived is forgotten, and comes back with the imports that are left.
    """
    archived = exists().where(KpiArchive.kpi_import_id == KpiImport.id)
    unkept = select(KpiImport.id).where(~archived, ~exists().where(KpiUndo.kpi_import_id == KpiImport.id))
    matched = _touched()
    kept_ones = KpiRevision.kpi_import_id.not_in(unkept)
    first = (
        select(KpiRevision.kpi_id, func.min(KpiRevision.kpi_import_id).label("import_id"))
        .where(KpiRevision.kpi_id.in_(matched), kept_ones)
        .group_by(KpiRevision.kpi_id)
        .subquery()
    )
    older = (
        select(KpiRevision.kpi_id, *(getattr(KpiRevision, name) for name in _RESTATED), KpiRevision.former_import_id)
        .join(first, (first.c.kpi_id == KpiRevision.kpi_id) & (first.c.import_id == KpiRevision.kpi_import_id))
        .where(KpiRevision.former_import_id.in_(unkept))
    )
    rows = [
        {"id": row.kpi_id, "kpi_import_id": row.former_import_id, **{name: getattr(row, name) for name in _RESTATED}}
        for row in session.execute(older)
    ]
    session.execute(delete(KpiRevision).where(KpiRevision.kpi_id.in_(matched), kept_ones))
    if rows:
        session.execute(update(Kpi), rows)
    ours = (Kpi.id.in_(matched), Kpi.kpi_import_id.not_in(unkept))
    session.execute(delete(Kpi).where(*ours).execution_options(synchronize_session=False))
    runs = select(KpiImport.run_id).where(KpiImport.id.in_(unkept))
    of_archive, staged = Ad.run_id.not_in(runs), _ads()
    named = delete(AdName).where(AdName.ad_id.in_(staged), AdName.run_id.not_in(runs))
    session.execute(named.execution_options(synchronize_session=False))
    session.execute(
        update(Ad)
        .where(Ad.id.in_(staged), of_archive)
        .values(creative_name="", ad_set="", campaign_id=None)
        .execution_options(synchronize_session=False)
    )


def _touched() -> Select[int]:
    """Return the ids of rows that the staged ones may have changed: those of their keys, wherever the ad ran."""
    staged = publish.STAGED.join(Segment, publish.SAME_DIMENSIONS)
    return select(Kpi.id).select_from(staged.join(Kpi, and_(publish.SAME_PERIOD, Kpi.segment_id == Segment.id)))


def _deliver_again(session: Session, record: KpiImport, frames: Mapping[str, pl.DataFrame]) -> set[int]:
    """Let the other imports deliver the rows that they share with this one; return the ads that they have."""
    delivered: set[int] = set()
    ads = frames[STAGE_AD.name]
    rows = _with_keys(frames)
    seen = ads.clear()
    archived = select(KpiArchive.kpi_import_id).where(KpiArchive.kpi_import_id != record.id).distinct()
    others = session.scalars(select(KpiImport).where(KpiImport.id.in_(archived))).all()
    for other in sorted(others, key=lambda one: (came_first(one), one.id)):
        shared = _shared(archive.unpack(session, other.id), ads, rows, seen)
        if shared is None:
            continue
        seen = seen.vstack(shared[STAGE_AD.name].select(seen.columns))
        publish.stage_again(session, shared, other.run_id)
        publish.publish_again(session, other.id, other.run_id)
        delivered.update(session.scalars(_ads()))
    return delivered


def _with_keys(frames: Mapping[str, pl.DataFrame]) -> pl.DataFrame:
    """Return the delivered rows with the natural keys of their ads and segments, wherever the ads ran."""
    ads = frames[STAGE_AD.name].select("ad_no", *natural_key(Ad))
    # A segment and an ad both have a platform.
    segments = frames[STAGE_SEGMENT.name].select("segment_no", *Dimension)
    segments = segments.rename({name: f"segment_{name}" for name in Dimension})
    return frames[STAGE_KPI.name].join(ads, on="ad_no").join(segments, on="segment_no")


def _shared(
    frames: Mapping[str, pl.DataFrame], ads: pl.DataFrame, rows: pl.DataFrame, seen: pl.DataFrame
) -> Mapping[str, pl.DataFrame] | None:
    """Return what an import says about these ads and rows; None without any of them.

    An ad without any delivery counts only where an import before it (`seen`) made the ad.
    """
    mine = frames[STAGE_AD.name].join(ads, on=natural_key(Ad), how="semi")
    idle = mine.filter(mine["idle"] == 1).join(seen, on=natural_key(Ad), how="semi")
    mine = mine.filter(mine["idle"] == 0).vstack(idle)
    if not mine.height:
        return None
    # Rows without an event may have restated those of one, as rows without a place those of an ad set.
    period = [name for name in natural_key(Kpi) if name not in ("event", "attribution_window")]
    key = [*natural_key(Ad), *(f"segment_{name}" for name in Dimension), *period]
    lines = _with_keys(frames).join(rows, on=key, how="semi").select("line")
    kept = frames[STAGE_KPI.name].join(lines, on="line", how="semi")
    return {
        STAGE_AD.name: mine,
        STAGE_NAME.name: frames[STAGE_NAME.name].join(mine, on="ad_no", how="semi"),
        STAGE_SEGMENT.name: frames[STAGE_SEGMENT.name].join(kept, on="segment_no", how="semi"),
        STAGE_KPI.name: kept,
    }


def _count_again(session: Session, place: _Place) -> None:
    """Settle anew which rows count, and which of the ads are the same."""
    left: list[int] = []
    for part in in_parts(place.competing):
        left += session.scalars(select(Ad.id).where(Ad.id.in_(part)))
        for known in (Ad.id.in_(part), Ad.same_as.in_(part)):
            session.execute(update(Ad).where(known).values(same_as=None).execution_options(synchronize_session=False))
    recount(session, left, every=True)  # they came in files of their own


# --- ads, segments, campaigns -----------------------------------------------------------------------------------------


def _relink(session: Session, place: _Place, run_id: int) -> None:
    """Withdraw the links that rested on a name that is gone, and make those that the names decide that are left."""
    for part in in_parts(place.ads):
        nameless = ~exists().where(AdName.ad_id == AdCreative.ad_id)
        by_name = AdCreative.linked_by.in_(AUTOMATIC_LINKS)
        session.execute(delete(AdCreative).where(AdCreative.ad_id.in_(part), by_name, nameless))
        relink(session, run_id, ads=select(Ad.id).where(Ad.id.in_(part)))


def _remove_ads(session: Session, place: _Place, delivered: set[int]) -> int:
    """Remove the ads that no import delivers any more, unless a person said something of them; return how many."""
    return _remove_unused(session, Ad, [ad for ad in place.ads if ad not in delivered])


def _remove_campaigns(session: Session, place: _Place) -> int:
    """Remove campaigns and memberships that imports made, where nothing rests on them; return how many campaigns."""
    by_imports = select(Run.id).where(or_(Run.what.like("kpi %"), Run.id.in_(select(KpiImport.run_id))))
    shown = exists().where(
        AdCreative.creative_id == CampaignCreative.creative_id,
        AdCreative.ad_id == Ad.id,
        Ad.campaign_id == CampaignCreative.campaign_id,
    )
    placed = exists().where(
        AdCreative.creative_id == CampaignCreative.creative_id,
        Kpi.ad_id == AdCreative.ad_id,
        Segment.id == Kpi.segment_id,
        Segment.campaign_id == CampaignCreative.campaign_id,
    )
    named = exists().where(
        CreativeAlias.creative_id == CampaignCreative.creative_id,
        CampaignAlias.creative_alias_id == CreativeAlias.id,
        CampaignAlias.campaign_id == CampaignCreative.campaign_id,
    )
    later = aliased(Run)
    scored = exists().where(
        Campaign.id == CampaignCreative.campaign_id,
        later.id > CampaignCreative.run_id,
        later.what.like("score%"),
        later.arguments["campaign"].as_string() == Campaign.key,
    )
    for campaign, creatives in place.members.items():
        inside = true() if campaign is None else CampaignCreative.campaign_id == campaign
        for part in in_parts(creatives):
            members = CampaignCreative.creative_id.in_(part) & inside
            session.execute(
                delete(CampaignCreative)
                .where(members, CampaignCreative.run_id.in_(by_imports), ~shown, ~placed, ~scored, ~named)
                .execution_options(synchronize_session=False)
            )
    made = select(Campaign.id).where(Campaign.id.in_(place.campaigns), Campaign.run_id.in_(by_imports))
    return _remove_unused(session, Campaign, list(session.scalars(made)))


def _remove_unused(session: Session, table: type[Base], ids: list[int]) -> int:
    """Remove those of the rows that no row of any table refers to; return how many."""
    own = Base.metadata.tables[table.__tablename__]
    references = [
        column
        for other in Base.metadata.sorted_tables
        for column in other.columns
        if any(key.column.table is own and key.ondelete != "CASCADE" for key in column.foreign_keys)
    ]
    unused = [~exists().where(column == own.c.id) for column in references]
    removed = 0
    for part in in_parts(ids):
        gone = delete(table).where(table.id.in_(part), *unused).execution_options(synchronize_session=False)
        removed += _count(session.execute(gone))
    return removed


def _count(result: Any) -> int:
    assert isinstance(result, CursorResult)  # noqa: S101  # a DELETE counts its rows
    return result.rowcount
