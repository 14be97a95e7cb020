"""A store of every earlier migration, with rows in every table, upgrades to the head and keeps them."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from alembic.script import ScriptDirectory

from abkit.store.database import migrate
from abkit.store.database.engine import Store
from tests.conftest import MakeDatabase
from tests.store.every_table import Contents, EveryTable, contents

_SCRIPTS = ScriptDirectory(str(migrate.migrations_folder()))
REVISIONS = [script.revision for script in _SCRIPTS.walk_revisions()][::-1]
# From each of the others, and on SQLite: `make test-long`.
OFTEN = ("0006_ratings", "0017_imports")
# What earlier releases wrote into columns that take only these words since, or that the store fills by itself.
WORDS = {
    **_SCRIPTS.get_revision("0011_vocabulary").module.LISTS,
    "ad_creative": {"linked_by": ("name", "sha256", "hand")},
    "segment": {"breakdown": (None,)},
}
# What is computed from other columns, and is written anew.
DERIVED = {("kpi", "left_out"), ("segment", "breakdown")}


def test_migrations_are_called_as_their_files_in_their_order() -> None:
    assert [path.stem for path in sorted((migrate.migrations_folder() / "versions").glob("*.py"))] == REVISIONS
    assert migrate.head() == REVISIONS[-1]
    assert [name for name in [*REVISIONS, "0000_unknown"] if migrate.is_known(name)] == REVISIONS


def check_kept(before: Contents, after: Contents) -> None:
    """Every row is there, and so is every figure of a column that is still there."""
    for table, rows in before.items():
        assert len(after[table]) == len(rows), table
        for old, new in zip(rows, after[table], strict=True):
            kept = [name for name in old if name in new and (table, name) not in DERIVED]
            assert {name: new[name] for name in kept} == {name: old[name] for name in kept}, table


@pytest.mark.parametrize("engine", ["sqlite", pytest.param("postgresql", marks=pytest.mark.long)])
def test_rows_of_every_release_outlive_every_later_migration(new_database: MakeDatabase, engine: str) -> None:
    store = Store(new_database(engine))
    every = EveryTable(store, WORDS)
    before: Contents = {}
    for revision in REVISIONS:
        migrate.upgrade(store, revision)
        check_kept(before, contents(store))
        every.add_rows()
        before = contents(store)
        assert all(before.values())
    assert migrate.differences(store) == []
    store.close()


def _one_step(engine: str, often: tuple[str, ...] = ()) -> list[Any]:
    return [
        pytest.param(engine, revision, marks=[] if revision in often else pytest.mark.long, id=f"{engine}-{revision}")
        for revision in REVISIONS[:-1]
    ]


@pytest.mark.parametrize(("engine", "revision"), [*_one_step("sqlite"), *_one_step("postgresql", OFTEN)])
def test_a_store_of_an_earlier_release_upgrades_in_one_step_and_takes_new_rows(
    new_database: MakeDatabase, engine: str, revision: str
) -> None:
    store = Store(new_database(engine))
    migrate.upgrade(store, revision)
    EveryTable(store, WORDS).add_rows()
    before = contents(store)
    assert all(before.values())
    migrate.upgrade(store)
    check_kept(before, contents(store))
    assert migrate.differences(store) == []
    EveryTable(store, WORDS).add_rows()
    store.close()


@pytest.mark.long
@pytest.mark.parametrize("engine", ["sqlite", "postgresql"])
def test_an_upgrade_that_is_killed_changes_nothing_and_the_next_one_goes_through(engine: str) -> None:
    """`benchmarks/upgrade_kills.py` with few kills, in a process of its own, which may fork."""
    script = Path(__file__).parents[3] / "benchmarks" / "upgrade_kills.py"
    command = [sys.executable, str(script), "--engine", engine, "--kills", "10", "--seed", "3"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=600)
    assert done.returncode == 0, done.stderr
    counts = json.loads(done.stdout)
    assert counts["undone"] + counts["done"] == 10
    assert counts["undone"] >= 3
