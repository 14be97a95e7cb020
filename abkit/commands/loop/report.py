"""`abkit report`: one HTML file for the person who decides."""

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
        list[str] | None, typer.Option("--campaign", "-c", help="Show this campaign only; may be repeated.")
    ] = None,
    as_of: Annotated[
        datetime | None,
        typer.Option("--as-of", formats=["%Y-%m-%d"], help="The last day of delivery that counts; today by default."),
    ] = None,
    out: Annotated[
        Path | None, typer.Option("--out", "-o", help="The file; report.html or poc.html in the workspace by default.")
    ] = None,
    poc: Annotated[
        bool, typer.Option("--poc", help="Write the page of the proof of concept, for the person who signs.")
    ] = False,
    question: Annotated[
        str | None, typer.Option("--question", help="With --poc: the question it answers; that of [poc] by default.")
    ] = None,
    open_it: Annotated[bool, typer.Option("--open", help="Open the report in the browser.")] = False,
) -> None:
    """Write one HTML file: what to launch and drop, experiments, tired creatives, whether the score can be trusted."""
    context: CommandContext = ctx.obj
    with context.workspace as workspace:
        path = workspace.report(
            out, campaign=campaign or None, as_of=as_of.date() if as_of else None, poc=poc, question=question
        )
    typer.echo(path)
    if open_it:
        import webbrowser

        if not webbrowser.open(path.resolve().as_uri()):
            note("no browser could be started: open the file yourself")
    else:
        note("one file with the images in it: open it in a browser (--open does), or send it")
