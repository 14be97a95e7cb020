"""Fetch one file by HTTP: bounded, and without following anybody to another host."""

from __future__ import annotations

import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import IO, Any, cast
from urllib.parse import urlsplit

from abkit.errors import AbkitError
from abkit.intake.remote.address import Address
from abkit.intake.remote.answers import opener

_CHUNK = 1 << 18
_SILENCE_S = 30


class _Unread:
    """An answer whose body nobody reads: that of a redirect may never end."""

    def __init__(self, answer: Any) -> None:
        self._answer = answer

    def read(self, *_: int) -> bytes:
        return b""

    def __getattr__(self, name: str) -> Any:
        return getattr(self._answer, name)


class Redirects(urllib.request.HTTPRedirectHandler):
    """Follow redirects as usual, but leave what stands beside the new address unread."""

    def http_error_302(self, req: urllib.request.Request, fp: IO[bytes], code: int, msg: str, headers: Any) -> Any:
        """Answer with what the new address answers."""
        return super().http_error_302(req, cast("IO[bytes]", _Unread(fp)), code, msg, headers)

    http_error_301 = http_error_303 = http_error_307 = http_error_308 = http_error_302


class SameHost(Redirects):
    """Follow a redirect to the same host only: the request may hold credentials."""

    def redirect_request(
        self, request: urllib.request.Request, file: IO[bytes], code: int, text: str, headers: Any, url: str
    ) -> urllib.request.Request | None:
        """Return the request that follows, or refuse.

        Raises:
            AbkitError: Another host, port or scheme is meant.
        """
        before, after = urlsplit(request.full_url), urlsplit(url)
        if (before.scheme, before.netloc) != (after.scheme, after.netloc):
            raise AbkitError(
                f"it redirects to another host ({after.scheme}://{after.hostname})",
                hint="name the address that it leads to",
            )
        return super().redirect_request(request, file, code, text, headers, url)


def require_whole(status: int) -> None:
    """Refuse an answer of success that is not the whole file: one that is still made, or a part of it.

    Raises:
        AbkitError: The status is another one than 200 and 203.
    """
    if status not in (200, 203):
        why = {202: "the file is not ready", 206: "that is a part of the file"}.get(status, "there is no file")
        raise AbkitError(f"the host answered with status {status}: {why}", hint="try again later")


def fetch_web(address: Address, path: Path, take: Callable[[int], None]) -> None:
    """Fetch an address into a file.

    Args:
        address: Where it lies.
        path: The file that is written.
        take: Told the number of bytes before they are written; raises to end it.

    Raises:
        AbkitError: It answers with an error, a web page, or too little, or redirects elsewhere.
        OSError: It cannot be reached.
    """
    request = urllib.request.Request(address.full, headers={"User-Agent": "abkit"})  # noqa: S310  # https, or loopback
    try:
        with opener(SameHost).open(request, timeout=_SILENCE_S) as answer, path.open("wb") as out:
            require_whole(answer.status)
            if answer.headers.get_content_type() == "text/html":
                raise AbkitError(
                    "the answer is a web page, no file", hint="a login may be in between: use the address of the file"
                )
            size = 0
            while chunk := answer.read1(_CHUNK):
                take(len(chunk))
                out.write(chunk)
                size += len(chunk)
            announced = answer.headers.get("Content-Length", "")
            if announced.isdigit() and size < int(announced):
                raise AbkitError("the answer ended too early", hint="try again")
    except urllib.error.HTTPError as error:
        code = error.code
        error.close()
        hint = "check the address; a presigned one expires" if code in (400, 401, 403, 404, 410) else "try again later"
        raise AbkitError(f"the host answered with status {code}", hint=hint) from None
