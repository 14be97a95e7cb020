"""Publish a staged KPI file: one short transaction in which rows, revisions, rejects, links and counts appear.

The steps, in the order of the code:

1. One import at a time, on PostgreSQL by an advisory lock, on SQLite by the transaction itself. If another process
   has published the same file in the meantime, nothing is left to do.
2. The row of the import; campaigns, ads and segments that are new, and the campaign that each segment means.
3. Which staged rows are in the store already, under their ad set or as the only one known, and which of those have
   other figures. A row without any delivery counts
   only there, where it takes back what an earlier file said; elsewhere it stays set aside.
4. The former figures of those go to `kpi_revision`, the new ones replace them; rows that are new are inserted.
5. Rejects and rows set aside; links to creatives; which rows count; first days of delivery.
6. The counts, in rows of the file: a staged row may be the sum of several.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import TYPE_CHECKING, Any

from sqlalchemy import (
    FromClause,
    Subquery,
    and_,
    case,
    exists,
    func,
    insert,
    literal,
    not_,
    or_,
    select,
    union,
    update,
)
from sqlalchemy.orm import Session

from abkit.metrics import COUNTS, FIGURES, MONEY
from abkit.store.database.staging import analyze, create_stage, fill
from abkit.store.database.statements import (
    count_changed,
    count_inserted,
    count_rows,
    in_parts,
    insert_into,
    total,
    wait_for_turn,
)
from abkit.store.imports import CAME_FIRST, HAS_TOTALS, begin_import, imports_since
from abkit.store.kpis.campaigns import place_segments, settle_campaigns
from abkit.store.kpis.linking.links import creatives_of, name_ads, refresh_launches, relink
from abkit.store.kpis.once.alike import MaybeTwice, maybe_twice
from abkit.store.kpis.once.campaign_totals import TotalsBesideDays, totals_beside_days
from abkit.store.kpis.once.counting import SetAside, ads_left_out, counts, note_breakdowns, recount, set_aside
from abkit.store.kpis.once.equal_days import EqualDays, equal_days
from abkit.store.kpis.once.running_totals import running_totals
from abkit.store.kpis.other_values import OtherValues, other_values
from abkit.store.kpis.stage import (
    SEGMENT_KEY,
    STAGE_AD,
    STAGE_KPI,
    STAGE_MATCH,
    STAGE_NAME,
    STAGE_PERIOD,
    STAGE_REJECT,
    STAGE_SEGMENT,
    TEMPORARY,
)
from abkit.store.schema import Ad, Campaign, Kpi, KpiImport, KpiReject, KpiRevision, Segment
from abkit.store.shown import without_creative
from abkit.vocabulary import PLACES, Dimension, RejectKind

if TYPE_CHECKING:
    import polars as pl

# Any number, the same in all processes.
_PUBLISH_LOCK = 6_223_815
_AD_KEY = ("platform", "account", "external_id")
_PERIOD = (STAGE_KPI.c.period_start, STAGE_KPI.c.period_end)
_RESTATED = ("currency", *FIGURES)


@dataclass(frozen=True, kw_only=True)
class ImportHeader:
    """An import without its rows: digest and name of the file, how it was read, and what is in it.

    `came_first` is the moment from which the file is, where its rows left for an archive and come again.
    """

    digest: str
    name: str
    options: Mapping[str, Any]
    run_id: int
    time_zone: str = ""
    contents: Mapping[str, Any] = field(default_factory=dict)
    came_first: datetime | None = None


def publish(session: Session, header: ImportHeader) -> tuple[KpiImport, bool]:
    """Publish what is staged on the session's connection.

    Args:
        session: A writing session on the connection that has the staging tables.
        header: Digest, name and options of the file.

    Returns:
        The import, and whether it is this one (False: another process was first).
    """
    columns = {
        "name": header.name,
        "options": dict(header.options),
        "run_id": header.run_id,
        "time_zone": header.time_zone,
        "contents": dict(header.contents),
    }
    record, is_new = begin_import(session, _PUBLISH_LOCK, KpiImport, header.digest, **columns)
    if not is_new:
        return record, False
    newest = session.scalar(select(func.max(Ad.id))) or 0
    known, made_one = _number_ads_and_segments(session, header.run_id)
    if made_one:
        record.options = {**record.options, "campaigns_made_one": [list(pair) for pair in made_one]}
    matched = _match(session) if known else 0
    if header.came_first:
        kept = _keep_later(session, header.came_first) if matched else 0
        record.options = {**record.options, CAME_FIRST: header.came_first.isoformat(), "kept_later": kept}
    record.updated = _restate(session, record.id) if matched else 0
    record.unchanged = matched - record.updated
    record.imported = _insert_new(session, record.id, any_matched=bool(matched))
    record.rejected, record.set_aside = _keep_rejects(session, record.id, any_matched=bool(matched))
    record.rows = record.imported + matched + record.rejected + record.set_aside
    ads = select(STAGE_AD.c.ad_id).where(STAGE_AD.c.ad_id.is_not(None))
    _name_ads(session, header.run_id)
    relink(session, header.run_id, ads=ads)
    period = (STAGE_PERIOD.c.period_start, STAGE_PERIOD.c.period_end)
    session.execute(insert(STAGE_PERIOD).from_select([*period], select(*_PERIOD).distinct()))
    first, last = _first_and_last(session)
    has_totals = session.execute(select(*period).where(period[1] > period[0]).limit(1)).first() is not None
    touched = session.scalars(ads).all()
    # Of new ads there are no other rows: those of a plain file of days have nothing to compete with.
    alone = [ad for ad in touched if ad > newest] if not has_totals and _of_one_kind(session) else ()
    counted = recount(session, touched, (first, last), alone=alone)
    if counted.wholes:
        record.options = {**record.options, "totals": [f"{name} {value!r}" for name, value in counted.wholes]}
    if counted.likely:
        record.options = {**record.options, "likely_totals": [f"{name} {value!r}" for name, value in counted.likely]}
    if counted.not_examined:
        record.options = {**record.options, "values_not_examined": counted.not_examined}
    record.options = {**record.options, HAS_TOTALS: has_totals}
    refresh_launches(session, creatives_of(session, ads), header.run_id)
    record.unlinked = _unlinked(session, record.imported + matched)
    session.flush()
    return record, True


def _first_and_last(session: Session) -> tuple[date, date]:
    """Return the first and the last staged day; None of no rows."""
    extent = select(func.min(STAGE_PERIOD.c.period_start), func.max(STAGE_PERIOD.c.period_end))
    first, last = session.execute(extent).one()
    return first, last


def _unlinked(session: Session, landed: int) -> int:
    """Return how many of the rows that landed are of ads without a creative."""
    unlinked = without_creative(STAGE_AD.c.ad_id)
    some = [session.execute(select(STAGE_AD.c.ad_no).where(one).limit(1)).first() for one in (not_(unlinked), unlinked)]
    if None in some:
        # All of one kind, as they mostly are: no row has to be looked at.
        return landed if some[0] is None else 0
    staged = STAGE_KPI.join(STAGE_AD, STAGE_AD.c.ad_no == STAGE_KPI.c.ad_no)
    return _file_rows(session, staged, unlinked, _delivers)


def _of_one_kind(session: Session) -> bool:
    """Return whether all staged rows have one conversion event, one attribution window and one breakdown."""
    note_breakdowns(session)
    cuts = select(Segment.breakdown).join(STAGE_SEGMENT, STAGE_SEGMENT.c.segment_id == Segment.id).distinct().limit(2)
    events = select(STAGE_KPI.c.event, STAGE_KPI.c.attribution_window).distinct().limit(2)
    return len(session.execute(cuts).all()) == 1 and len(session.execute(events).all()) == 1


def staged_set_aside(session: Session) -> tuple[SetAside, ...]:
    """Return which rows of the staged ads do not count, of this import and of others, under any of their names."""
    own = select(STAGE_AD.c.ad_id)
    heads = select(func.coalesce(Ad.same_as, Ad.id)).where(Ad.id.in_(own))
    staged = union(own, heads, select(Ad.id).where(Ad.same_as.in_(heads)))
    # To most imports nothing is left out, and the index that says so is small; `+ 0` keeps SQLite from the large one.
    if not ads_left_out(session, (Kpi.ad_id + 0).in_(staged)):
        return ()
    return set_aside(session, counts(session), [Kpi.ad_id.in_(staged)])


def staged_maybe_twice(session: Session) -> MaybeTwice | None:
    """Return which of the staged ads may be one with an ad of the same id, and count apart."""
    return maybe_twice(session, session.scalars(select(STAGE_AD.c.ad_id).where(STAGE_AD.c.ad_id.is_not(None))).all())


def staged_equal_days(session: Session, import_id: int) -> EqualDays | None:
    """Return what another import has of a campaign as the staged one has it, in other ads."""
    periods = session.execute(select(STAGE_PERIOD.c.period_start, STAGE_PERIOD.c.period_end))
    return equal_days(session, import_id, [(start, end) for start, end in periods])


def staged_other_values(session: Session, import_id: int) -> OtherValues | None:
    """Return which values of the staged import have the figures of others in the store."""
    return other_values(session, import_id)


def staged_running_totals(session: Session) -> str:
    """Say that the days of the staged ads only ever grow; '' where they do not."""
    return running_totals(session, session.scalars(select(STAGE_AD.c.ad_id).where(STAGE_AD.c.ad_id.is_not(None))).all())


def staged_totals_beside_days(session: Session) -> TotalsBesideDays | None:
    """Return totals of the staged ads' campaigns beside shorter periods of other ads, staged or not."""
    first, last = _first_and_last(session)
    if first is None:
        return None
    ads = session.scalars(select(STAGE_AD.c.ad_id).where(STAGE_AD.c.ad_id.is_not(None))).all()
    return totals_beside_days(session, ads, (first, last))


# Rows that land: those with delivery, and idle ones that take back what is in the store.
_delivers = or_(STAGE_KPI.c.idle == 0, exists().where(STAGE_MATCH.c.place == STAGE_KPI.c.place))


def _file_rows(session: Session, rows: FromClause, *where: Any) -> int:
    """Return how many rows of the file are in staged rows that meet the conditions."""
    counted = select(func.coalesce(total(STAGE_KPI.c.rows), 0)).select_from(rows).where(*where)
    return int(session.scalars(counted).one())


def stage_again(session: Session, frames: Mapping[str, pl.DataFrame], run_id: int) -> None:
    """Stage rows that an import delivered once before, inside a transaction, and match them with the store.

    Args:
        session: A writing session that holds the lock of imports.
        frames: By name of the staging table; columns that this version does not know are left out.
        run_id: Of the import.
    """
    connection = session.connection()
    create_stage(connection, TEMPORARY)
    for name, frame in frames.items():
        table = TEMPORARY.tables[name]
        fill(connection, table, frame.select(column for column in frame.columns if column in table.columns))
    _number_ads_and_segments(session, run_id)
    _match(session)


def publish_again(session: Session, import_id: int, run_id: int) -> None:
    """Publish what `stage_again` staged as rows of an import that is there."""
    _name_ads(session, run_id)
    matched = count_rows(session, STAGE_MATCH)
    if matched:
        _restate(session, import_id)
    _insert_new(session, import_id, any_matched=bool(matched))


def wait_for_imports(session: Session) -> None:
    """Wait until no other process publishes KPIs, and hold them back until the end of the transaction."""
    wait_for_turn(session, _PUBLISH_LOCK)


def _number_ads_and_segments(session: Session, run_id: int) -> tuple[int, list[tuple[str, str]]]:
    """Make the campaigns, ads and segments that are new, and note all ids.

    Returns:
        How many ads were known before, and key and name of campaigns that are one from now on.
    """
    made_one = settle_campaigns(session, run_id)
    is_known = and_(*(getattr(Ad, name) == STAGE_AD.c[name] for name in _AD_KEY))
    known = count_rows(session, STAGE_AD.join(Ad, is_known))
    ads = insert_into(session, Ad).from_select(
        [*_AD_KEY, "ad_set", "creative_name", "campaign_id", "run_id"],
        select(*(STAGE_AD.c[name] for name in (*_AD_KEY, "ad_set", "creative")), Campaign.id, literal(run_id))
        .select_from(STAGE_AD.outerjoin(Campaign, Campaign.key == STAGE_AD.c.campaign))
        # SQLite takes ON CONFLICT after a SELECT only behind a WHERE.
        .where(STAGE_AD.c.idle == 0),
    )
    name = case((ads.excluded.creative_name != "", ads.excluded.creative_name), else_=Ad.creative_name)
    ad_set = case((ads.excluded.ad_set != "", ads.excluded.ad_set), else_=Ad.ad_set)
    campaign = func.coalesce(ads.excluded.campaign_id, Ad.campaign_id)
    session.execute(
        ads.on_conflict_do_update(
            index_elements=list(_AD_KEY),
            set_={"creative_name": name, "ad_set": ad_set, "campaign_id": campaign},
            where=or_(Ad.creative_name != name, Ad.ad_set != ad_set, Ad.campaign_id.is_distinct_from(campaign)),
        )
    )
    session.execute(
        insert_into(session, Segment)
        .from_select(
            list(SEGMENT_KEY),
            select(*(STAGE_SEGMENT.c[name] for name in SEGMENT_KEY)).where(STAGE_SEGMENT.c.segment_no >= 0),
        )
        .on_conflict_do_nothing(index_elements=list(SEGMENT_KEY))
    )
    place_segments(session)
    session.execute(update(STAGE_AD).values(ad_id=select(Ad.id).where(is_known).scalar_subquery()))
    is_segment = and_(*(getattr(Segment, name) == STAGE_SEGMENT.c[name] for name in SEGMENT_KEY))
    session.execute(update(STAGE_SEGMENT).values(segment_id=select(Segment.id).where(is_segment).scalar_subquery()))
    # Until now the planner knows these ids as NULL throughout, and would join row by row.
    analyze(session.connection(), STAGE_AD, STAGE_SEGMENT)
    return known, made_one


def _name_ads(session: Session, run_id: int) -> None:
    """Keep the names that ads have in the file: of their creatives, or their own where it names no creative."""
    named = select(STAGE_AD.c.ad_id, STAGE_NAME.c.creative).join(STAGE_NAME, STAGE_NAME.c.ad_no == STAGE_AD.c.ad_no)
    name_ads(session, named, run_id)
    own = select(STAGE_AD.c.ad_id, STAGE_AD.c.external_id).where(STAGE_AD.c.creative == "", STAGE_AD.c.idle == 0)
    # A number is the platform's and means no file, even where a file is called by a number.
    name_ads(session, own, run_id, numbers=False)


STAGED = STAGE_KPI.join(STAGE_AD, STAGE_AD.c.ad_no == STAGE_KPI.c.ad_no).join(
    STAGE_SEGMENT, STAGE_SEGMENT.c.segment_no == STAGE_KPI.c.segment_no
)


def _match(session: Session) -> int:
    """Note the staged rows whose key is in the store, and return how many rows of the file they are."""
    # A table that has just grown has no statistics yet, and PostgreSQL would compare row by row.
    analyze(session.connection(), Kpi.__table__)
    same_key = and_(SAME_DAYS, Kpi.segment_id == STAGE_SEGMENT.c.segment_id)
    differs = or_(*(_new(name).is_distinct_from(getattr(Kpi, name)) for name in _RESTATED))
    columns = ["place", "kpi_id", "differs"]
    matches = select(STAGE_KPI.c.place, Kpi.id, case((differs, 1), else_=0)).select_from(STAGED.join(Kpi, same_key))
    session.execute(insert(STAGE_MATCH).from_select(columns, matches))
    analyze(session.connection(), STAGE_MATCH)
    for only in (_only_places(session), _only_events(session)):
        if only is not None:
            matches = select(only.c.place, Kpi.id, case((differs, 1), else_=0))
            matches = matches.select_from(only.join(STAGE_KPI, STAGE_KPI.c.place == only.c.place))
            session.execute(insert(STAGE_MATCH).from_select(columns, matches.join(Kpi, Kpi.id == only.c.kpi_id)))
    return _file_rows(session, _MATCHED)


def _keep_later(session: Session, moment: datetime) -> int:
    """Leave rows as they are that an import brought which came after a moment; return how many differ from these."""
    kept = 0
    for part in in_parts(imports_since(session, moment)):
        later = select(Kpi.id).where(Kpi.kpi_import_id.in_(part))
        differing = (STAGE_MATCH.c.kpi_id.in_(later), STAGE_MATCH.c.differs == 1)
        kept += count_changed(session, update(STAGE_MATCH).where(*differing).values(differs=0))
    return kept


#: Whether a staged segment is a segment of the store but for where the ad ran.
SAME_DIMENSIONS = and_(*(getattr(Segment, name) == STAGE_SEGMENT.c[name] for name in Dimension))
#: Whether it is of the same ad and days, whatever its conversion event.
SAME_PERIOD = and_(
    Kpi.ad_id == STAGE_AD.c.ad_id,
    Kpi.period_start == STAGE_KPI.c.period_start,
    Kpi.period_end == STAGE_KPI.c.period_end,
)
SAME_DAYS = and_(
    SAME_PERIOD,
    Kpi.event == STAGE_KPI.c.event,
    Kpi.attribution_window == STAGE_KPI.c.attribution_window,
)


def _only_places(session: Session) -> Subquery | None:
    """Return the rows that staged rows restate without saying where the ad ran: `place`, `kpi_id`; None if none can.

    A sum over ad sets is not less than one of them. What is no more than the only ad set that is known restates it.
    """
    coarser = [or_(STAGE_SEGMENT.c[name] == "", STAGE_SEGMENT.c[name] == getattr(Segment, name)) for name in PLACES]
    less = or_(*(STAGE_SEGMENT.c[name] != getattr(Segment, name) for name in PLACES))
    finer = select(STAGE_SEGMENT.c.segment_no, Segment.id).join(Segment, and_(SAME_DIMENSIONS, *coarser, less))
    if session.execute(finer.limit(1)).first() is None:
        return None
    pairs = finer.subquery()
    rows = STAGE_KPI.join(STAGE_AD, STAGE_AD.c.ad_no == STAGE_KPI.c.ad_no)
    rows = rows.join(pairs, pairs.c.segment_no == STAGE_KPI.c.segment_no)
    return (
        select(STAGE_KPI.c.place, func.min(Kpi.id).label("kpi_id"))
        .select_from(rows.join(Kpi, and_(SAME_DAYS, Kpi.segment_id == pairs.c.id)))
        .where(~exists().where(STAGE_MATCH.c.place == STAGE_KPI.c.place))
        .group_by(STAGE_KPI.c.place, STAGE_KPI.c.impressions, STAGE_KPI.c.clicks)
        .having(
            func.count() == 1,
            STAGE_KPI.c.impressions <= func.min(Kpi.impressions),
            func.coalesce(STAGE_KPI.c.clicks, 0) <= func.min(Kpi.clicks),
        )
        .subquery()
    )


def _only_events(session: Session) -> Subquery | None:
    """Return the rows that staged rows without conversions restate: `place`, `kpi_id`; None if none can.

    A file that has no column of conversions says nothing about events: it restates the row of the only known one.
    """
    silent = and_(STAGE_KPI.c.conversions.is_(None), STAGE_KPI.c.event == "", STAGE_KPI.c.attribution_window == "")
    unmatched = ~exists().where(STAGE_MATCH.c.place == STAGE_KPI.c.place)
    if session.execute(select(STAGE_KPI.c.place).where(silent).limit(1)).first() is None:
        return None
    same = and_(SAME_PERIOD, Kpi.segment_id == STAGE_SEGMENT.c.segment_id)
    return (
        select(STAGE_KPI.c.place, func.min(Kpi.id).label("kpi_id"))
        .select_from(STAGED.join(Kpi, same))
        .where(silent, unmatched)
        .group_by(STAGE_KPI.c.place)
        .having(func.count() == 1, func.min(Kpi.impressions) > 0)
        .subquery()
    )


_MATCHED = STAGE_KPI.join(STAGE_MATCH, STAGE_MATCH.c.place == STAGE_KPI.c.place)


_AMOUNTS = ("spend", "revenue")


def _new(name: str) -> Any:
    """Return the figure after the import: what a file does not give stays as it was.

    A currency is that of amounts: without any, a row says nothing about those that are known, and with one in another
    currency, the other amount is no longer known.
    """
    silent = and_(*(STAGE_KPI.c[amount].is_(None) for amount in _AMOUNTS))
    if name == "currency":
        known = or_(*(getattr(Kpi, amount).is_not(None) for amount in _AMOUNTS))
        said = case((and_(silent, known, Kpi.currency != ""), None), else_=func.nullif(STAGE_KPI.c.currency, ""))
        return func.coalesce(said, Kpi.currency)
    if name in _AMOUNTS:
        other = and_(~silent, Kpi.currency != "", STAGE_KPI.c.currency.not_in(["", Kpi.currency]))
        return case((other, STAGE_KPI.c[name]), else_=func.coalesce(STAGE_KPI.c[name], getattr(Kpi, name)))
    return func.coalesce(STAGE_KPI.c[name], getattr(Kpi, name))


def _restate(session: Session, import_id: int) -> int:
    """Keep the former figures of rows that differ, replace them, and return how many."""
    former = (
        select(Kpi.id, literal(import_id), *(getattr(Kpi, name) for name in _RESTATED), Kpi.kpi_import_id)
        .join(STAGE_MATCH, STAGE_MATCH.c.kpi_id == Kpi.id)
        .where(STAGE_MATCH.c.differs == 1)
    )
    session.execute(
        insert(KpiRevision).from_select(["kpi_id", "kpi_import_id", *_RESTATED, "former_import_id"], former)
    )
    session.execute(
        update(Kpi)
        .values(**{name: _new(name) for name in _RESTATED}, kpi_import_id=import_id)
        .where(Kpi.id == STAGE_MATCH.c.kpi_id, STAGE_MATCH.c.place == STAGE_KPI.c.place, STAGE_MATCH.c.differs == 1)
        .execution_options(synchronize_session=False)
    )
    return _file_rows(session, _MATCHED, STAGE_MATCH.c.differs == 1)


def _insert_new(session: Session, import_id: int, *, any_matched: bool) -> int:
    columns = ["period_start", "period_end", "event", "attribution_window", "currency"]
    rows = select(
        STAGE_AD.c.ad_id,
        STAGE_SEGMENT.c.segment_id,
        *(STAGE_KPI.c[name] for name in columns),
        *(STAGE_KPI.c[name] if name == "impressions" else func.coalesce(STAGE_KPI.c[name], 0) for name in COUNTS),
        *(STAGE_KPI.c[name] for name in MONEY),
        literal(import_id),
    ).select_from(STAGED)
    new = STAGE_KPI.c.idle == 0
    if any_matched:
        new = and_(new, ~exists().where(STAGE_MATCH.c.place == STAGE_KPI.c.place))
    names = ["ad_id", "segment_id", *columns, *FIGURES, "kpi_import_id"]
    session.execute(insert(Kpi).from_select(names, rows.where(new)))
    return _file_rows(session, STAGE_KPI, new)


def _keep_rejects(session: Session, import_id: int, *, any_matched: bool) -> tuple[int, int]:
    """Keep what does not land; return how many rows were rejected, and how many set aside."""
    columns = ("line", "kind", "reason", "content")
    kept = select(literal(import_id), *(STAGE_REJECT.c[name] for name in columns)).order_by(STAGE_REJECT.c.line)
    if any_matched:
        landed = select(STAGE_KPI.c.line).select_from(_MATCHED).where(STAGE_KPI.c.idle == 1).subquery()
        kept = kept.outerjoin(landed, landed.c.line == STAGE_REJECT.c.line).where(landed.c.line.is_(None))
    inserted = count_inserted(session, insert(KpiReject).from_select(["kpi_import_id", *columns], kept))
    of_this = (KpiReject.kpi_import_id == import_id, KpiReject.kind == RejectKind.REJECTED)
    rejected = count_rows(session, KpiReject, *of_this) if inserted else 0
    return rejected, inserted - rejected
