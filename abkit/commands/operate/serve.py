"""`abkit serve`: the page for the team."""

from __future__ import annotations

from typing import Annotated

import typer

from abkit.commands.context import CommandContext
from abkit.commands.output import note

app = typer.Typer()

HostOption = Annotated[str | None, typer.Option("--host", help="Where to listen; that of `[web]` by default.")]
PortOption = Annotated[
    int | None, typer.Option("--port", min=0, max=65535, help="Port; 0 takes a free one; that of `[web]` by default.")
]


@app.command("serve")
def serve(ctx: typer.Context, host: HostOption = None, port: PortOption = None) -> None:
    """Serve the page for the team, until Ctrl-C."""
    serve_page(ctx.obj, host=host, port=port, browser=False)


def serve_page(context: CommandContext, *, host: str | None, port: int | None, browser: bool) -> None:
    """Serve the page; open it in the browser of this machine where that is asked for."""
    try:
        from abkit.web.server import serve as run
    except ModuleNotFoundError as error:
        from abkit.errors import UsageError

        raise UsageError("the page needs an extra that is not installed", hint="pip install 'abkit[web]'") from error

    settings = context.settings
    with context.store():
        pass  # a store that is missing or old is said here, in one sentence

    def started(address: str) -> None:
        typer.echo(address)
        note("Press Ctrl-C to stop.")
        if browser:
            import webbrowser

            webbrowser.open(address)

    run(
        settings,
        host=settings.web.host if host is None else host,
        port=settings.web.port if port is None else port,
        started=started,
    )
