"""A served workspace: requests go to the application in process; a browser needs the address of a server."""

import os
import shutil
import socket
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from fastapi.testclient import TestClient

from abkit import Workspace
from abkit.web.app import create_app
from tests.reporting.conftest import FLAGS
from tests.web.stocked import stock

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

WIDE, NARROW = {"width": 1280, "height": 900}, {"width": 390, "height": 844}


@pytest.fixture
def shop(tmp_path: Path) -> Iterator[Workspace]:
    """An empty workspace."""
    with Workspace.create(tmp_path / "shop") as made:
        yield made


@pytest.fixture
def client(shop: Workspace) -> Iterator[TestClient]:
    """A browser of this machine, in front of an empty workspace."""
    with TestClient(create_app(shop.settings), base_url="http://127.0.0.1") as made:
        yield made


# --- with something in it -----------------------------------------------------------------------------------------


@pytest.fixture(scope="session")
def stocked(sqlite_template: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Workspace]:
    """A workspace with something on every page, for tests that only read: see `stocked.py`."""
    folder = tmp_path_factory.mktemp("stocked")
    shutil.copy(sqlite_template, folder / "abkit.db")
    with Workspace.create(folder) as made:
        stock(made)
        yield made


@pytest.fixture
def own_stocked(stocked: Workspace, tmp_path: Path) -> Iterator[Workspace]:
    """A copy of it, for a test that changes something. Its images are those of the original."""
    folder = tmp_path / "stocked"
    folder.mkdir()
    with (
        closing(sqlite3.connect(stocked.settings.workspace / "abkit.db")) as source,
        closing(sqlite3.connect(folder / "abkit.db")) as copy,
    ):
        source.backup(copy)
    with Workspace.create(folder) as made:
        yield made


@pytest.fixture(scope="session")
def reader(stocked: Workspace) -> Iterator[TestClient]:
    """A browser of this machine, in front of the stocked workspace; for tests that only read."""
    with TestClient(create_app(stocked.settings), base_url="http://127.0.0.1") as made:
        yield made


@pytest.fixture
def editor(own_stocked: Workspace) -> Iterator[TestClient]:
    """The same in front of a copy that a test may change."""
    with TestClient(create_app(own_stocked.settings), base_url="http://127.0.0.1") as made:
        yield made


# --- in a browser -------------------------------------------------------------------------------------------------

Serve = Callable[[Workspace], str]


@pytest.fixture(scope="session")
def _servers() -> Iterator[Serve]:
    """Serve workspaces until the tests end; the server runs in a thread of this process."""
    import uvicorn

    running: list[tuple[uvicorn.Server, threading.Thread]] = []

    def serve(workspace: Workspace) -> str:
        listening = socket.socket()
        listening.bind(("127.0.0.1", 0))
        config = uvicorn.Config(create_app(workspace.settings), log_level="warning", access_log=False, ws="none")
        server = uvicorn.Server(config)
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]}, daemon=True)
        thread.start()
        running.append((server, thread))
        end = time.monotonic() + 20
        while not server.started:
            assert time.monotonic() < end, "the server did not start"
            time.sleep(0.01)
        return f"http://127.0.0.1:{listening.getsockname()[1]}"

    yield serve
    for server, thread in running:
        server.should_exit = True
        thread.join(timeout=10)


@pytest.fixture(scope="session")
def address(stocked: Workspace, _servers: Serve) -> str:
    """Where a browser finds the stocked workspace, without a slash at the end; for tests that only read."""
    return _servers(stocked)


@pytest.fixture
def own_address(own_stocked: Workspace, _servers: Serve) -> str:
    """Where a browser finds a copy that a test may change."""
    return _servers(own_stocked)


# Of a module: while Playwright runs, its thread has an event loop, and `asyncio.run` of other tests would refuse.
@pytest.fixture(scope="module")
def browser() -> Iterator["Browser"]:
    """The system's Chromium; without one the test is skipped."""
    path = os.environ.get("ABKIT_CHROMIUM") or next(
        (found for name in ("chromium", "chromium-browser", "google-chrome") if (found := shutil.which(name))), None
    )
    if path is None:
        pytest.skip("no Chromium on this machine (apt-get install chromium, or name one in ABKIT_CHROMIUM)")
    sync_api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    with sync_api.sync_playwright() as playwright:
        launched = playwright.chromium.launch(executable_path=path, args=list(FLAGS))
        yield launched
        launched.close()


@pytest.fixture(params=["wide", "narrow"])
def browser_page(request: pytest.FixtureRequest, browser: "Browser") -> Iterator["Page"]:
    """A page of the browser, once on a desk and once on a phone; an error in a script or of the CSP fails the test."""
    page = browser.new_page(viewport=WIDE if request.param == "wide" else NARROW)
    faults: list[str] = []
    page.on("pageerror", lambda error: faults.append(str(error)))
    page.on("console", lambda said: faults.append(said.text) if _is_fault(said) else None)
    yield page
    page.close()
    assert not faults


def _is_fault(said: object) -> bool:
    # An answer that says no is shown in the console, too, and is no fault of the page.
    return getattr(said, "type", "") == "error" and "Failed to load resource" not in getattr(said, "text", "")
