"""Fetching for somebody else: only what everybody can reach, and what was looked at is what is connected to."""

import http.client
import socket
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from abkit.errors import AbkitError, UsageError
from abkit.intake.remote import public
from abkit.intake.remote.address import parse_address
from abkit.intake.remote.fetch import Limits, fetched

PUBLIC = "93.184.215.14"


def entry(address: str) -> Any:
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    return (family, socket.SOCK_STREAM, 6, "", (address, 443))


@pytest.fixture
def resolve(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Let every name mean these addresses, one list per lookup; returns the names that were looked up."""

    def set_up(*answers: list[str]) -> list[str]:
        asked: list[str] = []

        def getaddrinfo(host: str, *_: Any, **__: Any) -> list[Any]:
            asked.append(host)
            return [entry(address) for address in answers[min(len(asked), len(answers)) - 1]]

        monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
        return asked

    return set_up


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1", "127.8.8.8", "0.0.0.1", "10.1.2.3", "172.16.0.1", "192.168.1.1", "169.254.169.254", "100.64.0.1",
        "192.0.0.8", "198.18.0.1", "224.0.0.1", "240.0.0.1", "255.255.255.255", "::", "::1", "fe80::1", "fe80::1%eth0",
        "fc00::1", "64:ff9b:1::a00:1", "192.88.99.1",
        "fd00:ec2::254", "ff02::1", "::ffff:10.0.0.1", "::ffff:169.254.169.254", "2002:7f00:1::",
        "2002:a9fe:a9fe::", "64:ff9b::7f00:1", "64:ff9b::a9fe:a9fe", "2001:0:7f00:1::", "::127.0.0.1", "x",
    ],
)  # fmt: skip
def test_an_address_that_not_everybody_reaches_is_refused(resolve: Any, address: str) -> None:
    assert not public.is_public(address)
    resolve([PUBLIC, address])
    with pytest.raises(AbkitError, match="not on the public web"):
        public.public_addresses("images.example.com")


def test_public_addresses_are_taken(resolve: Any) -> None:
    resolve([PUBLIC, "2606:2800:21f:cb07:6820:80da:af6b:8b2c"])
    assert public.public_addresses("images.example.com")[0] == PUBLIC


def test_a_name_that_is_rebound_gains_nothing(resolve: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The first lookup says a public address, every later one says this machine."""
    asked = resolve([PUBLIC], ["127.0.0.1"])
    reached: list[Any] = []

    def connect(address: Any, *_: Any, **__: Any) -> socket.socket:
        reached.append(address)
        raise ConnectionRefusedError

    monkeypatch.setattr(socket, "create_connection", connect)
    with pytest.raises(ConnectionRefusedError):
        public.fetch_public(parse_address("https://rebind.example.com/a.png"), tmp_path / "a", lambda _: None)
    assert asked == ["rebind.example.com"]
    assert reached == [(PUBLIC, 443)]


@pytest.mark.parametrize(
    "address",
    [
        "https://example.com:8443/a.png", "https://example.com:22/", "http://127.0.0.1/a.png", "https://127.0.0.1/a.png",
        "https://[::1]/a.png", "https://2130706433/a.png", "https://0x7f.1/a.png", "https://localhost/a.png",
        "s3://bucket/a.png",
    ],
)  # fmt: skip
def test_addresses_inside_are_refused_by_themselves(address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(socket, "create_connection", lambda *_, **__: pytest.fail("connected"))
    limits = Limits(file_bytes=1e6, size_hint="")
    with fetched([address], wanted=lambda _: True, deep=False, limits=limits, public=True) as found:
        assert not found.paths
        assert len(found.refused) == 1


@pytest.mark.parametrize("address", ["https://example.com:8443/a.png", "https://example.com:22/", "http://localhost/a"])
def test_another_port_or_protocol_is_refused_before_anything_is_looked_up(
    resolve: Any, address: str, tmp_path: Path
) -> None:
    asked = resolve([PUBLIC])
    with pytest.raises(AbkitError, match="on the usual port"):
        public.fetch_public(parse_address(address), tmp_path / "a", lambda _: None)
    assert asked == []


@pytest.mark.parametrize("path", ["/etc/passwd", "ads/a.png", "file:///etc/passwd"])
def test_paths_of_this_machine_are_never_read_for_somebody_else(path: str) -> None:
    limits = Limits(file_bytes=1e6, size_hint="")
    with (
        pytest.raises(UsageError),
        fetched([path], wanted=lambda _: True, deep=False, limits=limits, public=True),
    ):
        pass


class _Site(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        status = 302 if "moved" in self.path else 404 if "gone" in self.path else 200
        self.send_response(status)
        self.send_header("Location", "https://10.0.0.1/secret")
        self.send_header("Content-Length", "100" if "short" in self.path else "7")
        self.end_headers()
        self.wfile.write(b"content")

    def log_message(self, *_: Any) -> None:
        """Say nothing."""


@pytest.fixture
def site(resolve: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A host of the public web, as far as the code can tell; its connections are not encrypted here."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Site)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    resolve([PUBLIC])

    class Plain(http.client.HTTPConnection):
        def __init__(self, host: str, address: str) -> None:
            assert address == PUBLIC
            super().__init__("127.0.0.1", server.server_port)

        def connect(self) -> None:
            self.sock = socket.socket()
            self.sock.connect(("127.0.0.1", server.server_port))

    monkeypatch.setattr(public, "_Pinned", Plain)
    yield
    server.shutdown()
    server.server_close()


def test_a_file_is_fetched(site: None, tmp_path: Path) -> None:
    taken: list[int] = []
    public.fetch_public(parse_address("https://example.com/a.png?x=1"), tmp_path / "a", taken.append)
    assert (tmp_path / "a").read_bytes() == b"content"
    assert sum(taken) == 7


@pytest.mark.parametrize(
    ("path", "why"), [("moved", "redirects"), ("gone", "answers 404"), ("short", "ended too early")]
)
def test_what_is_no_file_is_refused(site: None, tmp_path: Path, path: str, why: str) -> None:
    with pytest.raises((AbkitError, http.client.IncompleteRead), match=why):
        public.fetch_public(parse_address(f"https://example.com/{path}"), tmp_path / "a", lambda _: None)
