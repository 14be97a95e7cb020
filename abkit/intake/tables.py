"""Tables from outside as data frames: the columns that are wanted, of CSV in any dress or of Parquet."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from operator import itemgetter
from pathlib import Path

import polars as pl

from abkit_model.data.tables import BrokenRow, Layout, OpenTable, readable
from abkit_model.errors import TableError

_AT_ONCE = 100_000


def read_frame(
    table: OpenTable, layout: Layout, position: Mapping[str, int], broken: list[BrokenRow], *, number: str = "line"
) -> pl.DataFrame:
    """Read columns of a table of text, as texts.

    Args:
        table: The open table.
        layout: Where its header is.
        position: By name in the result, the index of the column.
        broken: Takes the rows that do not have the cells of the header.
        number: What the column of line numbers is called in the result.

    Returns:
        The line of the file where each row begins, and the columns.

    Raises:
        TableError: This is not CSV, or not in its encoding.
    """
    picked = list(position.values())
    # One picked column gives a text where several give a tuple.
    pick = itemgetter(*picked) if len(picked) > 1 else lambda cells: (cells[picked[0]],)
    schema = {number: pl.Int64, **dict.fromkeys(position, pl.String)}

    def frames() -> Iterator[pl.DataFrame]:
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

    return pl.concat(frames())


def is_parquet(path: Path) -> bool:
    """Return whether the file begins as Parquet does."""
    with path.open("rb") as file:
        return file.read(4) == b"PAR1"


def count_parquet(path: Path) -> int:
    """Return how many rows the file says it has."""
    return int(pl.scan_parquet(path).select(pl.len()).collect().item())


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
