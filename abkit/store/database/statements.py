"""SQL that SQLite and PostgreSQL spell differently, or that has to be spelled with care on both."""

import json
from collections.abc import Collection, Iterator, Mapping, Sequence
from operator import itemgetter
from typing import Any, TypeVar

from sqlalchemy import (
    ARRAY,
    BigInteger,
    ColumnElement,
    CursorResult,
    Delete,
    FromClause,
    Insert,
    Result,
    Select,
    Update,
    and_,
    any_,
    case,
    cast,
    func,
    literal,
    select,
    text,
)
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Session

from abkit.store.database.patience import LONG
from abkit.store.schema import Base

#: How many values one query names: both engines limit their number.
_AT_ONCE = 5_000

T = TypeVar("T")


def insert_into(session: Session, table: Any) -> Any:
    """Return an INSERT of the session's engine, which knows ON CONFLICT."""
    make = postgresql.insert if session.get_bind().dialect.name == "postgresql" else sqlite.insert
    return make(table)


def insert_missing(
    session: Session, table: type[Base], rows: Sequence[Mapping[str, Any]], *, key: Sequence[str]
) -> None:
    """Insert the rows whose natural key is not there yet; leave the others as they are.

    Args:
        session: A writing session.
        table: The mapped class.
        rows: Values by column name; all rows have the same columns.
        key: The columns of the natural key.
    """
    if not rows:
        return
    # One statement for all rows, executed many times: a VALUES list of them would be compiled anew for every batch,
    # which took longer than writing it.
    # Of the table and not of its class: the ORM would look at each row on its own.
    statement = insert_into(session, table.__table__).on_conflict_do_nothing(index_elements=list(key))
    session.flush()  # rows that these refer to may still wait
    # In the order of the key: two processes that insert the same rows in different orders would each hold a row that
    # the other waits for, and PostgreSQL would end one of them.
    session.execute(statement, sorted(rows, key=itemgetter(*key)))


def total(column: Any) -> Any:
    """Return the sum of a column of whole numbers as one; PostgreSQL would make a decimal of it."""
    return cast(func.sum(column), BigInteger)


def any_fraction(column: Any) -> Any:
    """Return the condition that some value of a column is no whole number: 1 or 0, None without rows."""
    return func.max(case((column != cast(column, BigInteger), 1), else_=0))


def as_count(value: float) -> int | float:
    """Return a sum of conversions without what adding up fractions leaves behind: whole where it is whole.

    >>> as_count(4.0), as_count(0.1 + 0.2), as_count(2.5 + 1.33 + 1)
    (4, 0.3, 4.83)
    """
    rounded = round(float(value), 9)
    return int(rounded) if rounded.is_integer() else rounded


def count_rows(session: Session, rows: type[Base] | FromClause, *where: Any) -> int:
    """Return how many rows of a table or join meet the conditions."""
    return session.scalars(select(func.count()).select_from(rows).where(*where)).one()


def count_inserted(session: Session, statement: Insert) -> int:
    """Execute an INSERT … SELECT and return how many rows it made."""
    # Without being asked, SQLAlchemy gives the count of an INSERT on SQLite only.
    return session.connection().execute(statement, execution_options={"preserve_rowcount": True}).rowcount


def count_changed(session: Session, statement: Update | Delete) -> int:
    """Execute an UPDATE or a DELETE and return how many rows it changed: the way to claim a row before others do."""
    result = session.execute(statement.execution_options(synchronize_session=False))
    assert isinstance(result, CursorResult)  # noqa: S101  # both count their rows
    return result.rowcount


def wait_for_turn(session: Session, lock: int) -> None:
    """Let one transaction at a time go on from here; SQLite has one writer at a time anyhow.

    Args:
        session: A writing session; it holds the lock until its end.
        lock: Any number, the same in all processes.
    """
    if session.get_bind().dialect.name == "postgresql":
        # A queue: the one in front may have millions of rows to move.
        queue = {"patience": f"{LONG.lock_s * 1000:.0f}"}
        session.execute(text("SELECT set_config('lock_timeout', :patience, true)"), queue)
        session.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": lock})


def among(session: Session, column: Any, ids: Collection[int]) -> ColumnElement[bool]:
    """Return the condition that a column is one of any number of ids, which travel as one value."""
    if session.get_bind().dialect.name == "postgresql":
        listed: Any = any_(literal(list(ids), ARRAY(BigInteger)))
        return and_(column == listed)
    each = func.json_each(json.dumps(list(ids))).table_valued("value")
    return and_(column.in_(select(each.c.value)))


def execute_hashed(session: Session, statement: Select[*tuple[Any, ...]]) -> Result[*tuple[Any, ...]]:
    """Execute a statement that joins groups, and return its rows; PostgreSQL joins them by hash.

    Of GROUP BY … HAVING count(*) = 1 it expects one row in two hundred, where nearly all have that count: of 100,000
    groups it took one for granted, and read the others anew for each of 30,000 rows.
    """
    if session.get_bind().dialect.name != "postgresql":
        return session.execute(statement)
    session.execute(text("SET LOCAL enable_nestloop = off"))
    rows = session.execute(statement)
    session.execute(text("SET LOCAL enable_nestloop = DEFAULT"))
    return rows


def in_parts(values: Collection[T]) -> Iterator[list[T]]:
    """Yield the values in lists that fit into one query each."""
    everything = list(values)
    for start in range(0, len(everything), _AT_ONCE):
        yield everything[start : start + _AT_ONCE]
