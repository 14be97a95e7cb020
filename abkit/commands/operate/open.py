"""`abkit open`: the page for the team, on a free port of this machine, in the browser."""

from __future__ import annotations

import typer

from abkit.commands.operate.serve import serve_page

app = typer.Typer()


@app.command("open")
def open_page(ctx: typer.Context) -> None:
    """Serve the page on a free port of this machine and open it in the browser, until Ctrl-C."""
    serve_page(ctx.obj, host="127.0.0.1", port=0, browser=True)
