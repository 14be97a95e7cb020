"""Tables of arms from outside, of many experiments or of one: checked, and without what counts twice."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from abkit.errors import InvalidInput
from abkit.intake.cells.columns import BROKEN, LINE, read_columns, unbroken
from abkit.intake.cells.decimals import settle
from abkit.intake.cells.identity import rounded, text_of
from abkit.intake.tables.totals import names_alike, without_counted_twice, without_total_arms
from abkit.records import Record
from abkit.stats.arms import Counts
from abkit.stats.proportions.bulk import impossible_counts
from abkit_model.data.files.tables import TableOptions
from abkit_model.data.number_columns import could_be_two, figures, written_column

# The other columns of a table under their own names, with a mark before them.
_OTHER = "\0other "
_WRITABLE = (pl.String, pl.Int64, pl.Float64, pl.Date, pl.Datetime, pl.Categorical)


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
    raw = read_columns(path, columns, options, others=drop_duplicates)
    table, notes = _named(raw, columns, _decimal(options))
    empty = pl.all_horizontal(pl.col("experiment", "variant", "trials_text", "successes_text").is_null())
    again = (pl.col("experiment") == experiment) & (pl.col("variant") == variant)
    table = table.filter(~empty, ~again.fill_null(False))
    single = without_total_arms(table)
    table = single.rows
    nameless = table.filter(pl.col("experiment").is_null() | pl.col("variant").is_null()).height
    table = table.filter(pl.col("experiment").is_not_null() & pl.col("variant").is_not_null())
    refused = _impossible(table)
    notes = (*notes, *single.notes)
    if drop_duplicates:
        others = [name for name in table.columns if name.startswith(_OTHER)]
        once = without_counted_twice(table, others)
        table = once.rows.group_by("experiment", "variant", maintain_order=True).agg(pl.sum("trials", "successes"))
        refused, notes = once.refused | refused, (*notes, *once.notes)
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
    keys = [text_of(raw[column]) for column in (experiment, variant)]
    named = pl.DataFrame({"experiment": keys[0], "variant": keys[1], "broken": raw[BROKEN]})
    null_byte = pl.any_horizontal(pl.col("experiment", "variant").str.contains("\0", literal=True))
    named = named.with_columns(
        # Many ids become one number in a spreadsheet.
        broken=pl.when(null_byte)
        .then(pl.lit("a null byte in a name"))
        .when(rounded("experiment") | rounded("variant"))
        .then(pl.lit("its id was rounded by a spreadsheet"))
        .otherwise("broken"),
    ).with_columns(
        pl.when(pl.col(name) != "").then(pl.col(name).str.replace_all("\0", "\ufffd", literal=True)).alias(name)
        for name in ("experiment", "variant")
    )
    beside = [name for name in raw.columns if name not in (*columns, LINE, BROKEN)]
    others = [_text(name).alias(f"{_OTHER}{name}") for name in beside if raw.schema[name] in _WRITABLE]
    return raw.select(*texts, *others).with_columns(named.get_columns()).with_columns(numbers), notes


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


def read_arms(
    path: Path,
    options: TableOptions | None = None,
    *,
    note: Callable[[str], None] = lambda _: None,
) -> dict[str, Counts]:
    """Read variants with their counts: columns variant, successes, trials. A total of the others is left out.

    Args:
        path: The file.
        options: What the user said about how the table is written.
        note: Receives what was guessed and left out.

    Raises:
        AbkitError: The file cannot be read, a column is missing, a count is invalid or could be two, or a variant has
            no name or occurs twice.
    """
    table = unbroken(path, read_columns(path, ("variant", "successes", "trials"), options))
    read, guesses = _figures(table, ("successes", "trials"), _decimal(options))
    names = text_of(table["variant"])
    shown = table.select(
        variant=pl.when(names != "").then(names),
        experiment=pl.lit("-"),
        successes_text=pl.col("successes").cast(pl.String),
        trials_text=pl.col("trials").cast(pl.String),
    )
    found = without_total_arms(shown.with_columns(values.alias(name) for name, values in read.items()))
    for text in (*guesses, *found.notes):
        note(text)
    arms: dict[str, Counts] = {}
    for row in found.rows.iter_rows(named=True):
        name = row["variant"]
        if name is None:
            raise InvalidInput(
                f"{path.name}: {row['successes_text']} successes in {row['trials_text']} trials: no variant is named",
                hint="name it, or leave the row out",
            )
        if name in arms:
            raise InvalidInput(f"{path.name}: the variant {name!r} occurs twice; expected one row per variant")
        if row["successes"] is None or row["trials"] is None:
            raise InvalidInput(
                f"{path.name}, variant {name!r} has {row['successes_text']} successes in {row['trials_text']} trials; "
                "expected whole numbers"
            )
        try:
            arms[name] = Counts(row["successes"], row["trials"])
        except InvalidInput as error:
            raise InvalidInput(f"{path.name}, variant {name!r}: {error}") from error
    if alike := names_alike(list(arms)):
        raise InvalidInput(f"{path.name}: {_alike(alike)}")
    return arms


def _alike(names: tuple[str, str]) -> str:
    return f"the variants {names[0]!r} and {names[1]!r} differ in case or blanks only; expected one row per variant"


def _impossible(table: pl.DataFrame) -> dict[str, str]:
    """Return the experiments with an invalid row, with the reason of the first one."""
    wrong = impossible_counts(table["successes"].fill_null(np.nan), table["trials"].fill_null(np.nan))
    refused: dict[str, str] = {}
    for row in table.filter(pl.Series(wrong, dtype=pl.Boolean) | table["broken"].is_not_null()).iter_rows(named=True):
        refused.setdefault(row["experiment"], _why(row))
    return refused


def _not_comparable(table: pl.DataFrame) -> dict[str, str]:
    arms = table.group_by("experiment", maintain_order=True).agg(
        pl.len(), pl.col("variant").n_unique().alias("names"), pl.first("variant"), pl.col("variant").alias("all")
    )
    refused = {}
    for row in arms.filter((pl.col("len") < 2) | (pl.col("names") < pl.col("len"))).iter_rows(named=True):
        if row["len"] < 2:
            refused[row["experiment"]] = f"only one arm, {row['variant']!r}; expected at least 2"
        else:
            refused[row["experiment"]] = (
                f"{row['len']} rows for {row['names']} variants; expected one row per variant (or days: --add-up)"
            )
    for key, names in arms.filter(pl.col("names") > 1).select("experiment", "all").iter_rows():
        if alike := names_alike(names):
            refused.setdefault(key, _alike(alike))
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
