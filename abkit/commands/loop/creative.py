"""`abkit creative`: what is known of each content."""

from __future__ import annotations

from typing import Annotated

import typer

from abkit.commands.context import CommandContext
from abkit.commands.output import Format, FormatOption, note, show

app = typer.Typer(help="Creatives: their names, campaigns, scores and delivery.", no_args_is_help=True)


@app.command("list")
def list_(
    ctx: typer.Context,
    campaign: Annotated[str | None, typer.Option("--campaign", "-c", help="Only candidates of this campaign.")] = None,
    limit: Annotated[int, typer.Option("--limit", min=1, help="Largest number of creatives.")] = 100,
    form: FormatOption = Format.TABLE,
) -> None:
    """List creatives, the latest first, with their campaigns, scores and delivery."""
    from abkit.workflows.campaigns import list_creatives

    context: CommandContext = ctx.obj
    with context.store() as store:
        found = list_creatives(store, campaign=campaign, limit=limit)
    if not found.creatives:
        note("there is no creative yet: abkit score IMAGES --campaign KEY")
    show(found, form, as_rows=True)
    if len(found.creatives) == limit:
        note(f"only the latest {limit:,}: --limit shows more")


@app.command("show")
def show_(
    ctx: typer.Context,
    name: Annotated[str, typer.Argument(metavar="CREATIVE", help="A name, a path or the sha256.")],
    form: FormatOption = Format.TABLE,
) -> None:
    """Show one creative: all its names, campaigns, scores and delivery."""
    from abkit.workflows.campaigns import show_creative

    context: CommandContext = ctx.obj
    with context.store() as store:
        found = show_creative(store, name)
    show(found, form)
