"""Servers whose answer never begins, or never ends after its last byte: asking them has an end, which is said."""

import contextlib
import itertools
import socketserver
import threading
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from abkit.config import SourceSettings
from abkit.errors import AbkitError
from abkit.intake.remote import answers, weights
from abkit.intake.remote.address import parse_address
from abkit.intake.remote.fetch import reason_of
from abkit.intake.remote.web import fetch_web
from abkit.jobs.job import Tick
from abkit.jobs.work import sources
from abkit.jobs.work.upkeep import call

Script = Iterator[bytes]
FINE = b"HTTP/1.1 200 OK\r\nContent-Type: text/csv\r\n"
NOW = datetime(2026, 3, 1, 5, tzinfo=UTC)


def _dripping() -> Script:
    yield FINE
    for byte in itertools.cycle(b"X-Slow: 1\r\n"):
        time.sleep(0.05)
        yield bytes([byte])


ENDLESS: dict[str, Callable[[], Script]] = {
    "continue for ever": lambda: itertools.repeat(b"HTTP/1.1 100 Continue\r\n\r\n" * 100),
    "early hints for ever": lambda: itertools.repeat(b"HTTP/1.1 100 Continue\r\nLink: </a.css>\r\n\r\n" * 100),
    "a head that drips": _dripping,
    "trailers for ever": lambda: itertools.chain(
        [FINE + b"Transfer-Encoding: chunked\r\n\r\n3\r\nday\r\n0\r\n"], itertools.repeat(b"X: y\r\n" * 100)
    ),
}
GARBAGE = {
    "no status": b"hello\r\n\r\n",
    "status that is none": b"HTTP/1.1 99999999999999999999 OK\r\n\r\n",
    "no length": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
    "a length that is none": b"HTTP/1.1 200 OK\r\nContent-Length: -7\r\n\r\nday",
    "a hundred headers and one": b"HTTP/1.1 200 OK\r\n" + b"A: b\r\n" * 101 + b"\r\n",
    "a line without end": b"HTTP/1.1 200 OK\r\nA: " + b"x" * 70_000,
}

#: What does not matter to those who ask: a length that is not said, or a body that they do not read.
TAKEN_AS_THEY_ARE = {
    ("a length that is none", "an import"),
    ("a length that is none", "a source"),
    ("a length that is none", "a heartbeat"),
    ("no length", "a heartbeat"),
}


@contextlib.contextmanager
def serving(script: Callable[[], Script]) -> Iterator[str]:
    """Serve what a script yields, to anybody who asks, and yield the address."""

    class Connection(socketserver.BaseRequestHandler):
        def handle(self) -> None:
            with contextlib.suppress(OSError):
                self.request.recv(4096)
                for part in script():
                    self.request.sendall(part)

    class Server(socketserver.ThreadingTCPServer):
        daemon_threads, block_on_close, allow_reuse_address = True, False, True

    with Server(("127.0.0.1", 0), Connection) as server:
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_address[1]}/a.csv"
        server.shutdown()


def fetch(address: str, folder: Path) -> None:
    """Fetch as `abkit kpi import ADDRESS` does."""
    try:
        fetch_web(parse_address(address), folder / "a.csv", lambda _: None)
    except Exception as error:
        reason, hint = reason_of(error, "http")
        raise AbkitError(reason, hint=hint) from error


def source(address: str, folder: Path) -> None:
    """Fetch as a `[[source]]` does."""
    tick = Tick(schedule="nightly", at=NOW, started_at=NOW, attempt=1, run=None)  # type: ignore[arg-type]
    sources._fetch(SourceSettings(key="nightly", url=address, timeout_seconds=20), tick, folder / "a.csv")


ASKING: dict[str, Callable[[str, Path], object]] = {
    "an import": fetch,
    "a source": source,
    "a heartbeat": lambda address, _: call(address, 20),
    "a download": lambda address, _: weights.size_of(address),
}


READS_NO_BODY = ("a heartbeat", "a download")


@pytest.mark.parametrize(
    ("script", "asking"),
    [one for one in itertools.product(ENDLESS, ASKING) if one[0] != "trailers for ever" or one[1] not in READS_NO_BODY],
)
def test_a_head_that_never_ends_is_given_up(
    script: str, asking: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(answers, "HEAD_SECONDS", 0.5)
    begun, processor = time.monotonic(), time.process_time()
    with serving(ENDLESS[script]) as address, pytest.raises(AbkitError):
        ASKING[asking](address, tmp_path)
    assert time.monotonic() - begun < 15
    assert time.process_time() - processor < 5


@pytest.mark.parametrize("asking", ASKING)
@pytest.mark.parametrize("name", GARBAGE)
def test_an_answer_that_is_none_ends_in_one_sentence(name: str, asking: str, tmp_path: Path) -> None:
    fine = (name, asking) in TAKEN_AS_THEY_ARE
    expected = contextlib.nullcontext() if fine else pytest.raises(AbkitError, match=r"\A[^\n]+\Z")
    with serving(lambda: iter([GARBAGE[name]])) as address, expected:
        ASKING[asking](address, tmp_path)


def test_a_body_of_many_parts_arrives_whole(tmp_path: Path) -> None:
    parts = [b"%x\r\n%s\r\n" % (len(part), part) for part in (b"day,ad\n" * n for n in range(1, 400))]
    head = b"HTTP/1.1 100 Continue\r\n\r\n" + FINE + b"Transfer-Encoding: chunked\r\n\r\n"
    with serving(lambda: iter([head, *parts, b"0\r\nX-Sum: 1\r\n\r\n"])) as address:
        fetch(address, tmp_path)
    assert (tmp_path / "a.csv").read_bytes() == b"day,ad\n" * sum(range(1, 400))
