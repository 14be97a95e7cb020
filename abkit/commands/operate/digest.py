"""`abkit digest`: the week in sentences."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated

import typer

from abkit.commands.context import CommandContext
from abkit.commands.output import Format, FormatOption, print_json, print_rows

app = typer.Typer()


@app.command("digest")
def digest(
    ctx: typer.Context,
    as_of: Annotated[
        datetime | None, typer.Option("--as-of", formats=["%Y-%m-%d"], help="Last day of the week; today by default.")
    ] = None,
    form: FormatOption = Format.TABLE,
) -> None:
    """Show the week: launched, decided, winners and losers, tired creatives, what needs a person."""
    from abkit.workflows.experiments.review.digest import weekly_digest

    context: CommandContext = ctx.obj
    with context.store() as store:
        found = weekly_digest(store, (as_of or datetime.now(UTC)).date())
    if form is Format.TABLE:
        typer.echo(f"Week from {found.first} to {found.last}\n{found.text()}")
    elif form is Format.JSON:
        print_json(found)
    else:
        print_rows([{"part": part, "sentence": one} for part, every in found.parts().items() for one in every], form)
