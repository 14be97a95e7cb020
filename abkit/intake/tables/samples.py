"""One column of numbers from outside: a sample, in one unit, without the totals below it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl
from numpy.typing import NDArray

from abkit.errors import AbkitError, InvalidInput
from abkit.intake.cells.columns import LINE, read_columns, unbroken
from abkit.intake.cells.decimals import settle
from abkit.intake.tables.totals import says_total
from abkit_model.data.files.tables import TableOptions
from abkit_model.data.number_columns import WrittenColumn, could_be_two, figures, written_column
from abkit_model.data.numbers import grammar

PERCENT = "%"


@dataclass(frozen=True, kw_only=True)
class Figures:
    """One column of numbers.

    Attributes:
        values: The numbers, in the order of the rows.
        missing: How many cells are blank, say that there is no figure (`--`, `N/A`), or are NaN: they are left out.
        totals: How many rows are left out because they are called a total, and are the sum or the mean of the others.
        unit: "%", or the currency that the cells name; "" where they name none.
    """

    values: NDArray[np.float64]
    missing: int
    totals: int = 0
    unit: str = ""


def read_numbers(path: Path, column: str | None, options: TableOptions | None = None) -> Figures:
    """Read one column of numbers; the only one when no name is given. Missing values are left out and counted.

    Raises:
        AbkitError: The file cannot be read, the column is missing, or a cell of it is no number, could be two, or is in
            another unit than the others.
    """
    table = read_columns(path, () if column is None else (column,), options, others=True)
    lines, table = table[LINE], unbroken(path, table)
    if column is None:
        numeric = [name for name in table.columns if _is_numeric(table[name])]
        if len(numeric) != 1:
            raise AbkitError(
                f"{path.name} has {len(numeric)} columns of numbers; expected one", hint="name it with --column"
            )
        column = numeric[0]
    unit = ""
    if table.schema[column].is_numeric():
        read = table[column].cast(pl.Float64)
    else:
        read, unit = _understood(path, column, table[column], lines, options.decimal if options else None)
    kept = _without_totals(table.drop(column), read)
    values = kept.drop_nulls().drop_nans()
    if not values.len():
        raise AbkitError(f"{path.name}: column {column!r} has no numbers")
    return Figures(
        values=np.asarray(values.to_numpy(), dtype=float),
        missing=kept.len() - values.len(),
        totals=read.len() - kept.len(),
        unit=unit,
    )


def require_one_unit(reference: Figures, current: Figures) -> None:
    """Refuse to compare percentages with plain numbers, or amounts of two currencies.

    Raises:
        InvalidInput: The units differ.
    """
    units = reference.unit, current.unit
    if units[0] == units[1] or ("" in units and PERCENT not in units):
        return
    says = [f"in {unit}" if unit not in ("", PERCENT) else "percentages" if unit else "plain numbers" for unit in units]
    raise InvalidInput(
        f"the reference values are {says[0]} and the current values {says[1]}", hint="write both in the same unit"
    )


def _without_totals(labels: pl.DataFrame, values: pl.Series) -> pl.Series:
    """Leave out the rows that another column calls a total, where they are the sum or the mean of the others."""
    texts = [name for name, dtype in labels.schema.items() if dtype == pl.String]
    words = {name: [text for text in labels[name].unique() if text and says_total(text)] for name in texts}
    called = [pl.col(name).is_in(found).fill_null(False) for name, found in words.items() if found]
    if not called:
        return values
    total = labels.select(pl.any_horizontal(called)).to_series() & values.is_finite().fill_null(False)
    others = values.filter(~total).drop_nulls().drop_nans()
    if not total.any() or others.len() < 2:
        return values
    sums = [float(others.sum()), float(others.mean() or 0)]  # type: ignore[arg-type]
    given = values.to_numpy()
    is_sum = np.zeros(len(given), dtype=bool)
    for one in sums:
        is_sum |= np.isclose(given, one, rtol=1e-3, atol=0.005)
    return values.filter(~(total & pl.Series(is_sum)))


def _understood(
    path: Path, column: str, cells: pl.Series, lines: pl.Series, decimal: str | None
) -> tuple[pl.Series, str]:
    """Return the figures of a column and their unit; refuse it when a cell is filled and no number, or units differ."""
    written = written_column(cells)
    settled = settle({column: written}, decimal)[column]
    read = figures(written, settled.sign)
    wrong = written.filled & read.is_null()
    if settled.mixed:
        wrong = wrong | could_be_two(written)
    if written.currency is not None:
        usual = written.currency.drop_nulls().mode().sort()[0]
        wrong = wrong | (written.currency != usual).fill_null(False)
    if wrong.any():
        first = int(wrong.arg_true()[0])
        sign = f" with the decimal sign {settled.sign}" if settled.sign else ""
        raise InvalidInput(
            f"{path.name}: {int(wrong.sum()):,} of {cells.len():,} cells of column {column!r} are not numbers{sign}; "
            f"the first is {str(cells[first])[:60]!r} on line {lines[first]}",
            hint="correct them, or leave the cells blank",
        )
    return read, _unit(path, column, written, read)


def _unit(path: Path, column: str, written: WrittenColumn, read: pl.Series) -> str:
    if written.percent is not None:
        # Nothing is nothing in every unit.
        plain = written.filled & ~written.percent & (read != 0).fill_null(False)
        if plain.any():
            raise InvalidInput(
                f"{path.name}: {int(plain.sum()):,} cells of column {column!r} have no percent sign, and the others do",
                hint="write all of them in the same unit",
            )
        return PERCENT
    return "" if written.currency is None else str(written.currency.drop_nulls().mode().sort()[0])


def _is_numeric(values: pl.Series) -> bool:
    if values.dtype != pl.String:
        return values.dtype.is_numeric()
    written = written_column(values)
    filled = written.texts.filter(written.filled)
    known = filled.str.contains(grammar(".")) | filled.str.contains(grammar(","))
    return filled.len() > 0 and bool(known.fill_null(False).all())
