"""`abkit token`: keys with which programs act for people."""

from __future__ import annotations

from typing import Annotated

import typer

from abkit.commands.context import CommandContext
from abkit.commands.output import Format, FormatOption, note, show
from abkit.vocabulary import Permission

app = typer.Typer(help="Make and take back the tokens with which programs act for people.", no_args_is_help=True)


@app.command("create")
def create(
    ctx: typer.Context,
    name: Annotated[str, typer.Argument(metavar="NAME", help="The person it acts for.")],
    label: Annotated[str, typer.Option("--for", help="What it is for, such as `search backend`.")],
    scope: Annotated[
        list[Permission], typer.Option("--scope", help="What it may do, at most what the person may; may be repeated.")
    ],
    days: Annotated[int, typer.Option("--days", min=1, max=366, help="Days until it expires.")] = 90,
    form: FormatOption = Format.TABLE,
) -> None:
    """Make a token; it is printed once, and the store keeps a digest only."""
    from abkit.workflows.upkeep.people import create_token

    context: CommandContext = ctx.obj
    with context.store() as store:
        show(create_token(store, name, label=label, scopes=scope, days=days), form)


@app.command("list")
def list_them(
    ctx: typer.Context,
    name: Annotated[str | None, typer.Option("--of", help="Only those of this person.")] = None,
    form: FormatOption = Format.TABLE,
) -> None:
    """List the tokens, without their secrets."""
    from abkit.workflows.upkeep.people import list_tokens

    context: CommandContext = ctx.obj
    with context.store() as store:
        show(list_tokens(store, name), form)


@app.command("revoke")
def revoke(ctx: typer.Context, number: Annotated[int, typer.Argument(metavar="ID", min=1)]) -> None:
    """Take a token back, at once."""
    from abkit.workflows.upkeep.people import revoke_token

    context: CommandContext = ctx.obj
    with context.store() as store:
        revoke_token(store, number)
    note(f"token {number} is refused from now on")
