"""Addresses of files that lie elsewhere: which are accepted, and how they are shown and stored."""

from __future__ import annotations

import os
import re
import shlex
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote, urlsplit

from abkit.addresses import is_loopback, is_nearly_an_address, shown_path
from abkit.errors import UsageError

#: By scheme of a bucket, the package that reads it.
BUCKETS = {"s3": "s3fs", "gs": "gcsfs", "az": "adlfs"}
#: The variable of the shell that stands for an address with a secret in hints.
ADDRESS = "ADDRESS"
_WEB = ("https", "http")
_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]+)://")


@dataclass(frozen=True, kw_only=True)
class Address:
    """Where a file or folder lies.

    Attributes:
        scheme: s3, gs, az, https or http.
        full: The whole address, which may hold a signature: never shown, never stored.
        shown: The address without query, fragment and credentials, and with `…` for parts that may be secret.
        argument: What names it in a command that a hint shows; found when "".
    """

    scheme: str
    full: str
    shown: str
    argument: str = ""

    @property
    def is_web(self) -> bool:
        """Whether it is fetched by HTTP; otherwise it lies in a bucket."""
        return self.scheme in _WEB

    @property
    def in_command(self) -> str:
        """What names it in a command that a person can run: a variable where it may hold a secret."""
        return self.argument or (shlex.quote(self.shown) if self.shown == self.full else f'"${ADDRESS}"')

    @property
    def key(self) -> str:
        """Bucket and key of an address of a bucket."""
        return self.full.split("://", 1)[1]

    @property
    def name(self) -> str:
        """The last part of the address, readable."""
        last = self.shown.rstrip("/").rsplit("/", 1)[-1]
        return unquote(last) if self.is_web else last


def is_address(path: str | Path) -> bool:
    """Return whether this names something that lies elsewhere.

    >>> [is_address(path) for path in ("s3://ads/spring/", "ads/spring", "C:/ads")]
    [True, False, False]
    """
    return isinstance(path, str) and _SCHEME.match(path) is not None


def local_path(path: str | Path) -> Path:
    """Return a path of this machine.

    Raises:
        UsageError: It was an address before somebody made a Path of it, or lacks its scheme; the message does not
            repeat it.
    """
    if is_nearly_an_address(str(path)) and not os.path.lexists(path):
        if isinstance(path, Path):
            raise UsageError("an address cannot be a Path: that loses a slash", hint="give the address as text")
        raise UsageError(
            "a path looks like an address without its beginning",
            hint="addresses begin with https://, s3://, gs:// or az://",
        )
    if str(path) == "-" and not os.path.lexists(path):
        raise UsageError("standard input is not read", hint="save it as a file first, and name that")
    return Path(path)


def parse_address(text: str) -> Address:
    """Return an address that can be fetched.

    Raises:
        UsageError: It is none of a known kind, or it holds credentials; the message does not repeat it.

    >>> parse_address("https://example.com/may.csv?signature=1f3a").shown
    'https://example.com/may.csv'
    """
    found = _SCHEME.match(text)
    scheme = found.group(1).lower() if found else ""
    if scheme not in (*BUCKETS, *_WEB):
        raise UsageError(
            f"addresses that begin with {scheme}:// are not read", hint="s3://, gs://, az:// and https:// are"
        )
    if any(not char.isprintable() for char in text):
        raise UsageError(f"the {scheme} address holds characters that cannot be printed", hint="check the address")
    rest = text.split("://", 1)[1]
    place, _, inner = rest.partition("/")
    if "@" in place and (scheme in _WEB or ":" in place.split("@")[0]):
        raise UsageError(
            f"the {scheme} address holds credentials, which others can see in the list of processes",
            hint="leave them out: buckets take theirs from the environment, and the web takes a presigned address",
        )
    if scheme in BUCKETS:
        if re.search(r"\?[\w.-]+=", inner):
            raise UsageError(
                f"{scheme}:// addresses have no query", hint="use the https:// address if it is a presigned one"
            )
        if not place or re.search(r"[*?\[]", place):
            raise UsageError(f"the {scheme} address names no bucket", hint=f"{scheme}://BUCKET/FOLDER/")
        return Address(scheme=scheme, full=f"{scheme}://{rest}", shown=f"{scheme}://{rest}")
    return _web_address(scheme, text)


def _web_address(scheme: str, text: str) -> Address:
    try:
        parts = urlsplit(text)
        host, port = parts.hostname, parts.port
    except ValueError:
        host, port = None, None
    if not host or " " in text:
        raise UsageError(f"this is not a valid {scheme} address", hint="https://HOST/PATH")
    if scheme == "http" and not is_loopback(host):
        raise UsageError(
            f"http://{host} is not encrypted, so that anybody on the way could change the file",
            hint="use https://; http:// is for this machine only",
        )
    shown_host = f"[{host}]" if ":" in host else host
    shown = f"{scheme}://{shown_host}{f':{port}' if port else ''}{shown_path(parts.path)}"
    return Address(scheme=scheme, full=text, shown=shown)
