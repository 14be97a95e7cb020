"""Fetch a large public file by HTTPS: resumed where it was cut off, bounded, and never half there."""

from __future__ import annotations

import os
import shutil
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import IO, Any
from urllib.parse import urlsplit

from abkit.errors import AbkitError
from abkit.intake.remote.address import is_loopback

#: Larger than any image encoder that a processor could run.
MAX_BYTES = 20_000_000_000
_CHUNK = 1 << 20
_SILENCE_S = 60
_TRIES = 5


class _Encrypted(urllib.request.HTTPRedirectHandler):
    """Follow redirects, to other hosts too, for no credentials are sent; but never from HTTPS to HTTP."""

    def redirect_request(
        self, request: urllib.request.Request, file: IO[bytes], code: int, text: str, headers: Any, url: str
    ) -> urllib.request.Request | None:
        """Return the request that follows, or refuse."""
        _refuse_open(url)
        return super().redirect_request(request, file, code, text, headers, url)


def size_of(url: str) -> int:
    """Ask a host for the size of a file, in bytes.

    Raises:
        AbkitError: It has no such file, does not say its size, cannot be reached, or the file is too large.
    """
    with _open(url, "HEAD") as answer:
        announced = answer.headers.get("Content-Length", "")
    if not announced.isdigit():
        raise AbkitError(f"the host of {url} does not say how large it is", hint="fetch it by hand, and name the file")
    if int(announced) > MAX_BYTES:
        raise AbkitError(
            f"{url} has {int(announced):,} bytes; at most {MAX_BYTES:,} are fetched", hint="name another encoder"
        )
    return int(announced)


def fetch(url: str, path: Path, size: int, *, progress: Callable[[int, int], None]) -> None:
    """Fetch a file. What was cut off stays beside it as `.part`, and the next call goes on from there.

    Args:
        url: Its address, https, or http on this machine.
        path: The file to write; its folder is created.
        size: Bytes that the host has announced.
        progress: Called with the bytes that are there, and all of them.

    Raises:
        AbkitError: The host cannot be reached or gives something else, or there is no room for the file.
    """
    part = path.with_name(f"{path.name}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        done = part.stat().st_size if part.exists() else 0
        if done > size:
            part.unlink()
            done = 0
        if (free := shutil.disk_usage(path.parent).free) < size - done:
            raise AbkitError(
                f"{path.parent} has {free / 1e6:,.0f} MB left, and {(size - done) / 1e6:,.0f} are needed",
                hint="make room, or name another folder with ABKIT_ENCODERS",
            )
        tries = 0
        while done < size:
            before = done
            done = _go_on(url, part, done, size, progress)
            tries = tries + 1 if done <= before else 0
            if tries == _TRIES:
                raise AbkitError(
                    f"{url} ends after {done:,} of {size:,} bytes", hint="try again: it goes on from there"
                )
        os.replace(part, path)
    except OSError as error:
        raise AbkitError(
            f"{path} cannot be written: {error.strerror or error}", hint="make room, and try again"
        ) from error


def _go_on(url: str, part: Path, done: int, size: int, progress: Callable[[int, int], None]) -> int:
    with _open(url, "GET", done) as answer:
        again = answer.status == 206
        if not again:
            done = 0  # the host gives all of it, whatever was asked for
        with part.open("ab" if again else "wb") as out:
            while True:
                try:
                    chunk = answer.read1(_CHUNK)
                except (TimeoutError, ConnectionError):
                    return done
                if not chunk:
                    return done
                done += len(chunk)
                if done > size:
                    raise AbkitError(f"{url} gives more bytes than it announced", hint="tell its owner")
                out.write(chunk)
                progress(done, size)


def _open(url: str, method: str, start: int = 0) -> Any:
    _refuse_open(url)
    headers = {"User-Agent": "abkit", **({"Range": f"bytes={start}-"} if start else {})}
    request = urllib.request.Request(url, headers=headers, method=method)  # noqa: S310  # https, or loopback
    try:
        return urllib.request.build_opener(_Encrypted).open(request, timeout=_SILENCE_S)
    except urllib.error.HTTPError as error:
        code = error.code
        error.close()
        hint = "its owner may ask for a login, or has moved it" if code in (401, 403, 404, 410) else "try again later"
        raise AbkitError(f"{url} answers with status {code}", hint=hint) from None
    except (urllib.error.URLError, OSError) as error:
        raise AbkitError(
            f"{urlsplit(url).hostname} cannot be reached: {getattr(error, 'reason', error)}",
            hint="pull on a machine with network, and copy the folder that `abkit encoder list` names",
        ) from error


def _refuse_open(url: str) -> None:
    parts = urlsplit(url)
    if parts.scheme != "https" and not (parts.scheme == "http" and is_loopback(parts.hostname or "")):
        raise AbkitError(f"{url} is not fetched: only https is", hint="tell its owner")
