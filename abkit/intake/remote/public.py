"""Fetch one file from the public web for somebody else: never from this machine or the network behind it.

The address comes from a request. So the host is resolved once, all that it resolves to has to be public, and the
connection is made to what was looked at: a name that means something else a moment later gains nothing.
"""

from __future__ import annotations

import http.client
import ipaddress
import socket
import ssl
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from urllib.parse import urlsplit

from abkit.errors import AbkitError
from abkit.intake.remote.address import Address
from abkit.intake.remote.answers import Answer

_CHUNK = 1 << 16
_SILENCE_S = 10
_PORT = 443
_REFUSED = "its host is not on the public web"
# Addresses of IPv6 that stand for one of IPv4: what is behind them is looked at, too.
_NAT64 = ipaddress.ip_network("64:ff9b::/96")
# Not of the public internet either, though not every Python says so.
_SPECIAL = tuple(map(ipaddress.ip_network, ("192.0.0.0/24", "192.88.99.0/24", "64:ff9b:1::/48")))

IpAddress = ipaddress.IPv4Address | ipaddress.IPv6Address


def public_addresses(host: str) -> list[str]:
    """Resolve a host, and return its addresses.

    Raises:
        AbkitError: It has none, or one of them is not public.
    """
    try:
        found = socket.getaddrinfo(host, _PORT, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        raise AbkitError("its host is not known", hint="check the address") from error
    addresses = list(dict.fromkeys(str(entry[4][0]) for entry in found))
    if not addresses or not all(is_public(address) for address in addresses):
        raise AbkitError(_REFUSED, hint="name an https:// address that everybody can reach")
    return addresses


def is_public(address: str) -> bool:
    """Whether an address is one of the public internet.

    >>> [is_public(one) for one in ("93.184.215.14", "10.0.0.1", "169.254.169.254", "::ffff:127.0.0.1", "::1")]
    [True, False, False, False, False]
    """
    try:
        known = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return False
    return all(
        one.is_global and not one.is_multicast and not one.is_reserved and not any(one in part for part in _SPECIAL)
        for one in (known, *_behind(known))
    )


def _behind(address: IpAddress) -> list[IpAddress]:
    if isinstance(address, ipaddress.IPv4Address):
        return []
    behind: list[IpAddress | None] = [address.ipv4_mapped, address.sixtofour, *(address.teredo or ())]
    if address in _NAT64:
        behind.append(ipaddress.IPv4Address(int(address) & 0xFFFFFFFF))
    return [one for one in behind if one is not None]


class _Pinned(http.client.HTTPSConnection):
    """A connection to an address that was looked at; the certificate has to be that of the host."""

    response_class = Answer

    def __init__(self, host: str, address: str) -> None:
        super().__init__(host, _PORT, timeout=_SILENCE_S, context=ssl.create_default_context())
        self._address = address

    def connect(self) -> None:
        """Connect without resolving the host again."""
        plain = socket.create_connection((self._address, _PORT), self.timeout)
        try:
            self.sock = self._context.wrap_socket(plain, server_hostname=self.host)  # type: ignore[attr-defined]
        except BaseException:
            plain.close()
            raise


def fetch_public(address: Address, path: Path, take: Callable[[int], None]) -> None:
    """Fetch an address into a file. Redirects are not followed, and no proxy or credential of this machine is used.

    Args:
        address: Where it lies.
        path: The file that is written.
        take: Told the number of bytes before they are written; raises to end it.

    Raises:
        AbkitError: It is not https on its usual port, its host is not public, or it answers with something else.
        OSError: It cannot be reached.
    """
    parts = urlsplit(address.full)
    if parts.scheme != "https" or (parts.port or _PORT) != _PORT or not parts.hostname:
        raise AbkitError("only https:// addresses on the usual port are fetched", hint="name such an address")
    host = parts.hostname
    target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    if not target.isascii():
        raise AbkitError("its path has letters that an address cannot have", hint="write them in percent signs")
    with closing(_Pinned(host, public_addresses(host)[0])) as connection:
        connection.request("GET", target, headers={"User-Agent": "abkit", "Accept": "image/*, video/*"})
        answer = connection.getresponse()
        if answer.status != 200:
            what = "redirects to another address" if 300 <= answer.status < 400 else f"answers {answer.status}"
            raise AbkitError(f"it {what}", hint="name the address that has the file")
        announced = answer.headers.get("Content-Length", "")
        size = 0
        with path.open("wb") as out:
            while chunk := answer.read(_CHUNK):
                take(len(chunk))
                out.write(chunk)
                size += len(chunk)
        if announced.isdigit() and size < int(announced):
            raise AbkitError("the answer ended too early", hint="try again")
