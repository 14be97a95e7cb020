"""Import KPI exports: read, check as a set, stage, publish in one short transaction. One file after the other."""

import re
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sqlalchemy.orm import Session

from abkit.errors import AbkitError, InvalidInput, StoreError
from abkit.intake.kpis.reading import KpiOptions, countable_rows, digest_of, read_table, require_readable
from abkit.store.engine import Store
from abkit.store.imports import currencies_of, import_of, reject_reasons
from abkit.store.kpis import publish as kpi_publish
from abkit.store.kpis.links import owned_unlinked
from abkit.store.kpis.staging import (
    STAGE_AD,
    STAGE_KPI,
    STAGE_NAME,
    STAGE_REJECT,
    STAGE_SEGMENT,
    create_stage,
    drop_stage,
    fill,
)
from abkit.store.runs import RunRecord, recorded_run
from abkit.store.schema import KpiImport

if TYPE_CHECKING:
    from abkit.intake.kpis.checks import CheckedRows

Note = Callable[[str], None]


@dataclass(frozen=True)
class ImportSummary:
    """What became of one file: imported + updated + unchanged + rejected = rows.

    Attributes:
        file: as it was named.
        rows: in the file, without header and blank lines.
        imported: new in the store.
        updated: a period that was there already, with other figures now; the former are in `kpi_revision`.
        unchanged: there already with the same figures.
        unlinked: of these three, the rows of ads that no picture belongs to.
        rejected: kept with line and reason; of a file that was refused as a whole, all rows that can be counted.
        import_id: in the store; None of a file that was refused as a whole.
        reasons: rejected rows by kind of reason.
        error: why the file was refused as a whole.
        hint: what to do about that.
    """

    file: str
    rows: int = 0
    imported: int = 0
    updated: int = 0
    unchanged: int = 0
    unlinked: int = 0
    rejected: int = 0
    import_id: int | None = None
    reasons: Mapping[str, int] = field(default_factory=dict)
    error: str | None = None
    hint: str | None = None

    @property
    def landed(self) -> bool:
        """Whether anything of the file is in the store."""
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
        store: at the current migration.
        paths: the files.
        options: what the user said about them.
        run: the row of a scheduled run; without it the import gets its own.
        note: takes remarks for the person at the terminal.

    Raises:
        StoreError: the store fails; the files before are imported, this one left no trace.
    """
    arguments = {"files": [str(path).encode("utf-8", "replace").decode() for path in paths], **options.reading()}
    with recorded_run(store, "kpi import", arguments, run=run) as record:
        summaries: list[ImportSummary] = []
        for path in paths:
            summaries.append(_import_file(store, path, options, record, note))
            counts = ("rows", "imported", "updated", "unchanged", "unlinked", "rejected")
            record.outcome.update({name: sum(getattr(one, name) for one in summaries) for name in counts})
            record.outcome["refused_files"] = [one.file for one in summaries if one.error]
            record.still_alive()
        return summaries


def _import_file(store: Store, path: Path, options: KpiOptions, run: RunRecord, note: Note) -> ImportSummary:
    # A file name can hold bytes that are no text, and no store or terminal takes them.
    name = str(path).encode("utf-8", "replace").decode()
    summary = ImportSummary(name)
    try:
        require_readable(path, options)
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

        def known(accounts: list[tuple[str, str]]) -> Mapping[tuple[str, str], str]:
            with store.read() as session:
                return currencies_of(session, accounts)

        with refusing_damage():
            checked = check(table, options, known)
        if (after := path.stat()) and (after.st_size, after.st_mtime_ns) != (before.st_size, before.st_mtime_ns):
            raise InvalidInput("the file changed while it was read", hint="wait until it is complete")
        if table.columns.unused:
            from abkit.intake.kpis.fields import listed

            note(f"{name}: columns that are not used: {listed(table.columns.unused)} (--map 'COLUMN=field')")
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
    store: Store, checked: "CheckedRows", header: kpi_publish.ImportHeader, summary: ImportSummary
) -> ImportSummary:
    with store.connect() as connection:
        try:
            with connection.begin():
                create_stage(connection)
                fill(connection, STAGE_AD, checked.ads)
                fill(connection, STAGE_NAME, checked.names)
                fill(connection, STAGE_SEGMENT, checked.segments)
                fill(connection, STAGE_KPI, checked.good)
                fill(connection, STAGE_REJECT, checked.rejects)
            connection.execution_options(abkit_write=True)
            with Session(connection, expire_on_commit=False) as session, session.begin():
                record, first = kpi_publish.publish(session, header)
                if not first:
                    summary = _again(session, summary, record)
            with connection.begin():
                drop_stage(connection)
        except BaseException:
            # The connection may be broken: its temporary tables end with it.
            connection.invalidate()
            raise
    reasons = dict(_kinds(checked.rejects["reason"].to_list()).most_common())
    return _summary(summary, record, reasons) if first else summary


def _summary(summary: ImportSummary, record: KpiImport, reasons: Mapping[str, int]) -> ImportSummary:
    return replace(
        summary,
        rows=record.rows,
        imported=record.imported,
        updated=record.updated,
        unchanged=record.unchanged,
        unlinked=record.unlinked,
        rejected=record.rejected,
        import_id=record.id,
        reasons=reasons,
    )


def _again(session: Session, summary: ImportSummary, earlier: KpiImport) -> ImportSummary:
    """The same file once more: what landed is unchanged, and links may have been made since."""
    unlinked = min(earlier.unlinked, owned_unlinked(session, earlier.id)) if earlier.unlinked else 0
    reasons = _kinds(reject_reasons(session, earlier.id)) if earlier.rejected else Counter()
    return replace(
        _summary(summary, earlier, dict(reasons.most_common())),
        imported=0,
        updated=0,
        unchanged=earlier.rows - earlier.rejected,
        unlinked=unlinked,
    )


def _kinds(reasons: Sequence[str]) -> Counter[str]:
    """Reasons without the values in them, counted."""
    value = re.compile(r":? ?(line )?('.*?'|(?<![A-Za-z])-?\d[\d.,:+\-]*(e[+-]?\d+)?)")
    return Counter(re.sub(r"(…[ .:]*)+…", "…", value.sub(" …", reason)).strip() for reason in reasons)


def as_rows(summaries: Sequence[ImportSummary]) -> list[dict[str, Any]]:
    """Summaries as they are printed."""
    names = ("file", "rows", "imported", "updated", "unchanged", "unlinked", "rejected")
    more = ("import_id", "reasons", "error", "hint")
    return [{name: getattr(summary, name) for name in (*names, *more)} for summary in summaries]
