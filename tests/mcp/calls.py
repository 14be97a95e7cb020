"""Call a tool of a server in this process, and read its answer."""

import asyncio
from typing import Any

from mcp.client.client import Client

from abkit import Workspace
from abkit.mcp.server import make_server


def call(workspace: Workspace, tool: str, *, write: bool = False, **arguments: Any) -> Any:
    """Return the answer of a tool."""

    async def ask() -> Any:
        async with Client(make_server(workspace, write=write)) as client:
            return await client.call_tool(tool, arguments)

    return asyncio.run(ask())


def said(result: Any) -> str:
    """Return what an answer says."""
    return "\n".join(part.text for part in result.content if part.type == "text")
