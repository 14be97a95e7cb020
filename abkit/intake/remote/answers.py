"""Answers of web servers whose head ends: in so many seconds and bytes, whatever the server says before its answer.

The library waits anew after each byte, and reads "100 Continue", or what follows the last part of a body, for ever.
"""

from __future__ import annotations

import http.client
import time
import urllib.request
from typing import Any

HEAD_SECONDS = 60.0
HEAD_BYTES = 1 << 20


class _Lines:
    """The stream of an answer: lines, which are all but the body, have an end."""

    def __init__(self, stream: Any) -> None:
        self._stream = stream
        self._rest()

    def _rest(self) -> None:
        self._left, self._end = HEAD_BYTES, time.monotonic() + HEAD_SECONDS

    def readline(self, limit: int = -1) -> bytes:
        """Read a line, or as much of it as the limit allows.

        Raises:
            TimeoutError: The server takes too long for it.
            http.client.HTTPException: There are too many lines.
        """
        line = bytearray()
        while not line.endswith(b"\n") and (limit < 0 or len(line) < limit):
            if time.monotonic() > self._end:
                raise TimeoutError
            if self._left <= 0:
                raise http.client.HTTPException("the head of the answer does not end")
            # One read at most: what comes byte by byte is looked at byte by byte.
            here = self._stream.peek(1)
            if not here:
                break
            until = here.find(b"\n") + 1 or len(here)
            part = self._stream.read(min(until, limit - len(line)) if limit >= 0 else until)
            self._left -= len(part)
            line += part
        return bytes(line)

    def read(self, *size: int) -> bytes:
        """Read some of the body."""
        self._rest()
        part: bytes = self._stream.read(*size)
        return part

    def __getattr__(self, name: str) -> Any:
        if name.startswith("read"):
            self._rest()
        return getattr(self._stream, name)


class Answer(http.client.HTTPResponse):
    """An answer whose head ends."""

    def __init__(self, *arguments: Any, **named: Any) -> None:
        super().__init__(*arguments, **named)
        self.fp: Any = _Lines(self.fp)


class _Plain(http.client.HTTPConnection):
    response_class = Answer


class _Secure(http.client.HTTPSConnection):
    response_class = Answer


class _Http(urllib.request.HTTPHandler):
    def http_open(self, request: urllib.request.Request) -> http.client.HTTPResponse:
        return self.do_open(_Plain, request)


class _Https(urllib.request.HTTPSHandler):
    def https_open(self, request: urllib.request.Request) -> http.client.HTTPResponse:
        return self.do_open(_Secure, request)


def opener(*handlers: Any) -> urllib.request.OpenerDirector:
    """Return what opens addresses, as `urllib.request.build_opener` does; its answers have heads that end."""
    return urllib.request.build_opener(_Http, _Https, *handlers)
