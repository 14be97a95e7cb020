"""Tables of figures from outside: arms of many experiments, or one column of numbers. Everything is checked."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from abkit.errors import AbkitError, InvalidInput
from abkit.intake.decimals import settle
from abkit.intake.tables import composed_texts, is_parquet, read_frame, refusing_damage
from abkit.records import Record
from abkit.stats.arms import Counts
from abkit.stats.proportions.bulk import impossible_counts
from abkit_model.data.number_columns import could_be_two, figures, written_column
from abkit_model.data.numbers import grammar
from abkit_model.data.tables import TableOptions, open_table, require_file
from abkit_model.data.text_rows import BrokenRow
from abkit_model.errors import TableError
from abkit_model.names import composed

MOST_BYTES = 2 * 1024**3
_LINE, _BROKEN = "\0line", "\0broken"  # no column of a file is called so


@dataclass(frozen=True)
class Refused(Record):
    """An experiment that could not be analyzed.

    Attributes:
        experiment: Key of the experiment.
        reason: One sentence with the value and what was expected.
    """

    experiment: str
    reason: str


@dataclass(frozen=True, kw_only=True)
class ArmTable:
    """The arms of many experiments, those of one experiment together, in the order of the table.

    Attributes:
        experiments: Keys of the experiments that can be analyzed.
        experiment: For each arm, the index of its experiment.
        variants: Key of each arm.
        trials: Trials of each arm.
        successes: Successes of each arm.
        refused: The experiments that cannot be analyzed, with the reason.
        notes: What was guessed about the numbers.
    """

    experiments: list[str]
    experiment: NDArray[np.intp]
    variants: list[str]
    trials: NDArray[np.float64]
    successes: NDArray[np.float64]
    refused: list[Refused]
    notes: tuple[str, ...] = ()


def read_experiments(
    path: Path,
    *,
    experiment: str,
    variant: str,
    trials: str,
    successes: str,
    drop_duplicates: bool = False,
    options: TableOptions | None = None,
) -> ArmTable:
    """Read arms of experiments from text, a spreadsheet or Parquet, one row per arm.

    An experiment with an invalid or broken row, with one arm only, or with an arm named twice is refused as a whole;
    the others go on.

    Args:
        path: The file.
        experiment: Column that names the experiment.
        variant: Column that names the arm.
        trials: Column with impressions, users, ….
        successes: Column with clicks, conversions, ….
        drop_duplicates: Add up rows of one arm (days) instead of refusing them.
        options: What the user said about how the table is written.

    Raises:
        AbkitError: The file cannot be read, a column is missing, or its numbers could be read in two ways.
    """
    columns = (experiment, variant, trials, successes)
    table, notes = _named(_read(path, columns, options), columns, _decimal(options))
    empty = pl.all_horizontal(pl.col("experiment", "variant", "trials_text", "successes_text").is_null())
    table = table.filter(~empty)
    nameless = table.filter(pl.col("experiment").is_null() | pl.col("variant").is_null()).height
    table = table.filter(pl.col("experiment").is_not_null() & pl.col("variant").is_not_null())
    refused = _impossible(table)
    if drop_duplicates:
        table = table.group_by("experiment", "variant", maintain_order=True).agg(pl.sum("trials", "successes"))
    # Arms of one experiment need not stand together in the file.
    first = table.with_row_index("row").group_by("experiment").agg(pl.min("row").alias("first"))
    table = table.join(first, on="experiment").sort("first", maintain_order=True)
    refused = _not_comparable(table) | refused
    reasons = [Refused(key, reason) for key, reason in refused.items()]
    if nameless:
        reasons.append(Refused("", f"{nameless} rows lack an experiment or a variant; expected both"))
    good = table.filter(~pl.col("experiment").is_in(list(refused))) if refused else table
    keys = good["experiment"].unique(maintain_order=True).to_list()
    place = {key: index for index, key in enumerate(keys)}
    return ArmTable(
        experiments=keys,
        experiment=np.array([place[key] for key in good["experiment"].to_list()], dtype=np.intp),
        variants=good["variant"].to_list(),
        trials=good["trials"].to_numpy(),
        successes=good["successes"].to_numpy(),
        refused=reasons,
        notes=notes,
    )


def _named(
    raw: pl.DataFrame, columns: tuple[str, str, str, str], decimal: str | None
) -> tuple[pl.DataFrame, tuple[str, ...]]:
    """Return the four columns under their names here, counts as numbers and as the text that stood there; and notes."""
    experiment, variant, *counts = columns
    figures_of, notes = _figures(raw, counts, decimal)
    numbers, texts = [], []
    for name, column in zip(("trials", "successes"), counts, strict=True):
        numbers.append(figures_of[column].alias(name))
        text = pl.lit("") if raw.schema[column].is_numeric() else _text(column)
        texts.append(pl.when(pl.col(column).is_not_null()).then(text).alias(f"{name}_text"))
    keys = [_text(column) for column in (experiment, variant)]
    null_byte = pl.any_horizontal(key.str.contains("\0", literal=True) for key in keys)
    broken = pl.when(null_byte).then(pl.lit("a null byte in a name")).otherwise(pl.col(_BROKEN))
    shown = [key.str.replace_all("\0", "\ufffd", literal=True) for key in keys]
    named = [shown[0].alias("experiment"), shown[1].alias("variant"), *texts, broken.alias("broken")]
    return raw.select(named).with_columns(numbers), notes


def _figures(
    table: pl.DataFrame, columns: Sequence[str], decimal: str | None
) -> tuple[dict[str, pl.Series], tuple[str, ...]]:
    """Return columns of counts as numbers, Float64, null where a cell is blank or no number; and what was guessed."""
    written = {name: written_column(table[name]) for name in columns if not table.schema[name].is_numeric()}
    settled = settle(written, decimal, whole=columns)
    read = {name: table[name].cast(pl.Float64) for name in columns if name not in written}
    for name, column in written.items():
        wrong = could_be_two(column) if settled[name].mixed else pl.Series([False]).new_from_index(0, table.height)
        for dress in (column.percent, None if column.currency is None else column.currency.is_not_null()):
            wrong = wrong if dress is None else wrong | dress
        values = figures(column, settled[name].sign)
        read[name] = pl.select(pl.when(~wrong).then(values)).to_series()
    return read, tuple(note for one in settled.values() for note in one.notes)


def _decimal(options: TableOptions | None) -> str | None:
    return options.decimal if options else None


def _text(column: str) -> pl.Expr:
    text = pl.col(column).cast(pl.String).str.strip_chars()
    return pl.when(text != "").then(text)


def read_arms(path: Path, options: TableOptions | None = None) -> dict[str, Counts]:
    """Read variants with their counts: columns variant, successes, trials.

    Raises:
        AbkitError: The file cannot be read, a column is missing, a count is invalid or could be two, or a variant
            occurs twice.
    """
    table = _unbroken(path, _read(path, ("variant", "successes", "trials"), options))
    read, _ = _figures(table, ("successes", "trials"), _decimal(options))
    arms: dict[str, Counts] = {}
    for row, successes, trials in zip(table.iter_rows(named=True), read["successes"], read["trials"], strict=True):
        name = str(row["variant"])
        if name in arms:
            raise InvalidInput(f"{path.name}: the variant {name!r} occurs twice; expected one row per variant")
        if successes is None or trials is None:
            raise InvalidInput(
                f"{path.name}, variant {name!r} has {row['successes']} successes in {row['trials']} trials; "
                "expected whole numbers"
            )
        try:
            arms[name] = Counts(successes, trials)
        except InvalidInput as error:
            raise InvalidInput(f"{path.name}, variant {name!r}: {error}") from error
    return arms


@dataclass(frozen=True, kw_only=True)
class Figures:
    """One column of numbers.

    Attributes:
        values: The numbers, in the order of the rows.
        missing: How many cells are blank, say that there is no figure (`--`, `N/A`), or are NaN: they are left out.
    """

    values: NDArray[np.float64]
    missing: int


def read_numbers(path: Path, column: str | None, options: TableOptions | None = None) -> Figures:
    """Read one column of numbers; the only one when no name is given. Missing values are left out and counted.

    Raises:
        AbkitError: The file cannot be read, the column is missing, or a cell of it is no number or could be two.
    """
    table = _read(path, () if column is None else (column,), options)
    lines, table = table[_LINE], _unbroken(path, table)
    if column is None:
        numeric = [name for name in table.columns if _is_numeric(table[name])]
        if len(numeric) != 1:
            raise AbkitError(
                f"{path.name} has {len(numeric)} columns of numbers; expected one", hint="name it with --column"
            )
        column = numeric[0]
    if table.schema[column].is_numeric():
        read = table[column].cast(pl.Float64)
    else:
        read = _understood(path, column, table[column], lines, _decimal(options))
    values = read.drop_nulls().drop_nans()
    if not values.len():
        raise AbkitError(f"{path.name}: column {column!r} has no numbers")
    return Figures(values=np.asarray(values.to_numpy(), dtype=float), missing=read.len() - values.len())


def _understood(path: Path, column: str, cells: pl.Series, lines: pl.Series, decimal: str | None) -> pl.Series:
    """Return the figures of a column; refuse it when a cell is filled and no number."""
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
    return read


def _is_numeric(values: pl.Series) -> bool:
    if values.dtype != pl.String:
        return values.dtype.is_numeric()
    written = written_column(values)
    filled = written.texts.filter(written.filled)
    known = filled.str.contains(grammar(".")) | filled.str.contains(grammar(","))
    return filled.len() > 0 and bool(known.fill_null(False).all())


def _unbroken(path: Path, table: pl.DataFrame) -> pl.DataFrame:
    for line, reason in table.select(_LINE, _BROKEN).filter(pl.col(_BROKEN).is_not_null()).iter_rows():
        raise InvalidInput(f"{path.name}, line {line}: {reason}", hint="correct the line, or leave it out")
    return table.drop(_LINE, _BROKEN)


def _read(path: Path, columns: Sequence[str], options: TableOptions | None = None) -> pl.DataFrame:
    """Read columns (all when none is named), with the line of each row and what is broken about it.

    Text comes as text; broken rows come with the cells that they have.
    """
    try:
        require_file(path, max_bytes=MOST_BYTES)
        with refusing_damage():
            return _read_parquet(path, columns) if is_parquet(path) else _read_text(path, columns, options)
    except TableError as error:
        raise InvalidInput(f"{path.name} cannot be read: {error.message}", error.hint) from error


def _read_parquet(path: Path, columns: Sequence[str]) -> pl.DataFrame:
    names = _positions(path, list(pl.read_parquet_schema(path)), columns)
    table = composed_texts(pl.read_parquet(path, columns=list(names))).with_row_index(_LINE, offset=1)
    return table.with_columns(pl.lit(None, dtype=pl.String).alias(_BROKEN))


def _read_text(path: Path, columns: Sequence[str], options: TableOptions | None = None) -> pl.DataFrame:
    broken: list[BrokenRow] = []
    with open_table(path, max_bytes=MOST_BYTES, options=options) as source:
        columns = [composed(name) for name in columns]
        layout = source.layout(lambda cells: len({*cells} & {*columns}))
        position = _positions(path, layout.header, columns)
        table = read_frame(source, layout, position, broken, number=_LINE)
    at = f"sheet {layout.sheet!r}, " if layout.sheet else ""
    rows = [
        (one.line, *(one.cells[n] if n < len(one.cells) else None for n in position.values()), at + one.reason)
        for one in broken
    ]
    table = table.with_columns(pl.lit(None, dtype=pl.String).alias(_BROKEN))
    if not rows:
        return table
    texts = pl.DataFrame(rows, schema=dict.fromkeys(table.columns, pl.String) | {_LINE: pl.Int64}, orient="row")
    # A broken row has texts where a spreadsheet has numbers.
    refused = texts.with_columns(pl.col(name).cast(dtype, strict=False) for name, dtype in table.schema.items())
    return pl.concat([table, refused]).sort(_LINE)


def _positions(path: Path, names: Sequence[str], columns: Sequence[str]) -> dict[str, int]:
    for column in columns:
        if column not in names:
            raise AbkitError(
                f"{path.name} has no column {column!r}; it has {', '.join(map(repr, names))}",
                hint="name the columns as the file does",
            )
    wanted = columns or [name for name in names if name]
    for name in wanted:
        if names.count(name) > 1:
            raise AbkitError(f"{path.name} has {names.count(name)} columns {name!r}", "rename all but one of them")
    return {name: names.index(name) for name in wanted}


def _impossible(table: pl.DataFrame) -> dict[str, str]:
    """Return the experiments with an invalid row, with the reason of the first one."""
    wrong = impossible_counts(table["successes"].fill_null(np.nan), table["trials"].fill_null(np.nan))
    refused: dict[str, str] = {}
    for row in table.filter(pl.Series(wrong, dtype=pl.Boolean) | table["broken"].is_not_null()).iter_rows(named=True):
        refused.setdefault(row["experiment"], _why(row))
    return refused


def _not_comparable(table: pl.DataFrame) -> dict[str, str]:
    arms = table.group_by("experiment", maintain_order=True).agg(
        pl.len(), pl.col("variant").n_unique().alias("names"), pl.first("variant")
    )
    refused = {}
    for row in arms.filter((pl.col("len") < 2) | (pl.col("names") < pl.col("len"))).iter_rows(named=True):
        if row["len"] < 2:
            refused[row["experiment"]] = f"only one arm, {row['variant']!r}; expected at least 2"
        else:
            refused[row["experiment"]] = (
                f"{row['len']} rows for {row['names']} variants; expected one row per variant (or days: --add-up)"
            )
    return refused


def _why(row: dict[str, Any]) -> str:
    if row["broken"] is not None:
        return f"variant {row['variant']!r}: {row['broken']}"
    shown = {}
    for key in ("successes", "trials"):
        text = row[f"{key}_text"]
        shown[key] = f"{row[key]:.15g}" if row[key] is not None else repr(text) if text else "missing"
    return (
        f"variant {row['variant']!r} has {shown['successes']} successes in {shown['trials']} trials; "
        "expected whole numbers, successes from 0 to trials, trials of 1 or more"
    )
