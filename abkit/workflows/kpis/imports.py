"""The imports of KPI files: what came in, from where and how it was read; and back out."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from abkit.errors import UsageError
from abkit.records import Record, RecordList
from abkit.store.database.engine import Store
from abkit.store.database.patience import LONG
from abkit.store.imports import HAS_TOTALS, reject_reasons
from abkit.store.kpis.once.alike import MaybeTwice, maybe_twice
from abkit.store.kpis.once.campaign_totals import TotalsBesideDays, totals_beside_days
from abkit.store.kpis.once.counting import SetAside, counts, set_aside
from abkit.store.kpis.undo import undo_import as take_back
from abkit.store.runs import RunRecord, recorded_run
from abkit.store.schema import Kpi, KpiImport, KpiUndo
from abkit.workflows.kpis.contents import Contents
from abkit.workflows.kpis.reasons import kinds

Note = Callable[[str], None]
# An undo of so many rows takes some seconds.
_MANY_ROWS = 100_000
_COUNTS = ("rows", "imported", "updated", "unchanged", "unlinked", "rejected", "set_aside")


@dataclass(frozen=True, kw_only=True)
class ImportRecord(Record):
    """One imported file.

    Attributes:
        import_id: Id of the import in the store.
        file: Name of the file, as it was given.
        imported_at: When it came, UTC.
        run_id: The run that imported it.
        counts: What became of its rows when it came, as in `ImportSummary`.
        contents: Its accounts, days, ads and totals; None for a file that an earlier release imported.
        time_zone: Time zone of its days; "" is unknown.
        mapping: What `--map` said, or a remembered mapping: by column, the field.
        reading: How it was read: format, encoding, dates, decimal signs, and the other options.
        notes: What was guessed about the file, left out or added up.
        reasons: Number of its rows that were refused or set aside by kind of reason; only for a single import.
        undone_at: When it was taken back; None while it counts.
        undone_by: The run that took it back.
        not_counted: Rows that have its figures and do not count, because others hold the same delivery; only for a
            single import.
    """

    import_id: int
    file: str
    imported_at: datetime
    run_id: int
    counts: Mapping[str, int]
    contents: Contents | None
    time_zone: str
    mapping: Mapping[str, str]
    reading: Mapping[str, Any]
    notes: tuple[str, ...] = ()
    reasons: Mapping[str, int] = field(default_factory=dict)
    undone_at: datetime | None = None
    undone_by: int | None = None
    not_counted: tuple[SetAside, ...] = ()


@dataclass(frozen=True, kw_only=True)
class ImportList(RecordList):
    """The imported files, the latest first.

    Attributes:
        imports: One per file.
        not_counted: Rows of all files that do not count because others hold the same delivery.
        maybe_twice: Ads that may be one and count apart, as nothing proves it; None without any.
        totals_beside_days: Totals of a campaign beside shorter periods of other ads of it; None without any.
    """

    imports: tuple[ImportRecord, ...]
    not_counted: tuple[SetAside, ...] = ()
    maybe_twice: MaybeTwice | None = None
    totals_beside_days: TotalsBesideDays | None = None

    def rows(self) -> list[dict[str, Any]]:
        """Return one row per import."""
        return [row_of(record) for record in self.imports]


@dataclass(frozen=True, kw_only=True)
class UndoReport(Record):
    """What taking an import back changed.

    Attributes:
        import_id: The import.
        file: Name of its file.
        run_id: The run that took it back.
        removed: Rows that no other import delivered.
        restored: Rows that have the figures of another import again.
        kept: Rows that another import delivered too, and later: they stay as they are.
        rejects: Refused rows that are forgotten.
        ads, segments, campaigns: Those that only this import brought, and that are gone.
        links: Links of ads to creatives that are gone.
        mappings: Remembered mappings that are forgotten, because they were said with this file.
        still_one: Id and name of campaigns that were two before this import, and stay one.
    """

    import_id: int
    file: str
    run_id: int
    removed: int
    restored: int
    kept: int
    rejects: int
    ads: int
    segments: int
    campaigns: int
    links: int
    mappings: int
    still_one: tuple[tuple[str, str], ...] = ()


def row_of(record: ImportRecord) -> dict[str, Any]:
    """Return an import as one row of a table."""
    seen = record.contents
    return {
        "import_id": record.import_id,
        "file": record.file,
        "imported_at": record.imported_at,
        "run_id": record.run_id,
        "account": "; ".join(filter(None, (one.shown for one in seen.accounts))) if seen else None,
        "first_day": seen.first_day if seen else None,
        "last_day": seen.last_day if seen else None,
        "ads": seen.ads if seen else None,
        **record.counts,
        "state": "counts" if record.undone_at is None else "undone",
    }


def list_imports(store: Store) -> ImportList:
    """Return all imports, the latest first."""
    with store.read() as session:
        undone = undo_rows(session)
        found = session.scalars(select(KpiImport).order_by(KpiImport.id.desc()))
        imports = tuple(import_record(row, undone.get(row.id)) for row in found)
        left = set_aside(session, counts(session))
        twice, beside = maybe_twice(session), totals_beside_days(session)
        return ImportList(imports=imports, not_counted=left, maybe_twice=twice, totals_beside_days=beside)


def show_import(store: Store, import_id: int) -> ImportRecord:
    """Return one import, with the reasons of its rejects.

    Raises:
        UsageError: There is none with this id.
    """
    with store.read() as session:
        row = session.get(KpiImport, import_id)
        if row is None:
            raise UsageError(f"there is no import {import_id}", hint="`abkit kpi list` lists the imports")
        texts = [text for found in reject_reasons(session, import_id).values() for text in found]
        reasons = dict(kinds(texts).most_common())
        left = set_aside(session, counts(session), [Kpi.kpi_import_id == import_id])
        return replace(import_record(row, undo_rows(session).get(import_id), reasons), not_counted=left)


def undo_import(
    store: Store, import_id: int, *, run: RunRecord | None = None, note: Note = lambda _: None
) -> UndoReport:
    """Take an import back out, with everything that hangs on it; the same file can be imported again afterwards.

    Args:
        store: A store at the current migration.
        import_id: Number of the import.
        run: Run of a scheduled tick; a run is recorded when None.
        note: Told that others wait, where there is much to take back.

    Raises:
        UsageError: There is no such import, or it was taken back before.
        InvalidInput: It cannot be taken back; the message says why.
    """
    rows = show_import(store, import_id).counts["rows"]
    if rows >= _MANY_ROWS:
        note(f"taking {rows:,} rows back takes about as long as their import; other imports wait until it is done")
    with recorded_run(store, "kpi undo", {"import": import_id}, run=run) as record:
        with store.write(LONG) as session:
            done = take_back(session, import_id, record.id)
            undone = session.get_one(KpiImport, import_id)
            file, pairs = undone.name, undone.options.get("campaigns_made_one", ())
        still = tuple((key, name) for key, name in pairs)
        report = UndoReport(import_id=import_id, file=file, run_id=record.id, still_one=still, **done.__dict__)
        record.outcome.update({name: value for name, value in report.to_dict().items() if name != "run_id"})
        return report


def undo_rows(session: Session) -> dict[int, KpiUndo]:
    """Return which imports were taken back, by their number."""
    return {row.kpi_import_id: row for row in session.scalars(select(KpiUndo))}


def import_record(row: KpiImport, undo: KpiUndo | None, reasons: Mapping[str, int] | None = None) -> ImportRecord:
    """Return an import as a record; with the reasons of its rejects where they were counted."""
    reading = dict(row.options)
    mapping, notes = reading.pop("mapping", None) or {}, reading.pop("notes", ())
    reading.pop(HAS_TOTALS, None)
    return ImportRecord(
        import_id=row.id,
        file=row.name,
        imported_at=row.imported_at,
        run_id=row.run_id,
        counts={name: getattr(row, name) for name in _COUNTS if hasattr(row, name)},
        contents=Contents.of_json(row.contents),
        time_zone=row.time_zone,
        mapping=mapping,
        reading={name: value for name, value in reading.items() if value not in (None, "", {}, [])},
        notes=tuple(notes),
        reasons=reasons or {},
        undone_at=undo.undone_at if undo else None,
        undone_by=undo.run_id if undo else None,
    )
