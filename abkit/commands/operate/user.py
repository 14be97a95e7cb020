"""`abkit user`: who may open the page for the team, and what they may do."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from abkit.commands.context import CommandContext
from abkit.commands.output import Format, FormatOption, note, show
from abkit.vocabulary import Role

app = typer.Typer(help="Say who may open the page for the team, and what they may do.", no_args_is_help=True)

NameArgument = Annotated[str, typer.Argument(metavar="NAME", help="The name under which they sign in.")]
StdinOption = Annotated[
    bool, typer.Option("--password-stdin", help="Read the password from standard input instead of asking for it.")
]


@app.command("add")
def add(
    ctx: typer.Context,
    name: NameArgument,
    role: Annotated[Role, typer.Option("--role", help="What they may do; each role includes the one before it.")],
    password_stdin: StdinOption = False,
    by_proxy: Annotated[
        bool, typer.Option("--by-proxy", help="A proxy says who they are (`[web] user_header`): no password.")
    ] = False,
) -> None:
    """Add a person."""
    from abkit.workflows.upkeep.people import add_person

    context: CommandContext = ctx.obj
    with context.store() as store:
        add_person(store, name, role, None if by_proxy else _password(password_stdin))
    note(f"{name} may sign in as {role}")


@app.command("list")
def list_them(ctx: typer.Context, form: FormatOption = Format.TABLE) -> None:
    """List everybody, removed people too."""
    from abkit.workflows.upkeep.people import list_people

    context: CommandContext = ctx.obj
    with context.store() as store:
        show(list_people(store), form)


@app.command("role")
def role(ctx: typer.Context, name: NameArgument, role: Annotated[Role, typer.Argument(metavar="ROLE")]) -> None:
    """Change what a person may do, from their next request on."""
    from abkit.workflows.upkeep.people import set_role

    context: CommandContext = ctx.obj
    with context.store() as store:
        set_role(store, name, role)
    note(f"{name} is {role} now")


@app.command("password")
def password(ctx: typer.Context, name: NameArgument, password_stdin: StdinOption = False) -> None:
    """Set a new password; the person is signed out everywhere."""
    from abkit.workflows.upkeep.people import set_password

    context: CommandContext = ctx.obj
    with context.store() as store:
        set_password(store, name, _password(password_stdin))
    note(f"{name} has a new password")


@app.command("remove")
def remove(ctx: typer.Context, name: NameArgument) -> None:
    """Remove a person: signed out everywhere, their tokens taken back. What they did keeps their name."""
    from abkit.workflows.upkeep.people import remove_person

    context: CommandContext = ctx.obj
    with context.store() as store:
        remove_person(store, name)
    note(f"{name} may not sign in any more")


def _password(from_stdin: bool) -> str:
    if from_stdin:
        return sys.stdin.readline().rstrip("\r\n")
    return str(typer.prompt("Password", hide_input=True, confirmation_prompt=True, err=True))
