"""Tables of labels as people export them: read within limits, columns found by their usual names."""

from __future__ import annotations

import csv
import gzip
import hashlib
import io
import math
import os
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from abkit_model.errors import LabelError

#: A table of ten million votes is smaller; a file that unpacks to more is damaged or meant to harm.
MAX_BYTES = 2**29
#: What a file name or the name of a rater may have at most.
MAX_NAME = 500

Row = dict[str, str]


@dataclass(frozen=True)
class CsvTable:
    """A CSV file, split into cells and otherwise as it is.

    Attributes:
        path: Where it was read.
        columns: Names in the header, in order, without empty ones.
        rows: Line (the last one of the row, the header is line 1) and cells by column.
        sha256: Digest of the unpacked bytes.
    """

    path: Path
    columns: tuple[str, ...]
    rows: tuple[tuple[int, Row], ...]
    sha256: str

    def column(self, asked: str | None, usual: Sequence[str], meaning: str) -> str:
        """The column that was asked for, or the one with a usual name.

        Raises:
            LabelError: there is none.
        """
        if asked is not None and asked not in self.columns:
            raise LabelError(f"{self.path} has no column {asked!r}", "it has: " + ", ".join(self.columns))
        found = asked or self.find(usual)
        if found is None:
            raise LabelError(f"{self.path} has no column with {meaning}", f"name it one of: {', '.join(usual)}")
        return found

    def find(self, usual: Sequence[str]) -> str | None:
        """The column with one of these names, whatever its case; the first name in the list wins."""
        lower = {c.lower(): c for c in self.columns}
        return next((lower[name] for name in usual if name in lower), None)


def read_text(path: Path) -> tuple[str, str]:
    """The text of a file, unpacked when it is gzipped, and the SHA-256 of its bytes.

    Raises:
        LabelError: not readable, damaged, larger than 512 MB, or not UTF-8.
    """
    try:
        with path.open("rb") as file:
            packed = file.read(2) == b"\x1f\x8b"
            file.seek(0)
            # gzip's answer is cut here, so that a small file cannot fill the memory
            data = (gzip.GzipFile(fileobj=file) if packed else file).read(MAX_BYTES + 1)
    except (OSError, EOFError, zlib.error) as error:
        reason = getattr(error, "strerror", None) or "it is damaged"
        raise LabelError(f"the table {path} cannot be read: {reason}") from error
    if len(data) > MAX_BYTES:
        raise LabelError(f"the table {path} has more than {MAX_BYTES // 2**20} MB", "split it")
    try:
        return data.decode("utf-8-sig"), hashlib.sha256(data).hexdigest()
    except UnicodeDecodeError as error:
        raise LabelError(f"{path} is not text in UTF-8", "export the table as UTF-8 CSV") from error


def parse_csv(path: Path, text: str, sha256: str) -> CsvTable:
    """Split CSV with a header into cells; commas, semicolons and tabs separate, whichever the header has most of.

    Raises:
        LabelError: a cell without end.
    """
    header = text.split("\n", 1)[0]
    reader = csv.DictReader(
        io.StringIO(text, newline=""), skipinitialspace=True, delimiter=max(",;\t", key=header.count)
    )
    try:
        columns = tuple(c for c in reader.fieldnames or [] if c)
        rows = tuple((reader.line_num, row) for row in reader)
    except csv.Error as error:
        raise LabelError(f"{path} is not a CSV table: {error} (line {reader.line_num})") from error
    return CsvTable(path, columns, rows, sha256)


def read_csv(path: Path) -> CsvTable:
    """Read a CSV file, plain or gzipped.

    Raises:
        LabelError: not readable, too large, not UTF-8, or not a table.
    """
    return parse_csv(path, *read_text(path))


def is_inside(path: Path, folder: Path) -> bool:
    """Whether a file that a table names lies in a folder, wherever links lead."""
    # realpath, for Path.resolve raises where links lead in a circle; whoever opens that path is told
    return Path(os.path.realpath(folder)) in Path(os.path.realpath(path)).parents


def name_fault(name: str) -> str:
    """Why a name cannot be kept, or nothing.

    >>> name_fault("a.jpg"), name_fault("a" * 501)
    ('', 'a name is longer than 500 characters')
    """
    if len(name) > MAX_NAME:
        return f"a name is longer than {MAX_NAME} characters"
    return "a name has a character that cannot be printed" if not name.isprintable() else ""


def number(text: str | None) -> float | None:
    """A finite number, or None.

    >>> number("3.5"), number("nan"), number(None)
    (3.5, None, None)
    """
    try:
        value = float(text or "")
    except ValueError:
        return None
    return value if math.isfinite(value) else None
