"""A PostgreSQL database that a test gets is like a new one, whatever the test before did to it."""

import psycopg
import pytest

from abkit.store.database.engine import Store
from tests.databases import Databases
from tests.store.database.test_every_migration import WORDS
from tests.store.every_table import Contents, EveryTable, contents

CHANGED = (
    "CREATE TABLE effect (tick TEXT)",
    "CREATE VIEW days AS SELECT 1 AS day",
    "CREATE SCHEMA other",
    "ALTER TABLE run ADD COLUMN mood TEXT",
    "ALTER TABLE run DISABLE TRIGGER ALL",
    "DROP VIEW monitor_decision",
    "GRANT SELECT ON run TO PUBLIC",
    "TRUNCATE run CASCADE",
    "UPDATE alembic_version SET version_num = '0001'",
    "ALTER DATABASE {database} SET default_transaction_read_only = on",
    "ALTER DATABASE {database} CONNECTION LIMIT 0",
)


@pytest.fixture
def databases(postgresql_databases: Databases) -> Databases:
    """None of them is idle: the first that is taken is new."""
    return Databases(postgresql_databases.server, postgresql_databases.template)


def test_rows_in_every_table_and_sessions_left_open_are_gone_and_numbers_begin_again(databases: Databases) -> None:
    name = databases.take()
    added: list[Contents] = []
    for _ in range(2):
        store = Store(databases.url(name))
        EveryTable(store, WORDS).add_rows()
        added.append(contents(store))
        store.close()
        with psycopg.connect(databases.url(name)) as left_open:
            left_open.execute("SELECT 1 FROM run")
            databases.give_back(name)
            assert databases.take() == name
            with pytest.raises(psycopg.OperationalError):
                left_open.execute("SELECT 1")
    assert all(added[0].values())
    assert added[0] == added[1]


@pytest.mark.parametrize("statement", CHANGED)
def test_a_database_in_which_more_than_rows_was_changed_is_dropped(databases: Databases, statement: str) -> None:
    name = databases.take()
    with psycopg.connect(databases.url(name), autocommit=True) as connection:
        connection.execute(statement.format(database=name))
    databases.give_back(name)
    assert databases.take() != name
    with pytest.raises(psycopg.OperationalError, match="does not exist"):
        psycopg.connect(databases.url(name))
