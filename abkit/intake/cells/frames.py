"""Tables from outside as data frames: the columns that are wanted, of CSV in any dress, spreadsheets or Parquet."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import date, datetime
from operator import itemgetter

import polars as pl

from abkit_model.data.files.layouts import Layout, bare
from abkit_model.data.files.spreadsheets.sheets import Cell, OpenSheets, cell_text
from abkit_model.data.files.tables import OpenTable, readable
from abkit_model.data.files.text_rows import BrokenRow
from abkit_model.errors import TableError

_AT_ONCE = 100_000


def read_frame(
    table: OpenTable | OpenSheets,
    layout: Layout,
    position: Mapping[str, int],
    broken: list[BrokenRow],
    *,
    number: str = "line",
    needed: Collection[str] | None = None,
    max_rows: float = math.inf,
) -> pl.DataFrame:
    """Read columns of a table: of text as texts, of a spreadsheet with the type that all cells of a column have.

    Args:
        table: The open table.
        layout: Where its header is.
        position: By name in the result, the index of the column.
        broken: Takes the rows that do not have the cells of the header.
        number: What the column of line numbers is called in the result.
        needed: The columns whose faulty cells break a row of a spreadsheet; all by default.
        max_rows: Rows that the table may have.

    Returns:
        The line of the file where each row begins, and the columns.

    Raises:
        TableError: This is not CSV, not in its encoding, or has too many rows.
    """
    if isinstance(table, OpenSheets):
        return _sheet_frame(table, layout, position, broken, number, needed)
    frames, rows = [], 0
    for frame in text_frames(table, layout, position, broken, number=number):
        frames.append(frame)
        rows += frame.height
        if rows > max_rows:
            raise TableError(
                f"it has more than the {max_rows:,} rows that one file may have",
                hint="split the file, or raise max_rows under [kpi] in abkit.toml",
            )
    return pl.concat(frames)


def text_frames(
    table: OpenTable, layout: Layout, position: Mapping[str, int], broken: list[BrokenRow], *, number: str = "line"
) -> Iterator[pl.DataFrame]:
    """Yield the rows of a text in parts, as `read_frame` gives them in one."""
    picked = list(position.values())
    # One picked column gives a text where several give a tuple.
    pick = itemgetter(*picked) if len(picked) > 1 else lambda cells: (cells[picked[0]],)
    schema = {number: pl.Int64, **dict.fromkeys(position, pl.String)}
    lines: list[int] = []
    rows: list[tuple[str, ...]] = []

    def frame() -> pl.DataFrame:
        columns = zip(*rows, strict=True) if rows else [()] * len(position)
        return pl.DataFrame({number: lines, **dict(zip(position, columns, strict=True))}, schema=schema)

    for line, cells in table.rows(layout, broken):
        lines.append(line)
        rows.append(pick(cells))
        if len(rows) == _AT_ONCE:
            yield frame()
            lines, rows = [], []
    yield frame()


def _sheet_frame(
    table: OpenSheets,
    layout: Layout,
    position: Mapping[str, int],
    broken: list[BrokenRow],
    number: str,
    needed: Collection[str] | None,
) -> pl.DataFrame:
    picked = list(position.values())
    watched = [index for name, index in position.items() if needed is None or name in needed]
    lines: list[int] = []
    columns: list[list[Cell]] = [[] for _ in picked]
    for line, cells in table.cells(layout):
        if fault := table.fault(layout, line, watched):
            broken.append(BrokenRow(line, fault, [cell_text(cell) for cell in cells]))
            continue
        lines.append(line)
        for column, index in zip(columns, picked, strict=True):
            column.append(cells[index])
    read = [_typed(name, column) for name, column in zip(position, columns, strict=True)]
    return pl.DataFrame([pl.Series(number, lines, dtype=pl.Int64), *read])


def _typed(name: str, cells: Sequence[Cell]) -> pl.Series:
    """Return a column with the type that all its cells have, so that nobody asks for its format; else texts."""
    kinds = {type(cell) for cell in cells if cell != ""}
    present = [None if cell == "" else cell for cell in cells]
    if kinds and kinds <= {int, float}:
        texts = [None if cell is None else cell_text(cell) for cell in present]
        # A number of more digits than a spreadsheet keeps is text that shows it.
        if not any(text and "E" in text for text in texts):
            column = pl.Series(name, present, dtype=pl.Float64, strict=False)
            return column.cast(pl.Int64) if (column.drop_nulls() % 1 == 0).all() else column
    if kinds and kinds <= {date, datetime}:
        days = pl.Series(name, [None if cell is None else cell_text(cell) for cell in present], dtype=pl.String)
        if kinds == {date} or (days.drop_nulls().str.len_chars() == 10).all():
            return days.str.to_date("%Y-%m-%d")
        midnight = pl.when(days.str.len_chars() == 10).then(pl.lit(" 00:00:00")).otherwise(pl.lit(""))
        moments = pl.concat_str(days, midnight)
        return pl.select(moments.str.to_datetime("%Y-%m-%d %H:%M:%S").alias(name)).to_series()
    return pl.Series(name, [cell_text(cell) for cell in cells], dtype=pl.String)


def composed_texts(frame: pl.DataFrame) -> pl.DataFrame:
    """Return a frame of Parquet with its texts in composed letters (NFC), and as what they mean where they are escaped.

    Looks before it rewrites: most columns of a million rows have nothing of either.
    """
    changed = []
    for name, dtype in frame.schema.items():
        if dtype != pl.String:
            continue
        column = frame[name]
        if (column.str.len_bytes() != column.str.len_chars()).any():
            column = column.str.normalize("NFC")
        escaped = column.str.starts_with("=") | column.str.starts_with("'")
        if escaped.any():
            texts = column.filter(escaped).unique()
            column = column.replace(texts, pl.Series([bare(text) for text in texts], dtype=pl.String))
        changed.append(column)
    return frame.with_columns(changed)


@contextmanager
def refusing_damage() -> Iterator[None]:
    """Turn whatever the reading library says about damaged content into a refusal of that file."""
    try:
        with readable():
            yield
    except BaseException as error:
        # A panic inside polars is no Exception, and its class cannot be imported.
        if isinstance(error, pl.exceptions.PolarsError) or type(error).__name__ == "PanicException":
            first = next(iter(str(error).splitlines()), "")[:200]
            raise TableError(f"the content is damaged: {first}", hint="export it again") from error
        raise
