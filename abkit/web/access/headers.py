"""Headers of every answer, the names under which the page is reached, and the prefix that a proxy puts before it."""

from __future__ import annotations

from collections.abc import Collection
from typing import Final

from starlette.types import ASGIApp, Message, Receive, Scope, Send

#: Nothing but our own scripts, styles and images; nothing inline, no frame, no form to elsewhere.
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
    "font-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
_ALWAYS: Final = {
    b"content-security-policy": POLICY.encode(),
    b"x-content-type-options": b"nosniff",
    b"x-frame-options": b"DENY",
    b"referrer-policy": b"same-origin",
    b"cross-origin-opener-policy": b"same-origin",
    b"cross-origin-resource-policy": b"same-origin",
    b"permissions-policy": b"camera=(), microphone=(), geolocation=()",
}
#: The same as text, for an answer that is made outside of all else.
ALWAYS: Final = {name.decode(): value.decode() for name, value in _ALWAYS.items()} | {"cache-control": "no-store"}


class Headers:
    """Add what every answer says; what nobody else may keep is not kept."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on."""

        async def with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                there = {name.lower() for name, _ in message.get("headers", [])}
                added = [(name, value) for name, value in _ALWAYS.items() if name not in there]
                if b"cache-control" not in there:
                    added.append((b"cache-control", b"no-store"))
                message = {**message, "headers": [*message.get("headers", []), *added]}
            await send(message)

        await self._app(scope, receive, with_headers if scope["type"] == "http" else send)


class Head:
    """Answer HEAD as GET would be answered, without the body: to look whether something changed costs no more."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on."""
        if scope["type"] == "http" and scope["method"] == "HEAD":
            scope = {**scope, "method": "GET"}  # the server, which knows what was asked, sends no body
        await self._app(scope, receive, send)


class KnownHost:
    """Refuse a name that is not ours: a page elsewhere could let its own name point to this machine.

    Args:
        app: What is protected.
        names: The names without ports; any where there are none.
    """

    def __init__(self, app: ASGIApp, names: Collection[str]) -> None:
        self._app = app
        self._names = frozenset(name.lower() for name in names)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, or answer 421."""
        if scope["type"] == "http" and self._names:
            hosts = [value.decode("latin-1") for name, value in scope["headers"] if name.lower() == b"host"]
            if len(hosts) != 1 or host_name(hosts[0]) not in self._names:
                headers = [(b"content-type", b"text/plain; charset=utf-8")]
                await send({"type": "http.response.start", "status": 421, "headers": headers})
                await send({"type": "http.response.body", "body": b"this name is not served here: see [web] hosts\n"})
                return
        await self._app(scope, receive, send)


class Prefix:
    """Find the path below the prefix, whether the proxy takes the prefix off or not."""

    def __init__(self, app: ASGIApp, prefix: str) -> None:
        self._app = app
        self._prefix = prefix

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on."""
        if scope["type"] == "http" and self._prefix:
            path: str = scope["path"]
            if path == self._prefix:
                path += "/"
            elif not path.startswith(self._prefix + "/"):
                path = self._prefix + path
            scope = {**scope, "root_path": self._prefix, "path": path, "raw_path": path.encode()}
        await self._app(scope, receive, send)


def host_name(host: str) -> str:
    """Return the name in a Host header or an origin, without its port.

    >>> host_name("[::1]:8715"), host_name("Ads.example.com:443")
    ('[::1]', 'ads.example.com')
    """
    host = host.lower()
    return host[: host.index("]") + 1] if host.startswith("[") and "]" in host else host.partition(":")[0]
