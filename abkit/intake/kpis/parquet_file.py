"""Read a Parquet export: only the columns that are fields, with their types."""

from collections.abc import Mapping
from pathlib import Path

import polars as pl

from abkit.errors import InvalidInput
from abkit.intake.kpis.fields import find_columns, require_fields
from abkit.intake.kpis.table import RawTable


def is_parquet(path: Path) -> bool:
    """Whether the file begins as Parquet does."""
    with path.open("rb") as file:
        return file.read(4) == b"PAR1"


def count_parquet(path: Path) -> int:
    """How many rows the file says it has."""
    return int(pl.scan_parquet(path).select(pl.len()).collect().item())


def read_parquet(path: Path, mapping: Mapping[str, str], *, period_given: bool, max_rows: int) -> RawTable:
    """Read a Parquet file.

    Args:
        path: the file.
        mapping: by column name, the field (`--map`).
        period_given: the period is given from outside: no column of dates is needed.
        max_rows: more are refused unread: a small file can hold a great many.

    Raises:
        InvalidInput: damaged, too many rows, a missing column, a column whose type is no text, number or date.
    """
    schema = pl.read_parquet_schema(path)
    names = list(schema)
    columns = find_columns(names, mapping)
    require_fields(columns, period_given=period_given)
    scan = pl.scan_parquet(path)
    rows = count_parquet(path)
    if rows > max_rows:
        raise InvalidInput(
            f"{rows:,} rows are more than the {max_rows:,} that one file may have",
            hint="split the file, or raise max_rows under [kpi] in abkit.toml",
        )
    for field, index in columns.position.items():
        _require_simple(columns.named(field), schema[names[index]])
    # Names are compared stripped, columns are read by what they are called in the file.
    wanted = [pl.col(names[index]).alias(field) for field, index in columns.position.items()]
    frame = scan.select(wanted).collect().with_row_index("line", offset=1)
    return RawTable(frame.with_columns(pl.col("line").cast(pl.Int64)), columns, reading={"format": "parquet"})


def _require_simple(name: str, dtype: pl.DataType) -> None:
    simple = dtype.is_numeric() or dtype in (pl.String, pl.Date, pl.Categorical, pl.Null) or dtype == pl.Datetime
    if not simple and dtype != pl.Enum:
        raise InvalidInput(
            f"column {name!r} is of type {dtype}, not text, number or date", hint="cast it before the export"
        )
