"""`abkit rater`: links with which people label, and people who are forgotten."""

from __future__ import annotations

from typing import Annotated

import typer

from abkit.commands.context import CommandContext
from abkit.commands.figures import number
from abkit.commands.output import Format, FormatOption, note, show

app = typer.Typer(help="Raters: links with which people label, and people who are forgotten.", no_args_is_help=True)

NameArgument = Annotated[str, typer.Argument(metavar="NAME", help="The person the link is for.")]


@app.command()
def link(
    ctx: typer.Context,
    name: NameArgument,
    campaign: Annotated[
        str | None, typer.Option("--campaign", "-c", help="Ask about this campaign only; about all by default.")
    ] = None,
    days: Annotated[
        float, typer.Option("--days", parser=number, metavar="NUMBER", help="After so many days it stops working.")
    ] = 30.0,
    form: FormatOption = Format.TABLE,
) -> None:
    """Make a link that opens labeling, and nothing else; it is shown once."""
    from abkit.workflows.ratings.rater_links import make_link

    context: CommandContext = ctx.obj
    with context.store() as store:
        made = make_link(store, name, campaign=campaign, days=days)
    if form is Format.TABLE:
        typer.echo(f"{context.settings.web.address}/label/link/{made.token}")
        until = f"{made.expires_at:%Y-%m-%d %H:%M} UTC"
        note(f"for {made.name}, until {until}; everyone who has it can label in this name: send it to them alone")
    else:
        show(made, form)


@app.command("list")
def list_(ctx: typer.Context, form: FormatOption = Format.TABLE) -> None:
    """List the links, the latest first, with what each rater has answered."""
    from abkit.workflows.ratings.rater_links import list_links

    context: CommandContext = ctx.obj
    with context.store() as store:
        found = list_links(store)
    if not found.links:
        note("there is no link yet: abkit rater link NAME")
    show(found, form, as_rows=True)


@app.command()
def revoke(
    ctx: typer.Context,
    name: Annotated[str | None, typer.Argument(metavar="NAME", help="Revoke all links of this name.")] = None,
    number: Annotated[
        int | None, typer.Option("--number", min=1, help="Revoke this link only, as `abkit rater list` numbers it.")
    ] = None,
) -> None:
    """Revoke links: they open nothing from now on; votes stay."""
    from abkit.errors import UsageError
    from abkit.workflows.ratings.rater_links import revoke_links

    if (name is None) == (number is None):
        raise UsageError("which links?", hint="abkit rater revoke NAME, or --number N")
    context: CommandContext = ctx.obj
    with context.store() as store:
        done = revoke_links(store, name=name, number=number)
    typer.echo(f"{done} {'link' if done == 1 else 'links'} revoked")


@app.command()
def forget(
    ctx: typer.Context,
    name: Annotated[str, typer.Argument(metavar="NAME", help="The person, as links or tables of ratings name them.")],
    remove: Annotated[
        bool, typer.Option("--remove", help="Remove the votes, too; by default nothing ties them to a name any more.")
    ] = False,
    form: FormatOption = Format.TABLE,
) -> None:
    """Forget a person, in all studies: the votes stay without a name, or go. That it was done is kept, not for whom."""
    from abkit.workflows.ratings.rater_links import forget_rater

    context: CommandContext = ctx.obj
    with context.store() as store:
        done = forget_rater(store, name, remove=remove)
    show(done, form)
