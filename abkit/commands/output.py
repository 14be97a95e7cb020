"""How commands print: one table, JSON or CSV on stdout; notes on stderr."""

from __future__ import annotations

import csv
import json
import math
import sys
from collections.abc import Mapping, Sequence
from datetime import date, datetime
from enum import StrEnum
from typing import Annotated, Any

import typer


class Format(StrEnum):
    """What a result is printed as."""

    TABLE = "table"
    JSON = "json"
    CSV = "csv"


FormatOption = Annotated[Format, typer.Option("--format", "-f", help="How the result is printed.")]


def note(text: str) -> None:
    """A remark for the person at the terminal: on stderr, so that pipes stay clean."""
    typer.echo(text, err=True)


def print_json(value: Any) -> None:
    """Print JSON on stdout. Numbers that are not numbers become null."""
    json.dump(_plain(value), sys.stdout, ensure_ascii=False, indent=2, allow_nan=False)
    sys.stdout.write("\n")


def print_rows(
    rows: Sequence[Mapping[str, Any]],
    form: Format,
    *,
    columns: Sequence[str] | None = None,
    title: str | None = None,
    empty: str = "nothing to show",
) -> None:
    """Print rows as a table, JSON or CSV on stdout.

    Args:
        rows: one mapping a row.
        form: table, json or csv.
        columns: which to show in table and CSV, in this order; all of the first row's by default. JSON has all.
        title: above the table.
        empty: said on stderr instead of an empty table.
    """
    if form is Format.JSON:
        print_json(list(rows))
        return
    names = list(columns or (rows[0] if rows else ()))
    if form is Format.CSV:
        writer = csv.writer(sys.stdout)
        writer.writerow(names)
        writer.writerows([[_harmless(row.get(name)) for name in names] for row in rows])
        return
    if not rows:
        note(empty)
        return
    _print_table(rows, names, title)


def _print_table(rows: Sequence[Mapping[str, Any]], names: Sequence[str], title: str | None) -> None:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(title=title, title_justify="left", box=None, header_style="bold", pad_edge=False)
    for name in names:
        numeric = all(isinstance(row.get(name), int | float | None) for row in rows)
        table.add_column(name.replace("_", " "), justify="right" if numeric else "left")
    for row in rows:
        table.add_row(*[Text(shown(row.get(name))) for name in names])
    # A pipe has no width: there the table is as wide as it needs to be.
    Console(width=None if sys.stdout.isatty() else 200, soft_wrap=not sys.stdout.isatty()).print(table)


def shown(value: Any) -> str:
    """A value as a person reads it: – for nothing, three decimals, ISO dates.

    >>> shown(0.12345), shown(None), shown(1200)
    ('0.123', '–', '1,200')
    """
    if value is None or (isinstance(value, float) and not math.isfinite(value)):
        return "–"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        return f"{value:,}"
    if isinstance(value, float):
        return f"{value:,.3f}" if abs(value) >= 0.0005 or value == 0 else f"{value:.2e}"
    if isinstance(value, datetime):
        return value.strftime("%Y-%m-%d %H:%M:%S UTC")
    # Names come from outside: control characters could move the cursor of whoever reads.
    return "".join(char if char.isprintable() else "�" for char in str(value))


def _harmless(value: Any) -> Any:
    # A spreadsheet runs what begins like a formula.
    if isinstance(value, str) and value[:1] in ("=", "+", "-", "@", "\t", "\r"):
        return "'" + value
    if isinstance(value, list | tuple | dict):
        return json.dumps(_plain(value), ensure_ascii=False)
    return value


def _plain(value: Any) -> Any:
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [_plain(item) for item in value]
    if isinstance(value, datetime | date):
        return value.isoformat()
    if value is None or isinstance(value, str | int | bool):
        return value
    if hasattr(value, "item"):
        return _plain(value.item())
    return str(value)
