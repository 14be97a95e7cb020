"""Opening the store: one engine for SQLite and PostgreSQL, and transactions that say whether they write."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Engine, create_engine, event
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError, DatabaseError, NoSuchModuleError
from sqlalchemy.orm import Session

from abkit.addresses import masked_url
from abkit.errors import StoreError
from abkit.store.database.failures import BUSY_TIMEOUT_S, explain


class Store:
    """The SQL store: `read()` and `write()` give sessions whose transaction is begun accordingly.

    A writing transaction on SQLite begins IMMEDIATE: a deferred one that upgrades fails at once,
    whatever the busy time-out is.

    >>> with Store("sqlite://").read() as session:
    ...     session.connection().dialect.name
    'sqlite'
    """

    def __init__(self, url: str) -> None:
        self.engine = _make_engine(url)
        self._writing = self.engine.execution_options(abkit_write=True)

    @property
    def dialect(self) -> str:
        """`sqlite` or `postgresql`."""
        return self.engine.dialect.name

    @property
    def file(self) -> Path | None:
        """The file of a store on SQLite; None in memory and on PostgreSQL."""
        name = self.engine.url.database
        in_file = self.dialect == "sqlite" and name and name != ":memory:" and not name.startswith("file:")
        return Path(name) if in_file and name else None

    @property
    def shown_url(self) -> str:
        """The URL without its password."""
        return masked_url(self.engine.url.render_as_string(hide_password=True))

    @contextmanager
    def read(self) -> Iterator[Session]:
        """Yield a session for reading; nothing it changes is kept."""
        with _readable_errors(self), Session(self.engine, expire_on_commit=False) as session:
            yield session

    @contextmanager
    def write(self) -> Iterator[Session]:
        """Yield a session in one writing transaction: committed at the end, rolled back when it raises."""
        with (
            _readable_errors(self),
            Session(self._writing, expire_on_commit=False) as session,
            session.begin(),
        ):
            yield session

    @contextmanager
    def connect(self) -> Iterator[Connection]:
        """Yield one connection for several transactions: temporary tables live from one to the next."""
        with _readable_errors(self), self.engine.connect() as connection:
            yield connection

    def close(self) -> None:
        """Give all connections back."""
        self.engine.dispose()


def _make_engine(url: str) -> Engine:
    try:
        parsed = make_url(url)
        if parsed.drivername == "postgresql":
            parsed = parsed.set(drivername="postgresql+psycopg")
        if parsed.get_backend_name() == "sqlite":
            # NullPool semantics for files come with SQLAlchemy; the driver's own time-out waits for writers.
            engine = create_engine(parsed, connect_args={"timeout": BUSY_TIMEOUT_S})
            event.listen(engine, "connect", _prepare_sqlite)
            event.listen(engine, "begin", _begin_sqlite)
            return engine
        if parsed.get_backend_name() == "postgresql":
            return create_engine(parsed, pool_pre_ping=True)
    except ImportError as error:
        raise StoreError(
            "the store is PostgreSQL, and its driver is not installed",
            hint="pip install 'abkit[postgres]'",
        ) from error
    except (ArgumentError, NoSuchModuleError) as error:
        raise StoreError(
            f"{masked_url(url)!r} is not a database URL that abkit knows",
            hint="use sqlite:///PATH or postgresql://USER@HOST/NAME",
        ) from error
    raise StoreError(
        f"abkit keeps its store in SQLite or PostgreSQL, not in {parsed.get_backend_name()!r}",
        hint="use sqlite:///PATH or postgresql://USER@HOST/NAME",
    )


def _prepare_sqlite(connection: Any, _record: object) -> None:
    # The driver would begin transactions by itself, and always deferred ones.
    connection.isolation_level = None
    cursor = connection.cursor()
    cursor.execute("PRAGMA foreign_keys = ON")
    # A read-only folder can still be read: there the journal mode stays what the file says.
    mode = cursor.execute("PRAGMA journal_mode").fetchone()
    if mode and mode[0] not in ("wal", "memory"):
        path = cursor.execute("PRAGMA database_list").fetchone()[2]
        if not path or os.access(path, os.W_OK):
            cursor.execute("PRAGMA journal_mode = WAL")
    cursor.execute("PRAGMA synchronous = NORMAL")
    cursor.close()


def _begin_sqlite(connection: Connection) -> None:
    writing = connection.get_execution_options().get("abkit_write", False)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writing else "BEGIN DEFERRED")


@contextmanager
def _readable_errors(store: Store) -> Iterator[None]:
    try:
        yield
    except DatabaseError as error:
        if (explained := explain(store.engine, error)) is None:
            raise
        raise explained from error
