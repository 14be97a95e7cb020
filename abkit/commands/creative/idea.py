"""`abkit idea`: which creatives of a campaign are one idea in several sizes, and what a person says about it."""

from __future__ import annotations

from typing import Annotated

import typer

from abkit.commands.context import CommandContext
from abkit.commands.output import Format, FormatOption, show

app = typer.Typer(help="Which creatives of a campaign are one idea in several sizes.", no_args_is_help=True)

CampaignOption = Annotated[str, typer.Option("--campaign", "-c", help="The campaign whose creatives these are.")]
NamesArgument = Annotated[list[str], typer.Argument(help="File names, with folders where that is ambiguous.")]


@app.command("list")
def list_(
    ctx: typer.Context,
    campaign: CampaignOption,
    most: Annotated[int, typer.Option("--suggest", min=0, help="How many pairs to suggest.")] = 20,
    form: FormatOption = Format.TABLE,
) -> None:
    """List the ideas of a campaign with their sizes, and suggest pairs that may be one idea."""
    from abkit.workflows.scoring.ideas import list_ideas

    context: CommandContext = ctx.obj
    with context.store() as store:
        show(list_ideas(store, campaign=campaign, most=most), form)


@app.command("join")
def join(ctx: typer.Context, names: NamesArgument, campaign: CampaignOption, form: FormatOption = Format.TABLE) -> None:
    """Say that creatives are one idea; scoring never takes them apart."""
    from abkit.workflows.scoring.ideas import join_creatives

    context: CommandContext = ctx.obj
    with context.store() as store:
        show(join_creatives(store, names, campaign=campaign), form)


@app.command("split")
def split(
    ctx: typer.Context, names: NamesArgument, campaign: CampaignOption, form: FormatOption = Format.TABLE
) -> None:
    """Say that each of these creatives is an idea of its own; scoring never joins them to another."""
    from abkit.workflows.scoring.ideas import split_creatives

    context: CommandContext = ctx.obj
    with context.store() as store:
        show(split_creatives(store, names, campaign=campaign), form)


@app.command("confirm")
def confirm(
    ctx: typer.Context,
    ideas: Annotated[list[int], typer.Argument(help="Numbers of ideas, as `abkit idea list` shows them.")],
    campaign: CampaignOption,
    form: FormatOption = Format.TABLE,
) -> None:
    """Say that ideas that were found are right."""
    from abkit.workflows.scoring.ideas import confirm_ideas

    context: CommandContext = ctx.obj
    with context.store() as store:
        show(confirm_ideas(store, ideas, campaign=campaign), form)
