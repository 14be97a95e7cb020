"""Opening the store: one engine for SQLite and PostgreSQL, and transactions that say whether they write."""

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Engine, create_engine, event
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError, DatabaseError, NoSuchModuleError, OperationalError
from sqlalchemy.orm import Session

from abkit.errors import StoreError

BUSY_TIMEOUT_S = 60


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
    def shown_url(self) -> str:
        """The URL without its password."""
        return self.engine.url.render_as_string(hide_password=True)

    @contextmanager
    def read(self) -> Iterator[Session]:
        """A session for reading; nothing it changes is kept."""
        with _readable_errors(self), Session(self.engine, expire_on_commit=False) as session:
            yield session

    @contextmanager
    def write(self) -> Iterator[Session]:
        """A session in one writing transaction: committed at the end, rolled back when it raises."""
        with (
            _readable_errors(self),
            Session(self._writing, expire_on_commit=False) as session,
            session.begin(),
        ):
            yield session

    @contextmanager
    def connect(self) -> Iterator[Connection]:
        """One connection for several transactions, where temporary tables have to live from one to the next."""
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
            f"{_without_password(url)!r} is not a database URL that abkit knows",
            hint="use sqlite:///PATH or postgresql://USER@HOST/NAME",
        ) from error
    raise StoreError(
        f"abkit keeps its store in SQLite or PostgreSQL, not in {parsed.get_backend_name()!r}",
        hint="use sqlite:///PATH or postgresql://USER@HOST/NAME",
    )


def _without_password(url: str) -> str:
    return re.sub(r"(//|^)([^:/@]*):(?!//).*@", r"\1\2:***@", url)


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
    except OperationalError as error:
        raise _store_error(store, error) from error
    except DatabaseError as error:
        if "file is not a database" in str(error.orig) or "malformed" in str(error.orig):
            raise StoreError(
                f"{store.shown_url} is not an SQLite database, or it is damaged",
                hint="restore it from a backup, or run `abkit init` in another folder",
            ) from error
        if "no such table" in str(error.orig) or "does not exist" in str(error.orig):
            raise _missing_tables(store) from error
        if "read-only transaction" in str(error.orig) or "permission denied" in str(error.orig):
            raise _may_not_be_written(store, f"the database refuses it ({_first_line(error)})") from error
        raise


def _store_error(store: Store, error: OperationalError) -> StoreError:
    said = str(error.orig)
    where = store.shown_url
    if "no such table" in said or "no such column" in said:
        return _missing_tables(store)
    if "unable to open database file" in said:
        path = Path(str(store.engine.url.database))
        if os.path.exists(path):
            why = f"SQLite keeps a journal beside it, also to read, and {path.parent} is read-only"
            return _may_not_be_written(store, why)
        return StoreError(
            f"the store {where} cannot be opened: there is no such file, or the folder {path.parent} is out of reach",
            hint="check the path and the folder's permissions, or run `abkit init`",
        )
    if "readonly" in said:
        return _may_not_be_written(store, "the file or its folder is read-only")
    if "disk is full" in said or "disk I/O error" in said or "No space left" in said:
        return StoreError(
            f"the disk that holds {where} is full or failing; nothing was half-written",
            hint="free some space and run the same command again: it goes on where it stopped",
        )
    if "is locked" in said:
        return StoreError(
            f"another process has been writing to {where} for more than {BUSY_TIMEOUT_S} seconds",
            hint="wait for it to end, or use PostgreSQL for many writers",
        )
    if "deadlock" in said:
        return StoreError(
            f"another process and this one waited for each other in {where}; nothing was half-written",
            hint="run the same command again: it goes on where it stopped",
        )
    # What the server itself answers begins so: then it runs, and something about the URL is wrong.
    hint = "check the URL, the user and the database's name" if "FATAL" in said else "is it running?"
    return StoreError(f"the store {where} does not answer: {_first_line(error)}", hint=hint)


def _may_not_be_written(store: Store, why: str) -> StoreError:
    return StoreError(
        f"the store {store.shown_url} may not be written: {why}",
        hint="get permission to write there, or name another store with --database-url",
    )


def _first_line(error: DatabaseError) -> str:
    # Where psycopg tried several addresses, what the server said stands last.
    lines = [line.strip() for line in str(error.orig).splitlines() if line.strip()]
    return next((line for line in reversed(lines) if "FATAL" in line), lines[0] if lines else "no reason given")


def _missing_tables(store: Store) -> StoreError:
    return StoreError(
        f"the store {store.shown_url} lacks tables or columns that this version of abkit needs",
        hint="run `abkit db upgrade`",
    )
