"""Small tables that belong to the plan of an experiment: which stratum a geography is in, which day was whose."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date
from pathlib import Path

import polars as pl

from abkit.errors import InvalidInput
from abkit.intake.cells.columns import LINE, read_columns, unbroken
from abkit.intake.remote.table import local_table
from abkit_model.data.files.tables import TableOptions

_MOST_BYTES = 5_000_000


def read_strata(table: str | Path, options: TableOptions | None = None) -> dict[str, str]:
    """Read the stratum of each geography from a table with the columns geography and stratum.

    Raises:
        AbkitError: The table cannot be read, or lacks a column.
        InvalidInput: A cell is empty, or a geography is named twice.
    """
    return dict(_rows(table, "geography", "stratum", options))


def read_schedule(table: str | Path, options: TableOptions | None = None) -> dict[date, str]:
    """Read the variant of each day from a table with the columns date and variant.

    Raises:
        AbkitError: The table cannot be read, or lacks a column.
        InvalidInput: A cell is empty or not a date, or a day is named twice.
    """
    found: dict[date, str] = {}
    for text, variant in _rows(table, "date", "variant", options):
        try:
            day = date.fromisoformat(text[:10])
        except ValueError:
            raise InvalidInput(f"the date of {variant} is {text[:20]!r}; expected one such as 2026-03-02") from None
        if day in found:
            raise InvalidInput(f"{day} has two lines, {found[day]} and {variant}; expected one variant for each day")
        found[day] = variant
    return found


def _rows(table: str | Path, key: str, value: str, options: TableOptions | None) -> Iterator[tuple[str, str]]:
    with local_table(table, max_bytes=_MOST_BYTES) as found:
        raw = read_columns(found.path, [key, value], options)
        rows = unbroken(found.path, raw).select(pl.col(key, value).cast(pl.String).str.strip_chars())
    seen: set[str] = set()
    for line, (name, said) in zip(raw[LINE], rows.iter_rows(), strict=True):
        if not (name or said):
            continue
        if not (name and said):
            raise InvalidInput(f"{found.name}, line {line} has an empty cell; expected {key} and {value}")
        if name in seen:
            raise InvalidInput(f"{found.name}, line {line} names {name[:50]!r} a second time")
        seen.add(name)
        yield name, said
