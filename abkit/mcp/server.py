"""The server: its tools, and how it is reached: by standard input, or by HTTP on this machine or with a token."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from mcp.server.mcpserver import MCPServer
from mcp.server.transport_security import TransportSecuritySettings
from mcp_types import ToolAnnotations
from starlette.concurrency import run_in_threadpool
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from abkit.mcp.answers import in_sentences
from abkit.mcp.changes import ChangeTools
from abkit.mcp.creatives import CreativeTools
from abkit.mcp.findings import FindingTools
from abkit.mcp.tokens import holder, may
from abkit.version import __version__
from abkit.vocabulary import Permission
from abkit.workspace import Workspace

_READS = ToolAnnotations(read_only_hint=True, destructive_hint=False, idempotent_hint=True, open_world_hint=False)
_ABOUT = (
    "abkit scores ad creatives, holds the scores against clicks and conversions, watches for drift and analyzes A/B "
    "tests. {changes} Give every figure with its interval and n, as the tools do, and say so where there "
    "is not enough data. A score predicts opinion; call score_and_kpi before you promise clicks."
)
_ONLY_READS = "Every tool only reads."
_SOME_CHANGE = "Call a tool that changes something only for a person who asked for it, and say what you have changed."
_CHANGES = ToolAnnotations(read_only_hint=False, destructive_hint=False, idempotent_hint=False, open_world_hint=False)
_MOST_BODY = 1_000_000


def make_server(workspace: Workspace, *, write: bool = False, token: bool = False) -> MCPServer[Any]:
    """Return the server of a workspace.

    Args:
        workspace: The workspace.
        write: Whether it has the tools that change something, too.
        token: Whether every request has a token, which says who asks.
    """
    about = _ABOUT.format(changes=_SOME_CHANGE if write else _ONLY_READS)
    server: MCPServer[Any] = MCPServer(
        "abkit", title="abkit", version=__version__, instructions=about, log_level="ERROR"
    )
    for tool in (*CreativeTools(workspace).tools(), *FindingTools(workspace).tools()):
        server.add_tool(in_sentences(tool), annotations=_READS, structured_output=False)
    for tool in ChangeTools(workspace, token=token).tools() if write else ():
        server.add_tool(in_sentences(tool), annotations=_CHANGES, structured_output=False)
    return server


def http_app(workspace: Workspace, *, host: str, hosts: tuple[str, ...], token: bool, write: bool = False) -> ASGIApp:
    """Return the server as an application; it answers at /mcp.

    Args:
        workspace: The workspace.
        host: Where it listens.
        hosts: Names under which it may be reached; another Host is refused, so that no web page can use it.
        token: Whether every request needs a token that may view.
        write: Whether it has the tools that change something, too.
    """
    ends = ("", ":*")
    names = [*hosts, "127.0.0.1", "localhost", "[::1]", f"[{host}]" if ":" in host else host]
    security = TransportSecuritySettings(
        allowed_hosts=[f"{one}{end}" for one in names for end in ends],
        allowed_origins=[f"{scheme}://{one}{end}" for one in names for scheme in ("http", "https") for end in ends],
    )
    app: ASGIApp = make_server(workspace, write=write, token=token).streamable_http_app(
        stateless_http=True, json_response=True, max_request_body_size=_MOST_BODY, transport_security=security
    )
    return _WithToken(app, workspace) if token else app


class _WithToken:
    """Ask every request for a token of somebody who may view."""

    def __init__(self, app: ASGIApp, workspace: Workspace) -> None:
        self.app, self.workspace = app, workspace

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or await run_in_threadpool(self._may, scope):
            await self.app(scope, receive, send)
            return
        problem = {"type": "about:blank", "title": "this needs a token that may view", "status": 401}
        headers = {"WWW-Authenticate": "Bearer"}
        answer: Callable[[Scope, Receive, Send], Awaitable[None]] = JSONResponse(
            problem, 401, headers, media_type="application/problem+json"
        )
        await answer(scope, receive, send)

    def _may(self, scope: Scope) -> bool:
        headers = {name.lower(): value for name, value in scope["headers"]}
        known = holder(self.workspace.store, headers.get(b"authorization", b"").decode("latin-1"))
        return known is not None and may(known, Permission.VIEW)
