"""Real daemons in real processes, and empty migrated databases for them."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import ENGINES, MakeDatabase
from tests.jobs.fleet import Fleet, Source


@pytest.fixture(params=ENGINES)
def ledger_url(request: pytest.FixtureRequest, new_database: MakeDatabase) -> str:
    """A database at the current migration, once on each engine: where claims and leases meet."""
    return new_database(request.param, migrated=True)


@pytest.fixture
def sqlite_url(new_database: MakeDatabase) -> str:
    """A database at the current migration on SQLite, where the engine does not matter."""
    return new_database("sqlite", migrated=True)


@pytest.fixture(scope="session")
def source() -> Iterator[Source]:
    """Where daemons are forked from; that one starts as a process of its own is seen in the other tests."""
    one = Source()
    yield one
    one.close()


@pytest.fixture
def fleet(tmp_path: Path, source: Source) -> Iterator[Callable[..., Fleet]]:
    """A function that gives the daemons of a store."""
    made: list[Fleet] = []

    def make(url: str, **daemon: Any) -> Fleet:
        folder = tmp_path / f"logs-{len(made)}"
        folder.mkdir()
        made.append(Fleet(url, folder, tmp_path, daemon, source=source))
        return made[-1]

    yield make
    for one in made:
        for process in one.processes:
            process.kill()
            process.wait()
