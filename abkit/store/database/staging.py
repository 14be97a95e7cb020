"""Staging of imported rows: temporary tables of one connection, filled by the fastest way of each engine.

No other process sees them: filling them may take long, and locks nothing.
"""

import io
from collections.abc import Callable, Sequence
from itertools import repeat
from typing import TYPE_CHECKING, Any, TypeVar

from sqlalchemy import (
    ColumnElement,
    Connection,
    FromClause,
    MetaData,
    Table,
    bindparam,
    insert,
    literal,
    null,
    text,
)
from sqlalchemy.orm import Session
from sqlalchemy.schema import CreateTable, DropTable

from abkit.store.database.engine import Store
from abkit.store.database.patience import LONG

if TYPE_CHECKING:
    import polars as pl

Published = TypeVar("Published")

_AT_ONCE = 100_000
_BOUND_AT_ONCE = 10_000


def create_stage(connection: Connection, tables: MetaData) -> None:
    """Create the staging tables of a connection, empty."""
    drop_stage(connection, tables)
    for table in tables.sorted_tables:
        connection.execute(CreateTable(table))


def drop_stage(connection: Connection, tables: MetaData) -> None:
    """Drop the staging tables before the connection goes back to the pool."""
    for table in tables.sorted_tables:
        connection.execute(DropTable(table, if_exists=True))


def fill(connection: Connection, table: Table, frame: "pl.DataFrame") -> None:
    """Load a frame into a staging table, which is empty: by COPY on PostgreSQL, by one prepared statement on SQLite.

    Args:
        connection: In a transaction.
        table: One of the staging tables.
        frame: Its columns are columns of the table.
    """
    if not frame.height:
        return
    if connection.dialect.name == "postgresql":
        _copy(connection, table, frame)
        analyze(connection, table)
    else:
        _executemany(connection, table, frame)


def analyze(connection: Connection, *tables: FromClause) -> None:
    """Tell PostgreSQL's planner about tables that were filled just now; SQLite's needs nothing."""
    if connection.dialect.name == "postgresql":
        for table in tables:
            connection.execute(text(f"ANALYZE {table}"))


def _copy(connection: Connection, table: Table, frame: "pl.DataFrame") -> None:
    key = table.autoincrement_column
    if key is not None and key.name not in frame.columns:
        # Numbered here: a sequence is called for each row, which costs the server more than one more column.
        frame = frame.with_row_index(key.name, offset=1)
    columns = ", ".join(frame.columns)
    cursor = connection.connection.cursor()
    # In this CSV an empty cell is NULL, and "" is the empty text, on both sides.
    with cursor.copy(f"COPY {table.name} ({columns}) FROM STDIN (FORMAT csv)") as copy:
        for part in frame.iter_slices(_AT_ONCE):
            buffer = io.BytesIO()
            part.write_csv(buffer, include_header=False)
            copy.write(buffer.getvalue())
    cursor.close()


def _executemany(connection: Connection, table: Table, frame: "pl.DataFrame") -> None:
    import polars as pl

    # A column with one value throughout is part of the statement: of a million rows, each value bound takes its time.
    same = {column.name: column[0] for column in frame if _is_one_value(column)}
    values = {name: _written(same[name]) if name in same else bindparam(name, required=False) for name in frame.columns}
    statement = insert(table).values(values).compile(connection, compile_kwargs={"render_postcompile": True})
    varied = frame.select(statement.positiontup or [])
    cursor: Any = connection.connection.cursor()
    if not varied.width:
        cursor.executemany(str(statement), repeat((), frame.height))
    for part in varied.iter_slices(_BOUND_AT_ONCE):
        texts = part.with_columns(pl.col(pl.Date).cast(pl.String))
        # zip makes one tuple after the other of lists, in the same place; rows() makes all of them.
        cursor.executemany(str(statement), zip(*(column.to_list() for column in texts), strict=True))
    cursor.close()


def _is_one_value(column: "pl.Series") -> bool:
    """Return whether a column of whole numbers, or of empty texts, has one value throughout.

    What files say in words is bound and never becomes a part of a statement.
    """
    import polars as pl

    first, missing = column[0], column.null_count()
    if missing:
        return missing == column.len()
    if not column.dtype.is_integer() and not (column.dtype == pl.String and first == ""):
        return False
    return bool((column == first).all())


def _written(value: int | str | None) -> ColumnElement[Any]:
    return null() if value is None else literal(value, literal_execute=True)


def publish_staged(
    store: Store,
    frames: Sequence[tuple[Table, "pl.DataFrame"]],
    publish: Callable[[Session], Published],
    tables: MetaData,
) -> Published:
    """Stage frames on one connection, publish them in one short transaction, and drop the stage.

    Args:
        store: A store at the current migration.
        frames: Rows of each staging table.
        publish: Moves what is staged to where it belongs.
        tables: The staging tables.

    Returns:
        What `publish` returns.
    """
    with store.connect(LONG) as connection:
        try:
            with connection.begin():
                create_stage(connection, tables)
                for table, frame in frames:
                    fill(connection, table, frame)
            connection.execution_options(abkit_write=True)
            with Session(connection, expire_on_commit=False) as session, session.begin():
                published = publish(session)
            with connection.begin():
                drop_stage(connection, tables)
        except BaseException:
            # The connection may be broken: its temporary tables end with it.
            connection.invalidate()
            raise
    return published
