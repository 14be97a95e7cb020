"""The rows of a table of text: as many cells as the header has, or set aside with line and reason."""

from __future__ import annotations

import csv
import io
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from abkit_model.data.files.layouts import CELL_LIMIT, Layout, Lines, bare
from abkit_model.errors import TableError
from abkit_model.limits import MAX_BROKEN_ROWS, MAX_TABLE_SECONDS

_MOST_BAD_QUOTES = 1_000
_LOOK_AT_CLOCK = 10_000  # lines


@dataclass(frozen=True)
class BrokenRow:
    """A row that cannot be divided into the cells of the header.

    Attributes:
        line: Line of the file where it begins, from 1; in a spreadsheet the number of the row.
        reason: What is wrong with it.
        cells: Its cells as far as they can be told apart.
    """

    line: int
    reason: str
    cells: Sequence[str]


def read_rows(text: io.TextIOBase, layout: Layout, broken: list[BrokenRow]) -> Iterator[tuple[int, list[str]]]:
    """Yield the line where each row begins and its cells, as many as the header has. Blank lines do not count.

    Letters come composed (NFC), and cells that are escaped for spreadsheets (`="0012"`) as what they mean.

    Args:
        text: The whole text, from its beginning, opened with `newline=""`.
        layout: How it is laid out.
        broken: Takes the other rows.

    Raises:
        TableError: A line without end, or hardly a row without an open quote: this is not CSV.
    """
    lines = Lines(text)
    late = time.thread_time() + MAX_TABLE_SECONDS
    for _ in range(layout.lines_before):
        next(lines)
    width, delimiter = len(layout.header), layout.delimiter
    full, trailing = width + layout.trailing, layout.trailing
    # A header may end in delimiters where rows do not: its last columns have no names and no cells.
    named = max((index for index, name in enumerate(layout.header, 1) if name), default=0)
    csv.field_size_limit(CELL_LIMIT)
    reader = csv.reader(lines, delimiter=delimiter, skipinitialspace=True, strict=True)
    bad_quotes = 0
    while True:
        lines.record, lines.escaped = [], False
        line = lines.line + 1
        if not line % _LOOK_AT_CLOCK and time.thread_time() > late:
            took = f"it takes more than {MAX_TABLE_SECONDS:g} s of processor time to read"
            raise TableError(took, hint="split the file")
        if len(broken) > MAX_BROKEN_ROWS:
            raise TableError(
                f"more than {MAX_BROKEN_ROWS:,} rows do not have the {width} cells of the header, the last before "
                f"line {line:,}: {broken[-1].reason}",
                hint="export it again, or name the line of the header",
            )
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
                reason = f"a cell of more than {CELL_LIMIT:,} characters, or {reason}"
            first = lines.record[0] if lines.record else ""
            broken.append(BrokenRow(line, reason, first.rstrip("\r\n").split(delimiter)))
            continue
        if lines.escaped:
            cells = [bare(cell) for cell in cells]
        if len(cells) == full and not (trailing and any(map(str.strip, cells[width:]))):
            yield line, cells[:width] if trailing else cells
        elif named <= len(cells) < width and any(cells):
            yield line, [*cells, *[""] * (width - len(cells))]
        elif cells:
            broken.append(BrokenRow(line, _ragged(cells, width), cells))


def _ragged(cells: Sequence[str], width: int) -> str:
    if not any(cell.strip() for cell in cells):
        return "the row is empty"
    which = "cut short" if len(cells) <= width else "a delimiter too many"
    return f"{len(cells)} cells where the header has {width}: {which}"
