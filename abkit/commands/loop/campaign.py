"""`abkit campaign`: what is advertised, and what hangs on it."""

from __future__ import annotations

from typing import Annotated

import typer

from abkit.commands.context import CommandContext
from abkit.commands.output import Format, FormatOption, note, show

app = typer.Typer(help="Campaigns: list them, rename one, merge two, delete an empty one.", no_args_is_help=True)

KeyArgument = Annotated[str, typer.Argument(metavar="CAMPAIGN", help="Key of the campaign.")]


@app.command("list")
def list_(ctx: typer.Context, form: FormatOption = Format.TABLE) -> None:
    """List the campaigns, each with its creatives, ads, experiments and delivery."""
    from abkit.workflows.campaigns import list_campaigns

    context: CommandContext = ctx.obj
    with context.store() as store:
        found = list_campaigns(store)
    if not found.campaigns:
        note("there is no campaign yet: abkit score IMAGES --campaign KEY")
    show(found, form, as_rows=True)


@app.command()
def rename(
    ctx: typer.Context,
    campaign: KeyArgument,
    new: Annotated[str, typer.Argument(metavar="NEW", help="Its new key; it must be free.")],
    form: FormatOption = Format.TABLE,
) -> None:
    """Give a campaign another key; scores, ads, experiments and figures stay with it."""
    from abkit.workflows.campaigns import rename_campaign

    context: CommandContext = ctx.obj
    with context.store() as store:
        done = rename_campaign(store, campaign, new)
    show(done, form)
    note(f"an export that still calls it {campaign!r} makes a campaign of that name again")


@app.command()
def merge(
    ctx: typer.Context,
    campaign: KeyArgument,
    into: Annotated[str, typer.Argument(metavar="INTO", help="The campaign that takes everything.")],
    form: FormatOption = Format.TABLE,
) -> None:
    """Move all of a campaign into another one, and remove it."""
    from abkit.workflows.campaigns import merge_campaigns

    context: CommandContext = ctx.obj
    with context.store() as store:
        done = merge_campaigns(store, campaign, into)
    show(done, form)


@app.command()
def delete(ctx: typer.Context, campaign: KeyArgument, form: FormatOption = Format.TABLE) -> None:
    """Delete a campaign without ads and experiments; its creatives stay, with their scores."""
    from abkit.workflows.campaigns import delete_campaign

    context: CommandContext = ctx.obj
    with context.store() as store:
        done = delete_campaign(store, campaign)
    show(done, form)
