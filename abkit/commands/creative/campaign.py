"""`abkit campaign`: what is advertised, and what hangs on it."""

from __future__ import annotations

from typing import Annotated

import typer

from abkit.commands.context import CommandContext
from abkit.commands.output import Format, FormatOption, note, show

app = typer.Typer(help="Campaigns: list, rename, merge, delete an empty one, agree on reviews.", no_args_is_help=True)

KeyArgument = Annotated[str, typer.Argument(metavar="CAMPAIGN", help="Key of the campaign.")]


@app.command("list")
def list_(ctx: typer.Context, form: FormatOption = Format.TABLE) -> None:
    """List the campaigns, each with its creatives, ads, experiments and delivery."""
    from abkit.workflows.creatives.campaigns import list_campaigns

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
    from abkit.workflows.creatives.campaigns import rename_campaign

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
    from abkit.workflows.creatives.campaigns import merge_campaigns

    context: CommandContext = ctx.obj
    with context.store() as store:
        done = merge_campaigns(store, campaign, into)
    show(done, form)


@app.command()
def delete(ctx: typer.Context, campaign: KeyArgument, form: FormatOption = Format.TABLE) -> None:
    """Delete a campaign without ads and experiments; its creatives stay, with their scores."""
    from abkit.workflows.creatives.campaigns import delete_campaign

    context: CommandContext = ctx.obj
    with context.store() as store:
        done = delete_campaign(store, campaign)
    show(done, form)


@app.command("review-flow")
def review_flow(
    ctx: typer.Context,
    campaign: KeyArgument,
    approvals: Annotated[
        int | None, typer.Option("--approvals", min=1, max=5, help="How many people have to approve a variant.")
    ] = None,
    gate: Annotated[
        bool | None,
        typer.Option("--gate/--no-gate", help="Whether `abkit shortlist --gate` asks for approval."),
    ] = None,
    text: Annotated[str | None, typer.Option("--note", help="What was agreed, in words.")] = None,
    by: Annotated[
        str | None, typer.Option("--by", help="Who writes it down; the user of this machine by default.")
    ] = None,
    form: FormatOption = Format.TABLE,
) -> None:
    """Show what was agreed about the reviews of a campaign, or write it down."""
    from abkit.workflows.active_model import this_person

    context: CommandContext = ctx.obj
    with context.workspace as workspace:
        agreed = workspace.review_flow(campaign)
        if (approvals, gate, text) != (None, None, None):
            agreed = workspace.agree_review_flow(
                campaign,
                by=by or this_person(),
                approvals=agreed.approvals if approvals is None else approvals,
                gate=agreed.gate if gate is None else gate,
                note=agreed.note if text is None else text,
            )
    show(agreed, form)
