"""`abkit creative`: what is known of each content."""

from __future__ import annotations

from typing import Annotated

import typer

from abkit.commands.context import CommandContext
from abkit.commands.output import Format, FormatOption, note, show
from abkit.vocabulary import ReviewAct

app = typer.Typer(help="Creatives: their names, campaigns, scores, delivery and reviews.", no_args_is_help=True)


@app.command("list")
def list_(
    ctx: typer.Context,
    campaign: Annotated[str | None, typer.Option("--campaign", "-c", help="Only candidates of this campaign.")] = None,
    tag: Annotated[str | None, typer.Option("--tag", "-t", help="Only creatives with this tag.")] = None,
    limit: Annotated[int, typer.Option("--limit", min=1, help="Largest number of creatives.")] = 100,
    form: FormatOption = Format.TABLE,
) -> None:
    """List creatives, the latest first, with their campaigns, scores and delivery."""
    from abkit.workflows.creatives.campaigns import list_creatives

    context: CommandContext = ctx.obj
    with context.store() as store:
        found = list_creatives(store, campaign=campaign, tag=tag, limit=limit)
    if not found.creatives and not (campaign or tag):
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
    from abkit.workflows.creatives.campaigns import show_creative

    context: CommandContext = ctx.obj
    with context.store() as store:
        found = show_creative(store, name)
    show(found, form)


_Names = Annotated[list[str], typer.Argument(metavar="CREATIVE...", help="Names, paths or sha256 of creatives.")]
_Tags = Annotated[list[str], typer.Option("--tag", "-t", help="The tag; may be given several times.")]


@app.command()
def tag(ctx: typer.Context, names: _Names, tags: _Tags, form: FormatOption = Format.TABLE) -> None:
    """Put tags on creatives, to find them by."""
    from abkit.workflows.creatives.tags import tag_creatives

    context: CommandContext = ctx.obj
    with context.store() as store:
        show(tag_creatives(store, names, tags), form)


@app.command()
def untag(ctx: typer.Context, names: _Names, tags: _Tags, form: FormatOption = Format.TABLE) -> None:
    """Take tags off creatives."""
    from abkit.workflows.creatives.tags import untag_creatives

    context: CommandContext = ctx.obj
    with context.store() as store:
        show(untag_creatives(store, names, tags), form)


@app.command("tags")
def tags_(
    ctx: typer.Context,
    campaign: Annotated[str | None, typer.Option("--campaign", "-c", help="Only those of this campaign.")] = None,
    form: FormatOption = Format.TABLE,
) -> None:
    """List the tags, the most frequent first."""
    from abkit.workflows.creatives.tags import list_tags

    context: CommandContext = ctx.obj
    with context.store() as store:
        found = list_tags(store, campaign=campaign)
    if not found.tags:
        note("there is no tag yet: abkit creative tag CREATIVE --tag WORD")
    show(found, form, as_rows=True)


@app.command()
def review(
    ctx: typer.Context,
    names: Annotated[list[str], typer.Argument(metavar="CREATIVE...", help="Names, paths or sha256 of variants.")],
    campaign: Annotated[str, typer.Option("--campaign", "-c", help="The campaign whose variants they are.")],
    act: Annotated[
        ReviewAct | None, typer.Option("--act", "-a", help="What to do; without it the history of one is shown.")
    ] = None,
    reason: Annotated[
        str, typer.Option("--reason", "-r", help="Why; needed to reject, to want changes and to comment.")
    ] = "",
    by: Annotated[str | None, typer.Option("--by", help="Who does it; the user of this machine by default.")] = None,
    form: FormatOption = Format.TABLE,
) -> None:
    """Review variants: propose, approve, reject, want changes or comment. Exits with 1 where one is refused."""
    from abkit.errors import UsageError
    from abkit.workflows.active_model import this_person

    context: CommandContext = ctx.obj
    with context.workspace as workspace:
        if act is None:
            if len(names) != 1:
                raise UsageError("a history is of one creative", hint="name one, or say what to do with --act")
            show(workspace.review_of(campaign, names[0]), form)
            return
        done = workspace.review(campaign, names, act, by=by or this_person(), reason=reason)
    show(done, form)
    if done.refused:
        raise typer.Exit(1)
