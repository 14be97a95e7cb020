"""Imported files, of KPIs and of ratings: found again by their digest, with the rows that were refused."""

from collections import defaultdict
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Any, TypeVar

from sqlalchemy import Text, cast, exists, func, or_, select
from sqlalchemy.orm import Session

from abkit.metrics import FIGURES
from abkit.names import folded
from abkit.store.database.statements import among, in_parts, total, wait_for_turn
from abkit.store.schema import (
    Ad,
    Kpi,
    KpiImport,
    KpiReject,
    KpiRetention,
    KpiRevision,
    KpiUndo,
    RatingImport,
    RatingReject,
    Run,
)
from abkit.store.shown import without_creative

#: The account under which `abkit demo` delivers: everybody who sees its figures is told that they are simulated.
SIMULATED_ACCOUNT = "abkit-demo-simulated"

#: Where an import, and the run of an archive, keep when contents came first.
CAME_FIRST = "came_first"

#: Under which name an import keeps whether it has longer periods than a day, among its options.
HAS_TOTALS = "has_totals"

_COUNTS = ("rows", "imported", "updated", "unchanged", "unlinked", "rejected", "set_aside")

Import = TypeVar("Import", KpiImport, RatingImport)


def import_of(session: Session, table: type[Import], digest: str) -> Import | None:
    """Return the import of a content that was read in the same way, if there was one."""
    return session.scalar(select(table).where(table.digest == digest))


def came_first(record: KpiImport) -> datetime:
    """Return when the content of an import came to the store first: rows that left for an archive may come again."""
    said = record.options.get(CAME_FIRST)
    return datetime.fromisoformat(said) if said else record.imported_at


def first_coming(session: Session, digest: str) -> datetime | None:
    """Return when a content came first whose rows have left for an archive since; None where none has.

    Args:
        session: A reading session.
        digest: Of the content and of the way it was read: of an export, or of a file of the archive.
    """
    freed = select(KpiImport).where(KpiImport.digest.like(f"archived by run %: {digest}"))
    times = [came_first(record) for record in session.scalars(freed)]
    archives = select(Run.outcome).join(KpiRetention, KpiRetention.run_id == Run.id)
    for outcome in session.scalars(archives):
        said = (outcome or {}).get(CAME_FIRST, {}).get(digest)
        times += [datetime.fromisoformat(said)] if said else []
    return min(times, default=None)


def restated_since(session: Session, import_id: int) -> tuple[int, int]:
    """Return how many rows have other figures now than this import gave them, and the last import that changed any.

    Both are 0 where its figures stand.
    """
    rows, last = func.count(Kpi.id.distinct()), func.max(Kpi.kpi_import_id)
    others = [getattr(KpiRevision, name).is_distinct_from(getattr(Kpi, name)) for name in ("currency", *FIGURES)]
    changed = select(rows, last).join(KpiRevision, KpiRevision.kpi_id == Kpi.id)
    found = session.execute(changed.where(KpiRevision.former_import_id == import_id, or_(*others))).one()
    return found[0], found[1] or 0


def imports_since(session: Session, moment: datetime) -> list[int]:
    """Return the imports whose content came first after a moment."""
    return [record.id for record in session.scalars(select(KpiImport)) if came_first(record) > moment]


def begin_import(session: Session, lock: int, table: type[Import], digest: str, **columns: Any) -> tuple[Import, bool]:
    """Wait until no other process publishes; return the import with this digest, and whether this made its row.

    Args:
        session: A writing session.
        lock: The number that all processes wait for.
        table: KPIs or ratings.
        digest: Of the content and of the way it was read.
        columns: Of the row, but for the counts: they are 0 for now.
    """
    wait_for_turn(session, lock)
    if earlier := import_of(session, table, digest):
        return earlier, False
    counts = {name: 0 for name in _COUNTS if hasattr(table, name)}
    record = table(digest=digest, imported_at=datetime.now(UTC), **counts, **columns)
    session.add(record)
    session.flush()
    return record, True


def kpi_rejects(session: Session, import_id: int | None, limit: int) -> list[dict[str, Any]]:
    """Return the rows of KPI files that were refused or set aside (of one import, or of all), latest import first.

    Of one import the refused rows come first.

    Returns:
        Of each, at most `limit`: import_id, file, kind, line, reason and content (the cells).
    """
    content = [KpiReject.kind, KpiReject.content]
    return _rejects(session, KpiImport, KpiReject, KpiReject.kpi_import_id, content, import_id, limit)


def rating_rejects(session: Session, import_id: int | None, limit: int) -> list[dict[str, Any]]:
    """Return the rows of rating tables that were refused, as `kpi_rejects` does; their cells are not kept."""
    return _rejects(session, RatingImport, RatingReject, RatingReject.rating_import_id, [], import_id, limit)


def _rejects(
    session: Session,
    files: Any,
    rejects: Any,
    of_file: Any,
    more: list[Any],
    import_id: int | None,
    limit: int,
) -> list[dict[str, Any]]:
    columns = [files.id.label("import_id"), files.name.label("file"), rejects.line, rejects.reason, *more]
    order = [column for column in more if column.key == "kind"]  # "rejected" stands before "set_aside"
    statement = select(*columns).join(files, files.id == of_file)
    statement = statement.order_by(files.id.desc(), *order, rejects.line).limit(limit)
    if import_id is not None:
        statement = statement.where(files.id == import_id)
    return [dict(row._mapping) for row in session.execute(statement)]


def reject_reasons(session: Session, import_id: int) -> Mapping[str, list[str]]:
    """Return the reason of every row of a KPI import that was refused or set aside, by kind (`RejectKind`)."""
    reasons: dict[str, list[str]] = defaultdict(list)
    kept = select(KpiReject.kind, KpiReject.reason).where(KpiReject.kpi_import_id == import_id).order_by(KpiReject.line)
    for kind, reason in session.execute(kept):
        reasons[kind].append(reason)
    return reasons


def zones_of_imports(session: Session) -> list[tuple[str, Mapping[str, Any] | None]]:
    """Return time zone and contents of each import that counts and whose time zone is known."""
    undone = select(KpiUndo.kpi_import_id)
    known = select(KpiImport.time_zone, KpiImport.contents)
    rows = session.execute(known.where(KpiImport.time_zone != "", KpiImport.id.not_in(undone)))
    return [(zone, contents) for zone, contents in rows]


def reject_counts(session: Session, first: date, last: date) -> tuple[int, int]:
    """Return how many rows were rejected, and how many there were, in the KPI files that hold rows of these days.

    Rows that were set aside are neither.
    """
    # What begins later ends later, and an index has the last days.
    days = Kpi.period_end.between(first, last)
    files = select(Kpi.kpi_import_id).where(days, Kpi.period_start >= first).distinct()
    columns = [func.coalesce(total(column), 0) for column in (KpiImport.rejected, KpiImport.rows - KpiImport.set_aside)]
    rejected, rows = session.execute(select(*columns).where(KpiImport.id.in_(files))).one()
    return rejected, rows


def imports_with_totals(session: Session) -> list[int]:
    """Return the imports with longer periods than a day, and those of an earlier release, of which nobody knows."""
    kept = session.execute(select(KpiImport.id, KpiImport.options))
    return [number for number, options in kept if options.get(HAS_TOTALS, True)]


@dataclass(frozen=True, kw_only=True)
class Imported:
    """What has been imported up to a day.

    Attributes:
        ads: Ads with delivery.
        unlinked_ads: Those of them without a creative.
        first_day, last_day: Days that the delivery spans; None without any.
        files: Imported files.
        rejected_rows: Their rows that were refused.
        set_aside_rows: Their rows that are no fault: lines of totals, and rows in which nothing was delivered.
    """

    ads: int
    unlinked_ads: int
    first_day: date | None
    last_day: date | None
    files: int
    rejected_rows: int
    set_aside_rows: int


def imported(session: Session, as_of: date) -> Imported:
    """Return what has been imported of the delivery up to a day."""
    in_time = Kpi.period_end <= as_of
    last = session.scalar(select(func.max(Kpi.period_end)).where(in_time))
    starts = select(Kpi.period_start).where(in_time).order_by(Kpi.period_end).limit(1)
    if imports_with_totals(session):
        # Elsewhere what ends first begins first, and an index has the last days.
        starts = select(func.min(Kpi.period_start)).where(in_time)
    first = session.scalar(starts)
    # Ad by ad: to tell the ads of all rows apart would sort all rows.
    ads, delivered = select(func.count(Ad.id)), exists().where(Kpi.ad_id == Ad.id, in_time)
    every = session.scalars(ads.where(delivered)).one()
    unlinked = session.scalars(ads.where(without_creative(Ad.id), delivered)).one()
    undone = select(KpiUndo.kpi_import_id)
    files, rejected, aside = session.execute(
        select(func.count(KpiImport.id), total(KpiImport.rejected), total(KpiImport.set_aside)).where(
            KpiImport.id.not_in(undone)
        )
    ).one()
    return Imported(
        ads=every,
        unlinked_ads=unlinked,
        first_day=first,
        last_day=last,
        files=files,
        rejected_rows=rejected or 0,
        set_aside_rows=aside or 0,
    )


def impressions_and_clicks(
    session: Session, ads: Collection[tuple[str, str, str]]
) -> Mapping[tuple[str, str, str], tuple[int, int]]:
    """Return the impressions and clicks in the store of ads (platform, account, id), as far as it knows them."""
    found = {}
    for platform, account, external_id in ads:
        sums = (
            select(total(Kpi.impressions), total(Kpi.clicks))
            .join(Ad, Ad.id == Kpi.ad_id)
            .where(Ad.platform == platform, Ad.account == account, Ad.external_id == external_id)
        )
        impressions, clicks = session.execute(sums).one()
        if impressions is not None:
            found[platform, account, external_id] = (impressions, clicks)
    return found


def days_of_ads(
    session: Session, ids: Collection[str] | None, first: date, last: date, *, longer: bool
) -> list[tuple[str, date, int, int]]:
    """Return id, day, import and impressions of ads on single days, of the rows that count.

    Args:
        session: A reading session.
        ids: External ids of ads, of any platform and account; all ads when None.
        first: The first day.
        last: The last one.
        longer: Only of imports whose days look like longer times.
    """
    imports = None
    if longer:
        marked = cast(KpiImport.options, Text).contains('"days_look_like"')
        imports = session.scalars(select(KpiImport.id).where(marked)).all()
        if not imports:
            return []
    found: list[tuple[str, date, int, int]] = []
    for part in [None] if ids is None else in_parts(sorted(ids)):
        rows = (
            select(Ad.external_id, Kpi.period_start, Kpi.kpi_import_id, total(Kpi.impressions))
            .join(Ad, Ad.id == Kpi.ad_id)
            .where(Kpi.period_start == Kpi.period_end, Kpi.left_out == "", Kpi.period_start.between(first, last))
            .group_by(Ad.external_id, Kpi.period_start, Kpi.kpi_import_id)
        )
        if part is not None:
            rows = rows.where(Ad.external_id.in_(part))
        if imports is not None:
            rows = rows.where(among(session, Kpi.kpi_import_id, imports))
        found += [(row[0], row[1], row[2], row[3]) for row in session.execute(rows)]
    return found


def known_spellings(
    session: Session, ads: Collection[tuple[str, str, str]]
) -> Mapping[tuple[str, str, str], tuple[str, str, str]]:
    """Return the one ad of the store that each of these is in another spelling (platform, account, name).

    Ads that are there as they are written are left out, and so are those that could be several.
    """
    owners = {key[:2] for key in ads}
    found: dict[tuple[str, str, str], list[tuple[str, str, str]]] = {}
    for platform, account in sorted(owners):
        rows = session.scalars(select(Ad.external_id).where(Ad.platform == platform, Ad.account == account))
        for external_id in rows:
            found.setdefault((platform, account, folded(external_id)), []).append((platform, account, external_id))
    exact = {key for keys in found.values() for key in keys}
    spelled = {}
    for key in set(ads) - exact:
        same = found.get((*key[:2], folded(key[2])), [])
        if len(same) == 1:
            spelled[key] = same[0]
    return spelled


def is_simulated(session: Session) -> bool:
    """Return whether the store has delivery that `abkit demo` made up; a look-up for each platform."""
    # Platform and account are how the key of ads begins: from one platform to the next in it, no ad is read.
    first = select(func.min(Ad.platform).label("platform")).cte("platforms", recursive=True)
    following = select(func.min(Ad.platform)).where(Ad.platform > first.c.platform).correlate(first).scalar_subquery()
    platforms = first.union_all(select(following).where(first.c.platform.is_not(None)))
    made_up = exists().where(Ad.platform == platforms.c.platform, Ad.account == SIMULATED_ACCOUNT)
    return session.scalars(select(platforms.c.platform).where(made_up).limit(1)).first() is not None
