"""What the readers hand over: the cells of the known fields, as they came, and the rows that are no rows."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import polars as pl

from abkit.intake.kpis.fields import Columns


@dataclass(frozen=True)
class BrokenRow:
    """A row that could not even be divided into cells."""

    line: int
    reason: str
    content: Mapping[str, str]


@dataclass(frozen=True)
class RawTable:
    """An export as it came.

    Attributes:
        frame: a column `line` (the line of the file where the row begins; of Parquet the number of the row, from 1)
            and one column a field that the file has: texts from CSV, typed from Parquet.
        columns: which column of the file each field is.
        broken: rows that could not be divided into cells.
        reading: how the file was read, for the record: format, encoding, delimiter, line of the header.
    """

    frame: pl.DataFrame
    columns: Columns
    broken: list[BrokenRow] = field(default_factory=list)
    reading: Mapping[str, Any] = field(default_factory=dict)

    @property
    def rows(self) -> int:
        """How many rows the file has."""
        return self.frame.height + len(self.broken)
