"""A served workspace whose active model is quick to load."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from fastapi.testclient import TestClient

from abkit import Workspace
from abkit.web.app import create_app
from abkit.workflows.active_model import promote, register_checkpoint
from tests.workflows.conftest import quick_checkpoint

__all__ = ["quick_checkpoint"]


@pytest.fixture(scope="module")
def studio(
    sqlite_template: Path, quick_checkpoint: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Workspace]:
    """A workspace with a model and nothing else."""
    folder = tmp_path_factory.mktemp("studio")
    shutil.copy(sqlite_template, folder / "abkit.db")
    with Workspace.create(folder) as made:
        promote(made.store, register_checkpoint(made.store, quick_checkpoint).digest, why="for the tests")
        yield made


@pytest.fixture(scope="module")
def scoring(studio: Workspace) -> Iterator[TestClient]:
    """A client of its API."""
    with TestClient(create_app(studio.settings), base_url="http://127.0.0.1") as made:
        yield made
