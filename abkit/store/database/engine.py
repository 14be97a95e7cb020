"""Opening the store: one engine for SQLite and PostgreSQL, and transactions that say whether they write."""

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from copy import copy
from pathlib import Path
from typing import Any
from urllib.parse import quote

from sqlalchemy import Connection, Engine, create_engine, event
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError, DatabaseError, NoSuchModuleError
from sqlalchemy.orm import Session

from abkit.addresses import masked_url, names_a_secret
from abkit.errors import StoreError
from abkit.redaction import keep_secret, redacted
from abkit.store.database.failures import explain
from abkit.store.database.patience import USUAL, Patience

# Connections at a time: a web server has many requests. Those that are open stay open, and the one used last is taken
# first: a new one on PostgreSQL is a process of its own, which learns every table and statement anew.
_POOL = {"pool_size": 15, "max_overflow": 0, "pool_use_lifo": True}
_FORMS = "use sqlite:///PATH or postgresql://USER@HOST/NAME"


class Store:
    """The SQL store: `read()` and `write()` give sessions whose transaction is begun accordingly.

    A writing transaction on SQLite begins IMMEDIATE: a deferred one that upgrades fails at once,
    whatever the busy time-out is.

    >>> with Store("sqlite://").read() as session:
    ...     session.connection().dialect.name
    'sqlite'
    """

    def __init__(self, url: str, *, patience: Patience = USUAL) -> None:
        self.engine: Engine = _make_engine(url).execution_options(abkit_patience=patience)

    def with_patience(self, patience: Patience) -> "Store":
        """Return the same store, its connections included, for work that waits so long."""
        other = copy(self)
        other.engine = self._engine(patience)
        return other

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
    def read(self, patience: Patience | None = None) -> Iterator[Session]:
        """Yield a session for reading; nothing it changes is kept. It waits as long as the store does, or as told."""
        engine = self._engine(patience)
        with _readable_errors(engine), Session(engine, expire_on_commit=False) as session:
            yield session

    @contextmanager
    def write(self, patience: Patience | None = None, *, durable: bool = False) -> Iterator[Session]:
        """Yield a session in one writing transaction: committed at the end, rolled back when it raises.

        Args:
            patience: How long it waits; as long as the store does when None.
            durable: Whether the commit outlives a power cut, with all commits before it. On SQLite the last commits
                may otherwise be lost then, in order. The transaction must change a row.
        """
        engine = self._engine(patience, abkit_write=True, abkit_durable=durable)
        with (
            _readable_errors(engine),
            Session(engine, expire_on_commit=False) as session,
            session.begin(),
        ):
            yield session

    @contextmanager
    def connect(self, patience: Patience | None = None) -> Iterator[Connection]:
        """Yield one connection for several transactions: temporary tables live from one to the next."""
        engine = self._engine(patience)
        with _readable_errors(engine), engine.connect() as connection:
            yield connection

    def close(self) -> None:
        """Give all connections back."""
        self.engine.dispose()

    def _engine(self, patience: Patience | None, **options: Any) -> Engine:
        return self.engine.execution_options(**options, **({"abkit_patience": patience} if patience else {}))


def _make_engine(url: str) -> Engine:
    parsed = _parsed(url)
    try:
        if parsed.get_backend_name() == "sqlite":
            # NullPool semantics for files come with SQLAlchemy; the driver's own time-out waits for writers.
            engine = create_engine(parsed, connect_args={"timeout": USUAL.lock_s}, hide_parameters=True)
            event.listen(engine, "connect", _prepare_sqlite)
            event.listen(engine, "begin", _begin_sqlite)
            return engine
        if parsed.get_backend_name() == "postgresql":
            from abkit.store.database.postgres import connector

            engine = create_engine(parsed, pool_pre_ping=True, hide_parameters=True, **_POOL)
            event.listen(engine, "do_connect", connector(parsed.query))
            event.listen(engine, "begin", _begin_postgresql)
            return engine
    except ImportError:
        raise StoreError(
            "the store is PostgreSQL, and its driver is not installed",
            hint="pip install 'abkit[postgres]'",
        ) from None
    except (ArgumentError, NoSuchModuleError):
        raise StoreError(f"{redacted(url)!r} is not a database URL that abkit knows", hint=_FORMS) from None
    raise StoreError(
        f"abkit keeps its store in SQLite or PostgreSQL, not in {parsed.get_backend_name()!r}", hint=_FORMS
    )


def _parsed(url: str) -> URL:
    """Return the parts of the store's URL, whose secrets are told to nobody from then on.

    Raises:
        StoreError: It is none, or a sign of its password cuts it: then a part of the password would be the host.
    """
    scheme = re.match(r"[a-z][a-z0-9]*(?=(\+[a-z0-9]+)?://)", url, re.IGNORECASE)
    keep_secret(*_secrets(url))
    if scheme is None:
        keywords = re.search(r"\b(host|dbname|user|password|service)\s*=", url) is not None
        what = "a list of keywords, as libpq takes it" if keywords else "without a scheme such as postgresql://"
        raise StoreError(f"the store's address is not a URL: it is {what}", hint=_FORMS)
    try:
        parsed = make_url(url)
    except (ArgumentError, ValueError):
        # Of an address that cannot be taken apart nobody knows which part is the password.
        raise StoreError(
            f"the store's address, which begins with {scheme[0]}://, is not a URL that abkit can take apart",
            hint=f"{_FORMS}; a sign in a password is written by its code, such as %40 for @",
        ) from None
    keep_secret(parsed.password, *(one for name, one in _pairs(parsed) if names_a_secret(name)))
    cut = next((sign for sign in "@?#:" if sign in (parsed.host or "").strip("[]").replace("::", "")), "")
    if parsed.get_backend_name() != "sqlite" and cut and not _is_ipv6(parsed.host or ""):
        raise StoreError(
            f"a bare {cut} in the password cuts the store's address, which begins with {scheme[0]}://",
            hint=f"write that {cut} as {quote(cut, safe='')}",
        )
    if parsed.drivername in ("postgresql", "postgres"):
        parsed = parsed.set(drivername="postgresql+psycopg")
    return parsed


def _pairs(url: URL) -> Iterator[tuple[str, str]]:
    for name, values in url.query.items():
        for value in (values,) if isinstance(values, str) else values:
            yield name, value


def _secrets(url: str) -> list[str]:
    """Return what may be a password of an address that was written by hand, well or not."""
    front = re.match(r"[a-z0-9+]+:/*[^:/@]*:(.*)@", url, re.IGNORECASE)
    keyword = re.search(r"password\s*=\s*('[^']*'|\S+)", url)
    return [one[1].strip("'") for one in (front, keyword) if one is not None]


def _is_ipv6(host: str) -> bool:
    return re.fullmatch(r"[0-9a-fA-F:.]+(%\w+)?", host) is not None and host.count(":") > 1


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
    connection.exec_driver_sql(f"PRAGMA busy_timeout = {_patience(connection).lock_s * 1000:.0f}")
    if writing:
        durable = connection.get_execution_options().get("abkit_durable", False)
        connection.exec_driver_sql(f"PRAGMA synchronous = {'FULL' if durable else 'NORMAL'}")
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writing else "BEGIN DEFERRED")


def _begin_postgresql(connection: Connection) -> None:
    patience = _patience(connection)
    # For this transaction only: a pooler may give the same session to others. The day of an instant is that of UTC.
    connection.exec_driver_sql(
        "SELECT set_config('statement_timeout', %s, true), set_config('lock_timeout', %s, true), "
        "set_config('TimeZone', 'UTC', true)",
        (f"{patience.statement_s * 1000:.0f}", f"{patience.lock_s * 1000:.0f}"),
    )
    if connection.get_execution_options().get("abkit_durable", False):
        connection.exec_driver_sql("SET LOCAL synchronous_commit = on")
    driver: Any = connection.connection.driver_connection
    driver.statement_s = patience.statement_s


def _patience(connection: Connection) -> Patience:
    patience: Patience = connection.get_execution_options().get("abkit_patience", USUAL)
    return patience


@contextmanager
def _readable_errors(engine: Engine) -> Iterator[None]:
    try:
        yield
    except DatabaseError as error:
        if (explained := explain(engine, error)) is None:
            raise
        raise explained from error
