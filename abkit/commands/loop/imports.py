"""What `abkit kpi` and `abkit ratings` share: the summary of an import, and the rows that it refused."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Annotated, Any

import typer

from abkit.commands.output import Format, note, print_rows
from abkit.records import Record

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

    from abkit.commands.context import CommandContext

ImportOption = Annotated[int | None, typer.Option("--import", help="Only rows of this import.")]
LimitOption = Annotated[int, typer.Option("--limit", min=1, help="Largest number of rows.")]


def print_imports(summaries: Sequence[Record], form: Format, columns: Sequence[str], *, landed: bool) -> None:
    """Print what became of the files; exit with 1 when no row of them is in the store."""
    print_rows([summary.to_dict() for summary in summaries], form, columns=columns, names="file")
    if not landed:
        raise typer.Exit(1)


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
    print_rows(rows, form, columns=["import_id", "file", "line", "reason"], empty="no row was refused")
    if len(rows) == limit:
        note(f"only the first {limit:,}: --limit shows more")
