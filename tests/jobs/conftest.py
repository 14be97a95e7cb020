"""Real daemons in real processes."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.jobs.fleet import Fleet


@pytest.fixture
def fleet(tmp_path: Path) -> Iterator[Callable[..., Fleet]]:
    """A function that gives the daemons of a store."""
    made: list[Fleet] = []

    def make(url: str, **daemon: Any) -> Fleet:
        folder = tmp_path / f"logs-{len(made)}"
        folder.mkdir()
        made.append(Fleet(url, folder, tmp_path, daemon))
        return made[-1]

    yield make
    for one in made:
        for process in one.processes:
            process.kill()
            process.wait()
