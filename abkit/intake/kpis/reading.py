"""Read a KPI export of either format, or say why not: its cells as they came, by field."""

from __future__ import annotations

import hashlib
import json
import math
import re
import shlex
import warnings
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import date
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

from abkit.errors import AbkitError, InvalidInput, UsageError
from abkit.intake.kpis.header.assets import refuse_assets
from abkit.intake.kpis.header.columns import Columns, find_columns, recognized
from abkit.intake.kpis.header.missing_columns import Rows, require_fields
from abkit.intake.kpis.header.platforms import Recipe, content_of, load_recipes
from abkit.metrics import FIGURES, MONEY
from abkit_model.data.files.encodings import ENCODINGS, encoding_named
from abkit_model.data.files.layouts import Layout
from abkit_model.data.files.parquet import examined, is_parquet
from abkit_model.data.files.spreadsheets.sheets import OpenSheets
from abkit_model.data.files.tables import OpenTable, TableOptions, open_table, readable
from abkit_model.data.files.text_rows import BrokenRow
from abkit_model.errors import ReadingNote

# Polars takes a while to import, and a file that was imported before needs none of it.
if TYPE_CHECKING:
    import polars as pl

# A change in how files are read makes the same file another import.
READER_VERSION = 2
_ROWS_LOOKED_AT = 1000  # where names do not say what the columns are
_LEAST_NAMES = 4  # a line of words is a header from so many on: a day, an ad, impressions and clicks
ROWS_HINT = "split the file, or raise max_rows under [kpi] in abkit.toml"
SIZE_HINT = "split the file, or raise max_file_mb under [kpi] in abkit.toml"


@dataclass(frozen=True, kw_only=True)
class KpiOptions:
    """What the user said about the files of one import.

    Attributes:
        mapping: By column name, the field; '' leaves the column out.
        dayfirst: The day stands before the month; None finds it out.
        decimal: "." or ","; None finds it out.
        platform: Platform of rows that do not name one.
        account: Account of rows that do not name one.
        period: First and last day of files that have no dates.
        encoding: Encoding of the text; None finds it out.
        recipes: A file of the user, or a folder of files, that says what platforms call their columns.
        header_line: Line of the header, from 1; None finds it out.
        sheet: Sheet of a spreadsheet; None finds it out.
        time_zone: Time zone of the days, such as "Europe/Berlin"; "" is unknown. It is stored with the import.
        max_file_mb: Larger files are refused unread; of a gzipped file the unpacked size counts.
        max_rows: Files with more rows are refused.
    """

    mapping: Mapping[str, str] = field(default_factory=dict)
    dayfirst: bool | None = None
    decimal: str | None = None
    platform: str = ""
    account: str = ""
    period: tuple[date, date] | None = None
    encoding: str | None = None
    recipes: Path | None = None
    header_line: int | None = None
    sheet: str | None = None
    time_zone: str = ""
    max_file_mb: float = 2048
    max_rows: int = 20_000_000

    def __post_init__(self) -> None:
        require_time_zone(self.time_zone)
        if self.decimal not in (None, ".", ","):
            raise UsageError(f"the decimal sign cannot be {self.decimal!r}", hint="use --decimal . or --decimal ,")
        if self.encoding is not None and encoding_named(self.encoding) is None:
            raise UsageError(f"there is no encoding {self.encoding!r}", hint=f"known encodings: {', '.join(ENCODINGS)}")
        if self.header_line is not None and self.header_line < 1:
            raise UsageError(f"the header cannot be in line {self.header_line}", hint="lines count from 1")
        if self.period and self.period[1] < self.period[0]:
            raise UsageError(f"the period ends before it begins: {self.period[0]}..{self.period[1]}")

    @property
    def table(self) -> TableOptions:
        """What was said about how the table is written."""
        return TableOptions(encoding=self.encoding, header_line=self.header_line, sheet=self.sheet)

    @property
    def max_bytes(self) -> float:
        """The limit of a file's size."""
        return self.max_file_mb * 1e6

    @property
    def known_recipes(self) -> tuple[Recipe, ...]:
        """What platforms call their columns: the user's recipes, then those of abkit."""
        return load_recipes(self.recipes)

    def command(self, path: Path) -> str:
        """Return the command that imports a file with these options, for a hint to complete."""
        # A name that begins with a dash would be an option.
        name = f"./{path}" if str(path).startswith("-") else str(path)
        parts = ["abkit kpi import", shlex.quote(name)]
        parts += [f"--map {shlex.quote(f'{column}={name}')}" for column, name in self.mapping.items()]
        if self.dayfirst is not None:
            parts.append("--dayfirst" if self.dayfirst else "--no-dayfirst")
        for option in ("decimal", "platform", "account", "encoding", "header_line", "sheet", "time_zone"):
            if value := getattr(self, option):
                parts.append(f"--{option.replace('_', '-')} {shlex.quote(str(value))}")
        if self.period:
            parts.append(f"--period {self.period[0]}..{self.period[1]}")
        return " ".join(parts)

    def reading(self) -> dict[str, Any]:
        """Return what decides how a file is understood, as JSON holds it: part of the digest of an import."""
        said = asdict(self)
        said.pop("time_zone"), said.pop("max_file_mb"), said.pop("max_rows"), said.pop("recipes")
        if own := content_of(self.recipes):
            said["recipes"] = hashlib.sha256(own.encode()).hexdigest()
        said["mapping"] = dict(sorted(self.mapping.items()))
        said["period"] = [day.isoformat() for day in self.period] if self.period else None
        return said


def require_time_zone(name: str) -> None:
    """Refuse what is no time zone; "" is unknown.

    Raises:
        UsageError: There is no such time zone.
    """
    from zoneinfo import available_timezones

    if name and name not in available_timezones():
        raise UsageError(f"there is no time zone {name!r}", hint="use an IANA name such as Europe/Berlin or UTC")


def parse_period(text: str) -> tuple[date, date]:
    """Read `2017-08-01..2017-08-31`; one day may stand alone.

    Raises:
        UsageError: Not two days.

    >>> parse_period("2017-08-01..2017-08-31")[1]
    datetime.date(2017, 8, 31)
    """
    found = re.fullmatch(r"(\d{4}-\d\d-\d\d)(?:\.\.(\d{4}-\d\d-\d\d))?", text.strip())
    try:
        if found:
            first = date.fromisoformat(found.group(1))
            return first, date.fromisoformat(found.group(2)) if found.group(2) else first
    except ValueError:
        pass
    raise UsageError(f"--period {text!r} is not a period", hint="for example --period 2017-08-01..2017-08-31")


@dataclass(frozen=True)
class RawTable:
    """An export as it came.

    Attributes:
        frame: A column `line` (the line of the file where the row begins; of Parquet the number of the row, from 1)
            and one column per field that the file has: texts from CSV, typed from Parquet and spreadsheets.
        columns: Which column of the file each field is.
        broken: Rows that could not be divided into cells.
        reading: How the file was read, for the record: format, encoding, delimiter, line of the header.
        path: The file.
    """

    frame: pl.DataFrame
    columns: Columns
    broken: Sequence[BrokenRow] = ()
    reading: Mapping[str, Any] = field(default_factory=dict)
    path: Path | None = None

    @property
    def rows(self) -> int:
        """How many rows the file has."""
        return self.frame.height + len(self.broken)


def digest_of(path: Path, options: KpiOptions) -> str:
    """Return the identity of an import: the content, and how it is read.

    Raises:
        TableError: The file cannot be read.
    """
    with readable(), path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256")
    digest.update(json.dumps([READER_VERSION, options.reading()], sort_keys=True).encode())
    return digest.hexdigest()


def read_table(path: Path, options: KpiOptions) -> RawTable:
    """Read a file as it came.

    Raises:
        TableError: It cannot be divided into rows and cells.
        InvalidInput: It is damaged, or lacks a known column or any row.
    """
    from abkit.intake.cells.frames import refusing_damage

    with refusing_damage():
        table = _read_parquet(path, options) if is_parquet(path) else _read_csv(path, options)
    if table.rows == 0:
        raise InvalidInput("the file has a header and no rows", hint="export it again")
    return table


def other_cells(table: RawTable, lines: Collection[int]) -> Iterator[tuple[int, tuple[str, ...]]]:
    """Yield the line and the cells that are no field, of some rows: the file is read once more.

    Args:
        table: An export.
        lines: The lines of the rows.
    """
    from abkit.intake.cells.frames import refusing_damage

    others = other_columns(table)
    if table.path is None or not others:
        return
    with refusing_damage():
        if is_parquet(table.path):
            yield from _other_cells_of_parquet(table.path, list(others), lines)
            return
        how = TableOptions(
            encoding=table.reading["encoding"] or None,
            header_line=table.reading["header_line"],
            sheet=table.reading.get("sheet"),
        )
        with open_table(table.path, max_bytes=float("inf"), options=how) as source:
            # The columns are known: any line would do as the header.
            layout = source.layout(lambda cells: 1)
            for line, cells in source.rows(layout, []):
                if line in lines:
                    yield line, tuple(cells[index] for index in others)


def other_columns(table: RawTable) -> dict[int, str]:
    """Return the columns of an export that are no field: name by index."""
    taken = set(table.columns.position.values())
    return {index: name for index, name in enumerate(table.columns.names) if index not in taken}


def _other_cells_of_parquet(
    path: Path, others: Sequence[int], lines: Collection[int]
) -> Iterator[tuple[int, tuple[str, ...]]]:
    import polars as pl

    schema = list(pl.read_parquet_schema(path).items())
    plain = [schema[index] for index in others]
    as_it_is = (pl.col(name).is_null() if dtype.is_nested() else pl.col(name) for name, dtype in plain)
    wanted = pl.scan_parquet(path).with_row_index("\0line", offset=1).filter(pl.col("\0line").is_in(list(lines)))
    for line, *cells in wanted.select("\0line", *as_it_is).collect().iter_rows():
        yield line, tuple(map(str, cells))


def header_of(path: Path, options: KpiOptions) -> list[str]:
    """Return the column names of a file, as `Columns.names` has them.

    Raises:
        AbkitError: The file cannot be read, or no line of it has a known column name.
    """
    from abkit.intake.cells.frames import refusing_damage

    with refusing_damage():
        if is_parquet(path):
            with examined(path, max_rows=options.max_rows, hint=ROWS_HINT) as found:
                names = list(found.names)
        else:
            with open_table(path, max_bytes=options.max_bytes, options=options.table, hint=SIZE_HINT) as table:
                names = list(_layout(table, options).header)
    return [name.strip().lstrip("\ufeff") for name in names]


def countable_rows(path: Path, options: KpiOptions) -> int:
    """Return how many rows a file has that was refused as a whole: all of them count as rejected; 0 if unknown."""
    from abkit.intake.cells.frames import refusing_damage

    try:
        with refusing_damage():
            if is_parquet(path):
                with examined(path, max_rows=math.inf) as found:
                    return found.rows
            with open_table(path, max_bytes=options.max_bytes, options=options.table) as table:
                broken: list[BrokenRow] = []
                return sum(1 for _ in table.rows(_layout(table, options), broken)) + len(broken)
    except AbkitError:
        return 0


def _layout(table: OpenTable | OpenSheets, options: KpiOptions) -> Layout:
    recipes = options.known_recipes
    layout = table.layout(lambda cells: recognized(cells, options.mapping, recipes))
    if not recognized(layout.header, options.mapping, recipes):
        worded = table.layout(_words)
        if _words(worded.header):
            return worded
        first = layout.delimiter.join(layout.header)[:120]
        raise InvalidInput(
            f"no header in the first lines: none has a known column name; the first line is {first!r}",
            hint="name the columns in the first line, or say which is which with --map 'THEIR COLUMN=impressions'",
        )
    return layout


def _words(cells: Sequence[str]) -> int:
    """Return how much a line of unknown names looks like a header: as much as it has different words, and no number."""
    filled = [cell for cell in cells if cell]
    worded = all(len(cell) <= 100 and any(map(str.isalpha, cell)) and not cell[:1].isdigit() for cell in filled)
    return len(filled) if worded and len({*filled}) == len(filled) >= _LEAST_NAMES else 0


def _columns(names: Sequence[str], path: Path, options: KpiOptions, rows: Rows) -> Columns:
    recipes = options.known_recipes
    refuse_assets(names)
    columns = find_columns(names, options.mapping, recipes)
    given = options.period is not None
    require_fields(columns, period_given=given, command=options.command(path), recipes=recipes, rows=rows)
    return columns


def _read_csv(path: Path, options: KpiOptions) -> RawTable:
    from abkit.intake.cells.frames import read_frame

    broken: list[BrokenRow] = []
    with open_table(path, max_bytes=options.max_bytes, options=options.table, hint=SIZE_HINT) as table:
        layout = _layout(table, options)

        def first_rows() -> list[list[str]]:
            return [cells for _, cells in islice(table.rows(layout, []), _ROWS_LOOKED_AT)]

        columns = _columns(layout.header, path, options, first_rows)
        if "" in layout.header:
            _say_unnamed(columns, layout, first_rows())
        from_1904 = False
        if isinstance(table, OpenSheets):
            numbers = [columns.position[name] for name in FIGURES if name in columns.position]
            table.refuse_shown_otherwise(layout, numbers)
            _refuse_several_currencies(table, layout, columns)
            from_1904 = table.from_1904
        frame = read_frame(table, layout, columns.position, broken, max_rows=options.max_rows)
    reading = {
        "format": "csv",
        "encoding": table.encoding,
        "delimiter": layout.delimiter,
        "header_line": layout.header_line,
    }
    if layout.sheet:
        reading |= {"days_from": 1904} if from_1904 else {}
        reading |= {"format": "spreadsheet", "sheet": layout.sheet, "first_column": layout.first_column}
    return RawTable(frame, columns, broken, reading, path)


def _refuse_several_currencies(table: OpenSheets, layout: Layout, columns: Columns) -> None:
    """Refuse amounts that a spreadsheet shows in several currencies, where no column says which is which.

    Raises:
        InvalidInput: There are some.
    """
    amounts = [columns.position[name] for name in MONEY if name in columns.position]
    if "currency" in columns.position or not (shown := table.currencies_shown(layout, amounts)):
        return
    names = " and ".join(repr(columns.named(name)) for name in MONEY if name in columns.position)
    raise InvalidInput(
        f"amounts of {names} are shown in {' and '.join(shown)}, and no column says which row is in which",
        hint="add a column Currency, or import the rows of each currency by themselves; --map 'COLUMN=' leaves one out",
    )


def _say_unnamed(columns: Columns, layout: Layout, rows: Sequence[Sequence[str]]) -> None:
    """Say what stands in columns without a name; refuse halves of numbers whose decimal comma divided them.

    Raises:
        InvalidInput: The cells behind a column of numbers have the decimals of these.
    """
    numbers = {columns.position[name] for name in FIGURES if name in columns.position}
    for index in (index for index, name in enumerate(layout.header) if not name):
        cells = [row[index].strip() for row in rows if row[index].strip()]
        if not cells:
            continue
        before = [row[index - 1].strip() for row in rows if row[index].strip()]
        if index - 1 in numbers and all(re.fullmatch(r"\d{1,3}", cell) for cell in cells):
            raise InvalidInput(
                f"the column behind {layout.header[index - 1]!r} has no name and cells such as {cells[0]!r}: these are "
                f"numbers such as '{before[0]}{layout.delimiter}{cells[0]}' without quotes",
                hint="export with quotes or another delimiter, or name the column",
            )
        said = f"a column without a name is not read: it begins with {cells[0][:40]!r}"
        warnings.warn(said, ReadingNote, stacklevel=4)


def _read_parquet(path: Path, options: KpiOptions) -> RawTable:
    """Read only the columns that are fields, with their types."""
    import polars as pl

    from abkit.intake.cells.frames import composed_texts

    with examined(path, max_rows=options.max_rows, hint=ROWS_HINT) as found:
        names = found.names

        def first_rows() -> list[list[str]]:
            found.require(names, max_bytes=options.max_bytes, hint=SIZE_HINT)
            rows = pl.scan_parquet(path).head(_ROWS_LOOKED_AT).collect().iter_rows()
            return [["" if cell is None else str(cell) for cell in row] for row in rows]

        columns = _columns(names, path, options, first_rows)
        read = [names[index] for index in columns.position.values()]
        found.require(read, max_bytes=options.max_bytes, hint=SIZE_HINT)
    schema = pl.read_parquet_schema(path)
    for name, index in columns.position.items():
        _require_simple(columns.named(name), schema[names[index]])
    # Names are compared stripped, columns are read by what they are called in the file.
    wanted = [pl.col(names[index]).alias(name) for name, index in columns.position.items()]
    frame = composed_texts(pl.scan_parquet(path).select(wanted).collect()).with_row_index("line", offset=1)
    frame = frame.with_columns(pl.col("line").cast(pl.Int64))
    return RawTable(frame, columns, reading={"format": "parquet"}, path=path)


def _require_simple(name: str, dtype: pl.DataType) -> None:
    import polars as pl

    simple = dtype.is_numeric() or dtype in (pl.String, pl.Date, pl.Categorical, pl.Null) or dtype == pl.Datetime
    if not simple and dtype != pl.Enum:
        raise InvalidInput(
            f"column {name!r} is of type {dtype}, not text, number or date", hint="cast it before the export"
        )
