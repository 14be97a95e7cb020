"""Commands that read leave the store as it is; those that log what they found neither register nor promote a model."""

from pathlib import Path

import pytest
from sqlalchemy import Table

from abkit.store.database.engine import Store
from abkit.store.schema import Base, ModelVersion, Promotion
from abkit.workflows.upkeep.workspace import make_workspace
from tests.commands.conftest import Here

READING = (
    "model list",
    "drift list",
    "experiment list",
    "kpi rejects",
    "ratings rejects",
    "schedule list",
    "schedule status",
    "alerts list",
    "db current",
    "db check",
    "report --out report.html",
)
LOGGING = ("correlate", "drift check", "shortlist --campaign spring", "kpi link")


@pytest.fixture
def new_workspace(tmp_path: Path) -> Path:
    make_workspace(tmp_path / "new")
    return tmp_path / "new"


def rows(folder: Path, *only: type[Base]) -> dict[str, list[tuple[object, ...]]]:
    """All rows of all tables, or of these."""
    tables = [table.__table__ for table in only] or Base.metadata.sorted_tables
    store = Store(f"sqlite:///{folder / 'abkit.db'}")
    with store.read() as session:
        found = {t.name: [tuple(row) for row in session.execute(t.select())] for t in tables if isinstance(t, Table)}
    store.close()
    return found


def test_reading_commands_write_nothing(here: Here, new_workspace: Path, quick_workspace: Path) -> None:
    for folder in (new_workspace, quick_workspace):
        before = rows(folder)
        for command in READING:
            said = here(*command.split(), cwd=folder)
            assert said.returncode == 0, said.stderr
            assert rows(folder) == before, command


def test_commands_that_log_what_they_found_neither_register_nor_promote(here: Here, new_workspace: Path) -> None:
    for command in LOGGING:
        here(*command.split(), cwd=new_workspace)
    assert rows(new_workspace, ModelVersion, Promotion) == {"model_version": [], "promotion": []}
