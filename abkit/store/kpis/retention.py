"""Take rows of days that are long over out of the store, so that what is left says what it said before.

A row may go when its period ended before a day. It stays where rows that stay rest on it:

- Periods of one ad that overlap compete. A month that reaches over that day keeps its days, and these keep the weeks
  that they are in.
- Which conversion event of an ad counts is decided over all of its days. Where rows that stay would be decided
  differently without the others, all rows of that ad stay.

The first day of a creative in a campaign is kept in `campaign_creative`, and is never moved past what was taken out.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING, Any

from sqlalchemy import Column, Date, Integer, MetaData, Table, and_, delete, exists, func, insert, or_, select
from sqlalchemy.orm import Session

from abkit.metrics import FIGURES, WHOLE
from abkit.store.catalog.campaigns import outdate_leaderboards
from abkit.store.database.staging import analyze, create_stage, drop_stage
from abkit.store.database.statements import among, count_changed, count_rows, in_parts, total
from abkit.store.kpis import archive
from abkit.store.kpis.once.counting import changed_without
from abkit.store.kpis.stage import STAGE_AD, STAGE_KPI
from abkit.store.schema import (
    Ad,
    Experiment,
    ExperimentResult,
    Kpi,
    KpiArchive,
    KpiImport,
    KpiRetention,
    KpiRevision,
    Segment,
)
from abkit.vocabulary import PLACES, Dimension

if TYPE_CHECKING:
    import polars as pl

_TEMPORARY = MetaData()
# The rows that leave, and of ads of which some stay: the day from which they do.
LEAVING = Table(
    "retention_leaving",
    _TEMPORARY,
    Column("kpi_id", Integer, primary_key=True, autoincrement=False),
    prefixes=["TEMPORARY"],
)
HELD = Table(
    "retention_held",
    _TEMPORARY,
    Column("ad_id", Integer, primary_key=True, autoincrement=False),
    Column("since", Date),
    prefixes=["TEMPORARY"],
)

#: Columns of an archived row, as an export has them: `abkit kpi import` knows them all by name.
COLUMNS = (
    "period_start", "period_end", "platform", "account", "ad", "creative", "campaign", "ad_set", "placement", "country",
    "region", "device", "age", "gender", "other", "event", "attribution_window", "currency", *FIGURES,
)  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class Sums:
    """What rows hold together; amounts of several currencies are added up only to compare them with a copy."""

    rows: int = 0
    impressions: int = 0
    clicks: int = 0
    conversions: float = 0.0
    spend: float = 0.0
    revenue: float = 0.0
    first: date | None = None
    last: date | None = None


def choose_leaving(session: Session, before: date) -> None:
    """Note which rows leave the store; call it first, in a writing session that holds the lock of imports."""
    create_stage(session.connection(), _TEMPORARY)
    session.execute(insert(LEAVING).from_select(["kpi_id"], select(Kpi.id).where(Kpi.period_end < before)))
    analyze(session.connection(), LEAVING)
    _hold(session, _since(session, before))
    going = Kpi.id.in_(select(LEAVING.c.kpi_id))
    both = select(Kpi.ad_id).where(Kpi.period_end >= before).distinct().intersect(select(Kpi.ad_id).where(going))
    ads = list(session.scalars(both))
    _hold(session, dict.fromkeys(changed_without(session, ads, going), date.min))


def sums_of_leaving(session: Session) -> Sums:
    """Return what the rows that leave hold."""
    return _sums(session, Kpi.id.in_(select(LEAVING.c.kpi_id)))


def sums_of_all(session: Session) -> Sums:
    """Return what all rows hold."""
    return _sums(session)


def count_held(session: Session, before: date) -> int:
    """Return how many rows are as old, and stay."""
    return count_rows(session, Kpi, Kpi.period_end < before, Kpi.id.not_in(select(LEAVING.c.kpi_id)))


def leaving_rows(session: Session) -> Iterator[tuple[int, list[tuple[Any, ...]]]]:
    """Yield the rows that leave as an export has them (`COLUMNS`), in parts, each with its import."""
    segment = [getattr(Segment, name) for name in COLUMNS if name in (*Dimension, *PLACES) and name != "platform"]
    by_name = {column.key: column for column in segment} | {
        "platform": Ad.platform,
        "account": Ad.account,
        "ad": Ad.external_id,
        "creative": Ad.creative_name,
    }
    columns: list[Any] = [by_name[name] if name in by_name else getattr(Kpi, name) for name in COLUMNS]
    imports = session.scalars(
        select(Kpi.kpi_import_id).where(Kpi.id.in_(select(LEAVING.c.kpi_id))).distinct().order_by(Kpi.kpi_import_id)
    ).all()
    for number in imports:
        rows = session.execute(
            select(*columns)
            .join(LEAVING, LEAVING.c.kpi_id == Kpi.id)
            .join(Ad, Ad.id == Kpi.ad_id)
            .join(Segment, Segment.id == Kpi.segment_id)
            .where(Kpi.kpi_import_id == number)
            .execution_options(yield_per=50_000)
        )
        for part in rows.partitions():
            yield number, [tuple(row) for row in part]


def leaving_revisions(session: Session) -> list[dict[str, Any]]:
    """Return the former figures of the rows that leave, each with what tells the row."""
    key = [Ad.platform, Ad.account, Ad.external_id.label("ad"), Kpi.period_start, Kpi.period_end, Kpi.event]
    key += [Kpi.attribution_window, Kpi.segment_id]
    former = [getattr(KpiRevision, name) for name in ("currency", *FIGURES, "kpi_import_id", "former_import_id")]
    rows = session.execute(
        select(*key, *former)
        .join(Kpi, Kpi.id == KpiRevision.kpi_id)
        .join(Ad, Ad.id == Kpi.ad_id)
        .where(Kpi.id.in_(select(LEAVING.c.kpi_id)))
        .order_by(KpiRevision.id)
    )
    return [dict(row._mapping) for row in rows]


def take_out(session: Session, before: date, record: KpiRetention) -> int:
    """Delete the rows that leave, with their former figures and what undo kept of them; return how many rows.

    Files that brought such rows can be imported again, the archive's own among them.
    """
    gone = select(LEAVING.c.kpi_id)
    _free_digests(session, before, record.run_id)
    count_changed(session, delete(KpiRevision).where(KpiRevision.kpi_id.in_(gone)))
    removed = count_changed(session, delete(Kpi).where(Kpi.id.in_(gone)))
    _forget_delivered(session, before)
    outdate_leaderboards(session)
    session.add(record)
    session.flush()
    drop_stage(session.connection(), _TEMPORARY)
    return removed


def _free_digests(session: Session, before: date, run_id: int) -> None:
    """Let every file with rows before a day be imported again: who owns a row is not the only one that brought it."""
    owners = set(session.scalars(select(Kpi.kpi_import_id).where(Kpi.id.in_(select(LEAVING.c.kpi_id))).distinct()))
    for record in session.scalars(select(KpiImport).where(KpiImport.digest.not_like("% by run %"))):
        first = "" if record.contents is None else record.contents.get("first_day") or date.max.isoformat()
        if record.id in owners or first < before.isoformat():
            record.digest = f"archived by run {run_id}: {record.digest}"


def undecided_since(session: Session, before: date) -> list[str]:
    """Return the experiments that began before a day and are neither decided nor archived: they need their days."""
    decided = exists().where(ExperimentResult.experiment_id == Experiment.id, ExperimentResult.kind == "decision")
    began = func.coalesce(Experiment.starts_on, func.date(Experiment.created_at))
    open_ones = select(Experiment.key).where(Experiment.archived_at.is_(None), ~decided, began < before)
    return list(session.scalars(open_ones.order_by(Experiment.key)))


def in_files(session: Session, first: date | None, last: date | None) -> str:
    """Return a sentence on rows of some days that were moved into files; "" without any.

    Args:
        session: A reading session.
        first, last: The days; None is open.
    """
    days = [] if first is None else [KpiRetention.last_day >= first]
    days += [] if last is None else [KpiRetention.first_day <= last]
    spans = select(func.min(KpiRetention.first_day), func.max(KpiRetention.last_day)).where(
        KpiRetention.rows > 0, *days
    )
    since, until = session.execute(spans).one()
    if since is None:
        return ""
    return (
        f"KPI rows of {since} to {until} were moved into files by `abkit db archive`: those that were not imported "
        "again do not count here"
    )


# --- rows that stay -------------------------------------------------------------------------------------------------


def _since(session: Session, before: date) -> dict[int, date]:
    """Return the ads whose periods reach over the day, each with the day from which its rows have to stay."""
    head = func.coalesce(Ad.same_as, Ad.id)
    over = select(head).join(Kpi, Kpi.ad_id == Ad.id).where(Kpi.period_end >= before, Kpi.period_start < before)
    heads = list(session.scalars(over.distinct()))
    found: dict[int, date] = {}
    for part in in_parts(heads):
        members: dict[int, list[int]] = defaultdict(list)
        periods: dict[int, list[tuple[date, date]]] = defaultdict(list)
        rows = select(head, Ad.id, Kpi.period_start, Kpi.period_end).join(Kpi, Kpi.ad_id == Ad.id)
        group = or_(among(session, Ad.id, part), among(session, Ad.same_as, part))
        for number, ad, start, end in session.execute(rows.where(group).distinct()):
            members[number].append(ad)
            periods[number].append((start, end))
        for number, mine in periods.items():
            since = before
            while (earlier := min(start for start, end in mine if end >= since)) < since:
                since = earlier
            found |= dict.fromkeys(members[number], since)
    return found


def _hold(session: Session, since: Mapping[int, date]) -> None:
    """Let the rows of ads that end on a day or later stay."""
    if not since:
        return
    session.execute(delete(HELD).where(among(session, HELD.c.ad_id, since)))
    session.execute(insert(HELD), [{"ad_id": ad, "since": day} for ad, day in since.items()])
    stays = select(Kpi.id).join(HELD, and_(HELD.c.ad_id == Kpi.ad_id, Kpi.period_end >= HELD.c.since))
    session.execute(delete(LEAVING).where(LEAVING.c.kpi_id.in_(stays)))


# --- what undo keeps ------------------------------------------------------------------------------------------------


def _forget_delivered(session: Session, before: date) -> None:
    """Take the rows out of what imports delivered too: an undo of another import would bring them back."""
    import polars as pl

    held = session.execute(select(*(getattr(Ad, name) for name in _AD), HELD.c.since).join(Ad, Ad.id == HELD.c.ad_id))
    schema = dict.fromkeys(_AD, pl.String) | {"since": pl.Date}
    stays = pl.DataFrame([tuple(row) for row in held], schema=schema, orient="row")
    imports = select(KpiArchive.kpi_import_id).distinct().order_by(KpiArchive.kpi_import_id)
    for number in session.scalars(imports).all():
        frames = archive.unpack(session, number)
        rows = frames.get(STAGE_KPI.name)
        if rows is None or not rows.height or rows["period_end"].min() >= before:  # type: ignore[operator]
            continue
        ads = frames[STAGE_AD.name].select("ad_no", *_AD).join(stays, on=_AD, how="left").select("ad_no", "since")
        since = pl.coalesce("since", pl.lit(before, pl.Date))
        kept = rows.join(ads, on="ad_no", how="left", maintain_order="left").filter(pl.col("period_end") >= since)
        _replace(session, number, kept.drop("since"))


def _replace(session: Session, import_id: int, rows: pl.DataFrame) -> None:
    mine = (KpiArchive.kpi_import_id == import_id, KpiArchive.stage == STAGE_KPI.name)
    session.execute(delete(KpiArchive).where(*mine))
    archive.keep(session, import_id, archive.pack([(STAGE_KPI, rows)]))


_AD = ["platform", "account", "external_id"]


def _sums(session: Session, *where: Any) -> Sums:
    figures = [total(getattr(Kpi, name)) for name in WHOLE]
    figures += [func.sum(getattr(Kpi, name)) for name in FIGURES if name not in WHOLE]
    row = session.execute(
        select(func.count(), *figures, func.min(Kpi.period_start), func.max(Kpi.period_end)).where(*where)
    ).one()
    *sums, first, last = row
    found = {name: value or 0 for name, value in zip(("rows", *FIGURES), sums, strict=True)}
    return Sums(**found, first=first, last=last)
