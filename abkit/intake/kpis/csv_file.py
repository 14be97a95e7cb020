"""Read a CSV export as texts: every row either has all its cells, or is kept as broken with its line."""

import csv
import io
from collections import deque
from collections.abc import Iterator, Mapping
from operator import itemgetter
from pathlib import Path

import polars as pl

from abkit.errors import InvalidInput
from abkit.intake.kpis.fields import find_columns, require_fields
from abkit.intake.kpis.table import BrokenRow, RawTable
from abkit.intake.kpis.text import find_encoding, find_layout, open_text

_SAMPLE = 1 << 20
_AT_ONCE = 100_000
_CELL_LIMIT = 131_072  # characters; a cell that is longer is a quote that was never closed
_LINE_LIMIT = 1 << 24  # characters
_MOST_BAD_QUOTES = 1_000


class _Lines:
    """The lines of a text, with those of the current record kept so that they can be read again."""

    def __init__(self, file: io.TextIOWrapper) -> None:
        self._file = file
        self._again: deque[str] = deque()
        self.record: list[str] = []
        self.line = 0

    def __iter__(self) -> Iterator[str]:
        return self

    def __next__(self) -> str:
        text = self._again.popleft() if self._again else self._file.readline(_LINE_LIMIT)
        if not text:
            raise StopIteration
        self.line += 1
        if len(text) == _LINE_LIMIT:
            raise InvalidInput(
                f"line {self.line:,} has more than {_LINE_LIMIT:,} characters",
                hint="this does not look like CSV; export it again",
            )
        self.record.append(text)
        return text

    def give_back_all_but_first(self) -> int:
        """The record was only its first line: the others will be read again. Returns how many."""
        others = self.record[1:]
        self._again.extendleft(reversed(others))
        self.line -= len(others)
        return len(others)


def read_csv(path: Path, mapping: Mapping[str, str], *, encoding: str | None, period_given: bool) -> RawTable:
    """Read a CSV file.

    Args:
        path: the file.
        mapping: by column name, the field (`--map`).
        encoding: of the text; found by looking when None.
        period_given: the period is given from outside: no column of dates is needed.

    Raises:
        InvalidInput: empty, no header, a missing column, another encoding than was said.
    """
    encoding = encoding or find_encoding(path)
    try:
        with open_text(path, encoding) as file:
            layout = find_layout(file.read(_SAMPLE), mapping)
        columns = find_columns(layout.header, mapping)
        require_fields(columns, period_given=period_given)
        broken: list[BrokenRow] = []
        with open_text(path, encoding) as file:
            lines = _Lines(file)
            for _ in range(layout.lines_before):
                next(lines)
            fields = list(columns.position)
            picked = [columns.position[field] for field in fields]
            frames = list(_frames(lines, layout.delimiter, len(layout.header), fields, picked, broken))
    except UnicodeError as error:
        raise InvalidInput(f"the text is not {encoding}: {error}", hint="say the encoding with --encoding") from error
    schema = {"line": pl.Int64, **dict.fromkeys(fields, pl.String)}
    reading = {
        "format": "csv",
        "encoding": encoding,
        "delimiter": layout.delimiter,
        "header_line": layout.header_line,
    }
    return RawTable(pl.concat(frames) if frames else pl.DataFrame(schema=schema), columns, broken, reading)


def count_csv(path: Path, mapping: Mapping[str, str], *, encoding: str | None) -> int:
    """How many rows come after the header, for a file whose columns are not those that are needed.

    Raises:
        InvalidInput, UnicodeError: it has no rows that could be told apart.
    """
    encoding = encoding or find_encoding(path)
    with open_text(path, encoding) as file:
        layout = find_layout(file.read(_SAMPLE), mapping)
    with open_text(path, encoding) as file:
        lines = _Lines(file)
        for _ in range(layout.lines_before):
            next(lines)
        broken: list[BrokenRow] = []
        return sum(1 for _ in _records(lines, layout.delimiter, broken)) + len(broken)


def _frames(
    lines: _Lines, delimiter: str, width: int, fields: list[str], picked: list[int], broken: list[BrokenRow]
) -> Iterator[pl.DataFrame]:
    numbers: list[int] = []
    rows: list[tuple[str, ...]] = []
    # One picked column gives a text where several give a tuple.
    pick = itemgetter(*picked) if len(picked) > 1 else lambda cells: (cells[picked[0]],)
    for number, cells in _records(lines, delimiter, broken):
        if len(cells) != width:
            if not any(cell.strip() for cell in cells):
                reason = "the row is empty"
            else:
                which = "cut short" if len(cells) < width else "a delimiter too many"
                reason = f"{len(cells)} cells where the header has {width}: {which}"
            broken.append(BrokenRow(number, reason, {"row": delimiter.join(cells)[:500]}))
            continue
        numbers.append(number)
        rows.append(pick(cells))
        if len(rows) == _AT_ONCE:
            yield _frame(numbers, rows, fields)
            numbers, rows = [], []
    if rows:
        yield _frame(numbers, rows, fields)


def _frame(numbers: list[int], rows: list[tuple[str, ...]], fields: list[str]) -> pl.DataFrame:
    cells = dict(zip(fields, zip(*rows, strict=True), strict=True))
    return pl.DataFrame(
        {"line": numbers, **cells}, schema={"line": pl.Int64, **dict.fromkeys(fields, pl.String)}, strict=True
    )


def _records(lines: _Lines, delimiter: str, broken: list[BrokenRow]) -> Iterator[tuple[int, list[str]]]:
    csv.field_size_limit(_CELL_LIMIT)
    reader = csv.reader(lines, delimiter=delimiter, strict=True)
    bad_quotes = 0
    while True:
        lines.record = []
        number = lines.line + 1
        try:
            cells = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            # A quote that is never closed swallows what follows: only its own line is lost, the rest is read again.
            bad_quotes += lines.give_back_all_but_first() > 0
            if bad_quotes > _MOST_BAD_QUOTES:
                raise InvalidInput(
                    f"more than {_MOST_BAD_QUOTES:,} rows have a quote that is not closed, the last in line {number:,}",
                    hint="this does not look like CSV; export it again",
                ) from error
            first = lines.record[0] if lines.record else ""
            reason = (
                f"a cell of more than {_CELL_LIMIT:,} characters, or a quote that is not closed"
                if "limit" in str(error)
                else "a quote that is not closed"
            )
            broken.append(BrokenRow(number, reason, {"row": first[:500].rstrip("\r\n")}))
            continue
        if cells:
            yield number, cells
