"""Webhooks: decisions and verdicts as signed JSON, tried again until the receiver has them."""

import hashlib
import hmac
import json
import socket
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from abkit.alerts import webhooks
from abkit.alerts.channels import try_channels
from abkit.alerts.deliveries import deliver
from abkit.alerts.episodes import observe
from abkit.config import AlertSettings, WebhookSettings
from abkit.store.database.engine import Store
from abkit.store.jobs import alerts

NOW = datetime(2026, 3, 2, 8, tzinfo=UTC)
SECRET = "s3cr3t-of-both"  # noqa: S105  # of these tests
README = Path(__file__).parent.parent.parent / "docs" / "api.md"


class Receiver:
    """Takes what is posted, and answers with a status."""

    def __init__(self) -> None:
        self.status = 200
        self.taken: list[tuple[dict[str, str], bytes]] = []
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                receiver.taken.append((dict(self.headers), body))
                self.send_response(receiver.status)
                self.send_header("Location", "http://127.0.0.1:1/")
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_: object) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    made = Receiver()
    yield made
    made.server.shutdown()
    made.server.server_close()


@pytest.fixture
def settings(receiver: Receiver, monkeypatch: pytest.MonkeyPatch) -> AlertSettings:
    monkeypatch.setenv("HOOK_URL", f"http://127.0.0.1:{receiver.server.server_port}/hook?token=hidden")
    monkeypatch.setenv("HOOK_SECRET", SECRET)
    hook = WebhookSettings(name="search", url_env="HOOK_URL", secret_env="HOOK_SECRET")  # noqa: S106  # its name
    return AlertSettings(webhook=(hook,), attempt_seconds=10)


def happen(store: Store, run_id: int, rule: str = "decision", *, at: datetime = NOW) -> None:
    with store.write() as session:
        observe(
            session, fingerprint=f"{rule}:all", rule=rule, labels={"decision": "retrain"}, severity="critical",
            title="Drift check: retrain", message="Taste has changed.", evidence={"command": "abkit drift explain 4"},
            firing=True, now=at, run_id=run_id,
        )  # fmt: skip


def send(store: Store, settings: AlertSettings, run_id: int, tmp_path: Path, *, at: datetime = NOW) -> dict[str, str]:
    return deliver(store, settings, tmp_path, now=at, run_id=run_id)


def test_a_decision_is_posted_and_signed(
    store: Store, run_id: int, settings: AlertSettings, receiver: Receiver, tmp_path: Path
) -> None:
    happen(store, run_id)
    assert send(store, settings, run_id, tmp_path) == {"search": ""}
    ((headers, body),) = receiver.taken
    (event,) = json.loads(body)["events"]
    assert (event["event"], event["rule"], event["labels"]) == ("opened", "decision", {"decision": "retrain"})
    assert event["evidence"]["command"] == "abkit drift explain 4"
    expected = hmac.new(SECRET.encode(), headers["X-Abkit-Timestamp"].encode() + b"." + body, hashlib.sha256)
    assert headers["X-Abkit-Signature"] == f"v1={expected.hexdigest()}"
    assert abs(int(headers["X-Abkit-Timestamp"]) - datetime.now(UTC).timestamp()) < 60


def test_the_example_of_the_page_verifies_what_is_sent_and_refuses_the_rest(
    store: Store, run_id: int, settings: AlertSettings, receiver: Receiver, tmp_path: Path
) -> None:
    happen(store, run_id)
    send(store, settings, run_id, tmp_path)
    ((headers, body),) = receiver.taken
    code = README.read_text(encoding="utf-8").partition("```python\n")[2].partition("```")[0]
    assert "def is_from_abkit" in code
    names: dict[str, Any] = {}
    exec(compile(code, "docs/api.md", "exec"), names)  # noqa: S102  # the example of our own page
    verify = names["is_from_abkit"]
    assert verify(SECRET, headers, body)
    assert not verify("another secret", headers, body)
    assert not verify(SECRET, headers, body + b" ")
    old = str(int(headers["X-Abkit-Timestamp"]) - 3600)
    assert not verify(SECRET, headers | {"X-Abkit-Timestamp": old}, body)
    signed = hmac.new(SECRET.encode(), old.encode() + b"." + body, hashlib.sha256).hexdigest()
    assert not verify(SECRET, {"X-Abkit-Timestamp": old, "X-Abkit-Signature": f"v1={signed}"}, body)


@pytest.mark.parametrize("status", [500, 302, 404])
def test_what_was_not_accepted_is_sent_again_and_known_by_its_id(
    store: Store, run_id: int, settings: AlertSettings, receiver: Receiver, tmp_path: Path, status: int
) -> None:
    happen(store, run_id)
    receiver.status = status
    assert str(status) in send(store, settings, run_id, tmp_path)["search"]
    receiver.status = 204
    assert send(store, settings, run_id, tmp_path, at=NOW + timedelta(minutes=2)) == {"search": ""}
    first, second = receiver.taken
    assert first[0]["X-Abkit-Delivery"] == second[0]["X-Abkit-Delivery"]
    assert send(store, settings, run_id, tmp_path, at=NOW + timedelta(minutes=3)) == {}


def test_only_the_rules_that_it_wants_are_told(
    store: Store, run_id: int, settings: AlertSettings, receiver: Receiver, tmp_path: Path
) -> None:
    happen(store, run_id, "job_failed")
    assert send(store, settings, run_id, tmp_path) == {}
    happen(store, run_id, "experiment_verdict")
    send(store, settings, run_id, tmp_path, at=NOW + timedelta(minutes=1))
    ((_, body),) = receiver.taken
    assert [event["rule"] for event in json.loads(body)["events"]] == ["experiment_verdict"]


def test_what_is_wrong_is_said_without_secrets(
    store: Store, run_id: int, settings: AlertSettings, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    assert try_channels(settings.channels, tmp_path, 5, send=False) == {"search": ""}
    monkeypatch.setenv("HOOK_URL", "http://example.com/hook?token=hidden")
    wrong = try_channels(settings.channels, tmp_path, 5, send=False)["search"]
    assert "https" in wrong
    assert "hidden" not in wrong
    monkeypatch.delenv("HOOK_SECRET")
    happen(store, run_id)
    assert "HOOK_SECRET" in send(store, settings, run_id, tmp_path)["search"]
    with store.read() as session:
        (attempt, *_) = alerts.deliveries(session, [1])
        assert SECRET not in attempt.error


def test_a_redirect_to_bytes_that_are_no_text_is_not_accepted_in_one_sentence() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve() -> None:
            with server.accept()[0] as client:
                client.recv(4096)
                client.sendall(b"HTTP/1.1 302 Found\r\nLocation: /\xe1\xff\r\nContent-Length: 0\r\n\r\n")

        threading.Thread(target=serve, daemon=True).start()
        address = f"http://127.0.0.1:{server.getsockname()[1]}/"
        assert webhooks.post(address, "secret", "{}", timeout_s=5) == (
            "the receiver answered with something that is no answer"
        )


def test_a_redirect_is_not_followed_wherever_it_leads() -> None:
    """What was signed for one receiver goes to no other one, and to nothing inside the network."""
    with socket.create_server(("127.0.0.1", 0)) as server, socket.create_server(("127.0.0.1", 0)) as inside:
        inside.settimeout(0.2)
        moved = f"http://127.0.0.1:{inside.getsockname()[1]}/"

        def serve() -> None:
            with server.accept()[0] as client:
                client.recv(4096)
                client.sendall(f"HTTP/1.1 307 Moved\r\nLocation: {moved}\r\nContent-Length: 0\r\n\r\n".encode())

        threading.Thread(target=serve, daemon=True).start()
        address = f"http://127.0.0.1:{server.getsockname()[1]}/"
        assert "status 307" in webhooks.post(address, "secret", "{}", timeout_s=2)
        with pytest.raises(TimeoutError):
            inside.accept()
