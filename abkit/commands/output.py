"""How commands print: results on stdout as a table, JSON or CSV; notes and progress on stderr."""

from __future__ import annotations

import codecs
import csv
import io
import json
import sys
from collections.abc import Mapping, Sequence
from contextlib import contextmanager
from enum import StrEnum
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TextIO

import typer

from abkit.terminal import for_programs, unguarded

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from rich.progress import TaskID

    from abkit.reporting.tables.table import Table

_quiet = False


class Format(StrEnum):
    """What a result is printed as."""

    TABLE = "table"
    JSON = "json"
    CSV = "csv"


FormatOption = Annotated[Format, typer.Option("--format", "-f", help="Print the result as a table, JSON or CSV.")]


def keep_quiet(quiet: bool) -> None:
    """Print no notes and no progress from here on (`--quiet`); errors are still printed."""
    global _quiet
    _quiet = quiet


def note(text: str) -> None:
    """Print a remark on stderr, so that pipes stay clean."""
    if not _quiet:
        from abkit.redaction import redacted

        typer.echo(redacted(text), err=True)


def show_stand_ins() -> None:
    """Print ? for letters that the encoding of a terminal or pipe lacks, and say so once, instead of failing."""
    told = False

    def stand_in(error: UnicodeError) -> tuple[str, int]:
        nonlocal told
        if not isinstance(error, UnicodeEncodeError):
            raise error
        if not told:
            told = True
            note(f"{sys.stdout.encoding} lacks some letters of this output: they are shown as ?; PYTHONUTF8=1 helps")
        return "?" * (error.end - error.start), error.end

    codecs.register_error("abkit-stand-in", stand_in)
    if isinstance(sys.stdout, io.TextIOWrapper):  # stderr never fails: it escapes them
        sys.stdout.reconfigure(errors="abkit-stand-in")


def print_json(value: Any) -> None:
    """Print a record or plain data as JSON on stdout; numbers that are not finite become null."""
    from abkit.records import to_json

    text = to_json(value, indent=2)
    try:
        text.encode(sys.stdout.encoding or "utf-8")
    except UnicodeEncodeError:
        # JSON can say any letter in ASCII: programs get the names whole, whatever the code page.
        text = json.dumps(json.loads(text), indent=2)
    for_programs(sys.stdout).write(text + "\n")


def show(
    record: Any,
    form: Format,
    *,
    rows: Sequence[Mapping[str, Any]] | None = None,
    columns: Sequence[str] | None = None,
    as_rows: bool = False,
) -> None:
    """Print a record: the table that it renders itself as, its JSON, or CSV.

    Args:
        record: The record.
        form: Table, JSON or CSV.
        rows: Rows of the CSV; by default those of a `RecordList`, and one with all figures of any other record.
        columns: Columns of the CSV; all that any row has by default.
        as_rows: Make the JSON a list of the rows too.
    """
    from abkit.records import RecordList
    from abkit.reporting.tables.show import flattened, view

    if rows is None and (form is Format.CSV or as_rows):
        rows = record.rows() if isinstance(record, RecordList) else [flattened(record.to_dict())]
    seen = view(record)
    if form is Format.JSON:
        print_json(list(rows or ()) if as_rows else record)
    elif form is Format.CSV:
        _print_csv(rows or (), columns)
    else:
        for table in seen.tables:
            if table.rows:
                _print_table(table)
        if seen.sentences:
            typer.echo("\n" + "\n".join(seen.sentences))
    for text in seen.notes:
        note(text)


def print_record(
    record: Any, form: Format, *, rows: Sequence[Mapping[str, Any]], title: str | None = None, names: str = ""
) -> None:
    """Print a record that this command put together: its rows as a table, or all of it as JSON or one line of CSV."""
    from abkit.records import to_plain
    from abkit.reporting.tables.show import flattened

    if form is Format.TABLE:
        print_rows(rows, form, title=title, names=names)
    elif form is Format.CSV:
        _print_csv([flattened(to_plain(record))])
    else:
        print_json(record)


def print_rows(
    rows: Sequence[Mapping[str, Any]],
    form: Format,
    *,
    columns: Sequence[str] | None = None,
    title: str | None = None,
    names: str = "",
    empty: str = "nothing to show",
) -> None:
    """Print rows as a table, JSON or CSV on stdout.

    Args:
        rows: One mapping per row.
        form: Table, JSON or CSV.
        columns: Columns of table and CSV, in this order; all of the first row's by default. JSON has all.
        title: Line above the table.
        names: The column of names that must stay distinct where they are shortened.
        empty: Printed on stderr instead of an empty table.
    """
    from abkit.reporting.tables.table import Table

    if form is Format.JSON:
        print_json(list(rows))
    elif form is Format.CSV:
        _print_csv(rows, columns)
    elif not rows:
        note(empty)
    else:
        _print_table(Table(columns=tuple(columns or rows[0]), rows=tuple(rows), title=title or "", names=names))


def shown(value: Any) -> str:
    """Return a value as tables show it."""
    from abkit.reporting.tables.table import shown as as_shown

    return as_shown(value)


@contextmanager
def progress_bars() -> Iterator[Callable[[str, int, int | None], None]]:
    """Show bars on stderr while long work goes on, one per stage; call what this yields with (stage, done, total)."""
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
        TimeElapsedColumn,
        TimeRemainingColumn,
    )

    text, left = TextColumn("{task.description:12}"), TextColumn("left")
    columns = (text, BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(), left, TimeRemainingColumn())
    hidden = _quiet or not sys.stderr.isatty()
    with Progress(*columns, console=Console(file=unguarded(sys.stderr)), disable=hidden) as bars:
        tasks: dict[str, TaskID] = {}

        def update(stage: str, done: int, total: int | None) -> None:
            if stage not in tasks:
                tasks[stage] = bars.add_task(stage, total=total)
            bars.update(tasks[stage], completed=done, total=total)

        yield update


@contextmanager
def progress_bar(what: str) -> Iterator[Callable[[int, int], None]]:
    """Show one bar for long work, such as "scoring"; call what this yields with (done, total)."""
    with progress_bars() as update:
        update(what, 0, None)
        yield partial(update, what)


def _print_table(table: Table) -> None:
    from rich.console import Console

    from abkit.reporting.tables.table import terminal_width

    if sys.stdout.isatty():
        Console(file=unguarded(sys.stdout)).print(table.renderable(terminal_width()))
    else:
        sys.stdout.write(table.text() + "\n")


def write_csv(rows: Sequence[Mapping[str, Any]], path: Path) -> Path:
    """Write rows into a CSV file, as `--format csv` prints them.

    Raises:
        AbkitError: The file cannot be written.
    """
    from abkit.written_files import whole_file

    with whole_file(path) as unfinished, unfinished.open("w", encoding="utf-8", newline="") as file:
        _csv_into(file, rows)
    return path


def _print_csv(rows: Sequence[Mapping[str, Any]], columns: Sequence[str] | None = None) -> None:
    _csv_into(for_programs(sys.stdout), rows, columns)


def _csv_into(file: TextIO, rows: Sequence[Mapping[str, Any]], columns: Sequence[str] | None = None) -> None:
    # Rows may differ in depth: a result that one arm has and another lacks makes columns of its own.
    names = list(columns or dict.fromkeys(name for row in rows for name in row))
    writer = csv.writer(file)
    writer.writerow(names)
    writer.writerows([[_harmless(row.get(name)) for name in names] for row in rows])


def _harmless(value: Any) -> Any:
    from abkit.records import to_json, to_plain

    # A spreadsheet runs what begins like a formula.
    if isinstance(value, str) and value[:1] in ("=", "+", "-", "@", "\t", "\r"):
        return "'" + value
    if isinstance(value, list | tuple | dict):
        return to_json(value)
    return to_plain(value)
