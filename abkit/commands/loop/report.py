"""`abkit report`: one HTML file for whoever decides."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import Annotated

import typer

from abkit.commands.context import CommandContext
from abkit.commands.output import note

app = typer.Typer()


@app.command("report")
def report(
    ctx: typer.Context,
    campaign: Annotated[
        str | None, typer.Option("--campaign", "-c", help="Show the pictures of this campaign only.")
    ] = None,
    as_of: Annotated[
        datetime | None,
        typer.Option("--as-of", formats=["%Y-%m-%d"], help="The last day of delivery that counts; today by default."),
    ] = None,
    out: Annotated[
        Path | None, typer.Option("--out", "-o", help="The file to write; report.html in the workspace by default.")
    ] = None,
) -> None:
    """Write one HTML file: the decision, the ranked pictures, score against KPI, the drift timeline."""
    from abkit.reporting.page.gather import make_report

    context: CommandContext = ctx.obj
    with context.store() as store:
        path = make_report(
            store,
            out or context.settings.workspace / "report.html",
            campaign=campaign,
            as_of=as_of.date() if as_of else None,
        )
    typer.echo(path)
    note("one file, with the pictures in it: open it in a browser, or send it")
