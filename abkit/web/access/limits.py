"""Limits: how often somebody may ask, how much they may send, and how long they may take."""

from __future__ import annotations

import asyncio
import threading
import time
from collections import OrderedDict
from dataclasses import dataclass

from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

#: A request has to have arrived within this time, and longer by a second for each of so many bytes.
BODY_SECONDS = 30
BYTES_PER_SECOND = 64 * 1024
#: Forms that carry no file are small.
FORM_BYTES = 256 * 1024
_KEYS = 10_000


@dataclass
class _Bucket:
    left: float
    at: float


class RateLimit:
    """A bucket of requests for each key, which fills up again evenly over a minute.

    Args:
        per_minute: Requests in a minute; as many may come at once.

    >>> limit = RateLimit(2)
    >>> [limit.wait("ada", now=0.0) for _ in range(3)]
    [0.0, 0.0, 30.0]
    """

    def __init__(self, per_minute: float) -> None:
        self._size = float(per_minute)
        self._rate = per_minute / 60
        self._buckets: OrderedDict[str, _Bucket] = OrderedDict()
        self._lock = threading.Lock()

    def wait(self, key: str, *, now: float | None = None) -> float:
        """Take one request out; return 0, or the seconds until there is one again.

        Args:
            key: Who asks.
            now: The time in seconds, by default that of a clock that never goes back.
        """
        now = time.monotonic() if now is None else now
        with self._lock:
            bucket = self._buckets.pop(key, None) or _Bucket(self._size, now)
            bucket.left = min(self._size, bucket.left + (now - bucket.at) * self._rate)
            bucket.at = now
            self._buckets[key] = bucket
            while len(self._buckets) > _KEYS:
                self._buckets.popitem(last=False)
            if bucket.left < 1:
                return (1 - bucket.left) / self._rate
            bucket.left -= 1
            return 0.0


class TooMuch(HTTPException):
    """The body of a request is too large (413), or comes too slowly (408)."""


class BodyLimit:
    """Refuse bodies that are too large or too slow, whatever their header says, before they fill memory or disk.

    Args:
        app: What is protected.
        max_bytes: The most that a request with files may have; others have far less.
    """

    def __init__(self, app: ASGIApp, max_bytes: int) -> None:
        self._app = app
        self._max_bytes = max_bytes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, counting what arrives."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers = {name.lower(): value for name, value in scope["headers"]}
        small = headers.get(b"content-type", b"").startswith(b"application/x-www-form-urlencoded")
        most = min(self._max_bytes, FORM_BYTES) if small else self._max_bytes
        said = headers.get(b"content-length", b"")
        if said.isdigit() and int(said[:20]) > most:
            await _refuse(send, 413)
            return
        started, got, answered = time.monotonic(), 0, False

        async def counted() -> Message:
            nonlocal got
            left = started + BODY_SECONDS + got / BYTES_PER_SECOND - time.monotonic()
            try:
                message = await asyncio.wait_for(receive(), None if answered or done else max(left, 0.001))
            except TimeoutError:
                raise TooMuch(408) from None
            if message["type"] == "http.request":
                got += len(message.get("body", b""))
                if got > most:
                    raise TooMuch(413)
                finished(message)
            return message

        done = False

        def finished(message: Message) -> None:
            nonlocal done
            done = not message.get("more_body", False)

        async def watched(message: Message) -> None:
            nonlocal answered
            answered = True
            await send(message)

        try:
            await self._app(scope, counted, watched)
        except TooMuch as error:
            if not answered:
                await _refuse(send, error.status_code)


async def _refuse(send: Send, status: int) -> None:
    said = b"this is too large\n" if status == 413 else b"the request took too long\n"
    headers = [(b"content-type", b"text/plain; charset=utf-8"), (b"connection", b"close")]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": said})
