"""Services that stall, drip, redirect or never end: a message to them fails in time and in one sentence."""

import contextlib
import gzip
import os
import resource
import socketserver
import threading
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import select

from abkit.alerts import channels as channels_module
from abkit.alerts.channels import Channel
from abkit.alerts.deliveries import deliver
from abkit.alerts.episodes import observe
from abkit.alerts.messages import example
from abkit.alerts.plugins import NotDelivered
from abkit.config import AlertSettings, ChannelSettings
from abkit.errors import AbkitError
from abkit.jobs.work.upkeep import call
from abkit.store.database.engine import Store
from abkit.store.schema import AlertDelivery
from tests.alerts.conftest import SECRET, Service

START = datetime(2026, 3, 1, 6, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
NewService = Callable[[], Service]
Channels = Callable[..., AlertSettings]

Script = Callable[[socketserver.StreamRequestHandler], object]
OK = b"HTTP/1.1 200 OK\r\n"


class Hostile(socketserver.ThreadingTCPServer):
    """Runs a script for each connection, after the first line of the request."""

    daemon_threads = True
    block_on_close = False

    def __init__(self, script: Script) -> None:
        self.script = script
        self.gone = threading.Event()
        super().__init__(("127.0.0.1", 0), _Connection)

    @property
    def place(self) -> str:
        return f"127.0.0.1:{self.server_address[1]}"


class _Connection(socketserver.StreamRequestHandler):
    server: Hostile

    def handle(self) -> None:
        with contextlib.suppress(OSError):  # who asked has gone
            self.server.script(self)


def stall(connection: socketserver.StreamRequestHandler) -> None:
    connection.server.gone.wait(20)  # type: ignore[attr-defined]


def drip(connection: socketserver.StreamRequestHandler) -> None:
    for byte in OK + b"X-Slow: " + b"x" * 1000:
        connection.wfile.write(bytes([byte]))
        if connection.server.gone.wait(0.2):  # type: ignore[attr-defined]
            return


def drip_the_body(connection: socketserver.StreamRequestHandler) -> None:
    connection.wfile.write(OK + b"Content-Length: 1000000\r\n\r\n")
    while not connection.server.gone.wait(0.2):  # type: ignore[attr-defined]
        connection.wfile.write(b"x")


def endless(connection: socketserver.StreamRequestHandler) -> None:
    connection.wfile.write(OK + b"\r\n")
    while True:
        connection.wfile.write(b"x" * 65536)


def bomb(connection: socketserver.StreamRequestHandler) -> None:
    packed = gzip.compress(bytes(20_000_000), 1)
    connection.wfile.write(OK + b"Content-Encoding: gzip\r\nContent-Length: %d\r\n\r\n" % len(packed) + packed)


def endless_headers(connection: socketserver.StreamRequestHandler) -> None:
    connection.wfile.write(OK)
    while True:
        connection.wfile.write(b"X: " + b"x" * 1000 + b"\r\n")


def no_http(connection: socketserver.StreamRequestHandler) -> None:
    connection.wfile.write(b"\x00\xff" * 100_000)


@pytest.fixture
def hostile() -> Iterator[Callable[[Script], Hostile]]:
    made: list[Hostile] = []

    def make(script: Script) -> Hostile:
        made.append(Hostile(script))
        threading.Thread(target=made[-1].serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
        return made[-1]

    yield make
    for server in made:
        server.gone.set()
        server.shutdown()
        server.server_close()


def refused(address: str, monkeypatch: pytest.MonkeyPatch, *, seconds: float = 1.5) -> str:
    monkeypatch.setenv("HOSTILE", address)
    began = time.monotonic()
    with pytest.raises(NotDelivered) as error:
        Channel(ChannelSettings(name="ops", url_env="HOSTILE"), Path(), seconds).send(example())
    assert time.monotonic() - began < seconds + 8
    assert SECRET not in str(error.value)
    return str(error.value)


@pytest.mark.parametrize(
    ("script", "said"),
    [
        (stall, "no answer"),
        (drip, "no answer within 1.5 s; it may have arrived"),
        (drip_the_body, "no answer within 1.5 s; it may have arrived"),
        (endless, "its answer does not end: more than 1 MB"),
        (bomb, "its answer does not end: more than 1 MB"),
        (endless_headers, "no connection, or no answer in time"),
        (no_http, "no connection, or no answer in time"),
    ],
)
def test_a_message_to_a_hostile_service_fails_in_time_and_in_little_memory(
    hostile: Callable[[Script], Hostile],
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
    script: Script,
    said: str,
) -> None:
    # Of the largest child so far, and of this process: a child that is forked from it begins with its memory.
    before = max(resource.getrusage(who).ru_maxrss for who in (resource.RUSAGE_CHILDREN, resource.RUSAGE_SELF))
    # Those that stall or drip take all of their time; the others end by themselves, on a busy machine later.
    seconds = 1.5 if script in (stall, drip, drip_the_body) else 20
    address = f"json://user:{SECRET}@{hostile(script).place}/hook/{SECRET}"
    assert said in refused(address, monkeypatch, seconds=seconds)
    assert resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss <= max(before + 50_000, 400_000)
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("status", [301, 302, 307, 308])
def test_a_redirect_is_neither_followed_nor_taken_for_delivery(
    hostile: Callable[[Script], Hostile], monkeypatch: pytest.MonkeyPatch, new_service: NewService, status: int
) -> None:
    elsewhere = new_service()
    place = f"http://127.0.0.1:{elsewhere.port}/"
    answer = f"HTTP/1.1 {status} Elsewhere\r\nLocation: {place}\r\nContent-Length: 0\r\n\r\n".encode()
    server = hostile(lambda connection: connection.wfile.write(answer))
    assert f"redirects (status {status})" in refused(
        f"json://user:{SECRET}@{server.place}/?redirect=yes", monkeypatch, seconds=20
    )
    assert elsewhere.received == []

    monkeypatch.setenv("BEAT", f"http://{server.place}/{SECRET}")
    with pytest.raises(AbkitError, match=rf"redirects \(status {status}\)") as error:
        call(f"http://{server.place}/{SECRET}", 5)
    assert SECRET not in str(error.value)


def test_a_mail_server_that_never_ends_its_reply_is_left(
    hostile: Callable[[Script], Hostile], monkeypatch: pytest.MonkeyPatch
) -> None:
    def greet(connection: socketserver.StreamRequestHandler) -> None:
        while True:
            connection.wfile.write(b"220-" + b"x" * 4000 + b"\r\n")

    server = hostile(greet)
    said = refused(f"mailto://{server.place}?from=abkit@a.example&to=ops@a.example&mode=insecure", monkeypatch)
    assert "no answer" in said or "memory" in said or "not accept" in said


def test_a_chatty_plugin_prints_nothing(
    new_service: NewService, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    service = new_service()
    monkeypatch.setenv("WELL", service.url)
    Channel(ChannelSettings(name="ops", url_env="WELL"), Path(), 20).send(example())
    assert len(service.received) == 1
    assert capfd.readouterr() == ("", "")


def test_a_module_of_the_current_folder_is_not_run(
    new_service: NewService, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "apprise.py").write_text("raise SystemExit(1)")
    monkeypatch.chdir(tmp_path)
    service = new_service()
    monkeypatch.setenv("WELL", service.url)
    Channel(ChannelSettings(name="ops", url_env="WELL"), Path(), 20).send(example())
    assert len(service.received) == 1


def test_a_process_that_does_not_end_itself_is_ended(
    hostile: Callable[[Script], Hostile], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(channels_module, "_START_S", 0.0)
    assert "no answer within 0.05 s" in refused(f"json://{hostile(stall).place}", monkeypatch, seconds=0.05)


@pytest.mark.parametrize("script", [stall, drip, endless_headers, no_http])
def test_a_heartbeat_ends_in_its_time(hostile: Callable[[Script], Hostile], script: Script) -> None:
    began = time.monotonic()
    with pytest.raises(AbkitError, match="heartbeat") as error:
        call(f"http://{hostile(script).place}/{SECRET}", 0.7)
    assert time.monotonic() - began < 3
    assert SECRET not in str(error.value)


def test_a_heartbeat_does_not_wait_for_the_end_of_an_answer(hostile: Callable[[Script], Hostile]) -> None:
    for script in (endless, drip_the_body):
        call(f"http://{hostile(script).place}/", 10)


def test_an_address_file_that_is_no_file_is_refused(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "large").write_bytes(b"x" * 20_000)
    for name, said in (("pipe", "not a regular file"), ("large", "must hold one line")):
        channel = Channel(ChannelSettings(name="ops", url_file=Path(name)), tmp_path, 5)
        assert said in channel.problem()
    assert "not a regular file" in Channel(ChannelSettings(name="ops", url_file="/dev/zero"), tmp_path, 5).problem()


def _see(store: Store, run_id: int) -> None:
    with store.write() as session:
        observe(
            session,
            fingerprint="job_failed:score",
            rule="job_failed",
            labels={},
            severity="warning",
            title="Job score failed",
            message="Cause: the folder is gone.",
            evidence={},
            firing=True,
            now=START,
            run_id=run_id,
        )


def _attempts(store: Store, channel: str = "channel-0") -> list[AlertDelivery]:
    with store.read() as session:
        return list(
            session.scalars(select(AlertDelivery).where(AlertDelivery.channel == channel).order_by(AlertDelivery.id))
        )


def test_a_channel_that_hangs_or_answers_too_late_delays_no_other(
    store: Store, run_id: int, new_service: NewService, channels: Channels
) -> None:
    late, well = new_service(), new_service()
    settings = channels(late, well, attempt_seconds=1.5)
    late.delay = 6.0
    _see(store, run_id)
    began = time.monotonic()
    deliver(store, settings, Path(), now=START, run_id=run_id)
    assert time.monotonic() - began < 5
    late.delay = 0.0
    deliver(store, settings, Path(), now=START + 2 * MINUTE, run_id=run_id)

    (quick,) = _attempts(store, "channel-1")
    attempts = _attempts(store)
    assert [row.state for row in attempts] == ["failed", "delivered"]
    assert quick.state == "delivered"
    assert quick.finished_at is not None
    assert attempts[0].finished_at is not None
    assert quick.finished_at < attempts[0].finished_at
    # Each attempt that timed out may have arrived: at most one duplicate for each of them.
    assert 1 <= len(late.received) <= 1 + 1
    assert len(well.received) == 1
