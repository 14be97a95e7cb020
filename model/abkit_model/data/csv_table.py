"""Tables of labels: read within limits, columns found by their usual names, cells checked."""

from __future__ import annotations

import io
import math
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from abkit_model.data.tables import BrokenRow, find_layout, open_table, read_rows
from abkit_model.errors import LabelError, TableError

#: A table of ten million votes is smaller; a file that unpacks to more is damaged or meant to harm.
MAX_BYTES = 2**29
#: What a file name or the name of a rater may have at most.
MAX_NAME = 500

Row = dict[str, str]


@dataclass(frozen=True)
class CsvTable:
    """A table of labels, split into cells and otherwise as it is.

    Attributes:
        path: Where it was read.
        columns: Names in the header, in order, without empty ones.
        rows: Line where the row begins (the first of the file is 1) and cells by column.
        rejected: Line and reason of each row that does not have the cells of the header.
        sha256: Digest of the unpacked bytes.
    """

    path: Path
    columns: tuple[str, ...]
    rows: tuple[tuple[int, Row], ...]
    rejected: tuple[tuple[int, str], ...]
    sha256: str

    def column(self, asked: str | None, usual: Sequence[str], meaning: str) -> str:
        """Return the column that was asked for, or the one with a usual name.

        Raises:
            LabelError: There is none, or there are two of that name.
        """
        if asked is not None and asked not in self.columns:
            raise LabelError(f"{self.path} has no column {asked!r}", "it has: " + ", ".join(self.columns))
        found = self._once(asked) if asked else self.find(usual)
        if found is None:
            raise LabelError(f"{self.path} has no column with {meaning}", f"name it one of: {', '.join(usual)}")
        return found

    def find(self, usual: Sequence[str]) -> str | None:
        """Return the column with one of these names, whatever its case; the first name in the list wins.

        Raises:
            LabelError: There are two of that name.
        """
        lower = {c.lower(): c for c in self.columns}
        return next((self._once(lower[name]) for name in usual if name in lower), None)

    def _once(self, name: str) -> str:
        if (times := self.columns.count(name)) > 1:
            raise LabelError(f"{self.path} has {times} columns {name!r}", "rename all but one of them")
        return name


def read_text(path: Path) -> tuple[str, str]:
    """Return the text of a file, unpacked when it is gzipped, and the SHA-256 of its bytes.

    Raises:
        LabelError: Not readable, damaged, larger than 512 MiB, or not text.
    """
    try:
        with open_table(path, max_bytes=MAX_BYTES) as table:
            return table.text.read().removeprefix("\ufeff"), table.sha256()
    except TableError as error:
        raise _unreadable(path, error) from error


def parse_csv(path: Path, text: str, sha256: str, *, header_only: bool = False) -> CsvTable:
    """Split a table with a header into cells, or only its header.

    Raises:
        LabelError: Empty, or not CSV.
    """
    broken: list[BrokenRow] = []
    try:
        layout = find_layout(text, lambda _: 0)
        rows = [] if header_only else list(read_rows(io.StringIO(text, newline=""), layout, broken))
    except TableError as error:
        raise _unreadable(path, error) from error
    return CsvTable(
        path,
        tuple(filter(None, layout.header)),
        tuple((line, dict(zip(layout.header, cells, strict=True))) for line, cells in rows),
        tuple((row.line, row.reason) for row in broken),
        sha256,
    )


def read_csv(path: Path) -> CsvTable:
    """Read a table with a header, plain or gzipped.

    Raises:
        LabelError: Not readable, too large, not text, or not a table.
    """
    return parse_csv(path, *read_text(path))


def _unreadable(path: Path, error: TableError) -> LabelError:
    return LabelError(f"the table {path} cannot be read: {error.message}", error.hint)


def is_inside(path: Path, folder: Path) -> bool:
    """Return whether a file that a table names lies in a folder, wherever links lead."""
    # realpath, because Path.resolve raises where links lead in a circle; opening the path reports that
    return Path(os.path.realpath(folder)) in Path(os.path.realpath(path)).parents


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
