"""`abkit init`: a workspace is a folder with an abkit.toml and a store."""

from __future__ import annotations

from typing import Annotated

import typer

from abkit.commands.context import CommandContext
from abkit.commands.output import note

app = typer.Typer()


@app.command("init")
def init(
    ctx: typer.Context,
    folder: Annotated[str, typer.Argument(help="Folder of the workspace; created if it does not exist.")] = ".",
) -> None:
    """Create a workspace: abkit.toml and the store. Running it again changes nothing."""
    from abkit.workflows.upkeep.workspace import make_workspace, named_folder

    context: CommandContext = ctx.obj
    made = make_workspace(named_folder(folder), database_url=context.database_url)
    typer.echo(made.config)
    note(f"store: {made.store_url}")
    note("next: abkit score IMAGES --campaign NAME")
