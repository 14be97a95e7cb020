"""Tables of text from outside: one way to read them, whatever their encoding, delimiter, line ends and packing.

Rating tables, KPI exports and tables of experiments come through here. The reader trusts nothing: it has limits for the
unpacked size, for a line and for a cell, a row that cannot be divided into the cells of the header is set aside with
its line and reason, and a quote that is never closed costs its own line only.
"""

from __future__ import annotations

import codecs
import csv
import gzip
import hashlib
import io
import re
import warnings
import zlib
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from abkit_model.errors import TableError

#: By the name that a user gives: the codec.
ENCODINGS: Mapping[str, str] = {
    "utf-8": "utf-8-sig",
    "utf-16": "utf-16",
    "utf-16-le": "utf-16-le",
    "utf-16-be": "utf-16-be",
    "shift_jis": "cp932",
    "windows-1252": "cp1252",
}
_OTHER_KINDS = {
    b"PK\x03\x04": "a spreadsheet or ZIP archive",
    b"\xd0\xcf\x11\xe0": "an old Excel file",
    b"SQLite format 3": "an SQLite database",
    b"%PDF": "a PDF",
    b"PAR1": "Parquet",
}
_HEADER_WITHIN = 30  # lines of title that an export may have above its header
_SAMPLE = 1 << 20
_CHUNK = 1 << 22
_CELL_LIMIT = 131_072  # characters; a cell that is longer is a quote that was never closed
_LINE_LIMIT = 1 << 24  # characters
_MOST_BAD_QUOTES = 1_000
_UTF8_WIDE = re.compile(rb"[\xe0-\xf4][\x80-\xbf]{2}")
# Latin, Greek, Cyrillic, Hebrew and Arabic; what else has two bytes is rarer than two signs of Windows-1252.
_UTF8_LETTER = re.compile(rb"[\xc2-\xc5\xce-\xd1\xd7-\xdb][\x80-\xbf]")
_JAPANESE_RUN = re.compile(r"[\u3040-\u30ff\u4e00-\u9fff\uff01-\uff9f、。ー]{2,}")


@dataclass(frozen=True)
class Layout:
    """How a table of text is laid out.

    Attributes:
        delimiter: Between the cells: a comma, semicolon, tab or bar.
        header: The column names, stripped.
        header_line: Line where the header begins, from 1.
        lines_before: Number of lines before the first row: the header and what is above it.
    """

    delimiter: str
    header: Sequence[str]
    header_line: int
    lines_before: int


@dataclass(frozen=True)
class BrokenRow:
    """A row that cannot be divided into the cells of the header.

    Attributes:
        line: Line of the file where it begins, from 1.
        reason: What is wrong with it.
        cells: Its cells as far as they can be told apart.
    """

    line: int
    reason: str
    cells: Sequence[str]


@dataclass(frozen=True)
class OpenTable:
    """A table of text that is open for reading.

    Attributes:
        text: The text, with its line ends as they are.
        encoding: One of `ENCODINGS`.
    """

    text: io.TextIOWrapper
    encoding: str

    def sha256(self) -> str:
        """Return the digest of the unpacked bytes; the text is at its end afterwards."""
        self.text.seek(0)
        return hashlib.file_digest(self.text.buffer, "sha256").hexdigest()  # type: ignore[arg-type]

    def layout(self, known: Callable[[Sequence[str]], int]) -> Layout:
        """Find delimiter and header, as `find_layout` does."""
        self.text.seek(0)
        return find_layout(self.text.read(_SAMPLE), known)

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
        if not path.is_file():
            raise TableError("this is not a regular file", hint="save the table as a file first")
    if size == 0:
        raise TableError("the file is empty", hint="export it again")
    if size > max_bytes:
        raise _too_large(max_bytes, hint)


@contextmanager
def open_table(
    path: Path, *, max_bytes: float, encoding: str | None = None, hint: str = "split the file"
) -> Iterator[OpenTable]:
    """Open a table of text, plain or gzipped.

    A guess that is neither UTF-8 nor has a byte-order mark is a `UnicodeWarning`, which the command line prints.

    Args:
        path: The file.
        max_bytes: Limit of its size, after unpacking.
        encoding: One of `ENCODINGS`; found by looking when None.
        hint: What to do about a file that is too large.

    Raises:
        TableError: Not readable, too large, damaged, another kind of file, or not in the encoding; also while the text
            is read. The message does not name the file: the caller does.
    """
    require_file(path, max_bytes=max_bytes, hint=hint)
    with readable(), path.open("rb") as file, _unpacked(file, max_bytes, hint) as content:
        head = content.read(16)
        for magic, kind in _OTHER_KINDS.items():
            if head.startswith(magic):
                raise TableError(f"the file is {kind}, not CSV", hint="save the table as CSV (UTF-8)")
        found = encoding or find_encoding(content)
        content.seek(0)
        if encoding is None and found not in ("utf-8", "utf-16"):
            guess = f"{path.name} is not UTF-8: read as {found}; if names look wrong, save the table as UTF-8"
            warnings.warn(guess, UnicodeWarning, stacklevel=3)
        try:
            with io.TextIOWrapper(content, ENCODINGS[found], newline="") as text:
                yield OpenTable(text, found)
        except UnicodeError as error:
            tried = f"not {found}" if encoding else f"not UTF-8, and not {found} either"
            hint = "name its encoding" if encoding else "save the table as CSV (UTF-8)"
            raise TableError(f"the text is {tried}: {error}", hint=hint) from error


@contextmanager
def readable() -> Iterator[None]:
    """Turn what the system says about a file that cannot be read into a `TableError`."""
    try:
        yield
    except FileNotFoundError as error:
        raise TableError("there is no file with this name", hint="check the path") from error
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise TableError("the gzip data cannot be read: it is damaged", hint="pack or export it again") from error
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        raise TableError(f"it cannot be read: {reason}", hint="check its permissions") from error


@contextmanager
def _unpacked(file: BinaryIO, max_bytes: float, hint: str) -> Iterator[BinaryIO]:
    packed = file.read(2) == b"\x1f\x8b"
    file.seek(0)
    if not packed:
        yield file
        return
    with gzip.GzipFile(fileobj=file) as content:
        # Unpacked once to know its size: a small file must not fill the memory, and damage shows before the first row.
        size = 0
        while chunk := content.read(_CHUNK):
            size += len(chunk)
            if size > max_bytes:
                raise _too_large(max_bytes, hint)
        content.seek(0)
        yield content  # type: ignore[misc]


def _too_large(max_bytes: float, hint: str) -> TableError:
    return TableError(f"the table has more than {max_bytes / 1e6:,.4g} MB", hint=hint)


def find_encoding(file: BinaryIO) -> str:
    """Return the encoding of a text file: one of `ENCODINGS`.

    A byte-order mark decides; else valid UTF-8; else Shift_JIS when that gives runs of Japanese; else Windows-1252.

    Raises:
        TableError: A binary file, or a text of which some lines are UTF-8 and others are not.
    """
    file.seek(0)
    head = file.read(_SAMPLE)
    if head.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return "utf-16"
    wide = _without_mark(head[:4096])
    if wide:
        return wide
    decoder = codecs.getincrementaldecoder("utf-8")()
    chunk = head
    try:
        while chunk:
            decoder.decode(chunk)
            chunk = file.read(_CHUNK)
        decoder.decode(b"", final=True)
    except UnicodeDecodeError:
        return _legacy(file)
    return "utf-8"


def _without_mark(head: bytes) -> str | None:
    half = max(1, len(head) // 2)
    even, odd = head[0::2].count(0), head[1::2].count(0)
    if odd > 0.7 * half and even < 0.1 * half:
        return "utf-16-le"
    if even > 0.7 * half and odd < 0.1 * half:
        return "utf-16-be"
    if even + odd > 0.1 * len(head):
        raise TableError("this is a binary file, not a table of text", hint="save the table as CSV (UTF-8)")
    return None


def _legacy(file: BinaryIO) -> str:
    """Tell Shift_JIS from Windows-1252 by the lines that are not UTF-8; a file that has lines of both is refused."""
    file.seek(0)
    text = io.TextIOWrapper(file, "latin-1", newline="")
    first: dict[str, int] = {}
    sample = bytearray()
    for number, line in enumerate(iter(lambda: text.readline(_LINE_LIMIT), ""), 1):
        if not line.isascii():
            content = line.encode("latin-1")
            kind = _utf8_kind(content)
            first.setdefault(kind, number)
            if kind == "other" and len(sample) < _CHUNK:
                sample += content
    text.detach()
    found = "shift_jis" if _is_japanese(bytes(sample)) else "windows-1252"
    # Half-width katakana in Shift_JIS can look like accented letters in UTF-8.
    telling = ("wide",) if found == "shift_jis" else ("wide", "letters")
    utf8 = [first[kind] for kind in telling if kind in first]
    if utf8:
        raise TableError(
            f"the text is in mixed encodings: line {min(utf8):,} is UTF-8, line {first['other']:,} is not",
            hint="save the whole table as UTF-8",
        )
    return found


def _utf8_kind(line: bytes) -> str:
    """Return "other" for what is not UTF-8, else whether it has "wide" characters, "letters" or only "symbols".

    Symbols: `CAFÉ’S` in Windows-1252 is valid UTF-8 too, of a letter that no table has.
    """
    try:
        line.decode()
    except UnicodeDecodeError:
        return "other"
    return "wide" if _UTF8_WIDE.search(line) else "letters" if _UTF8_LETTER.search(line) else "symbols"


def _is_japanese(content: bytes) -> bool:
    """Return whether a text is Shift_JIS: Western text that is valid Shift_JIS has lone characters, not runs."""
    try:
        text = codecs.getincrementaldecoder("cp932")().decode(content)
    except UnicodeDecodeError:
        return False
    foreign = sum(1 for char in text if ord(char) > 127)
    return sum(len(run) for run in _JAPANESE_RUN.findall(text)) > 0.5 * foreign


def find_layout(sample: str, known: Callable[[Sequence[str]], int]) -> Layout:
    """Find the delimiter and the header: the line that names the most known columns.

    Where no line names any, the first one that is not blank is the header.

    Args:
        sample: The text, or its beginning.
        known: Counts the known columns among cells.

    Raises:
        TableError: The sample is blank, or not CSV.
    """
    records = [record for delimiter in ",;\t|" for record in _first_records(sample[:_SAMPLE], delimiter)]
    if not records and not sample.strip("\ufeff \t\r\n"):
        raise TableError("the file is empty", hint="export it again")
    if not records:
        raise TableError("no header in the first lines", hint="this does not look like CSV; export it again")
    if not any(known(record.header) for record in records):
        first = min(record.header_line for record in records)
        records = [record for record in records if record.header_line == first]
    # A tie goes to the delimiter that makes more cells, then to the earlier line.
    return max(records, key=lambda record: (known(record.header), len(record.header)))


def _first_records(sample: str, delimiter: str) -> Iterator[Layout]:
    reader = csv.reader(io.StringIO(sample.removeprefix("\ufeff"), newline=""), delimiter=delimiter)
    before = 0
    for _ in range(_HEADER_WITHIN):
        try:
            cells = [cell.strip() for cell in next(reader)]
        except (StopIteration, csv.Error):
            break
        if any(cells):
            yield Layout(delimiter, cells, before + 1, reader.line_num)
        before = reader.line_num


def read_rows(text: io.TextIOBase, layout: Layout, broken: list[BrokenRow]) -> Iterator[tuple[int, list[str]]]:
    """Yield the line where each row begins and its cells, as many as the header has. Blank lines do not count.

    Args:
        text: The whole text, from its beginning, opened with `newline=""`.
        layout: How it is laid out.
        broken: Takes the other rows.

    Raises:
        TableError: A line without end, or hardly a row without an open quote: this is not CSV.
    """
    lines = _Lines(text)
    for _ in range(layout.lines_before):
        next(lines)
    width, delimiter = len(layout.header), layout.delimiter
    csv.field_size_limit(_CELL_LIMIT)
    reader = csv.reader(lines, delimiter=delimiter, skipinitialspace=True, strict=True)
    bad_quotes = 0
    while True:
        lines.record = []
        line = lines.line + 1
        try:
            cells = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            # A quote that is never closed swallows what follows: only its own line is lost, the rest is read again.
            bad_quotes += lines.give_back_all_but_first() > 0
            if bad_quotes > _MOST_BAD_QUOTES:
                raise TableError(
                    f"more than {_MOST_BAD_QUOTES:,} rows have a quote that is not closed, the last in line {line:,}",
                    hint="this does not look like CSV; export it again",
                ) from error
            reason = "a quote that is not closed"
            if "limit" in str(error):
                reason = f"a cell of more than {_CELL_LIMIT:,} characters, or {reason}"
            first = lines.record[0] if lines.record else ""
            broken.append(BrokenRow(line, reason, first.rstrip("\r\n").split(delimiter)))
            continue
        if len(cells) == width:
            yield line, cells
        elif cells:
            broken.append(BrokenRow(line, _ragged(cells, width), cells))


def _ragged(cells: Sequence[str], width: int) -> str:
    if not any(cell.strip() for cell in cells):
        return "the row is empty"
    which = "cut short" if len(cells) < width else "a delimiter too many"
    return f"{len(cells)} cells where the header has {width}: {which}"


class _Lines:
    """The lines of a text, with those of the current record kept so that they can be read again."""

    def __init__(self, text: io.TextIOBase) -> None:
        self._text = text
        self._again: deque[str] = deque()
        self.record: list[str] = []
        self.line = 0

    def __iter__(self) -> Iterator[str]:
        return self

    def __next__(self) -> str:
        text = self._again.popleft() if self._again else self._text.readline(_LINE_LIMIT)
        if not text:
            raise StopIteration
        self.line += 1
        if len(text) == _LINE_LIMIT:
            raise TableError(
                f"line {self.line:,} has more than {_LINE_LIMIT:,} characters",
                hint="this does not look like CSV; export it again",
            )
        self.record.append(text)
        return text

    def give_back_all_but_first(self) -> int:
        """Read all lines of the record but the first one again; return how many these are."""
        others = self.record[1:]
        self._again.extendleft(reversed(others))
        self.line -= len(others)
        return len(others)
