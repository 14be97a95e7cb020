"""What `abkit kpi` and `abkit ratings` share: how results are printed, and the rows that were refused."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Annotated, Any

import typer

from abkit.commands.output import Format, note, print_rows, show
from abkit.records import Record

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

    from abkit.commands.context import CommandContext
    from abkit.workflows.kpis.preview import ImportPreview

ImportOption = Annotated[int | None, typer.Option("--import", help="Only rows of this import.")]
LimitOption = Annotated[int, typer.Option("--limit", min=1, help="Largest number of rows.")]


def print_results(
    records: Sequence[Record], form: Format, rows: Sequence[Mapping[str, Any]] | None = None, *, empty: str = ""
) -> None:
    """Print records of one kind: their notes on stderr, then one table.

    Args:
        records: The records.
        form: Table, JSON or CSV.
        rows: The rows of the table, all whose keys are columns of CSV; one per record by default.
        empty: Printed on stderr instead of an empty table.
    """
    from abkit.reporting.tables.show import view

    views = [view(record) for record in records]
    for text in (text for seen in views for text in seen.notes):
        note(text)
    table = views[0].tables[0]
    columns = table.columns if rows is None or form is Format.TABLE else None
    rows = [record.to_dict() for record in records] if rows is None else rows
    print_rows(rows, form, columns=columns or None, title=table.title, names=table.names, empty=empty)


def print_rejects(
    context: CommandContext,
    rejects: Callable[[Session, int | None, int], list[dict[str, Any]]],
    import_id: int | None,
    limit: int,
    form: Format,
) -> None:
    """Print the rows that were refused, each with its line and the reason; the latest import first."""
    with context.store() as store, store.read() as session:
        rows = rejects(session, import_id, limit)
    kind = ["kind"] if rows and "kind" in rows[0] else []
    print_rows(rows, form, columns=["import_id", "file", *kind, "line", "reason"], empty="no row was refused")
    if len(rows) == limit:
        note(f"only the first {limit:,}: --limit shows more")


def is_asked() -> bool:
    """Return whether a person is at the terminal who can answer a question."""
    return sys.stdin.isatty() and sys.stdout.isatty() and sys.stderr.isatty()


def print_previews(previews: Sequence[ImportPreview], form: Format) -> None:
    """Print previews of imports one after the other; as JSON one list, as CSV one line per column of each file."""
    if form is Format.TABLE:
        for preview in previews:
            show(preview, form)
    else:
        columns = [
            {"file": preview.file, "column": column, "field": field}
            for preview in previews
            for column, field in preview.columns.items()
        ]
        print_rows([one.to_dict() for one in previews] if form is Format.JSON else columns, form)
