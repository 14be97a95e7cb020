"""Workspaces for tests of the command line."""

import functools
import shutil
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import pytest

from abkit.commands.app import main
from abkit.store.database.engine import Store
from abkit.workflows.active_model import promote, register_checkpoint
from abkit.workflows.upkeep.workspace import make_workspace
from tests.remote_files import S3, SECRET, Server, Web, serving
from tests.workflows.conftest import make_checkpoint


@pytest.fixture(autouse=True)
def _migrations_run_once(migrations_run_once: None) -> None:
    """Commands make many stores; that a process of its own goes through the migrations is seen in test_wheel."""


@pytest.fixture(scope="session")
def _checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_checkpoint(tmp_path_factory.mktemp("command-checkpoint") / "quick", seed=0)


@pytest.fixture(scope="session")
def _workspace(tmp_path_factory: pytest.TempPathFactory, _checkpoint: Path) -> Path:
    folder = tmp_path_factory.mktemp("quick") / "workspace"
    make_workspace(folder)
    store = Store(f"sqlite:///{folder / 'abkit.db'}")
    version = register_checkpoint(store, _checkpoint)
    promote(store, version.digest, why="for the tests")
    store.close()
    return folder


@pytest.fixture
def quick_workspace(tmp_path: Path, _workspace: Path, _checkpoint: Path) -> Path:
    """A workspace on SQLite whose active model is an untrained scorer on the small encoder; a copy of its own."""
    folder = tmp_path / "workspace"
    shutil.copytree(_workspace, folder)
    shutil.copytree(_checkpoint, folder / "checkpoint")
    with closing(sqlite3.connect(folder / "abkit.db")) as connection:
        connection.execute("UPDATE model_version SET location = ?", (str(folder / "checkpoint"),))
        connection.commit()
    return folder


@pytest.fixture(scope="module")
def web() -> Iterator[Server]:
    with serving(Web) as server:
        yield server


@pytest.fixture
def s3(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    with serving(S3) as server:
        monkeypatch.setenv("AWS_ENDPOINT_URL", server.url)
        monkeypatch.setenv("AWS_ACCESS_KEY_ID", "key")
        monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", SECRET)
        yield server


@dataclass(frozen=True)
class Said:
    """How a command ended."""

    returncode: int
    stdout: str
    stderr: str


Here = Callable[..., Said]


@pytest.fixture
def here(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Here:
    """Run the command line in this process, which has torch loaded: a process each would wait for its import."""

    def run(*arguments: object, cwd: Path = tmp_path, **env: str) -> Said:
        monkeypatch.chdir(cwd)
        for name, value in env.items():
            monkeypatch.setenv(name, value)
        capsys.readouterr()
        with pytest.raises(SystemExit) as ended:
            main([str(argument) for argument in arguments])
        said = capsys.readouterr()
        return Said(int(ended.value.code or 0), said.out, said.err)

    return run


def quick_recipe_of(monkeypatch: pytest.MonkeyPatch, **recipe: int) -> None:
    """Let `abkit model train` use a recipe that is over at once: what it learns does not matter here."""
    from abkit_model.training import request

    made = functools.partial(request.TrainingRequest, recipe=request.Recipe(**recipe))
    monkeypatch.setattr(request, "TrainingRequest", made)
