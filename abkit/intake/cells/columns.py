"""Named columns of a table from outside, whatever it is: with the line of each row, and what is broken about it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import polars as pl

from abkit.errors import AbkitError, InvalidInput
from abkit.intake.cells.frames import composed_texts, read_frame, refusing_damage
from abkit_model.data.files.parquet import examined, is_parquet
from abkit_model.data.files.tables import TableOptions, open_table, require_file
from abkit_model.data.files.text_rows import BrokenRow
from abkit_model.errors import TableError
from abkit_model.names import composed, some_of

MOST_BYTES = 2 * 1024**3
MOST_ROWS = 20_000_000
LINE, BROKEN = "\0line", "\0broken"  # no column of a file is called so


def read_columns(
    path: Path, columns: Sequence[str], options: TableOptions | None = None, *, others: bool = False
) -> pl.DataFrame:
    """Read columns of text, a spreadsheet or Parquet; all of them when none is named.

    Args:
        path: The file.
        columns: Their names.
        options: What the user said about how the table is written.
        others: Whether the other columns come along, as far as their names are clear.

    Returns:
        The columns, of text as texts; `LINE`, and `BROKEN` with the reason where a row is broken: those come with the
        cells that they have.

    Raises:
        AbkitError: The file cannot be read, or a column is missing or there twice.
    """
    try:
        require_file(path, max_bytes=MOST_BYTES)
        with refusing_damage():
            if is_parquet(path):
                return _read_parquet(path, columns, others=others)
            return _read_text(path, columns, options, others=others)
    except TableError as error:
        raise InvalidInput(f"{path.name} cannot be read: {error.message}", error.hint) from error


def unbroken(path: Path, table: pl.DataFrame) -> pl.DataFrame:
    """Return the columns of a table without a broken row.

    Raises:
        InvalidInput: A row is broken.
    """
    for line, reason in table.select(LINE, BROKEN).filter(pl.col(BROKEN).is_not_null()).iter_rows():
        raise InvalidInput(f"{path.name}, line {line}: {reason}", hint="correct the line, or leave it out")
    return table.drop(LINE, BROKEN)


def _read_parquet(path: Path, columns: Sequence[str], *, others: bool) -> pl.DataFrame:
    with examined(path, max_rows=MOST_ROWS) as found:
        names = _positions(path, found.names, columns, others=others)
        found.require(names, max_bytes=MOST_BYTES)
    table = composed_texts(pl.read_parquet(path, columns=list(names))).with_row_index(LINE, offset=1)
    return table.with_columns(pl.lit(None, dtype=pl.String).alias(BROKEN))


def _read_text(path: Path, columns: Sequence[str], options: TableOptions | None, *, others: bool) -> pl.DataFrame:
    broken: list[BrokenRow] = []
    with open_table(path, max_bytes=MOST_BYTES, options=options) as source:
        columns = [composed(name) for name in columns]
        layout = source.layout(lambda cells: len({*cells} & {*columns}))
        position = _positions(path, layout.header, columns, others=others)
        table = read_frame(source, layout, position, broken, number=LINE, needed=columns or None)
    at = f"sheet {layout.sheet!r}, " if layout.sheet else ""
    rows = [
        (one.line, *(one.cells[n] if n < len(one.cells) else None for n in position.values()), at + one.reason)
        for one in broken
    ]
    table = table.with_columns(pl.lit(None, dtype=pl.String).alias(BROKEN))
    if not rows:
        return table
    texts = pl.DataFrame(rows, schema=dict.fromkeys(table.columns, pl.String) | {LINE: pl.Int64}, orient="row")
    # A broken row has texts where a spreadsheet has numbers.
    refused = texts.with_columns(pl.col(name).cast(dtype, strict=False) for name, dtype in table.schema.items())
    return pl.concat([table, refused]).sort(LINE)


def _positions(path: Path, names: Sequence[str], columns: Sequence[str], *, others: bool) -> dict[str, int]:
    for column in columns:
        if column not in names:
            raise AbkitError(
                f"{path.name} has no column {column!r}; it has {some_of(names)}",
                hint="name the columns as the file does",
            )
    wanted = columns or [name for name in names if name]
    for name in wanted:
        if names.count(name) > 1:
            raise AbkitError(f"{path.name} has {names.count(name)} columns {name!r}", "rename all but one of them")
    beside = [name for name in names if name and names.count(name) == 1] if others else []
    return {name: names.index(name) for name in dict.fromkeys((*wanted, *beside))}
