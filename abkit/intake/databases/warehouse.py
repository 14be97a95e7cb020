"""Rows of a query as a Parquet file: read only, one statement, streamed, within limits of time, rows and size."""

from __future__ import annotations

import os
import re
import sqlite3
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from datetime import datetime
from decimal import Decimal
from importlib.util import find_spec
from itertools import islice
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit
from uuid import UUID

from abkit.errors import AbkitError, UsageError
from abkit.intake.databases.dialects import dialect_result

_BATCH = 50_000
_BATCH_BYTES = 64 * 2**20
_LONGEST_VALUE = 2**24
_CONNECT_S = 15
_READING = (sqlite3.SQLITE_SELECT, sqlite3.SQLITE_READ, sqlite3.SQLITE_FUNCTION, sqlite3.SQLITE_RECURSIVE)
_ENGINES = ("sqlite", "duckdb", "postgresql", "postgres")
_LARGEST = 2**63
_DRESSED = {Decimal, UUID, datetime}
_NO_DATABASES = ("file", "ftp", "http", "https", "s3", "gs", "az")


def shown_url(url: str) -> str:
    """Return the URL of a database without password and query.

    Raises:
        UsageError: It is no URL of a database; the message does not repeat it.

    >>> shown_url("postgresql://me:secret@host:5432/ads?sslmode=require")
    'postgresql://me@host:5432/ads'
    """
    try:
        parts = urlsplit(url)
        host, port = parts.hostname or "", parts.port
    except ValueError:
        raise UsageError("this is not a valid URL of a database", hint="postgresql://USER@HOST/NAME") from None
    if not re.fullmatch(r"[a-z][a-z0-9_]*(\+[a-z0-9_]+)?", parts.scheme) or parts.scheme in _NO_DATABASES:
        raise UsageError(
            "this is no URL of a database",
            hint="such as postgresql://USER@HOST/NAME, sqlite:///FILE, duckdb:///FILE or bigquery://PROJECT",
        )
    user = f"{parts.username}@" if parts.username else ""
    return f"{parts.scheme}://{user}{host}{f':{port}' if port else ''}{parts.path}"


def write_query(url: str, query: str, path: Path, *, seconds: float, max_rows: int, max_bytes: float) -> None:
    """Run a query and write its rows to a Parquet file.

    Args:
        url: The database.
        query: One statement that reads.
        path: The file; batches lie beside it meanwhile.
        seconds: Time that it may take.
        max_rows: Most rows.
        max_bytes: Most bytes of the values.

    Raises:
        AbkitError: The database cannot be reached, refuses the query or stops in the middle, or a limit is passed.
            There is no file then.
    """
    import polars as pl

    end = time.monotonic() + seconds
    parts: list[Path] = []
    size = 0
    came = _Count()
    try:
        with _result(url, query, seconds) as (names, result):
            if len(set(names)) < len(names):
                raise AbkitError("two columns of the result have the same name", hint="name them with AS")
            while batch := _batch(came.of(result)):
                part = path.with_name(f"part-{len(parts)}.parquet")
                _frame(names, batch).write_parquet(part)
                parts.append(part)
                # What lies on the disk is packed.
                size += sum(map(_bytes, batch))
                if came.rows > max_rows or size > max_bytes:
                    raise AbkitError(
                        "the result is too large", hint="query fewer days, or raise max_rows or max_file_mb under [kpi]"
                    )
                if time.monotonic() > end:
                    raise AbkitError(f"the query took longer than {seconds:g} s", hint="query fewer days")
        if not parts:
            raise AbkitError("the query has no rows", hint="check the days that it asks for")
        pl.concat([pl.scan_parquet(part) for part in parts], how="vertical_relaxed").sink_parquet(path)
    except AbkitError:
        raise
    except Exception as error:
        raise _refusal(error, seconds, came.rows) from None


class _Count:
    """Counts the rows that came: where a database stops in the middle, the user is told how far it got."""

    def __init__(self) -> None:
        self.rows = 0

    def of(self, result: Iterator[Sequence[Any]]) -> Iterator[Sequence[Any]]:
        for row in result:
            self.rows += 1
            yield row


def _batch(result: Iterator[Sequence[Any]]) -> list[Sequence[Any]]:
    """Return the next rows, as many as fit into memory."""
    batch: list[Sequence[Any]] = []
    size = 0
    for row in islice(result, _BATCH):
        batch.append(row)
        size += _bytes(row)
        if size > _BATCH_BYTES:
            break
    return batch


def _bytes(row: Sequence[Any]) -> int:
    return sum(len(value) if isinstance(value, str | bytes) else 8 for value in row)


def _frame(names: Sequence[str], rows: Sequence[Sequence[Any]]) -> Any:
    import polars as pl

    columns = zip(*rows, strict=True)
    series = []
    for name, values in zip(names, columns, strict=True):
        plain = _DRESSED.isdisjoint(map(type, values))
        series.append(pl.Series(name, values if plain else [_plain(value) for value in values], strict=False))
    return pl.DataFrame(series)


def _plain(value: Any) -> Any:
    """Return a value as tables have it, and as the database shows it.

    Ids are whole numbers of many digits, which a float would round. The day of an instant is that of the session's time
    zone, which is the one that its user reads.

    >>> _plain(Decimal("120210000000123457")), _plain(Decimal("12021000000012345678")), _plain(Decimal("1.50"))
    (120210000000123457, '12021000000012345678', 1.5)
    >>> str(_plain(datetime.fromisoformat("2026-01-01T23:00-05:00")))
    '2026-01-01 23:00:00'
    """
    if isinstance(value, datetime):
        return value.replace(tzinfo=None)
    if isinstance(value, Decimal):
        if not (value.is_finite() and value.as_tuple().exponent == 0):
            return float(value)
        return int(value) if abs(value) < _LARGEST else str(value)
    return str(value) if isinstance(value, UUID) else value


@contextmanager
def _result(url: str, query: str, seconds: float) -> Iterator[tuple[list[str], Iterator[Sequence[Any]]]]:
    # These three are asked for by their own drivers, which can be told to read only and to end.
    scheme, _, rest = url.partition("://")
    scheme = scheme.partition("+")[0].lower()
    given, url = url, f"{scheme}://{rest}"
    if scheme == "sqlite":
        path = url.removeprefix("sqlite:///")
        opened = sqlite3.connect(f"file:{quote(os.fsencode(path))}?mode=ro", uri=True, check_same_thread=False)
        with closing(opened) as connection:
            connection.set_authorizer(_permit)
            connection.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, _LONGEST_VALUE)
            with _interrupting(connection, seconds):
                cursor = connection.execute(query)
                yield [column[0] for column in cursor.description or ()], iter(cursor)
    elif scheme == "duckdb":
        if find_spec("duckdb") is None:
            raise AbkitError("duckdb:// needs the package duckdb", hint="pip install duckdb")
        import duckdb

        config = {"enable_external_access": "false", "memory_limit": "1GB"}
        with closing(duckdb.connect(url.removeprefix("duckdb:///"), read_only=True, config=config)) as connection:
            statements = connection.extract_statements(query)
            if len(statements) != 1 or statements[0].type != duckdb.StatementType.SELECT:
                raise AbkitError("the query must be one SELECT", hint="write one statement that reads")
            with _interrupting(connection, seconds):
                cursor = connection.execute(query)
                yield [column[0] for column in cursor.description], iter(cursor.fetchone, None)
    elif scheme not in _ENGINES:
        with dialect_result(given, query, seconds) as found:
            yield found
    else:
        if find_spec("psycopg") is None:
            raise AbkitError("postgresql:// needs the package psycopg", hint="pip install 'abkit[postgres]'")
        import psycopg

        said = f"-c default_transaction_read_only=on -c statement_timeout={round(seconds * 1000)}"
        with psycopg.connect(url, connect_timeout=_CONNECT_S, options=said) as server, server.cursor() as reader:
            # A stream uses the protocol in which the server takes one statement only.
            rows = reader.stream(query, size=1000)
            first = next(rows, None)
            yield (
                [column.name for column in reader.description or ()],
                iter(()) if first is None else (row for part in ([first], rows) for row in part),
            )


def _permit(action: int, *_: str | None) -> int:
    return sqlite3.SQLITE_OK if action in _READING else sqlite3.SQLITE_DENY


@contextmanager
def _interrupting(connection: Any, seconds: float) -> Iterator[None]:
    timer = threading.Timer(seconds, connection.interrupt)
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()


def _refusal(error: Exception, seconds: float, rows: int) -> AbkitError:
    """Return what happened, without the text of the error: it may repeat the URL."""
    kind = type(error).__name__
    if "interrupt" in f"{kind} {error}".lower() or kind == "QueryCanceled":
        return AbkitError(f"the query took longer than {seconds:g} s", hint="query fewer days")
    if rows:
        return AbkitError(
            f"the database stopped after {rows:,} rows of the result ({kind}); none of them were imported",
            hint="run the command again: it reads the whole result",
        )
    return AbkitError(
        f"the database refuses the query or cannot be reached ({kind})", hint="check the query with the database's tool"
    )
