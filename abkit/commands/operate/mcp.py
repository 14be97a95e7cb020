"""`abkit mcp`: what abkit knows, as tools for language models."""

from __future__ import annotations

from typing import Annotated

import typer

from abkit.commands.context import CommandContext
from abkit.commands.output import note

app = typer.Typer()


@app.command("mcp")
def mcp(
    ctx: typer.Context,
    write: Annotated[
        bool,
        typer.Option("--write", help="Also serve tools that record judgments, propose variants and ask for analyses."),
    ] = False,
    http: Annotated[bool, typer.Option("--http", help="Serve HTTP at /mcp, not standard input and output.")] = False,
    host: Annotated[
        str,
        typer.Option("--host", help="Where to listen; from other machines a token is needed."),
    ] = "127.0.0.1",
    port: Annotated[int, typer.Option("--port", min=0, max=65535, help="Port; 0 takes a free one.")] = 8716,
) -> None:
    """Serve tools of the Model Context Protocol, read-only by default: rank, explain, drift, tests, what to label."""
    from abkit.errors import UsageError

    try:
        from abkit.mcp import server
    except ModuleNotFoundError as error:
        raise UsageError("this needs an extra that is not installed", hint="pip install 'abkit[mcp]'") from error
    context: CommandContext = ctx.obj
    with context.workspace as workspace:
        _ = workspace.store  # a store that is missing or old is said here, in one sentence
        if not http:
            server.make_server(workspace, write=write).run("stdio")
            return
        import socket

        import uvicorn

        web = workspace.settings.web
        made = server.http_app(workspace, host=host, hosts=web.hosts, token=not web.is_local(host), write=write)
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        with socket.socket(family) as listening:
            listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                listening.bind((host, port))
            except OSError as error:
                raise UsageError(
                    f"it cannot listen on {host}:{port}: {(error.strerror or str(error)).lower()}",
                    hint="choose another port with --port (0 takes a free one)",
                ) from error
            shown = f"[{host}]" if ":" in host else host
            typer.echo(f"http://{shown}:{listening.getsockname()[1]}/mcp")
            note("Press Ctrl-C to stop.")
            config = uvicorn.Config(made, log_level="warning", access_log=False, ws="none", proxy_headers=False)
            uvicorn.Server(config).run(sockets=[listening])
