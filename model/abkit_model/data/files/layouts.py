"""The layout of a table of text: its delimiter, where its header is, and what every row ends in."""

from __future__ import annotations

import csv
import io
import re
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import islice

from abkit_model.errors import TableError
from abkit_model.names import composed

CELL_LIMIT = 131_072  # characters; a cell that is longer is a quote that was never closed
LINE_LIMIT = 1 << 24  # characters
SAMPLE = 1 << 20
_USUAL = ",;\t|"
# These stand in titles and names too: they count only where a header says so.
_RARE = "^~\x01\x1f"
_FIRST = 30  # lines in which nearly every header is
_ENOUGH = 3  # known columns that make the line a header for certain
_HEADER_LINES = 40  # a header of quoted names with line breaks is not longer; a quote that was never closed is
_ROWS_LOOKED_AT = 200
_SEPARATOR_LINE = re.compile(r'\ufeff?"?sep=([^\r\n])"?[,;\t|]*(?:\r\n?|\n|$)', re.IGNORECASE)

Known = Callable[[Sequence[str]], int]


@dataclass(frozen=True, kw_only=True)
class Layout:
    """How a table is laid out.

    Attributes:
        delimiter: Between the cells: a comma, semicolon, tab, bar or another sign that the header tells.
        header: The column names, stripped.
        header_line: Line where the header begins, from 1.
        lines_before: Number of lines before the first row: the header and what is above it.
        trailing: Empty cells that every row has beyond the header: rows that end in a delimiter.
        sheet: The sheet of a spreadsheet; '' for text.
        first_column: Number of empty columns to the left of the header, in a spreadsheet.
    """

    delimiter: str
    header: Sequence[str]
    header_line: int
    lines_before: int
    trailing: int = 0
    sheet: str = ""
    first_column: int = 0


def find_layout(sample: str, known: Known, header_line: int | None = None) -> Layout:
    """Find the delimiter and the header: the line that names the most known columns.

    Where no line names any, the first one that is not blank is the header. A first line `sep=;` says the delimiter.

    Args:
        sample: The text, or its beginning.
        known: Counts the known columns among cells.
        header_line: The line where the header begins, when it was said.

    Raises:
        TableError: The sample is blank, not CSV, or does not have that line.
    """
    text = sample[:SAMPLE]
    if not text.strip("\ufeff \t\r\n"):
        raise TableError("the file is empty", hint="export it again")
    said = _SEPARATOR_LINE.match(text)
    delimiters = said.group(1) if said else _USUAL + _RARE
    if header_line is not None:
        at_line = (next(_records(text, delimiter, skip=header_line - 1), None) for delimiter in delimiters)
        found = [(known(one.header), one) for one in at_line if one and one.header_line == header_line]
        if not found:
            raise TableError(f"line {header_line:,} holds no header", hint="count from 1, blank lines included")
    else:
        first_lines = (one for delimiter in delimiters for one in islice(_records(text, delimiter), _FIRST))
        found = [(known(one.header), one) for one in first_lines]
        if max((count for count, _ in found), default=0) < _ENOUGH:
            rest = (one for delimiter in delimiters for one in islice(_records(text, delimiter), _FIRST, None))
            wide = ((known(one.header), one) for one in rest if len(one.header) >= _ENOUGH)
            found += [(count, one) for count, one in wide if count >= _ENOUGH]
    if not said:
        found = [(count, one) for count, one in found if one.delimiter in _USUAL or count > 1]
    if not found:
        raise TableError("no header in the first lines", hint="this does not look like CSV; export it again")
    if not any(count for count, _ in found):
        first = min(one.header_line for _, one in found)
        found = [(count, one) for count, one in found if one.header_line == first]
    # A tie goes to the delimiter that makes more cells, then to the earlier line.
    _, best = max(found, key=lambda counted: (counted[0], len(counted[1].header)))
    return replace(best, trailing=_trailing(text, best))


def _records(text: str, delimiter: str, skip: int = 0) -> Iterator[Layout]:
    """Yield every record as if it were the header; a quote that is never closed costs its own line only."""
    lines = Lines(io.StringIO(text, newline=""))
    for _ in range(skip):
        if next(lines, None) is None:
            return
    csv.field_size_limit(CELL_LIMIT)
    while True:
        reader = csv.reader(lines, delimiter=delimiter, skipinitialspace=True, strict=True)
        before, lines.record = lines.line, []
        try:
            cells = next(reader)
        except StopIteration:
            return
        except csv.Error:
            cells = []
        if lines.line - before > 1 and (not cells or lines.line - before > _HEADER_LINES):
            lines.give_back_all_but_first()
            cells = lines.record[0].split(delimiter)
        header = [bare(cell.strip().lstrip("\ufeff")) for cell in cells]
        if any(header) and not (before == 0 and _SEPARATOR_LINE.fullmatch(lines.record[0])):
            yield Layout(delimiter=delimiter, header=header, header_line=before + 1, lines_before=lines.line)


def _trailing(text: str, layout: Layout) -> int:
    """Return how many empty cells all rows have beyond the header; 0 as soon as one row says otherwise."""
    rows = csv.reader(_after(text, layout.lines_before), delimiter=layout.delimiter, skipinitialspace=True)
    width, found = len(layout.header), set()
    try:
        for number, cells in enumerate(rows):
            if number == _ROWS_LOOKED_AT:
                break
            if any(map(str.strip, cells)):
                found.add(len(cells) - width if not any(map(str.strip, cells[width:])) else 0)
    except csv.Error:
        return 0
    # The last line of a sample may be cut anywhere.
    return found.pop() if len(found) == 1 and min(found) > 0 else 0


def _after(text: str, lines: int) -> Iterator[str]:
    stream = io.StringIO(text, newline="")
    for _ in range(lines):
        stream.readline()
    if len(text) < SAMPLE:
        return iter(stream)
    return (line for line in stream if line.endswith(("\n", "\r")))


def bare(cell: str) -> str:
    """Return what a cell means that tells a spreadsheet to take it as text: `="0012"` and `'0012`.

    >>> bare('="0012"'), bare("'0012"), bare("'t Hof"), bare("=A1+1")
    ('0012', '0012', "'t Hof", '=A1+1')
    """
    if cell.startswith("="):
        found = _FORMULA.fullmatch(cell)
        return found.group(1).replace('""', '"') if found else cell
    return cell[1:] if cell.startswith("'") and _ESCAPED.fullmatch(cell) else cell


_FORMULA = re.compile(r'=\s*"((?:[^"]|"")*)"\s*')
#: Only what a spreadsheet would take for a number, a date or a formula is escaped; `'t Hof` is a name.
_ESCAPED = re.compile(r"'(?:[+\-]?\d[\d.,:/ -]*|[=+\-@].*)", re.DOTALL)


class Lines:
    """The lines of a text in composed letters (NFC), those of the current record kept to be read again.

    Attributes:
        record: The lines of the current record, emptied where a record begins.
        escaped: Whether a line of the record may have a cell that is escaped for spreadsheets.
        line: Number of lines that were read.
    """

    def __init__(self, text: io.TextIOBase) -> None:
        self._text = text
        self._again: deque[str] = deque()
        self.record: list[str] = []
        self.escaped = False
        self.line = 0

    def __iter__(self) -> Iterator[str]:
        return self

    def __next__(self) -> str:
        text = self._again.popleft() if self._again else self._text.readline(LINE_LIMIT)
        if not text:
            raise StopIteration
        self.line += 1
        if len(text) == LINE_LIMIT:
            raise TableError(
                f"line {self.line:,} has more than {LINE_LIMIT:,} characters",
                hint="this does not look like CSV; export it again",
            )
        text = composed(text)
        if "'" in text or '="' in text or '= "' in text:
            self.escaped = True
        self.record.append(text)
        return text

    def give_back_all_but_first(self) -> int:
        """Read all lines of the record but the first one again; return how many these are."""
        others = self.record[1:]
        self._again.extendleft(reversed(others))
        self.line -= len(others)
        return len(others)
