"""A connection that sends no request, or sends one letter by letter, is closed: uvicorn alone would wait for ever."""

from __future__ import annotations

import asyncio
from typing import Any

#: Seconds that the head of a request may take.
HEAD_SECONDS = 10.0


def patient_protocol(seconds: float = HEAD_SECONDS) -> type[asyncio.Protocol]:
    """Return uvicorn's protocol with a limit on how long the head of a request may take.

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
