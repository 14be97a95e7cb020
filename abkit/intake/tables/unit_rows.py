"""Rows of an experiment from a file that may be larger than memory: unit, variant and numbers, in parts.

Text is written to temporary Parquet first, with every cell as it came: whether `1.234` is a thousand is known only when
the whole column was seen.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory

import polars as pl

from abkit.errors import AbkitError, InvalidInput
from abkit.intake.cells.decimals import Settled, settle
from abkit.intake.cells.frames import composed_texts, read_frame, refusing_damage, text_frames
from abkit.intake.kpis.rows.set_aside import is_called_total
from abkit_model.data.files.layouts import Layout
from abkit_model.data.files.parquet import examined, is_parquet
from abkit_model.data.files.spreadsheets.sheets import OpenSheets
from abkit_model.data.files.tables import OpenTable, TableOptions, open_table, require_file
from abkit_model.data.files.text_rows import BrokenRow
from abkit_model.data.number_columns import WrittenColumn, could_be_two, figures, written_column
from abkit_model.data.numbers import ROUNDED_ID
from abkit_model.errors import TableError
from abkit_model.names import composed, some_of

MOST_BYTES = 256 * 1024**3
PART = 1_000_000
"""Rows in memory at once."""

_EXAMPLES = 1_000
_LAST_ROWS = 20  # where lines of totals stand
_LINE = "\0line"
_KEYS, _NUMBERS = ("unit", "variant"), ("y", "x", "c", "d")


@dataclass(frozen=True, kw_only=True)
class UnitColumns:
    """What the columns of the rows are called in the file.

    Attributes:
        unit: The unit of randomization.
        variant: The variant that the unit was assigned to; None where all units are of one.
        metric: The number to compare.
        denominator: The number to divide by; None for a mean.
        covariate: What each unit did before the test; None for no adjustment.
        covariate_denominator: What to divide that by; None for a mean.

    Raises:
        InvalidInput: There is something to divide a covariate by, and no covariate.
    """

    unit: str
    variant: str | None
    metric: str
    denominator: str | None = None
    covariate: str | None = None
    covariate_denominator: str | None = None

    def __post_init__(self) -> None:
        if self.covariate is None and self.covariate_denominator is not None:
            raise InvalidInput("a covariate is to be divided, and none is named", hint="name both of its columns")

    @property
    def numbers(self) -> tuple[str, ...]:
        """The columns that hold numbers."""
        named = (self.metric, self.denominator, self.covariate, self.covariate_denominator)
        return tuple(column for column in named if column is not None)

    def named(self) -> dict[str, str]:
        """Return the file's names by those used here: unit, variant, y ÷ x and, of before the test, c ÷ d."""
        names = {
            "unit": self.unit,
            "variant": self.variant,
            "y": self.metric,
            "x": self.denominator,
            "c": self.covariate,
            "d": self.covariate_denominator,
        }
        return {ours: name for ours, name in names.items() if name is not None}


@dataclass(frozen=True, kw_only=True)
class UnitRows:
    """Rows that are ready to be read as often as one likes.

    Attributes:
        name: What the file is called.
        columns: Its columns.
        cells: The cells as they came, lazily.
        rows: Number of rows.
        signs: By column of texts, its decimal sign.
        notes: What was guessed about the numbers.
        kinds: By column of texts, what the numbers so far are: "%", a currency, or "" for plain ones.
    """

    name: str
    columns: UnitColumns
    cells: pl.LazyFrame
    rows: int
    signs: dict[str, Settled]
    notes: tuple[str, ...]
    kinds: dict[str, set[str]] = field(default_factory=dict)

    def parts(self) -> Iterator[pl.DataFrame]:
        """Yield `unit` and `variant` (null where blank), `y` and `x` as Float64 (null where blank; x is 1 for a mean).

        And `c` and `d` where they were asked for.

        Raises:
            InvalidInput: A cell of a number is none.
        """
        for start in range(0, self.rows, PART):
            yield self._read(self.cells.slice(start, PART).collect(), start)

    def _read(self, cells: pl.DataFrame, start: int) -> pl.DataFrame:
        named = [key for key in _KEYS if key in cells.columns]
        self._refuse_no_units(cells["unit"], start)
        keys = composed_texts(cells.select(pl.col(named).cast(pl.String).str.strip_chars()))
        keys = keys.with_columns(pl.when(pl.col(key) != "").then(key).alias(key) for key in named)
        if "variant" not in named:
            keys = keys.with_columns(variant=pl.lit("all"))
        numbers = [self._numbers(cells[name], start) for name in _NUMBERS if name in cells.columns]
        frame = keys.with_columns(numbers)
        return frame if "x" in frame.columns else frame.with_columns(x=pl.lit(1.0))

    def _numbers(self, cells: pl.Series, start: int) -> pl.Series:
        name = cells.name
        if cells.dtype != pl.String:
            return cells.cast(pl.Float64)
        written, settled = written_column(cells), self.signs[name]
        values = figures(written, settled.sign)
        wrong = written.filled & values.is_null()
        if settled.mixed:
            wrong = wrong | could_be_two(written)
        if wrong.any():
            row = wrong.arg_true()[0]
            raise InvalidInput(
                f"{self.name}: the column {self.columns.named()[name]!r} has {written.shown[row]!r} in row "
                f"{start + row + 1:,} below the header; expected a number",
                hint="correct it, or leave the cell blank where the value is not known",
            )
        self._require_one_kind(name, written, values)
        return values.alias(name)

    def _require_one_kind(self, name: str, written: WrittenColumn, values: pl.Series) -> None:
        """Refuse percentages beside plain numbers, and amounts in two currencies."""
        kinds = self.kinds.setdefault(name, set())
        if written.percent is not None:
            plain = (written.filled & ~written.percent & (values != 0)).fill_null(False)
            kinds |= {"%"} | ({""} if plain.any() else set())
        elif bool((values != 0).any()):
            kinds.add("")
        if written.currency is not None:
            kinds |= set(written.currency.drop_nulls().unique())
        if len(kinds) > 1 and ("%" in kinds or len(kinds - {""}) > 1):
            listed = ", ".join(sorted(kind or "plain numbers" for kind in kinds if kind or "%" in kinds))
            raise InvalidInput(
                f"{self.name}: the column {self.columns.named()[name]!r} has cells of several kinds: {listed}",
                hint="write all of them in the same unit",
            )

    def _refuse_no_units(self, units: pl.Series, start: int) -> None:
        """Refuse ids that a spreadsheet rounded, and lines of totals at the end."""
        texts = units.cast(pl.String).str.strip_chars()
        rounded = texts.str.contains(ROUNDED_ID).fill_null(False)
        last = texts.tail(_LAST_ROWS) if start + texts.len() >= self.rows else texts.clear()
        totals = [text for text in last if text and is_called_total(text)]
        for found, why in ((texts.filter(rounded).to_list(), "was rounded by a spreadsheet"), (totals, "is a total")):
            if found:
                raise InvalidInput(
                    f"{self.name}: the {self.columns.unit!r} {found[0]!r} {why}",
                    hint="export ids as text" if why.startswith("was") else "leave that row out",
                )


@contextmanager
def unit_rows(path: Path, columns: UnitColumns, options: TableOptions | None = None) -> Iterator[UnitRows]:
    """Open rows of text, a spreadsheet, Parquet or a folder of Parquet; what was written for that is gone afterwards.

    Args:
        path: The file or folder.
        columns: Its columns.
        options: What the user said about how the table is written.

    Raises:
        AbkitError: It cannot be read, a column is missing or there twice, a row does not have the cells of the header,
            or its numbers could be read in two ways.
    """
    options = options or TableOptions()
    with TemporaryDirectory(prefix="abkit-rows-") as folder:
        try:
            with refusing_damage():
                found = _parquet(path, columns)
                cells = _text(path, columns, options, Path(folder)) if found is None else found
                rows = int(cells.select(pl.len()).collect().item())
        except TableError as error:
            raise InvalidInput(f"{path.name} cannot be read: {error.message}", error.hint) from error
        texts = [name for name, dtype in cells.collect_schema().items() if name in _NUMBERS and dtype == pl.String]
        signs = settle(_examples(cells, texts, rows), options.decimal, names=columns.named())
        notes = tuple(dict.fromkeys(note for one in signs.values() for note in one.notes))
        yield UnitRows(name=path.name, columns=columns, cells=cells, rows=rows, signs=signs, notes=notes)


def _parquet(path: Path, columns: UnitColumns) -> pl.LazyFrame | None:
    """Return the columns of Parquet; None for another kind of file."""
    files = sorted(path.glob("*.parquet")) if path.is_dir() else [path]
    if not files:
        raise TableError("the folder has no Parquet file", hint="name one table, or a folder of Parquet")
    for file in files:
        require_file(file, max_bytes=MOST_BYTES)
    if not all(map(is_parquet, files)):
        if path.is_dir():
            raise TableError("the folder has files that are no Parquet", hint="name one table, or a folder of Parquet")
        return None
    with examined(*files, max_rows=math.inf) as found:
        _positions(path, found.names, columns)
        found.require([*dict.fromkeys(columns.named().values())], max_bytes=MOST_BYTES)
    scan = pl.scan_parquet(files, glob=False)
    schema = scan.collect_schema()
    for name in columns.numbers:
        if not (schema[name].is_numeric() or schema[name] in (pl.Boolean, pl.String)):
            raise InvalidInput(f"the column {name!r} holds {schema[name]}; expected numbers")
    return scan.select(pl.col(name).alias(ours) for ours, name in columns.named().items())


def _text(path: Path, columns: UnitColumns, options: TableOptions, folder: Path) -> pl.LazyFrame:
    """Write the columns of a text or spreadsheet to Parquet, and return them."""
    with open_table(path, max_bytes=MOST_BYTES, options=options) as source:
        wanted = {composed(name) for name in columns.named().values()}
        layout = source.layout(lambda cells: len({*cells} & wanted))
        position = _positions(path, layout.header, columns)
        packed = path.suffix.lower() in (".gz", ".zip")
        if isinstance(source, OpenTable) and source.encoding == "utf-8" and not packed:
            try:
                return _scanned(path, layout, position, folder / "scanned.parquet")
            except pl.exceptions.PolarsError:
                pass  # rows that are no plain CSV: the careful reader says what is wrong with which line
        broken: list[BrokenRow] = []
        if isinstance(source, OpenSheets):
            frames = iter([read_frame(source, layout, position, broken, number=_LINE)])
        else:
            frames = text_frames(source, layout, position, broken, number=_LINE)
        for number, frame in enumerate(frames):
            frame.drop(_LINE).write_parquet(folder / f"{number:06}.parquet")
            if broken:
                raise InvalidInput(
                    f"{path.name}, line {broken[0].line}: {broken[0].reason}", hint="correct the line, or leave it out"
                )
    return pl.scan_parquet(folder / "[0-9]*.parquet")


def _scanned(path: Path, layout: Layout, position: dict[str, int], staged: Path) -> pl.LazyFrame:
    """Let polars read plain CSV, every cell as text."""
    width = len(layout.header) + layout.trailing
    scan = pl.scan_csv(
        path,
        separator=layout.delimiter,
        has_header=False,
        skip_lines=layout.lines_before,
        schema={str(number): pl.String for number in range(width)},
        empty_string_is_null=False,
        glob=False,
        raise_if_empty=False,
    )
    last = pl.col(str(width - 1))
    wanted = [pl.col(str(at)).alias(name) for name, at in position.items()]
    scan.select((last != "").alias("\0last"), *wanted).sink_parquet(staged)
    rows = pl.scan_parquet(staged)
    if not rows.select(pl.col("\0last").all()).collect().item() and _has_short_rows(path, layout, width):
        raise pl.exceptions.ComputeError("a row is too short")
    return rows.drop("\0last")


def _has_short_rows(path: Path, layout: Layout, width: int) -> bool:
    """Return whether a line may have fewer cells than the header: polars fills those up as if they were blank."""
    lines = pl.scan_csv(
        path, separator="\x01", quote_char=None, has_header=False, skip_lines=layout.lines_before,
        schema={"line": pl.String}, glob=False, raise_if_empty=False, truncate_ragged_lines=True,
    )  # fmt: skip
    bare = pl.col("line").str.replace_all('"[^"]*"', "")
    cells = bare.str.count_matches(layout.delimiter, literal=True) + 1
    blank = pl.col("line").is_null() | (pl.col("line") == "")
    return bool(lines.select(((cells < width) & ~blank).any()).collect().item())


def _positions(path: Path, header: Sequence[str], columns: UnitColumns) -> dict[str, int]:
    """Return where the columns are, by the names used here."""
    found = {}
    for ours, name in columns.named().items():
        places = [at for at, known in enumerate(header) if known in (name, composed(name))]
        if not places:
            raise AbkitError(
                f"{path.name} has no column {name!r}; it has {some_of(header)}",
                hint="name the columns as the file does",
            )
        if len(places) > 1:
            raise AbkitError(f"{path.name} has {len(places)} columns {name!r}", "rename all but one of them")
        found[ours] = places[0]
    return found


def _examples(cells: pl.LazyFrame, texts: Sequence[str], rows: int) -> dict[str, WrittenColumn]:
    """Return numbers of each column that tell its decimal sign: some of every kind that there is."""
    found: dict[str, list[pl.Series]] = {name: [] for name in texts}
    if texts:
        for start in range(0, rows, PART):
            part = cells.select(texts).slice(start, PART).collect()
            for name in texts:
                signed = part[name].str.contains(r"[.,٫]").fill_null(False)
                with_sign = part[name].filter(signed).unique(maintain_order=True)
                both = could_be_two(written_column(with_sign))
                found[name] += [with_sign.filter(both)[:_EXAMPLES], with_sign.filter(~both)[:_EXAMPLES]]
    examples = {name: pl.concat(kinds).unique(maintain_order=True) for name, kinds in found.items() if kinds}
    return {name: written_column(column) for name, column in examples.items()}
