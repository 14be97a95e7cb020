"""Import KPI exports: read, check as a set, stage, publish in one short transaction. One file after the other."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any

from sqlalchemy.orm import Session

from abkit.config import Settings
from abkit.errors import InvalidInput, StoreError, UsageError
from abkit.intake.kpis.files import find_exports
from abkit.intake.kpis.header.fields import listed
from abkit.intake.kpis.reading import KpiOptions
from abkit.intake.remote.fetch import Fetched
from abkit.records import Record
from abkit.store.database.engine import Store
from abkit.store.database.staging import publish_staged
from abkit.store.imports import came_first, reject_reasons, restated_since, zones_of_imports
from abkit.store.kpis import archive, stage
from abkit.store.kpis import publish as kpi_publish
from abkit.store.kpis.linking.links import owned_unlinked
from abkit.store.kpis.once.campaign_totals import TotalsBesideDays
from abkit.store.kpis.once.counting import SetAside
from abkit.store.runs import RunRecord, recorded_run
from abkit.store.schema import KpiImport
from abkit.vocabulary import RejectKind
from abkit.workflows.kpis.contents import Contents
from abkit.workflows.kpis.mappings import forget, remember
from abkit.workflows.kpis.reasons import kinds
from abkit.workflows.kpis.understanding import Refused, Understood, understand

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
        notes: What was guessed about the file, left out or added up.
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
    notes: tuple[str, ...] = ()
    error: str | None = None
    hint: str | None = None

    @property
    def landed(self) -> bool:
        """Whether any row of the file is in the store."""
        return self.imported + self.updated + self.unchanged > 0


def options_of(settings: Settings, **said: Any) -> KpiOptions:
    """Return the options of an import: what was said, and the limits, recipes and time zone of the configuration.

    Raises:
        UsageError: There is no such option, or its value is not valid.
    """
    kpi = settings.kpi
    usual = {
        "recipes": settings.kpi_recipes,
        "time_zone": kpi.time_zone,
        "max_file_mb": kpi.max_file_mb,
        "max_rows": kpi.max_rows,
    }
    unknown = sorted(said.keys() - set(_names(KpiOptions)))
    if unknown:
        raise UsageError(f"there is no option {unknown[0]!r}", hint=f"options: {', '.join(_names(KpiOptions))}")
    return KpiOptions(**usual | {name: value for name, value in said.items() if value is not None})


def _names(record: Any) -> list[str]:
    return [option.name for option in fields(record)]


def import_files(
    store: Store,
    paths: Sequence[Path] | Fetched,
    options: KpiOptions,
    *,
    run: RunRecord | None = None,
    note: Note = lambda _: None,
    forget_mapping: bool = False,
    shown_as: str | None = None,
    newest: bool = False,
) -> list[ImportSummary]:
    """Import files one after the other; one that is refused does not stop the others.

    Args:
        store: A store at the current migration.
        paths: The files, fetched or not; a folder stands for the tables in it.
        options: What the user said about them.
        run: Run of a scheduled tick; the import records its own when None.
        note: Receives remarks for the person at the terminal.
        forget_mapping: Do without the mapping that is remembered for the header, and forget it.
        shown_as: What the files are called in the store, where their own names say nothing.
        newest: Whether the files are what the platform says now: what was imported before counts once more where other
            figures came since.

    Raises:
        StoreError: The store fails; the files before are imported, this one left no trace.
    """
    given = paths if isinstance(paths, Fetched) else Fetched(paths=tuple(paths))
    refused = [ImportSummary(file=one.address, error=one.reason, hint=one.hint) for one in given.refused]
    if run is None and not any(os.path.lexists(path) for path in given.paths):
        # A mistyped path leaves no run behind that looks like work.
        return [_missing(path) for path in given.paths] + refused
    found = find_exports(given.paths)
    for address, others in given.left_alone.items():
        names = [other.rsplit("/", 1)[-1] for other in others]
        note(f"{address}: left alone, as no table by its name: {listed(names)}")
    for folder, names in found.left_alone.items():
        note(f"{_shown(folder)}: left alone, as no table by its name: {listed([_shown(Path(name)) for name in names])}")

    def called(path: Path) -> str:
        return shown_as or given.in_words(_shown(path))

    arguments = {"files": [called(path) for path in found.files], **options.reading()}
    with recorded_run(store, "kpi import", arguments, run=run) as record:
        summaries: list[ImportSummary] = []
        for path in found.files:
            summary = _import_file(
                store, path, options, record, note, called(path), recalling=not forget_mapping, newest=newest
            )
            error, hint = (given.in_words(text) if text else text for text in (summary.error, summary.hint))
            summaries.append(replace(summary, error=error, hint=hint))
            record.outcome.update({name: sum(getattr(one, name) for one in summaries) for name in _COUNTS})
            record.outcome["refused_files"] = [one.file for one in (*summaries, *refused) if one.error]
            record.still_alive()
        return summaries + refused


def _missing(path: Path) -> ImportSummary:
    return ImportSummary(file=_shown(path), error="there is no file with this name", hint="check the path")


def _shown(path: Path) -> str:
    # A file name can hold bytes that are not text, which neither stores nor terminals accept.
    return str(path).encode("utf-8", "replace").decode()


def _import_file(
    store: Store,
    path: Path,
    options: KpiOptions,
    run: RunRecord,
    note: Note,
    name: str,
    *,
    recalling: bool,
    newest: bool,
) -> ImportSummary:
    summary = ImportSummary(file=name)
    try:
        known = understand(store, path, options, recalling=recalling, newest=newest)
    except Refused as refused:
        if isinstance(refused.error, StoreError):
            raise refused.error from refused
        error = refused.error
        return replace(summary, rows=refused.rows, rejected=refused.rows, error=error.message, hint=error.hint)
    if known.earlier is not None:
        note(f"{name}: imported before, on {known.earlier.imported_at:%Y-%m-%d %H:%M} UTC; nothing to do")
        with store.write() as session:
            earlier = session.get_one(KpiImport, known.earlier.id)
            earlier.time_zone = earlier.time_zone or options.time_zone
            again = _again(session, summary, earlier)
            if remark := _restated_remark(session, earlier):
                note(f"{name}: {remark}")
                again = replace(again, notes=(remark,))
            return again
    # A command in a note names what the user gave, not the file that it was fetched to.
    remarks = [remark.replace(str(path), name) for remark in known.notes]
    known = replace(known, notes=(*remarks, *_zone_remarks(store, known)))
    for remark in known.notes:
        note(f"{name}: {remark}")
    summary = replace(summary, notes=known.notes)
    try:
        return _store_rows(store, known, summary, name, run, note, said=options.mapping, forgetting=not recalling)
    except _CountsTwice as twice:
        return replace(
            summary, rows=twice.rows, rejected=twice.rows, error=twice.message, hint=twice.hint, notes=known.notes
        )


class _CountsTwice(InvalidInput):
    """A file has the delivery of other files once more, under names that do not lead to them."""

    rows = 0


def _store_rows(
    store: Store,
    known: Understood,
    summary: ImportSummary,
    name: str,
    run: RunRecord,
    note: Note,
    *,
    said: Mapping[str, str],
    forgetting: bool,
) -> ImportSummary:
    checked, contents, columns = known.checked, known.contents, known.columns
    assert checked is not None and contents is not None and columns is not None  # noqa: S101, PT018  # not imported before
    header = kpi_publish.ImportHeader(
        digest=known.digest,
        name=name,
        options={**(known.reading or {}), "notes": list(known.notes)},
        run_id=run.id,
        time_zone=known.options.time_zone,
        contents=contents.to_json(),
        came_first=known.came_first,
    )

    def publish(session: Session) -> ImportSummary:
        record, first = kpi_publish.publish(session, header)
        if not first:
            return _again(session, summary, record)
        archive.keep(session, record.id, kept)
        if said:
            remember(session, said, columns.names, contents.accounts, import_id=record.id, run_id=run.id)
        elif forgetting:
            forget(session, columns.names, contents.accounts)
        remarks = _found_in_the_store(session, record)
        for remark in remarks:
            note(f"{name}: {remark}")
        if remarks:
            record.options = {**record.options, "notes": [*record.options.get("notes", ()), *remarks]}
        summarized = replace(_summary(session, summary, record), notes=(*summary.notes, *remarks))
        return replace(summarized, not_counted=kpi_publish.staged_set_aside(session))

    frames = [
        (stage.STAGE_AD, checked.ads),
        (stage.STAGE_NAME, checked.names),
        (stage.STAGE_SEGMENT, checked.segments),
        (stage.STAGE_KPI, checked.good),
        (stage.STAGE_REJECT, checked.rejects),
    ]
    kept = archive.pack(frames[:-1])
    return publish_staged(store, frames, publish, stage.TEMPORARY)


def _found_in_the_store(session: Session, record: KpiImport) -> list[str]:
    """Return remarks on what shows only beside what other files delivered."""
    remarks = [_totals_remark(totals)] if (totals := record.options.get("totals")) else []
    if likely := record.options.get("likely_totals"):
        remarks.append(
            f"{', '.join(likely)}: the sum of all others by its figures, in too few rows to tell; it counts beside "
            "them: if it is a total, take this import back and leave its rows out"
        )
    if number := record.options.get("values_not_examined"):
        remarks.append(f"{number:,} combinations of values that few ads have were not examined for totals of others")
    if pairs := record.options.get("campaigns_made_one"):
        remarks.append(f"campaigns that came by id and by name are one from now on: {_called(pairs)}")
    if kept := record.options.get("kept_later"):
        remarks.append(
            f"{kept:,} rows stay as a later import has them: the content of this file came first on "
            f"{came_first(record):%Y-%m-%d}, and left for an archive since"
        )
    beside = kpi_publish.staged_totals_beside_days(session)
    if beside and beside.equal:
        _refuse_twice(beside, record)
    equal = kpi_publish.staged_equal_days(session, record.id) or kpi_publish.staged_other_values(session, record.id)
    doubts = (kpi_publish.staged_maybe_twice(session), beside, equal)
    remarks.append(kpi_publish.staged_running_totals(session))
    return [*filter(None, remarks), *(str(doubt) for doubt in doubts if doubt)]


def _restated_remark(session: Session, earlier: KpiImport) -> str:
    changed, last = restated_since(session, earlier.id)
    if not changed:
        return ""
    return (
        f"{changed:,} of its rows have other figures since, from later imports, and keep them: if this file is right, "
        f"take the later ones back, the last first (abkit kpi undo {last})"
    )


def _called(pairs: Sequence[Sequence[str]]) -> str:
    more = f" and {len(pairs) - 5:,} more" if len(pairs) > 5 else ""
    return ", ".join(f"{key} ({name})" for key, name in pairs[:5]) + more


def _refuse_twice(beside: TotalsBesideDays, record: KpiImport) -> None:
    has_totals = record.id in beside.imports[0]
    here, there = ("totals", "shorter periods") if has_totals else ("shorter periods", "totals")
    others = sorted(beside.imports[has_totals])
    numbers = ", ".join(str(number) for number in others[:5]) + (", …" if len(others) > 5 else "")
    where = f"campaign {beside.campaign!r}" if beside.campaign else "this account"
    error = _CountsTwice(
        f"{beside.impressions:,} impressions would count twice: the {here} of {where} in this file are the {there} in "
        f"import {numbers} ({beside.first} to {beside.last}), under other names of ads",
        hint="name the ads as that import does (--map), or take it back first: "
        + "; ".join(f"abkit kpi undo {number}" for number in others[:3]),
    )
    error.rows = record.rows
    raise error


def _totals_remark(totals: Sequence[str]) -> str:
    return (
        f"a total of all others by its figures: {', '.join(totals)}; it counts once beside them, as a word for "
        '"all" does'
    )


def _zone_remarks(store: Store, known: Understood) -> list[str]:
    """Return a remark for each account whose earlier files have their days in another time zone."""
    zone, contents = known.options.time_zone, known.contents
    if not zone or contents is None:
        return []
    with store.read() as session:
        others = zones_of_imports(session)
    found: dict[str, set[str]] = {}
    for other, kept in others:
        earlier = Contents.of_json(kept)
        for account in earlier.accounts if earlier and other not in ("", zone) else ():
            if account in contents.accounts:
                found.setdefault(account.shown or "(not given)", set()).add(other)
    return [
        f"account {account}: earlier files have days of {' and '.join(sorted(zones))}, this one of {zone}"
        for account, zones in sorted(found.items())
    ]


def _summary(session: Session, summary: ImportSummary, record: KpiImport) -> ImportSummary:
    counts = {name: getattr(record, name) for name in _COUNTS}
    texts = reject_reasons(session, record.id) if record.rejected or record.set_aside else {}
    reasons, aside = (dict(kinds(texts.get(kind, [])).most_common()) for kind in RejectKind)
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
