"""A real HTTP service that can be down, answer errors, hang, or answer too late."""

import json
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from abkit.alerts import channels as real_channels
from abkit.alerts import plugins
from abkit.config import AlertSettings, ChannelSettings
from abkit.errors import AbkitError
from abkit.store.database.engine import Store
from abkit.store.runs import begin_run
from tests.conftest import ENGINES, MakeDatabase

# Where statements of the two engines differ (claims, conflicts) a test asks for both; elsewhere SQLite will do.
both_engines = pytest.mark.parametrize("store", ENGINES, indirect=True)
SECRET = "tok-5b1f0c9e7a"  # noqa: S105  # not one: what must never show up anywhere


class Service:
    """Takes messages as Apprise's JSON channel posts them. `behave` is called before each answer."""

    def __init__(self) -> None:
        self.received: list[dict[str, Any]] = []
        self.status = 200
        self.delay = 0.0
        self._server: ThreadingHTTPServer | None = None
        self.port = 0

    def start(self) -> None:
        """Listen; on the same port as before, if there was one."""
        service = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                if service.status == 200:
                    service.received.append(body)
                time.sleep(service.delay)
                try:
                    self.send_response(service.status)
                    self.send_header("Content-Length", "0")
                    self.end_headers()
                except OSError:
                    pass  # who asked has gone

            def log_message(self, *_: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", self.port), Handler)
        self._server.daemon_threads = True
        self._server.block_on_close = False
        self.port = self._server.server_address[1]
        threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()

    def stop(self) -> None:
        """Refuse connections."""
        if self._server:
            self._server.shutdown()
            self._server.server_close()
            self._server = None

    @property
    def url(self) -> str:
        """Its Apprise URL, with a secret in it."""
        return f"json://user:{SECRET}@127.0.0.1:{self.port}/hook/{SECRET}"


@pytest.fixture
def new_service() -> Iterator[Callable[[], Service]]:
    """A function that starts one more service."""
    made: list[Service] = []

    def make() -> Service:
        made.append(Service())
        made[-1].start()
        return made[-1]

    yield make
    for service in made:
        service.stop()


@pytest.fixture
def channels(monkeypatch: pytest.MonkeyPatch) -> Callable[..., AlertSettings]:
    """A function that makes `[alerts]` settings with a channel for each service."""

    def make(*services: Service, **settings: Any) -> AlertSettings:
        entries = []
        for number, service in enumerate(services):
            monkeypatch.setenv(f"CHANNEL_{number}", service.url)
            entries.append(ChannelSettings(name=f"channel-{number}", url_env=f"CHANNEL_{number}"))
        return AlertSettings(channel=tuple(entries), **({"attempt_seconds": 10} | settings))

    return make


@pytest.fixture
def store(request: pytest.FixtureRequest, new_database: MakeDatabase) -> Iterator[Store]:
    """A store at the current migration, on SQLite unless the test is marked with `both_engines`."""
    store = Store(new_database(getattr(request, "param", "sqlite"), migrated=True))
    yield store
    store.close()


@pytest.fixture
def run_id(store: Store) -> int:
    """A run to which alerts can point."""
    return begin_run(store, "test", {}).id


@pytest.fixture
def sent_here(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let messages be sent by this process, where it is about which ones and when: a process for each takes time."""

    def send(order: str, seconds: float) -> str:
        what = json.loads(order)
        try:
            plugin = plugins.plugin_of(what["address"], name=what["name"], where=what["where"])
            plugins.notify(plugin, timeout_s=seconds, **what["message"])
        except (AbkitError, plugins.NotDelivered) as error:
            return str(error)
        return ""

    monkeypatch.setattr(real_channels, "_in_process", send)
