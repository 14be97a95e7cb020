"""Serve the application: a listening socket, uvicorn, and what it does when it is told to stop."""

from __future__ import annotations

import asyncio
import socket
import sys
from collections.abc import Callable
from typing import Any

from abkit.config import Settings
from abkit.errors import UsageError

#: Seconds that a connection may wait idle, and that open requests have to end after SIGTERM.
IDLE_SECONDS = 15
STOP_SECONDS = 10
#: Connections at a time; one more is answered 503.
CONNECTIONS = 200
#: A thread that has its answer from the store waits about so long for one that computes; Python's own 5 ms add up over
#: the twenty answers that a page waits for.
SWITCH_SECONDS = 0.0005
#: Seconds that the head of a request may take.
HEAD_SECONDS = 10.0


def serve(settings: Settings, *, host: str, port: int, started: Callable[[str], None]) -> None:
    """Serve the page until the process is told to stop.

    Args:
        settings: The configuration.
        host: Where to listen.
        port: The port; 0 takes a free one.
        started: Called with the address once it listens.

    Raises:
        UsageError: The port cannot be had, or it would be open to others and nobody can sign in.
    """
    import uvicorn

    from abkit.web.access.guard import require_people
    from abkit.web.app import create_app

    local = settings.web.is_local(host)
    if not local:
        require_people(settings)
    listening = _listen(host, port)
    shown = f"[{host}]" if ":" in host else host
    address = f"http://{shown}:{listening.getsockname()[1]}{settings.web.prefix}/"
    config = configured(create_app(settings, local=local))
    sys.setswitchinterval(SWITCH_SECONDS)
    with listening:
        started(address)
        uvicorn.Server(config).run(sockets=[listening])


def configured(app: Any) -> Any:
    """Return how uvicorn serves an application.

    Args:
        app: The application, or what measures it.
    """
    import uvicorn

    return uvicorn.Config(
        app,
        root_path="",
        log_level="warning",
        access_log=False,
        proxy_headers=False,
        server_header=False,
        timeout_keep_alive=IDLE_SECONDS,
        timeout_graceful_shutdown=STOP_SECONDS,
        limit_concurrency=CONNECTIONS,
        h11_max_incomplete_event_size=32 * 1024,
        ws="none",
        http=patient_protocol(),
    )


def _listen(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listening = socket.socket(family)
    try:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind((host, port))
        listening.listen(128)
    except OSError as error:
        listening.close()
        raise UsageError(
            f"the page cannot listen on {host}:{port}: {(error.strerror or str(error)).lower()}",
            hint="stop what listens there, or choose another port with --port (0 takes a free one)",
        ) from error
    return listening


def patient_protocol(seconds: float = HEAD_SECONDS) -> type[asyncio.Protocol]:
    """Return uvicorn's protocol with a limit on how long the head of a request may take.

    A connection that sends no request, or sends one letter by letter, is closed: uvicorn alone would wait for ever.

    Args:
        seconds: The limit, of a new connection and of each request that begins.
    """
    import h11
    from uvicorn.protocols.http.h11_impl import H11Protocol

    class PatientProtocol(H11Protocol):
        _deadline: asyncio.TimerHandle | None = None

        def connection_made(self, transport: Any) -> None:
            super().connection_made(transport)
            self._deadline = self.loop.call_later(seconds, self.transport.close)

        def data_received(self, data: bytes) -> None:
            super().data_received(data)
            begun = self.conn.their_state is h11.IDLE and bool(self.conn.trailing_data[0])
            if not begun:
                self._forget()
            elif self._deadline is None:
                self._deadline = self.loop.call_later(seconds, self.transport.close)

        def connection_lost(self, exc: Exception | None) -> None:
            self._forget()
            super().connection_lost(exc)

        def _forget(self) -> None:
            if self._deadline is not None:
                self._deadline.cancel()
                self._deadline = None

    return PatientProtocol
