"""A served workspace: requests go to the application in process; a browser needs `address`."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from fastapi.testclient import TestClient

from abkit import Workspace
from abkit.web.app import create_app


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
