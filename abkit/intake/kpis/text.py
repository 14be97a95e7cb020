"""From the bytes of an export to its text: the encoding, the delimiter, the line of the header."""

import codecs
import csv
import io
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from abkit.errors import InvalidInput
from abkit.intake.kpis.fields import plain_name, recognised

ENCODINGS: Mapping[str, str] = {
    "utf-8": "utf-8-sig",
    "utf-16": "utf-16",
    "utf-16-le": "utf-16-le",
    "utf-16-be": "utf-16-be",
    "shift_jis": "cp932",
    "windows-1252": "cp1252",
}
_HEADER_WITHIN = 30  # lines of title that an export may have above its header
_SAMPLE = 1 << 20
_CHUNK = 1 << 22
_JAPANESE_RUN = re.compile(r"[\u3040-\u30ff\u4e00-\u9fff\uff01-\uff9f、。ー]{2,}")


def find_encoding(path: Path) -> str:
    """The encoding of a text file: one of ENCODINGS.

    A byte-order mark decides; else valid UTF-8; else Shift_JIS when that gives runs of Japanese; else Windows-1252.

    Raises:
        InvalidInput: a binary file.
    """
    with path.open("rb") as file:
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
            file.seek(0)
            return _legacy(file.read(_CHUNK))
    return "utf-8"


def _without_mark(head: bytes) -> str | None:
    half = max(1, len(head) // 2)
    even, odd = head[0::2].count(0), head[1::2].count(0)
    if odd > 0.7 * half and even < 0.1 * half:
        return "utf-16-le"
    if even > 0.7 * half and odd < 0.1 * half:
        return "utf-16-be"
    if even + odd > 0.1 * len(head):
        raise InvalidInput("this is a binary file, not CSV and not Parquet", hint="export the table as CSV or Parquet")
    return None


def _legacy(content: bytes) -> str:
    """Shift_JIS or Windows-1252: Western text that happens to be valid Shift_JIS has lone characters, not runs."""
    try:
        text = codecs.getincrementaldecoder("cp932")().decode(content)
    except UnicodeDecodeError:
        return "windows-1252"
    foreign = sum(1 for char in text if ord(char) > 127)
    in_runs = sum(len(run) for run in _JAPANESE_RUN.findall(text))
    return "shift_jis" if in_runs > 0.5 * foreign else "windows-1252"


def open_text(path: Path, encoding: str) -> io.TextIOWrapper:
    """Open a file in an encoding of ENCODINGS, with its line ends left as they are."""
    return path.open(encoding=ENCODINGS[encoding], newline="")


@dataclass(frozen=True)
class Layout:
    """How a CSV is laid out.

    Attributes:
        delimiter: between the cells.
        header: the column names.
        header_line: the number of the line where the header begins, from 1.
        lines_before: how many lines come before the first row: the header and what is above it.
    """

    delimiter: str
    header: Sequence[str]
    header_line: int
    lines_before: int


def find_layout(sample: str, mapping: Mapping[str, str]) -> Layout:
    """Find the delimiter and the header: the line that names the most known columns.

    Args:
        sample: the beginning of the text.
        mapping: column names that the user gave; they are known too.

    Raises:
        InvalidInput: nothing in the file, or no line that could be the header.
    """
    if not sample.strip("\ufeff \t\r\n"):
        raise InvalidInput("the file is empty", hint="export it again")
    candidates = [layout for delimiter in ",;\t|" for layout in _first_records(sample, delimiter)]
    # A tie goes to the delimiter that makes more cells, then to the earlier line.
    best = max(candidates, key=lambda layout: (recognised(layout.header, mapping), len(layout.header)), default=None)
    if best is None or not recognised(best.header, mapping):
        first = next((line for line in sample.splitlines() if line.strip()), "")[:120]
        raise InvalidInput(
            f"no header in the first {_HEADER_WITHIN} lines: none has a known column name; the first line is {first!r}",
            hint="name the columns in the first line, or say which is which with --map 'THEIR COLUMN=impressions'",
        )
    return best


def _first_records(sample: str, delimiter: str) -> list[Layout]:
    reader = csv.reader(io.StringIO(sample, newline=""), delimiter=delimiter)
    records: list[Layout] = []
    before = 0
    for _ in range(_HEADER_WITHIN):
        try:
            cells = next(reader)
        except (StopIteration, csv.Error):
            break
        if any(plain_name(cell) for cell in cells):
            records.append(Layout(delimiter, cells, before + 1, reader.line_num))
        before = reader.line_num
    return records
