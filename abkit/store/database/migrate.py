"""Migrations: bring a store to the version of this code, and refuse a store of another version."""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path

from sqlalchemy import inspect, text
from sqlalchemy.orm import Session

from abkit.errors import StoreError
from abkit.store.database.engine import Store
from abkit.store.database.patience import LONG
from abkit.store.database.statements import wait_for_turn
from abkit.store.schema import Base
from abkit.store.views import VIEWS

# Any number, the same in all processes: PostgreSQL lets one of them migrate at a time.
_MIGRATION_LOCK = 6_223_814


def migrations_folder() -> Path:
    """Return the folder of the migrations: inside the package when installed, beside it in a checkout."""
    package = Path(__file__).resolve().parents[2]
    inside = package / "migrations"
    return inside if inside.is_dir() else package.parent / "migrations"


def head() -> str:
    """Return the migration that this code is written for."""
    return _revisions()[-1]


def current(store: Store) -> str | None:
    """Return the migration that the store is at; None before the first."""
    with store.read() as session:
        if not inspect(session.connection()).has_table("alembic_version"):
            return None
        version: str | None = session.scalar(text("SELECT version_num FROM alembic_version"))
        return version


def is_known(revision: str) -> bool:
    """Return whether this code has a migration, or a newer abkit must have made it."""
    return revision in _revisions()


@cache
def _revisions() -> tuple[str, ...]:
    """Return all migrations, the first one first: each is called as its file is.

    Every command asks for the last, and Alembic would be loaded and run the files for it.
    """
    return tuple(sorted(path.stem for path in (migrations_folder() / "versions").glob("[0-9]*.py")))


def upgrade(store: Store, revision: str = "head") -> None:
    """Bring the store forward to a migration, in one transaction. Several processes may call it at once."""
    _migrate(store, revision, down=False)


def downgrade(store: Store, revision: str) -> None:
    """Take the store back to an earlier migration, in one transaction; "base" empties it."""
    _migrate(store, revision, down=True)


def _migrate(store: Store, revision: str, *, down: bool) -> None:
    from alembic import command
    from alembic.config import Config

    _refuse_newer(store)
    with _without_foreign_keys(store) as session:
        wait_for_turn(session, _MIGRATION_LOCK)
        config = Config()
        config.set_main_option("script_location", str(migrations_folder()).replace("%", "%%"))
        config.attributes["connection"] = session.connection()
        (command.downgrade if down else command.upgrade)(config, revision)


@contextmanager
def _without_foreign_keys(store: Store) -> Iterator[Session]:
    """Yield a session in one writing transaction in which SQLite may replace a table that others refer to.

    SQLite changes a constraint only by making the table anew, and would not drop the old one. It takes the pragma
    outside of transactions only; that every reference still holds is checked before the commit.
    """
    if store.dialect != "sqlite":
        with store.write(LONG) as session:
            yield session
        return
    with store.connect(LONG) as connection:
        driver = connection.connection.driver_connection
        assert driver is not None  # noqa: S101
        driver.execute("PRAGMA foreign_keys = OFF")
        try:
            connection.execution_options(abkit_write=True)
            with Session(connection, expire_on_commit=False) as session, session.begin():
                yield session
                if broken := session.execute(text("PRAGMA foreign_key_check")).first():
                    raise StoreError(
                        f"the migration would leave a row of {broken[0]} that refers to none of {broken[2]}",
                        hint="nothing was changed; run `abkit db check`, or go back to a backup",
                    )
        finally:
            driver.execute("PRAGMA foreign_keys = ON")


def differences(store: Store) -> list[str]:
    """Return how tables and views of the store differ from those in the code; empty when they agree."""
    from alembic.autogenerate import compare_metadata
    from alembic.runtime.migration import MigrationContext

    with store.read() as session:
        connection = session.connection()
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        missing = sorted(set(VIEWS).difference(inspect(connection).get_view_names()))
        tables = [str(difference) for difference in compare_metadata(context, Base.metadata)]
    return [*tables, *(f"there is no view {name}" for name in missing)]


def require_current(store: Store) -> None:
    """Refuse a store that this code is not written for.

    Raises:
        StoreError: The store is empty, older or newer; the hint says what to do.
    """
    path = store.file
    if path is not None and not path.exists():
        # Connecting would create an empty file.
        raise StoreError(
            f"the store {store.shown_url} cannot be opened: there is no such file",
            hint=f"check the path and the permissions of {path.parent}, or run `abkit init`",
        )
    at = current(store)
    if at == head():
        return
    if at is None:
        raise StoreError(f"{store.shown_url} is not an abkit store yet", hint="run `abkit init` or `abkit db upgrade`")
    _refuse_newer(store)
    raise StoreError(
        f"the store {store.shown_url} is at migration {at}, and this abkit needs {head()}",
        hint="make a backup, then run `abkit db upgrade`",
    )


def _refuse_newer(store: Store) -> None:
    at = current(store)
    if at is not None and not is_known(at):
        raise StoreError(
            f"the store {store.shown_url} is at migration {at}, made by a newer abkit than this one",
            hint="upgrade abkit (pip install --upgrade abkit), or name another store with --database-url",
        )
