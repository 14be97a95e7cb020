"""Tables of labels: read within limits, columns found by their usual names, cells checked."""

from __future__ import annotations

import hashlib
import math
import os
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from abkit_model.data.files.layouts import bare
from abkit_model.data.files.panics import unprinted_panics
from abkit_model.data.files.parquet import examined, is_parquet
from abkit_model.data.files.spreadsheets.sheets import OpenSheets
from abkit_model.data.files.tables import OpenTable, TableOptions, open_table, require_file
from abkit_model.data.files.text_rows import BrokenRow
from abkit_model.data.numbers import decimal_sign, written
from abkit_model.errors import LabelError, TableError
from abkit_model.names import composed, some_of

#: A table of ten million votes is smaller; a file that unpacks to more is damaged or meant to harm.
MAX_BYTES = 2**29
#: A small Parquet file can hold a great many rows.
MAX_PARQUET_ROWS = 20_000_000
#: What a file name or the name of a rater may have at most.
MAX_NAME = 500

Row = dict[str, str]


@dataclass(frozen=True, kw_only=True)
class CsvTable:
    """A table of labels, split into cells and otherwise as it is.

    Attributes:
        path: Where it was read.
        columns: Names in the header, in order, without empty ones.
        rows: Line where the row begins (the first of the file is 1) and cells by column.
        rejected: Line and reason of each row that does not have the cells of the header.
        sha256: Digest of the unpacked bytes.
        decimal: The decimal sign that the user said.
    """

    path: Path
    columns: tuple[str, ...]
    rows: tuple[tuple[int, Row], ...]
    rejected: tuple[tuple[int, str], ...]
    sha256: str
    decimal: str | None = None

    def column(self, asked: str | None, usual: Sequence[str], meaning: str) -> str:
        """Return the column that was asked for, or the one with a usual name.

        Raises:
            LabelError: There is none, or there are two of that name.
        """
        if asked is not None and asked not in self.columns:
            raise LabelError(f"{self.path} has no column {asked!r}", "it has: " + some_of(self.columns))
        found = self._once(asked, self.columns.count(asked)) if asked else self.find(usual)
        if found is None:
            raise LabelError(f"{self.path} has no column with {meaning}", f"name it one of: {', '.join(usual)}")
        return found

    def find(self, usual: Sequence[str]) -> str | None:
        """Return the column with one of these names, whatever its case; the first name in the list wins.

        Raises:
            LabelError: There are two of that name.
        """
        lower = {c.lower(): c for c in self.columns}
        names = [c.lower() for c in self.columns]
        return next((self._once(lower[name], names.count(name)) for name in usual if name in lower), None)

    def numbers(
        self, *columns: str | None, low: float = -math.inf, high: float = math.inf
    ) -> Callable[[str | None], float | None]:
        """Return a function that reads the cells of some columns, which share one decimal sign; None where it cannot.

        Figures below `low` or above `high` cannot be meant: on a scale from 1 to 5, `3.512` is no thousands.

        Raises:
            LabelError: A number could be two figures, and no other says which.
        """
        texts = (row.get(column) or "" for _, row in self.rows for column in columns if column)
        try:
            sign = self.decimal or decimal_sign(texts, low, high) or "."
        except ValueError as reason:
            names = ", ".join(repr(column) for column in columns if column)
            raise LabelError(
                f"{self.path}, {names}: {reason}", "say the decimal sign: --decimal . or --decimal ,"
            ) from None

        def read(text: str | None) -> float | None:
            found = written(text or "")
            return None if found is None or found.currency or found.percent else found.value(sign)

        return read

    def _once(self, name: str, times: int) -> str:
        if times > 1:
            raise LabelError(f"{self.path} has {times} columns {name!r}", "rename all but one of them")
        return name


def read_text(path: Path, options: TableOptions | None = None) -> tuple[str, str]:
    """Return a text, unpacked when it is packed, and the SHA-256 of its bytes; '' of a spreadsheet or Parquet.

    Raises:
        LabelError: Not readable, damaged, larger than 512 MiB, or not text.
    """
    with _opened(path, options) as table:
        return (table.text.read().removeprefix("\ufeff") if isinstance(table, OpenTable) else ""), table.sha256()


def first_line(path: Path, options: TableOptions | None = None) -> str:
    """Return the first line of a text; '' of a spreadsheet or Parquet.

    Raises:
        LabelError: Not readable, damaged, larger than 512 MiB, or not text.
    """
    if _is_parquet(path):
        return ""
    with _opened(path, options) as table:
        return table.text.readline(1 << 16).removeprefix("\ufeff") if isinstance(table, OpenTable) else ""


def read_csv(
    path: Path, options: TableOptions | None = None, *, usual: Collection[str] = (), header_only: bool = False
) -> CsvTable:
    """Read a table with a header: text in any dress, a spreadsheet, or Parquet.

    Args:
        path: The file.
        options: What the user said about how it is written.
        usual: Names of columns, in lower case, by which the header is found below titles.
        header_only: Leave the rows out.

    Raises:
        LabelError: Not readable, too large, not text, or not a table.
    """
    if _is_parquet(path):
        return replace(_of_parquet(path, header_only), decimal=options.decimal if options else None)
    broken: list[BrokenRow] = []
    with _opened(path, options) as table:
        layout = table.layout(lambda cells: len({cell.lower() for cell in cells}.intersection(usual)))
        rows = [] if header_only else list(table.rows(layout, broken))
        sha256 = table.sha256()
    at = f"sheet {layout.sheet!r}, " if layout.sheet else ""
    return CsvTable(
        path=path,
        columns=tuple(filter(None, layout.header)),
        rows=tuple((line, dict(zip(layout.header, cells, strict=True))) for line, cells in rows),
        rejected=tuple((row.line, at + row.reason) for row in broken),
        sha256=sha256,
        decimal=options.decimal if options else None,
    )


def _is_parquet(path: Path) -> bool:
    try:
        return is_parquet(path)
    except OSError:  # the one that reads it says why
        return False


def _of_parquet(path: Path, header_only: bool) -> CsvTable:
    import polars as pl

    try:
        require_file(path, max_bytes=MAX_BYTES)
        with examined(path, max_rows=MAX_PARQUET_ROWS) as found:
            names = found.names
            if not header_only:
                found.require(names, max_bytes=MAX_BYTES)
        with unprinted_panics():
            frame = pl.read_parquet(path, n_rows=0 if header_only else None)
        texts = frame.select(pl.all().cast(pl.String).fill_null(""))
        with path.open("rb") as file:
            sha256 = hashlib.file_digest(file, "sha256").hexdigest()
    except TableError as error:
        raise _unreadable(path, error) from error
    except BaseException as error:
        # A panic inside polars is no Exception, and its class cannot be imported.
        if isinstance(error, pl.exceptions.PolarsError) or type(error).__name__ == "PanicException":
            first = next(iter(str(error).splitlines()), "")[:200]
            raise _unreadable(path, TableError(f"the content is damaged: {first}", hint="export it again")) from error
        raise
    header = [composed(name.strip()) for name in names]
    rows = (dict(zip(header, (bare(composed(cell)) for cell in row), strict=True)) for row in texts.iter_rows())
    return CsvTable(
        path=path, columns=tuple(filter(None, header)), rows=tuple(enumerate(rows, 1)), rejected=(), sha256=sha256
    )


@contextmanager
def _opened(path: Path, options: TableOptions | None) -> Iterator[OpenTable | OpenSheets]:
    try:
        with open_table(path, max_bytes=MAX_BYTES, options=options) as table:
            yield table
    except TableError as error:
        raise _unreadable(path, error) from error


def _unreadable(path: Path, error: TableError) -> LabelError:
    return LabelError(f"the table {path} cannot be read: {error.message}", error.hint)


def is_inside(path: Path, folder: Path) -> bool:
    """Return whether a file that a table names lies in a folder, wherever links lead."""
    # realpath, because Path.resolve raises where links lead in a circle; opening the path reports that
    return Path(os.path.realpath(folder)) in Path(os.path.realpath(path)).parents


def files_named(folder: Path, names: Collection[str]) -> dict[str, Path]:
    """Return where the files are that a table names: on a disk, accents may stand apart from their letters."""
    paths = {name: folder / name for name in names}
    listings: dict[Path, dict[str, Path]] = {}
    for name, path in paths.items():
        if name.isascii() or os.path.lexists(path) or not is_inside(path, folder):
            continue
        if path.parent not in listings:
            there = path.parent.iterdir() if path.parent.is_dir() else ()
            listings[path.parent] = {composed(one.name): one for one in there}
        paths[name] = listings[path.parent].get(composed(path.name), path)
    return paths


def name_fault(name: str) -> str:
    """Return why a name cannot be kept, or an empty string.

    >>> name_fault("a.jpg"), name_fault("a" * 501)
    ('', 'a name is longer than 500 characters')
    """
    if len(name) > MAX_NAME:
        return f"a name is longer than {MAX_NAME} characters"
    return "a name has a character that cannot be printed" if not name.isprintable() else ""


def number(text: str | None) -> float | None:
    """Return a finite number, or None.

    >>> number("3.5"), number("nan"), number(None)
    (3.5, None, None)
    """
    try:
        value = float(text or "")
    except ValueError:
        return None
    return value if math.isfinite(value) else None
