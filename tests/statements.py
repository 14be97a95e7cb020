"""Stores of one kind share the SQL that was made of statements: each test has a store of its own."""

from typing import Any

from sqlalchemy import Engine
from sqlalchemy.dialects.postgresql.psycopg import PGDialect_psycopg
from sqlalchemy.dialects.sqlite.pysqlite import SQLiteDialect_pysqlite
from sqlalchemy.util import LRUCache

from abkit.store.database import engine

_KINDS = (SQLiteDialect_pysqlite, PGDialect_psycopg)
_MOST = 3000  # statements


def share() -> None:
    """Let every store that is opened in this process from now on use the SQL of those before.

    SQLAlchemy keeps it by engine and by the object that stands for the kind of database. Making it takes nearly half of
    the time of a test that imports a small file.
    """
    made: Any = LRUCache(_MOST)
    make = engine._make_engine

    def sharing(url: str) -> Engine:
        new = make(url)
        new._compiled_cache = made
        return new

    engine._make_engine = sharing
    for kind in _KINDS:
        kind.__eq__ = _alike
        kind.__hash__ = _hash


def _alike(one: Any, other: object) -> bool:
    return one is other or (type(one) is type(other) and _facts(one) == _facts(other))


def _hash(one: Any) -> int:
    return hash(type(one))


def _facts(kind: Any) -> tuple[object, ...]:
    """What SQL depends on besides the statement."""
    return kind.paramstyle, getattr(kind, "server_version_info", None), getattr(kind, "default_schema_name", None)
