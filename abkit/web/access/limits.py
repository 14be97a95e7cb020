"""Limits: how often somebody may ask, how much they may send, and how long they may take."""

from __future__ import annotations

import asyncio
import threading
import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from types import TracebackType

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


class Known:
    """Who has signed in from which address since the server started: wrong passwords elsewhere do not slow them."""

    def __init__(self) -> None:
        self._pairs: OrderedDict[tuple[str, str], None] = OrderedDict()
        self._lock = threading.Lock()

    def note(self, name: str, address: str) -> None:
        """Remember that somebody has signed in from an address; the oldest of too many are forgotten."""
        with self._lock:
            self._pairs[name, address] = None
            self._pairs.move_to_end((name, address))
            while len(self._pairs) > _KEYS:
                self._pairs.popitem(last=False)

    def has(self, name: str, address: str) -> bool:
        """Return whether they have."""
        with self._lock:
            return (name, address) in self._pairs


class Turns:
    """So many do something at once, and so many wait for it: a crowd must not take all threads of the server.

    Use it in a `with`; those who come when all places are taken are told to come again (503).

    Args:
        at_once: How many do it at once.
        waiting: How many more may wait.
    """

    def __init__(self, at_once: int, waiting: int) -> None:
        self._doing = threading.BoundedSemaphore(at_once)
        self._places = threading.BoundedSemaphore(at_once + waiting)

    def __enter__(self) -> None:
        if not self._places.acquire(blocking=False):
            raise HTTPException(503, "many ask for this at once: try again in some seconds", {"Retry-After": "3"})
        self._doing.acquire()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._doing.release()
        self._places.release()


class TooMuch(HTTPException):
    """The body of a request is too large (413), or comes too slowly (408)."""


class BodyLimit:
    """Refuse bodies that are too large or too slow, whatever their header says, before they fill memory or disk.

    Args:
        app: What is protected.
        most: Returns how many bytes the body of a request may have. It is asked before anything is read: a framework
            reads a form before it asks who sent it.
    """

    def __init__(self, app: ASGIApp, most: Callable[[Scope], Awaitable[int]]) -> None:
        self._app = app
        self._most = most

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, counting what arrives."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers = {name.lower(): value for name, value in scope["headers"]}
        if _has_odd_letters(headers.get(b"content-type", b"")):
            await _refuse(send, 415)
            return
        most = FORM_BYTES if scope["method"] in ("GET", "HEAD") else await self._most(scope)
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


def _has_odd_letters(kind: bytes) -> bool:
    """Whether a form wants to be read by a codec of its choice: some take very long, some make what is no text."""
    kind = kind.lower().replace(b'"', b"").replace(b"charset=utf-8", b"")
    return kind.startswith(b"multipart/") and b"charset" in kind


_SAID = {
    408: b"the request took too long\n",
    413: b"this is too large: go back and send fewer or smaller files at once\n",
    415: b"forms are read as UTF-8 alone\n",
}


async def _refuse(send: Send, status: int) -> None:
    said = _SAID[status]
    headers = [(b"content-type", b"text/plain; charset=utf-8"), (b"connection", b"close")]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": said})
