"""Read and check a KPI file without changing anything: an import stores the result, a preview shows it."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from abkit.errors import AbkitError, InvalidInput
from abkit.intake.kpis.reading import SIZE_HINT, KpiOptions, countable_rows, digest_of, read_table
from abkit.store.database.engine import Store
from abkit.store.imports import (
    days_of_ads,
    first_coming,
    import_of,
    impressions_and_clicks,
    known_spellings,
    restated_since,
)
from abkit.store.kpis.spellings import known_values
from abkit.store.schema import KpiImport
from abkit.vocabulary import Dimension
from abkit.workflows.kpis.contents import Contents, contents_of
from abkit.workflows.kpis.mappings import Remembered, recall
from abkit_model.data.files.tables import require_file
from abkit_model.errors import ReadingNote

if TYPE_CHECKING:
    import polars as pl

    from abkit.intake.kpis.header.columns import Columns
    from abkit.intake.kpis.rows.checks import AdKey, CheckedRows

Note = Callable[[str], None]
_GUESSES = (ReadingNote, UnicodeWarning)


@dataclass(frozen=True, kw_only=True)
class Understood:
    """A file as an import understands it.

    Attributes:
        options: What was said, with the mapping that was remembered.
        digest: Identity of the import.
        earlier: The import of the same content, read in the same way; nothing else is known then.
        came_first: When its content came first, where its rows have left for an archive since.
        columns: Which column is which field.
        checked: The rows.
        contents: What the good rows hold.
        rows: Number of rows in the file.
        reading: How it was read, for the record.
        notes: Remarks for the person at the terminal.
        remembered: The mapping that was remembered, if it was used.
    """

    options: KpiOptions
    digest: str
    earlier: KpiImport | None = None
    came_first: datetime | None = None
    columns: Columns | None = None
    checked: CheckedRows | None = None
    contents: Contents | None = None
    rows: int = 0
    reading: Mapping[str, Any] | None = None
    notes: tuple[str, ...] = ()
    remembered: Remembered | None = None


class Refused(Exception):
    """A file is refused as a whole: the error, and how many rows could be counted."""

    def __init__(self, error: AbkitError, rows: int) -> None:
        super().__init__(error.message)
        self.error, self.rows = error, rows


def understand(
    store: Store, path: Path, options: KpiOptions, *, recalling: bool = True, newest: bool = False
) -> Understood:
    """Read and check a file; what its reader guessed is among the notes.

    Args:
        store: Knows earlier imports, currencies of accounts and remembered mappings.
        path: The file.
        options: What the user said.
        recalling: Whether a remembered mapping is used where the user gave none.
        newest: Whether the content is what the platform says now: it counts once more where other figures came since.

    Raises:
        Refused: The file is refused as a whole.
    """
    refused = None
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        try:
            known = _understood(store, path, options, recalling=recalling, newest=newest)
        except Refused as error:
            refused = error
    for one in said:
        # Of a file that is refused there are no notes.
        if refused or one.category not in _GUESSES:
            warnings.warn_explicit(one.message, one.category, one.filename, one.lineno)
    if refused:
        raise refused
    # The notes are read below the name of the file, and reading it more than once says the same.
    guesses = [str(one.message).removeprefix(f"{path.name} is ") for one in said if one.category in _GUESSES]
    return known if known.earlier else replace(known, notes=(*dict.fromkeys(guesses), *known.notes))


def _understood(store: Store, path: Path, options: KpiOptions, *, recalling: bool, newest: bool) -> Understood:
    try:
        require_file(path, max_bytes=options.max_bytes, hint=SIZE_HINT)
        before = path.stat()
        known = _known(store, path, options, newest=newest)
        remembered = None if known.earlier or not recalling or options.mapping else recall(store, path, options)
        if remembered is not None:
            said = _known(store, path, replace(options, mapping=remembered.mapping), newest=newest)
            understood = said if said.earlier else _read(store, path, replace(said, remembered=remembered))
            accounts = understood.contents.accounts if understood.contents else ()
            if all(account in remembered.accounts for account in accounts):
                known = understood
            else:
                # The same header from another account: its columns may mean something else.
                remembered = None
        if not known.earlier and known.checked is None:
            known = _read(store, path, known)
        if (after := path.stat()) and (after.st_size, after.st_mtime_ns) != (before.st_size, before.st_mtime_ns):
            raise InvalidInput("the file changed while it was read", hint="wait until it is complete")
        return known
    except AbkitError as error:
        raise Refused(error, 0) from error


def _known(store: Store, path: Path, options: KpiOptions, *, newest: bool) -> Understood:
    digest = digest_of(path, options)
    with store.read() as session:
        earlier = import_of(session, KpiImport, digest)
        if earlier and newest and (last := restated_since(session, earlier.id)[1]):
            # The same answer after another one is what the platform says now.
            digest = f"{digest} again after import {last}"
            earlier = import_of(session, KpiImport, digest)
        first = None if earlier else first_coming(session, digest)
        return Understood(options=options, digest=digest, earlier=earlier, came_first=first)


def _read(store: Store, path: Path, known: Understood) -> Understood:
    options = known.options
    try:
        table = read_table(path, options)
    except AbkitError as error:
        raise Refused(error, countable_rows(path, options)) from error
    from abkit.intake.cells.frames import refusing_damage
    from abkit.intake.kpis.header.fields import listed
    from abkit.intake.kpis.rows.checks import check

    def delivered(ads: list[AdKey]) -> Mapping[AdKey, tuple[int, int]]:
        with store.read() as session:
            return impressions_and_clicks(session, ads)

    def spelled(ads: list[AdKey]) -> Mapping[AdKey, AdKey]:
        with store.read() as session:
            return known_spellings(session, ads)

    def stored(ids: Collection[str] | None, first: date, last: date, longer: bool) -> pl.DataFrame:
        import polars as pl

        with store.read() as session:
            rows = days_of_ads(session, ids, first, last, longer=longer)
        schema = {"external_id": pl.String, "day": pl.Date, "kpi_import_id": pl.Int64, "impressions": pl.Int64}
        return pl.DataFrame(rows, schema=schema, orient="row")

    try:
        with refusing_damage():
            checked = check(table, options, delivered, datetime.now(UTC).date(), spelled, stored)
    except AbkitError as error:
        raise Refused(error, table.rows) from error
    checked = _as_known(store, checked)
    notes = []
    if known.remembered is not None:
        same = f"import {known.remembered.import_id}"
        notes.append(f"the columns are mapped as for {same}; --forget-mapping does without")
    if table.columns.unused:
        notes.append(f"unused columns: {listed(table.columns.unused)} (--map 'COLUMN=field')")
    return replace(
        known,
        columns=table.columns,
        checked=checked,
        contents=contents_of(checked),
        rows=table.rows,
        reading={**options.reading(), **table.reading, **checked.found},
        notes=(*notes, *checked.notes),
    )


def _as_known(store: Store, checked: CheckedRows) -> CheckedRows:
    """Write the values of dimensions as an earlier file does, where they differ in case, blanks and dashes only."""
    import polars as pl

    with store.read() as session:
        called = known_values(session, checked.segments)
    if not called:
        return checked
    segments = checked.segments.with_columns(pl.col(name).replace(values) for name, values in called.items())
    platforms = called.get(Dimension.PLATFORM, {})
    ads = checked.ads.with_columns(pl.col("platform").replace(platforms)) if platforms else checked.ads
    said = [f"{name} {value!r} as {other!r}" for name, values in called.items() for value, other in values.items()]
    more = f" and {len(said) - 5:,} more" if len(said) > 5 else ""
    note = f"written as in an earlier file: {', '.join(sorted(said)[:5])}{more}"
    return replace(checked, segments=segments, ads=ads, notes=[*checked.notes, note])
