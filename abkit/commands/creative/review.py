"""`abkit review`: what people should look at next."""

from __future__ import annotations

from typing import Annotated

import typer

from abkit.commands.context import CommandContext
from abkit.commands.output import Format, FormatOption, show

app = typer.Typer(no_args_is_help=True)


@app.callback()
def review() -> None:
    """What people should look at next: the labels that tell most."""


@app.command("next")
def next_(
    ctx: typer.Context,
    campaign: Annotated[
        str | None,
        typer.Option("--campaign", "-c", help="Only creatives of this campaign; of all by default, each in its own."),
    ] = None,
    count: Annotated[int, typer.Option("--count", "-n", min=1, max=500, help="How many questions.")] = 20,
    images: Annotated[
        bool, typer.Option("--images/--pairs", help="Single images to rate, or pairs to choose between.")
    ] = False,
    form: FormatOption = Format.TABLE,
) -> None:
    """Rank which pairs (or images) to label next; -f csv makes the table that `abkit ratings import` reads."""
    context: CommandContext = ctx.obj
    with context.workspace as workspace:
        result = workspace.review_next(campaign=campaign, count=count, images=images)
    show(result, form)
