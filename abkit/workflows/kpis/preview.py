"""Preview an import: what a file would be understood as, and what would be refused, while nothing is written."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from abkit.errors import StoreError
from abkit.intake.kpis.files import find_exports
from abkit.intake.kpis.reading import KpiOptions
from abkit.intake.remote.fetch import Fetched
from abkit.records import Record
from abkit.store.database.engine import Store
from abkit.workflows.kpis.contents import Contents
from abkit.workflows.kpis.reasons import kinds
from abkit.workflows.kpis.understanding import Refused, understand

if TYPE_CHECKING:
    from abkit.intake.kpis.rows.checks import CheckedRows

_FIRST_ROWS = 5


@dataclass(frozen=True, kw_only=True)
class ImportPreview(Record):
    """What an import of one file would do.

    Attributes:
        file: Name of the file, as it was given.
        platform: Platform whose export this is; "" where the header does not say.
        columns: By column of the file, the field that it would be; "" for columns that would not be used.
        reading: How the file is read: format, encoding, delimiter, dates, decimal signs.
        rows: Number of rows in the file, without header and blank lines.
        good: Rows that would land.
        refused: Number of rows that would not, by kind of reason.
        first_rows: The first good rows as they are understood.
        contents: Accounts, days, ads, and the total of each column of figures.
        time_zone: Time zone of the days; "" is unknown.
        mapped_as: The import whose mapping is remembered for this header and account, if it is used.
        imported_before: The import of the same file; nothing would change.
        notes: Remarks: what was guessed, what is unused.
        error: Why the file would be refused as a whole.
        hint: What to do about that: one command with everything that is missing.
    """

    file: str
    platform: str = ""
    columns: Mapping[str, str] = field(default_factory=dict)
    reading: Mapping[str, Any] = field(default_factory=dict)
    rows: int = 0
    good: int = 0
    refused: Mapping[str, int] = field(default_factory=dict)
    first_rows: tuple[Mapping[str, Any], ...] = ()
    contents: Contents | None = None
    time_zone: str = ""
    mapped_as: int | None = None
    imported_before: int | None = None
    notes: tuple[str, ...] = ()
    error: str | None = None
    hint: str | None = None

    @property
    def lands(self) -> bool:
        """Whether any row of the file is in the store, or would be."""
        return self.good > 0 or self.imported_before is not None


def preview_files(
    store: Store, paths: Sequence[Path] | Fetched, options: KpiOptions, *, forget_mapping: bool = False
) -> list[ImportPreview]:
    """Return what an import of these files would do; the store stays as it is.

    Args:
        store: A store at the current migration.
        paths: The files, fetched or not; a folder stands for the tables in it.
        options: What the user said about them.
        forget_mapping: Do without the mapping that is remembered for the header.

    Raises:
        StoreError: The store cannot be read.
    """
    given = paths if isinstance(paths, Fetched) else Fetched(paths=tuple(paths))
    recalling = not forget_mapping
    seen = [_preview(store, path, options, given, recalling=recalling) for path in find_exports(given.paths).files]
    return seen + [ImportPreview(file=one.address, error=one.reason, hint=one.hint) for one in given.refused]


def _preview(store: Store, path: Path, options: KpiOptions, given: Fetched, *, recalling: bool) -> ImportPreview:
    name = given.in_words(str(path).encode("utf-8", "replace").decode())
    try:
        known = understand(store, path, options, recalling=recalling)
    except Refused as refused:
        if isinstance(refused.error, StoreError):
            raise refused.error from refused
        error, hint = given.in_words(refused.error.message), given.in_words(refused.error.hint or "") or None
        return ImportPreview(file=name, rows=refused.rows, error=error, hint=hint)
    if known.earlier is not None:
        when = f"imported before, on {known.earlier.imported_at:%Y-%m-%d %H:%M} UTC; nothing would change"
        return ImportPreview(file=name, imported_before=known.earlier.id, rows=known.earlier.rows, notes=(when,))
    assert known.checked is not None and known.columns is not None  # noqa: S101, PT018  # it was read
    names, reading = known.columns.names, dict(known.reading or {})
    field_of = {index: name for name, index in known.columns.position.items()}
    reading.pop("mapping", None)
    return ImportPreview(
        file=name,
        platform=known.columns.title,
        columns={column: field_of.get(index, "") for index, column in enumerate(names) if column},
        reading={key: value for key, value in reading.items() if value not in (None, "", [], {})},
        rows=known.rows,
        good=known.rows - known.checked.rejects.height,
        refused=dict(kinds(known.checked.rejects["reason"].to_list()).most_common()),
        first_rows=_first_rows(known.checked),
        contents=known.contents,
        time_zone=known.options.time_zone,
        mapped_as=known.remembered.import_id if known.remembered else None,
        notes=tuple(remark.replace(str(path), name) for remark in known.notes),
    )


def _first_rows(checked: CheckedRows) -> tuple[Mapping[str, Any], ...]:
    """Return the first good rows; columns in which they all say nothing are left out."""
    ads = checked.ads.select("ad_no", "account", "external_id", "creative", "campaign")
    segments = checked.segments
    good = checked.good.filter(checked.good["idle"] == 0).drop("idle", "rows")
    rows = good.sort("line").head(_FIRST_ROWS).join(ads, on="ad_no", how="left", maintain_order="left")
    rows = rows.join(segments, on="segment_no", how="left", maintain_order="left").drop("ad_no", "segment_no")
    rows = rows.rename({"external_id": "ad"})
    if (rows["period_start"] == rows["period_end"]).all():
        rows = rows.rename({"period_start": "day"}).drop("period_end")
    order = ("line", "day", "period_start", "period_end", "ad", "creative")
    first = [name for name in order if name in rows.columns]
    rows = rows.select(*first, *(name for name in rows.columns if name not in first))
    said = [name for name in rows.columns if set(rows[name]) - {None, ""}]
    return tuple(rows.select(said).to_dicts())
