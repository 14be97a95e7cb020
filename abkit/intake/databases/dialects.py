"""Databases by the SQLAlchemy dialect that the user installed: one SELECT, never committed, streamed, within a time."""

from __future__ import annotations

import queue
import re
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from itertools import islice
from typing import Any

from abkit.errors import AbkitError, UsageError

#: What to install for a kind of database, by the beginning of its URL.
PACKAGES = {
    "athena": "'PyAthena[SQLAlchemy]'",
    "awsathena": "'PyAthena[SQLAlchemy]'",
    "bigquery": "sqlalchemy-bigquery",
    "clickhouse": "clickhouse-sqlalchemy",
    "clickhousedb": "clickhouse-connect",
    "databricks": "databricks-sqlalchemy",
    "mariadb": "pymysql",
    "mssql": "pyodbc",
    "mysql": "pymysql",
    "oracle": "oracledb",
    "redshift": "sqlalchemy-redshift",
    "snowflake": "snowflake-sqlalchemy",
    "trino": "'trino[sqlalchemy]'",
}
# Drivers that SQLAlchemy does not take by itself.
_DRIVERS = {"mysql": "mysql+pymysql", "mariadb": "mariadb+pymysql", "oracle": "oracle+oracledb"}
# Said before the query, where a database knows such a thing; the rest rests on the transaction, which is not committed.
_READ_ONLY = {
    "mysql": ("SET SESSION TRANSACTION READ ONLY", "SET SESSION max_execution_time = {ms}"),
    "mariadb": ("SET SESSION TRANSACTION READ ONLY", "SET SESSION max_statement_time = {s}"),
    "snowflake": ("ALTER SESSION SET STATEMENT_TIMEOUT_IN_SECONDS = {s}",),
}
_CHANGES = re.compile(
    r"\b(alter|analyze|attach|call|commit|copy|create|delete|detach|do|drop|exec|execute|export|grant|insert|into|load|lock|"
    r"merge|pragma|put|rename|revoke|set|truncate|unload|update|use|vacuum)\b",
    re.IGNORECASE,
)
# Strings, quoted names and comments may hold any word. Whether a backslash escapes a quote depends on the database, so
# both readings are looked at; comments that some databases run (/*! … */, --1) stay.
_OTHERS = r"|`[^`]*`|--(?=\s|$)[^\n]*|/\*(?!!).*?\*/"
_QUOTED = (
    re.compile(r"'[^']*'|\"[^\"]*\"" + _OTHERS, re.DOTALL),
    re.compile(r"'(?:[^'\\]|\\.)*'|\"(?:[^\"\\]|\\.)*\"" + _OTHERS, re.DOTALL),
)
_ROWS = 1_000
_AHEAD = 20
_BLOCKS_S = 0.2


def require_select(query: str) -> None:
    """Refuse what is not one SELECT by its words; a user who may only read is the better guard.

    Raises:
        AbkitError: It is several statements, or a word of it changes something.

    >>> require_select("WITH a AS (SELECT 'drop' AS x) SELECT x FROM a; -- update later")
    """
    for quoted in _QUOTED:
        bare = quoted.sub(" ", query).strip().rstrip(";").rstrip()
        if not re.match(r"\(?\s*(select|with)\b", bare, re.IGNORECASE) or ";" in bare:
            raise AbkitError("the query must be one SELECT", hint="write one statement that reads")
        if found := _CHANGES.search(bare):
            raise AbkitError(
                f"the query has the word {found[0].upper()}, which may change something",
                hint="write one SELECT; a column of that name goes into quotation marks",
            )


@contextmanager
def dialect_result(url: str, query: str, seconds: float) -> Iterator[tuple[list[str], Iterator[Sequence[Any]]]]:
    """Yield the columns and rows of a query through an installed dialect.

    The database is read in a thread of its own, a bounded number of rows ahead, because a driver that waits for its
    server cannot be stopped: when the time is over, it is asked to end and left behind.

    Args:
        url: The database.
        query: One SELECT.
        seconds: Time for everything.

    Raises:
        AbkitError: The dialect is not installed, the query is not one SELECT, or the time is over.
        Exception: What the driver says.
    """
    require_select(query)
    engine = _engine(url)
    reading = _Reading(engine, query, seconds)
    try:
        yield reading.names(), reading.rows()
    finally:
        reading.end()


def _engine(url: str) -> Any:
    from sqlalchemy import create_engine, make_url
    from sqlalchemy.exc import ArgumentError, NoSuchModuleError
    from sqlalchemy.pool import NullPool

    kind = re.split(r"[+:]", url, maxsplit=1)[0]
    try:
        parsed = make_url(url)
        if parsed.drivername == kind and kind in _DRIVERS:
            parsed = parsed.set(drivername=_DRIVERS[kind])
        # A plugin would run code of its own.
        parsed = parsed.difference_update_query(["plugin"])
        return create_engine(parsed, poolclass=NullPool)
    except (NoSuchModuleError, ImportError):
        package = PACKAGES.get(kind, "")
        hint = f"pip install {package}" if package else f"install the package that brings the SQLAlchemy dialect {kind}"
        raise AbkitError(f"{kind}:// needs a package that is not installed", hint=hint) from None
    except ArgumentError:
        raise UsageError("this is not a valid URL of a database", hint=f"{kind}://USER@HOST/NAME") from None


class _Reading:
    """One query that is read in a thread: columns first, then parts of rows, then None; or what went wrong."""

    def __init__(self, engine: Any, query: str, seconds: float) -> None:
        self.engine, self.query, self.seconds = engine, query, seconds
        self.until = time.monotonic() + seconds
        self.parts: queue.Queue[Any] = queue.Queue(maxsize=_AHEAD)
        self.stop = threading.Event()
        self.driver: Any = None
        threading.Thread(target=self._read, daemon=True).start()

    def names(self) -> list[str]:
        names: list[str] = self._next()
        return names

    def rows(self) -> Iterator[Sequence[Any]]:
        while (part := self._next()) is not None:
            yield from part

    def end(self) -> None:
        self.stop.set()
        # Only what a driver offers for other threads; to close a connection that is in use can end the process.
        for name in ("cancel", "interrupt"):
            if callable(ask := getattr(self.driver, name, None)):
                with suppress(Exception):
                    ask()
                break

    def _next(self) -> Any:
        while True:
            try:
                part = self.parts.get(timeout=_BLOCKS_S)
            except queue.Empty:
                if time.monotonic() > self.until:
                    why = f"the query took longer than {self.seconds:g} s"
                    raise AbkitError(why, hint="query fewer days") from None
                continue
            if isinstance(part, BaseException):
                raise part
            return part

    def _put(self, part: Any) -> None:
        while not self.stop.is_set():
            try:
                self.parts.put(part, timeout=_BLOCKS_S)
            except queue.Full:
                continue
            return

    def _read(self) -> None:
        options = {"stream_results": True, "max_row_buffer": _ROWS, "no_parameters": True}
        try:
            with self.engine.connect() as connection:
                self.driver = connection.connection.driver_connection
                for said in _READ_ONLY.get(connection.dialect.name, ()):
                    connection.exec_driver_sql(said.format(s=round(self.seconds), ms=round(self.seconds * 1000)))
                result = connection.execution_options(**options).exec_driver_sql(self.query)
                self._put(list(result.keys()))
                rows = iter(result)
                while not self.stop.is_set() and (part := [tuple(row) for row in islice(rows, _ROWS)]):
                    self._put(part)
                self.driver = None
                connection.rollback()  # nothing is committed
                self._put(None)
        except BaseException as error:
            self._put(error)
