"""INSERT … ON CONFLICT on both engines."""

from collections.abc import Mapping, Sequence
from typing import Any, cast

from sqlalchemy import Insert, Table
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Session

from abkit.store.schema import Base


def insert_missing(
    session: Session, table: type[Base], rows: Sequence[Mapping[str, Any]], *, key: Sequence[str]
) -> None:
    """Insert the rows whose natural key is not there yet; leave the others as they are.

    Args:
        session: a writing session.
        table: the mapped class.
        rows: values by column name; all rows have the same columns.
        key: the columns of the natural key.
    """
    if not rows:
        return
    # One statement for all rows, executed many times: a VALUES list of them would be compiled anew for every batch,
    # which took longer than writing it.
    statement = _insert(session, table).on_conflict_do_nothing(index_elements=list(key))  # type: ignore[attr-defined]
    session.flush()  # rows that these refer to may still wait
    # In the order of the key: two processes that insert the same rows in different orders would each hold a row that
    # the other waits for, and PostgreSQL would end one of them.
    session.execute(statement, [dict(row) for row in sorted(rows, key=lambda row: [row[name] for name in key])])


def _insert(session: Session, table: type[Base]) -> Insert:
    dialect = session.get_bind().dialect.name
    rows = cast(Table, table.__table__)
    return postgresql.insert(rows) if dialect == "postgresql" else sqlite.insert(rows)
