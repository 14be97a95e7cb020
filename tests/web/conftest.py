"""A served workspace: requests go to the application in process; a browser needs the address of a server."""

import os
import re
import shutil
import socket
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import argon2
import pytest
from fastapi.testclient import TestClient

from abkit import Workspace
from abkit.web.app import create_app
from abkit.workflows.upkeep.people import add_person
from tests.reporting.conftest import FLAGS
from tests.web.stocked import stock

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

WIDE, NARROW = {"width": 1280, "height": 900}, {"width": 390, "height": 844}
PASSWORD = "a long enough password"  # noqa: S105


@pytest.fixture(autouse=True)
def _quick_passwords(monkeypatch: pytest.MonkeyPatch) -> None:
    """Hashing a password is slow on purpose; tests sign in often."""
    cheap = partial(argon2.PasswordHasher, time_cost=1, memory_cost=8, parallelism=1)
    monkeypatch.setattr(argon2, "PasswordHasher", cheap)


@pytest.fixture(scope="session")
def empty_workspace(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of an empty workspace, to be copied: to make one takes longer than a test of a page."""
    folder = tmp_path_factory.mktemp("empty") / "shop"
    Workspace.create(folder).close()
    return folder


@pytest.fixture
def shop(tmp_path: Path, empty_workspace: Path) -> Iterator[Workspace]:
    """An empty workspace."""
    shutil.copytree(empty_workspace, tmp_path / "shop")
    with Workspace.open(tmp_path / "shop") as made:
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

Serve = Callable[..., str]


@pytest.fixture(scope="session")
def servers() -> Iterator[Serve]:
    """Serve workspaces until the tests end; the server runs in a thread of this process."""
    import uvicorn

    running: list[tuple[uvicorn.Server, threading.Thread]] = []

    def serve(workspace: Workspace, *, local: bool = True) -> str:
        listening = socket.socket()
        listening.bind(("127.0.0.1", 0))
        app = create_app(workspace.settings, local=local)
        config = uvicorn.Config(app, log_level="warning", access_log=False, ws="none")
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
def address(stocked: Workspace, servers: Serve) -> str:
    """Where a browser finds the stocked workspace, without a slash at the end; for tests that only read."""
    return servers(stocked)


@pytest.fixture
def own_address(own_stocked: Workspace, servers: Serve) -> str:
    """Where a browser finds a copy that a test may change."""
    return servers(own_stocked)


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


# --- signed in ---------------------------------------------------------------------------------------------------


@pytest.fixture
def served_to_others(shop: Workspace) -> Iterator[Callable[[], TestClient]]:
    """Return new browsers of other machines: nobody has signed in with them."""
    app = create_app(shop.settings, local=False)
    with TestClient(app, base_url="http://ads.example"):
        yield lambda: TestClient(app, base_url="http://ads.example", follow_redirects=False)


@pytest.fixture
def signed_in(shop: Workspace, served_to_others: Callable[[], TestClient]) -> Callable[..., TestClient]:
    """Return a browser in which a new person of a role has signed in."""

    def sign_in(name: str, role: str) -> TestClient:
        add_person(shop.store, name, role, PASSWORD)
        browser = served_to_others()
        answer = submit(browser, "/sign-in", name=name, password=PASSWORD)
        assert answer.status_code == 303, answer.text
        return browser

    return sign_in


def code_of(page: str) -> str:
    """Return the code that makes a form ours, as a page has it."""
    found = re.search(r'(?:name="csrf" value|X-CSRF-Token)"?[=:] ?"([0-9a-f]{64})"', page)
    assert found, page
    return found.group(1)


def submit(browser: TestClient, path: str, *, on: str | None = None, **fields: str | list[str]):
    """Open a page and send a form of it, as a browser does.

    Args:
        browser: The browser.
        path: Where the form is sent.
        on: The page that has it; the same path by default.
        fields: What was filled in.
    """
    code = code_of(browser.get(on or path).text)
    return browser.post(path, data={"csrf": code, **fields}, headers={"origin": str(browser.base_url).rstrip("/")})
