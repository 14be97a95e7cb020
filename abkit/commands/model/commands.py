"""`abkit model`: the group of commands about scorers."""

from __future__ import annotations

import typer

from abkit.commands.model import export, study, train, versions

app = typer.Typer(help="The scorers: train, evaluate, list, promote, roll back, export.", no_args_is_help=True)
for command in (train.train, study.evaluate, versions.register, versions.promote, versions.rollback):
    app.command()(command)
app.command("list")(versions.list_versions)
app.command()(study.compare)
app.command()(study.explain)
app.command()(export.export)
