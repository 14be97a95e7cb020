"""Fetch a large public file by HTTPS: resumed where it was cut off, bounded, and never half there."""

from __future__ import annotations

import http.client
import os
import re
import shutil
import urllib.error
import urllib.request
from collections.abc import Callable
from email.message import Message
from pathlib import Path
from typing import IO, Any
from urllib.parse import urlsplit

from abkit.addresses import is_loopback
from abkit.errors import AbkitError
from abkit.intake.remote.answers import opener
from abkit.intake.remote.web import Redirects

#: Larger than any image encoder that a processor could run.
MAX_BYTES = 20_000_000_000
_CHUNK = 1 << 20
_SILENCE_S = 60
_TRIES = 5
_LONGEST_VERSION = 1000


class _Encrypted(Redirects):
    """Follow redirects, to other hosts too, for no credentials are sent; but never from HTTPS to HTTP."""

    def redirect_request(
        self, request: urllib.request.Request, file: IO[bytes], code: int, text: str, headers: Any, url: str
    ) -> urllib.request.Request | None:
        """Return the request that follows, or refuse."""
        _refuse_open(url, after=request.full_url)
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

    It goes on only where the host says that its file is still the one that was begun, and begins again otherwise.

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
        if done >= size or not _version(part):  # of another file, or of one that is not known
            part.unlink(missing_ok=True)
            done = 0
        if (free := shutil.disk_usage(path.parent).free) < size - done:
            raise AbkitError(
                f"{path.parent} has {free / 1e6:,.0f} MB left, and {(size - done) / 1e6:,.0f} are needed",
                hint="make room, or name another folder with ABKIT_ENCODERS",
            )
        tries, farthest = 0, done
        while done < size:
            done = _go_on(url, part, done, size, progress)
            tries = tries + 1 if done <= farthest else 0
            farthest = max(farthest, done)
            if tries == _TRIES:
                raise AbkitError(
                    f"{url} ends after {done:,} of {size:,} bytes",
                    hint=f"try again: it {'goes on from there' if _version(part) else 'begins again'}",
                )
        os.replace(part, path)
        _version_file(part).unlink(missing_ok=True)
    except OSError as error:
        raise AbkitError(
            f"{path} cannot be written: {error.strerror or error}", hint="make room, and try again"
        ) from error


def _go_on(url: str, part: Path, done: int, size: int, progress: Callable[[int, int], None]) -> int:
    begun = _version(part) if done else ""
    with _open(url, "GET", done if begun else 0, begun) as answer:
        again = answer.status == 206
        if again and not (begun and _continues(answer.headers, done, size, begun)):
            part.unlink(missing_ok=True)
            return 0
        if not again:
            done = 0  # the host gives all of it: its file has changed, or it gives no parts
        with part.open("ab" if again else "wb") as out:
            if not again:
                _version_file(part).write_text(_version_in(answer.headers), encoding="ascii")
            while True:
                try:
                    chunk = answer.read1(_CHUNK)
                except (TimeoutError, ConnectionError, http.client.HTTPException):
                    return done
                if not chunk:
                    return done
                done += len(chunk)
                if done > size:
                    raise AbkitError(f"{url} gives more bytes than it announced", hint="tell its owner")
                out.write(chunk)
                progress(done, size)


def _continues(headers: Message, start: int, size: int, begun: str) -> bool:
    """Return whether an answer is the rest of the file that was begun: some hosts heed no If-Range."""
    asked = re.fullmatch(rf"bytes {start}-[0-9]+/({size}|\*)", headers.get("Content-Range", "").strip())
    return asked is not None and _version_in(headers) in ("", begun)


def _version_in(headers: Message) -> str:
    """Return what tells one upload from the next: a strong ETag, or the date of change; "" without either."""
    tag = headers.get("ETag", "").strip()
    found = tag if tag.startswith('"') else headers.get("Last-Modified", "").strip()
    return found if len(found) <= _LONGEST_VERSION and found.isascii() and found.isprintable() else ""


def _version_file(part: Path) -> Path:
    return part.with_name(f"{part.name}.version")


def _version(part: Path) -> str:
    """Return which upload a part is of; "" where that is not known."""
    try:
        with _version_file(part).open(encoding="ascii") as file:
            found = file.read(_LONGEST_VERSION)
    except (OSError, ValueError):
        return ""
    return found if found.isprintable() else ""


def _open(url: str, method: str, start: int = 0, begun: str = "") -> Any:
    _refuse_open(url)
    headers = {"User-Agent": "abkit", **({"Range": f"bytes={start}-", "If-Range": begun} if start else {})}
    request = urllib.request.Request(url, headers=headers, method=method)  # noqa: S310  # https, or loopback
    try:
        return opener(_Encrypted).open(request, timeout=_SILENCE_S)
    except urllib.error.HTTPError as error:
        code = error.code
        error.close()
        hint = "its owner may ask for a login, or has moved it" if code in (401, 403, 404, 410) else "try again later"
        raise AbkitError(f"{url} answers with status {code}", hint=hint) from None
    except (OSError, http.client.HTTPException) as error:
        reason = getattr(error, "reason", error)
        # What the library cites of an answer that is none is the server's.
        why = type(reason).__name__ if isinstance(reason, http.client.HTTPException) else str(reason)
        raise AbkitError(
            f"{urlsplit(url).hostname} cannot be reached: {why}",
            hint="pull on a machine with network, and copy the folder that `abkit encoder list` names",
        ) from error


def _refuse_open(url: str, after: str = "") -> None:
    """Refuse what is neither https nor http on this machine; the latter too where https has led there."""
    parts = urlsplit(url)
    here = parts.scheme == "http" and is_loopback(parts.hostname or "")
    if parts.scheme != "https" and not (here and urlsplit(after).scheme != "https"):
        raise AbkitError(f"{url} is not fetched: only https is", hint="tell its owner")
