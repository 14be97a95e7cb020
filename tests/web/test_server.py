"""The real server, in a process of its own."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

from abkit import Workspace


@contextmanager
def _serving(shop: Workspace, *options: str, seconds: str = "10.0") -> Iterator[tuple[str, subprocess.Popen[str]]]:
    quick = f"import abkit.web.server as p; p.patient_protocol.__defaults__ = ({seconds},)"
    start = f"{quick}; import abkit.commands.app as a; a.main()"
    config = str(shop.settings.workspace / "abkit.toml")
    shop.close()
    process = subprocess.Popen(
        [sys.executable, "-c", start, "--config", config, "serve", "--port", "0", *options],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=os.environ,
    )  # fmt: skip
    try:
        assert process.stdout is not None
        yield process.stdout.readline().strip(), process
    finally:
        process.kill()
        process.communicate()


def test_it_serves_until_it_is_told_to_stop_and_then_ends_in_order(shop: Workspace) -> None:
    with _serving(shop) as (address, process):
        assert address.startswith("http://127.0.0.1:")
        assert httpx.get(f"{address}healthz").json() == {"status": "ok", "daemon": "ok"}
        assert "shop" in httpx.get(address).text
        process.send_signal(signal.SIGTERM)
        assert process.wait(20) in (0, 128 + signal.SIGTERM, -signal.SIGTERM)


def test_a_connection_that_says_nothing_or_too_little_is_closed(shop: Workspace) -> None:
    with _serving(shop, seconds="0.5") as (address, _process):
        port = int(address.rsplit(":", 1)[1].strip("/"))
        for said in (b"", b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nX: "):
            with socket.create_connection(("127.0.0.1", port), timeout=15) as slow:
                slow.sendall(said)
                began = time.monotonic()
                while slow.recv(1000):
                    pass
                assert time.monotonic() - began < 10
        with socket.create_connection(("127.0.0.1", port), timeout=15) as kept:
            for _ in range(2):
                kept.sendall(b"GET /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")
                answer = kept.recv(4000)
                while b'"ok"' not in answer:
                    answer += kept.recv(4000)
                assert b"200 OK" in answer


def test_off_this_machine_it_does_not_start_while_nobody_could_sign_in(shop: Workspace) -> None:
    refused = subprocess.run(
        [sys.executable, "-m", "abkit", "--config", str(shop.settings.workspace / "abkit.toml"), "serve", "--host",
         "0.0.0.0", "--port", "0"],  # noqa: S104
        capture_output=True, text=True, timeout=60,
    )  # fmt: skip
    assert refused.returncode == 2
    assert refused.stdout == ""
    assert "nobody could sign in: there are no people yet" in refused.stderr
    assert "abkit user add NAME --role admin" in refused.stderr


def test_a_port_that_is_taken_is_said(shop: Workspace) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        with pytest.raises(subprocess.CalledProcessError) as refused:
            subprocess.run(
                [sys.executable, "-m", "abkit", "--config", str(Path(shop.settings.workspace) / "abkit.toml"), "serve",
                 "--port", str(taken.getsockname()[1])],
                capture_output=True, text=True, timeout=60, check=True,
            )  # fmt: skip
    assert "the page cannot listen on 127.0.0.1" in refused.value.stderr
