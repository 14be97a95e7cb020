"""Import KPI exports: read, check as a set, stage, publish in one short transaction. One file after the other."""

from __future__ import annotations

import os
import re
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from sqlalchemy.orm import Session

from abkit.errors import AbkitError, InvalidInput, StoreError
from abkit.intake.kpis.fields import listed
from abkit.intake.kpis.files import find_exports
from abkit.intake.kpis.reading import SIZE_HINT, KpiOptions, countable_rows, digest_of, read_table
from abkit.records import Record
from abkit.store.database.engine import Store
from abkit.store.database.staging import publish_staged
from abkit.store.imports import import_of, impressions_and_clicks, reject_reasons
from abkit.store.kpis import publish as kpi_publish
from abkit.store.kpis.counting import SetAside
from abkit.store.kpis.links import owned_unlinked
from abkit.store.runs import RunRecord, recorded_run
from abkit.store.schema import KpiImport
from abkit.vocabulary import RejectKind
from abkit_model.data.tables import require_file

if TYPE_CHECKING:
    from abkit.intake.kpis.checks import AdKey, CheckedRows

Note = Callable[[str], None]
_COUNTS = ("rows", "imported", "updated", "unchanged", "unlinked", "rejected", "set_aside")


@dataclass(frozen=True, kw_only=True)
class ImportSummary(Record):
    """What became of one file: imported + updated + unchanged + rejected + set_aside = rows.

    Attributes:
        file: Name of the file, as it was given.
        rows: Number of rows in the file, without header and blank lines.
        imported: Rows that are new in the store.
        updated: Rows of a period that was there with other figures; the former are in `kpi_revision`.
        unchanged: Rows that were there with the same figures.
        unlinked: Rows, of these three kinds, whose ad has no creative.
        rejected: Rows kept with line and reason; all countable rows of a file that was refused as a whole.
        set_aside: Rows that are no fault: lines of totals, and rows in which nothing was delivered.
        import_id: Id of the import in the store; None for a file that was refused as a whole.
        reasons: Number of rejected rows by kind of reason.
        aside: Number of rows set aside by reason.
        not_counted: Rows of the file's ads, of this or an earlier import, that do not count because others hold the
            same delivery.
        error: Why the file was refused as a whole.
        hint: What to do about that.
    """

    file: str
    rows: int = 0
    imported: int = 0
    updated: int = 0
    unchanged: int = 0
    unlinked: int = 0
    rejected: int = 0
    set_aside: int = 0
    import_id: int | None = None
    reasons: Mapping[str, int] = field(default_factory=dict)
    aside: Mapping[str, int] = field(default_factory=dict)
    not_counted: tuple[SetAside, ...] = ()
    error: str | None = None
    hint: str | None = None

    @property
    def landed(self) -> bool:
        """Whether any row of the file is in the store."""
        return self.imported + self.updated + self.unchanged > 0


def import_files(
    store: Store,
    paths: Sequence[Path],
    options: KpiOptions,
    *,
    run: RunRecord | None = None,
    note: Note = lambda _: None,
) -> list[ImportSummary]:
    """Import files one after the other; one that is refused does not stop the others.

    Args:
        store: A store at the current migration.
        paths: The files; a folder stands for the tables in it.
        options: What the user said about them.
        run: Run of a scheduled tick; the import records its own when None.
        note: Receives remarks for the person at the terminal.

    Raises:
        StoreError: The store fails; the files before are imported, this one left no trace.
    """
    if run is None and paths and not any(os.path.lexists(path) for path in paths):
        # A mistyped path leaves no run behind that looks like work.
        return [_missing(path) for path in paths]
    found = find_exports(paths)
    for folder, names in found.left_alone.items():
        note(f"{_shown(folder)}: left alone, as no table by its name: {listed([_shown(Path(name)) for name in names])}")
    arguments = {"files": [_shown(path) for path in found.files], **options.reading()}
    with recorded_run(store, "kpi import", arguments, run=run) as record:
        summaries: list[ImportSummary] = []
        for path in found.files:
            summaries.append(_import_file(store, path, options, record, note))
            record.outcome.update({name: sum(getattr(one, name) for one in summaries) for name in _COUNTS})
            record.outcome["refused_files"] = [one.file for one in summaries if one.error]
            record.still_alive()
        return summaries


def _missing(path: Path) -> ImportSummary:
    return ImportSummary(file=_shown(path), error="there is no file with this name", hint="check the path")


def _shown(path: Path) -> str:
    # A file name can hold bytes that are not text, which neither stores nor terminals accept.
    return str(path).encode("utf-8", "replace").decode()


def _import_file(store: Store, path: Path, options: KpiOptions, run: RunRecord, note: Note) -> ImportSummary:
    name = _shown(path)
    summary = ImportSummary(file=name)
    try:
        require_file(path, max_bytes=options.max_bytes, hint=SIZE_HINT)
        before = path.stat()
        digest = digest_of(path, options)
        with store.read() as session:
            earlier = import_of(session, KpiImport, digest)
            if earlier:
                note(f"{name}: imported before, on {earlier.imported_at:%Y-%m-%d %H:%M} UTC; nothing to do")
                return _again(session, summary, earlier)
        try:
            table = read_table(path, options)
        except AbkitError:
            lost = countable_rows(path, options)
            summary = replace(summary, rows=lost, rejected=lost)
            raise
        summary = replace(summary, rows=table.rows, rejected=table.rows)
        from abkit.intake.kpis.checks import check
        from abkit.intake.tables import refusing_damage

        def delivered(ads: list[AdKey]) -> Mapping[AdKey, tuple[int, int]]:
            with store.read() as session:
                return impressions_and_clicks(session, ads)

        with refusing_damage():
            checked = check(table, options, delivered, datetime.now(UTC).date())
        if (after := path.stat()) and (after.st_size, after.st_mtime_ns) != (before.st_size, before.st_mtime_ns):
            raise InvalidInput("the file changed while it was read", hint="wait until it is complete")
        if table.columns.unused:
            note(f"{name}: unused columns: {listed(table.columns.unused)} (--map 'COLUMN=field')")
        for remark in checked.notes:
            note(f"{name}: {remark}")
        read_as = {**options.reading(), **table.reading, **checked.found}
        del table
        header = kpi_publish.ImportHeader(digest, name, read_as, run.id)
        return _store_rows(store, checked, header, summary)
    except StoreError:
        raise
    except AbkitError as error:
        return replace(summary, error=error.message, hint=error.hint)


def _store_rows(
    store: Store, checked: CheckedRows, header: kpi_publish.ImportHeader, summary: ImportSummary
) -> ImportSummary:
    def publish(session: Session) -> ImportSummary:
        record, first = kpi_publish.publish(session, header)
        if not first:
            return _again(session, summary, record)
        return replace(_summary(session, summary, record), not_counted=kpi_publish.staged_set_aside(session))

    frames = [
        (kpi_publish.STAGE_AD, checked.ads),
        (kpi_publish.STAGE_NAME, checked.names),
        (kpi_publish.STAGE_SEGMENT, checked.segments),
        (kpi_publish.STAGE_KPI, checked.good),
        (kpi_publish.STAGE_REJECT, checked.rejects),
    ]
    return publish_staged(store, frames, publish, kpi_publish.TEMPORARY)


def _summary(session: Session, summary: ImportSummary, record: KpiImport) -> ImportSummary:
    counts = {name: getattr(record, name) for name in _COUNTS}
    texts = reject_reasons(session, record.id) if record.rejected or record.set_aside else {}
    reasons, aside = (dict(_kinds(texts.get(kind, [])).most_common()) for kind in RejectKind)
    return replace(summary, import_id=record.id, reasons=reasons, aside=aside, **counts)


def _again(session: Session, summary: ImportSummary, earlier: KpiImport) -> ImportSummary:
    """Summarize the same file once more: what landed is unchanged, and links may have been made since."""
    unlinked = min(earlier.unlinked, owned_unlinked(session, earlier.id)) if earlier.unlinked else 0
    return replace(
        _summary(session, summary, earlier),
        imported=0,
        updated=0,
        unchanged=earlier.rows - earlier.rejected - earlier.set_aside,
        unlinked=unlinked,
    )


def _kinds(reasons: Sequence[str]) -> Counter[str]:
    """Count reasons without the values in them."""
    reasons = [re.sub(r"\bcell [A-Z]{1,3}\d+", "a cell", reason) for reason in reasons]
    value = re.compile(r":? ?(line )?('.*?'|(?<![A-Za-z])-?\d[\d.,:+\-]*(e[+-]?\d+)?)")
    return Counter(re.sub(r"(…[ .:]*)+…", "…", value.sub(" …", reason)).strip() for reason in reasons)
