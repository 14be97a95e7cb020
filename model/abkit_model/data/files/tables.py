"""Tables from outside: one way to read them, whatever their encoding, delimiter, line ends, packing or sheet.

Rating tables, KPI exports and tables of experiments come through here. The reader trusts nothing: it has limits for the
unpacked size, for a line and for a cell, a row that cannot be divided into the cells of the header is set aside with
its line and reason, and a quote that is never closed costs its own line only.
"""

from __future__ import annotations

import gzip
import hashlib
import io
import lzma
import warnings
import zipfile
import zlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import BinaryIO, cast

from abkit_model.data.files.encodings import ENCODINGS, encoding_named, find_encoding
from abkit_model.data.files.layouts import SAMPLE, Layout, find_layout
from abkit_model.data.files.packing import refuse_ratio
from abkit_model.data.files.spreadsheets.sheets import OpenSheets, open_sheets
from abkit_model.data.files.text_rows import BrokenRow, read_rows
from abkit_model.errors import TableError
from abkit_model.limits import NotRegular, require_regular

#: What files of tables are called.
SUFFIXES = (".csv", ".tsv", ".tab", ".txt", ".xlsx", ".xlsm", ".xls", ".ods", ".parquet", ".csv.gz", ".tsv.gz", ".zip")
_SPREADSHEET = (b"PK\x03\x04", b"\xd0\xcf\x11\xe0")
_OTHER_KINDS = {
    b"\x1f\x8b": "packed twice",
    b"SQLite format 3": "an SQLite database",
    b"%PDF": "a PDF",
    b"PAR1": "Parquet in an archive",
}
_CHUNK = 1 << 22


@dataclass(frozen=True, kw_only=True)
class TableOptions:
    """What the user said about how a table is written; None finds it out.

    Attributes:
        encoding: The encoding of a text: one of `ENCODINGS`, or a usual other name of one.
        header_line: The line, or the row of a spreadsheet, where the header begins, from 1.
        sheet: The sheet of a spreadsheet.
        decimal: The decimal sign of its numbers, "." or ",".
    """

    encoding: str | None = None
    header_line: int | None = None
    sheet: str | None = None
    decimal: str | None = None

    def __post_init__(self) -> None:
        if self.encoding is not None and encoding_named(self.encoding) is None:
            raise TableError(f"there is no encoding {self.encoding!r}", hint=f"known encodings: {', '.join(ENCODINGS)}")
        if self.header_line is not None and self.header_line < 1:
            raise TableError(f"the header cannot be in line {self.header_line}", hint="lines count from 1")
        if self.decimal not in (None, ".", ","):
            raise TableError(f"the decimal sign cannot be {self.decimal!r}", hint="use --decimal . or --decimal ,")

    def of_another(self) -> TableOptions:
        """Return what also holds for a table beside the one that was meant: not where its header is, nor its sheet."""
        return replace(self, header_line=None, sheet=None)


@dataclass(frozen=True)
class OpenTable:
    """A table of text that is open for reading.

    Attributes:
        text: The text, with its line ends as they are.
        encoding: One of `ENCODINGS`.
        options: What the user said.
    """

    text: io.TextIOWrapper
    encoding: str
    options: TableOptions

    def sha256(self) -> str:
        """Return the digest of the unpacked bytes; the text is at its end afterwards."""
        self.text.seek(0)
        return hashlib.file_digest(self.text.buffer, "sha256").hexdigest()  # type: ignore[arg-type]

    def layout(self, known: Callable[[Sequence[str]], int]) -> Layout:
        """Find delimiter and header, as `find_layout` does."""
        self.text.seek(0)
        return find_layout(self.text.read(SAMPLE), known, self.options.header_line)

    def rows(self, layout: Layout, broken: list[BrokenRow]) -> Iterator[tuple[int, list[str]]]:
        """Yield line and cells of each row, as `read_rows` does."""
        self.text.seek(0)
        return read_rows(self.text, layout, broken)


def require_file(path: Path, *, max_bytes: float, hint: str = "split the file") -> None:
    """Refuse what is not a file that could hold a table.

    Args:
        path: The file.
        max_bytes: Larger files are refused unread.
        hint: What to do about a file that is too large.

    Raises:
        TableError: Not there, a folder, not a regular file, empty, or too large.
    """
    with readable():
        size = path.stat().st_size
        if path.is_dir():
            raise TableError("this is a folder", hint="name the files in it")
        try:
            require_regular(path)
        except NotRegular as error:
            raise TableError("this is not a regular file", hint="save the table as a file first") from error
    if size == 0:
        raise TableError("the file is empty", hint="export it again")
    if size > max_bytes:
        raise _too_large(max_bytes, hint)


@contextmanager
def open_table(
    path: Path,
    *,
    max_bytes: float,
    options: TableOptions | None = None,
    hint: str = "split the file",
) -> Iterator[OpenTable | OpenSheets]:
    """Open a table of text or a spreadsheet, plain, gzipped, or alone in a ZIP archive.

    A guess that is neither UTF-8 nor has a byte-order mark is a `UnicodeWarning`, which the command line prints.

    Args:
        path: The file.
        max_bytes: Limit of its size, after unpacking.
        options: What the user said about how it is written.
        hint: What to do about a file that is too large.

    Raises:
        TableError: Not readable, too large, damaged, another kind of file, or not in the encoding; also while the text
            is read. The message does not name the file: the caller does.
    """
    options = options or TableOptions()
    require_file(path, max_bytes=max_bytes, hint=hint)
    with readable(), path.open("rb") as file, _unpacked(file, max_bytes, hint) as content:
        head = content.read(16)
        content.seek(0)
        for magic, kind in _OTHER_KINDS.items():
            if head.startswith(magic):
                raise TableError(f"the file is {kind}, not a table of text", hint="save the table as CSV (UTF-8)")
        if head.startswith(_SPREADSHEET):
            yield open_sheets(content, max_bytes=max_bytes, sheet=options.sheet, header_line=options.header_line)
            return
        if options.sheet is not None:
            raise TableError(f"the file is text and has no sheet {options.sheet!r}", hint="leave --sheet out")
        said = encoding_named(options.encoding) if options.encoding else None
        found = said or find_encoding(content)
        content.seek(0)
        if said is None and found not in ("utf-8", "utf-16", "utf-32"):
            guess = f"{path.name} is not UTF-8: read as {found}; if names look wrong, say --encoding"
            warnings.warn(guess, UnicodeWarning, stacklevel=3)
        try:
            with io.TextIOWrapper(content, ENCODINGS[found], newline="") as text:
                yield OpenTable(text, found, options)
        except UnicodeError as error:
            tried = f"not {found}" if said else f"not UTF-8, and not {found} either"
            raise TableError(
                f"the text is {tried}: {error}", hint="name its encoding with --encoding, or save it as CSV (UTF-8)"
            ) from error


@contextmanager
def readable() -> Iterator[None]:
    """Turn what the system says about a file that cannot be read into a `TableError`."""
    try:
        yield
    except FileNotFoundError as error:
        raise TableError("there is no file with this name", hint="check the path") from error
    except (zipfile.BadZipFile, NotImplementedError, lzma.LZMAError) as error:
        raise TableError(
            f"the ZIP archive or spreadsheet cannot be read: {error}", hint="pack or export it again"
        ) from error
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise TableError(
            "the packed data (gzip or ZIP) cannot be read: it is damaged", hint="pack or export it again"
        ) from error
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        raise TableError(f"it cannot be read: {reason}", hint="check its permissions") from error


@contextmanager
def _unpacked(file: BinaryIO, max_bytes: float, hint: str) -> Iterator[BinaryIO]:
    head = file.read(4)
    file.seek(0)
    if head.startswith(b"\x1f\x8b"):
        packed = file.seek(0, io.SEEK_END)
        file.seek(0)
        with gzip.GzipFile(fileobj=file) as content:
            _require_size(cast(BinaryIO, content), packed, max_bytes, hint)
            yield cast(BinaryIO, content)
    elif head == b"PK\x03\x04" and (member := _only_table(archive := zipfile.ZipFile(file))):
        with archive, archive.open(member) as content:
            _require_size(cast(BinaryIO, content), member.compress_size, max_bytes, hint)
            yield cast(BinaryIO, content)
    else:
        file.seek(0)
        yield file


def _only_table(archive: zipfile.ZipFile) -> zipfile.ZipInfo | None:
    """Return the one table in an archive; None where the archive is itself a spreadsheet."""
    names = set(archive.namelist())
    if "[Content_Types].xml" in names or {"mimetype", "content.xml"} <= names:
        return None
    files = [one for one in archive.infolist() if one.filename and not one.is_dir()]
    members = [one for one in files if not _is_of_the_system(one.filename)]
    tables = [one for one in members if one.filename.lower().endswith(SUFFIXES)]
    if len(tables) != 1:
        shown = ", ".join(repr(one.filename[-80:]) for one in (tables or members)[:10])
        what = f"{len(tables)} tables: {shown}" if tables else f"no table; it has {shown or 'no file at all'}"
        raise TableError(f"the ZIP archive has {what}", hint="unpack it, and name the file that is meant")
    if tables[0].flag_bits & 1:
        raise TableError("the ZIP archive is protected with a password", hint="unpack it first")
    return tables[0]


def _is_of_the_system(name: str) -> bool:
    return name.startswith("__MACOSX/") or name.rsplit("/", 1)[-1].startswith(".")


def _require_size(content: BinaryIO, packed: int, max_bytes: float, hint: str) -> None:
    # Unpacked once to know its size: a small file must not fill the memory, and damage shows before the first row.
    size = 0
    while chunk := content.read(_CHUNK):
        size += len(chunk)
        if size > max_bytes:
            raise _too_large(max_bytes, hint)
        refuse_ratio(packed, size)
    content.seek(0)


def _too_large(max_bytes: float, hint: str) -> TableError:
    return TableError(f"the table has more than {max_bytes / 1e6:,.4g} MB", hint=hint)
