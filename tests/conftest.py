"""What all tests share: stores on both engines, and the folder of real data."""

import gc
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import uuid
from collections.abc import Callable, Generator, Iterator
from contextlib import ExitStack, closing
from pathlib import Path

import pytest

from abkit import redaction
from abkit.store.database import migrate
from abkit.store.database.engine import Store
from tests import encoders, statements
from tests.databases import Databases, execute
from tests.postgres import postgres

ENGINES = ("sqlite", "postgresql")

statements.share()

# A shell that starts the tests in the background ignores Ctrl-C for them, and their child processes would inherit that.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

# Two processes run one file each: those that take longest come first, one that mostly waits beside one that computes.
FIRST = (
    "test_daemon_concurrency.py", "test_story.py", "test_daemon_endings.py", "test_pipeline.py", "test_comparisons.py",
    "test_score.py",
)  # fmt: skip


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put the longest files first, and leave the order otherwise."""
    items.sort(key=lambda item: FIRST.index(item.path.name) if item.path.name in FIRST else len(FIRST))


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Generator[None, object, object]:
    """What all test modules import stays: it is not looked through for garbage again and again."""
    gc.disable()
    try:
        return (yield)
    finally:
        gc.collect()
        gc.freeze()
        gc.set_threshold(10_000)
        gc.enable()


@pytest.fixture(autouse=True)
def _nothing_kept_secret(monkeypatch: pytest.MonkeyPatch) -> None:
    """What one test has for a password is a word like any other in the next."""
    monkeypatch.setattr(redaction, "_known", set())


@pytest.fixture(autouse=True)
def _encoders_built_once() -> None:
    """Whatever has imported them by now finds them built."""
    encoders.share()


@pytest.fixture(scope="session")
def testdata() -> Path:
    """The folder of real data sets; without it the test is skipped."""
    folder = os.environ.get("ABKIT_TESTDATA")
    if not folder:
        pytest.skip("ABKIT_TESTDATA is not set: the real data sets are not part of the repository")
    return Path(folder)


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[str]:
    """The URL of a real PostgreSQL that lives as long as this test process."""
    with postgres() as server:
        yield server.get_uri()


MakeDatabase = Callable[..., str]


@pytest.fixture
def new_database(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[MakeDatabase]:
    """A function that makes a database on the engine that is named, and returns its URL.

    It is empty, or with `migrated=True` a copy of a store at the current migration.
    """
    with ExitStack() as after:

        def make(engine: str, *, migrated: bool = False) -> str:
            if engine == "sqlite":
                path = tmp_path / f"store-{uuid.uuid4().hex[:8]}.db"
                if migrated:
                    shutil.copy(request.getfixturevalue("sqlite_template"), path)
                return f"sqlite:///{path}"
            server = request.getfixturevalue("postgres_server")
            if migrated:
                databases = request.getfixturevalue("postgresql_databases")
                name = databases.take()
                after.callback(databases.give_back, name)
            else:
                name = f"t{uuid.uuid4().hex}"
                execute(server, "CREATE DATABASE {}", name)
                after.callback(execute, server, "DROP DATABASE {} WITH (FORCE)", name)
            return server.replace("/postgres?", f"/{name}?")

        yield make


@pytest.fixture(scope="session")
def sqlite_template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An SQLite file at the current migration, to copy from."""
    path = tmp_path_factory.mktemp("template") / "store.db"
    _migrate(f"sqlite:///{path}")
    return path


@pytest.fixture(scope="session")
def postgresql_databases(postgres_server: str) -> Databases:
    """PostgreSQL databases at the current migration."""
    name = "abkit_template"
    execute(postgres_server, "CREATE DATABASE {}", name)
    _migrate(postgres_server.replace("/postgres?", f"/{name}?"))
    return Databases(postgres_server, template=name)


@pytest.fixture
def migrations_run_once(sqlite_template: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let a new SQLite file become a copy of one that went through all migrations, where these are not the point."""
    every = migrate.upgrade

    def upgrade(store: Store, revision: str = "head") -> None:
        if store.dialect != "sqlite" or revision != "head" or migrate.current(store) is not None:
            every(store, revision)
            return
        with closing(sqlite3.connect(sqlite_template)) as template, store.connect() as connection:
            driver = connection.connection.driver_connection
            assert isinstance(driver, sqlite3.Connection)
            template.backup(driver)

    monkeypatch.setattr(migrate, "upgrade", upgrade)


def _migrate(url: str) -> None:
    store = Store(url)
    migrate.upgrade(store)
    store.close()  # SQLite folds its write-ahead log into the file, PostgreSQL lets go of the template


@pytest.fixture(params=ENGINES)
def database_url(request: pytest.FixtureRequest, new_database: MakeDatabase) -> str:
    """An empty database, once on each engine."""
    return new_database(request.param)


@pytest.fixture(params=ENGINES)
def store(request: pytest.FixtureRequest, new_database: MakeDatabase) -> Iterator[Store]:
    """A store at the current migration, once on each engine."""
    store = Store(new_database(request.param, migrated=True))
    yield store
    store.close()


@pytest.fixture
def sqlite_store(new_database: MakeDatabase) -> Iterator[Store]:
    """A store at the current migration on SQLite, where the engine does not matter."""
    store = Store(new_database("sqlite", migrated=True))
    yield store
    store.close()


Abkit = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture
def abkit(tmp_path: Path) -> Abkit:
    """Run the real command in a real process: `abkit("score", "ads", cwd=…)`."""

    def run(*arguments: object, cwd: Path | None = None, timeout: float = 300, **env: str) -> object:
        return subprocess.run(
            [sys.executable, "-m", "abkit", *map(str, arguments)],
            cwd=cwd or tmp_path,
            env={**os.environ, **env},
            capture_output=True,
            text=True,
            timeout=timeout,
        )

    return run
