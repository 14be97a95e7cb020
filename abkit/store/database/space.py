"""Give back the space of rows that are gone, and renew what the planner knows of the tables."""

import os
import shutil
import sqlite3

from sqlalchemy import text

from abkit.errors import StoreError
from abkit.store.database.engine import Store
from abkit.store.database.patience import LONG
from abkit.store.schema import Base


def size_of(store: Store) -> int:
    """Return how many bytes the store takes: its file and what lies beside it, or the database of a server."""
    if store.dialect == "postgresql":
        with store.read() as session:
            return int(session.scalar(text("SELECT pg_database_size(current_database())")) or 0)
    if store.file is None:
        return 0
    parts = (f"{store.file}{suffix}" for suffix in ("", "-wal"))
    return sum(os.path.getsize(part) for part in parts if os.path.exists(part))


def vacuum(store: Store) -> None:
    """Vacuum and analyze all tables of the store.

    SQLite writes its file anew, without the rows that are gone; while it does, others read and do not write. PostgreSQL
    makes their space free for new rows while others read and write, and keeps its files as large as they are.

    Raises:
        StoreError: The disk has no room for a second file of SQLite, or another process writes all the time.
    """
    if store.file is not None:
        needed, free = size_of(store), shutil.disk_usage(store.file.parent).free
        if free < needed:
            raise StoreError(
                f"the disk has {free / 2**20:,.0f} MiB free, and vacuuming needs up to {needed / 2**20:,.0f} MiB",
                hint="make room; the store was not changed",
            )
    with store.connect(LONG) as connection:
        if store.dialect == "postgresql":
            alone = connection.execution_options(isolation_level="AUTOCOMMIT")
            for table in Base.metadata.sorted_tables:
                alone.execute(text(f'VACUUM (ANALYZE) "{table.name}"'))
            return
        # Past SQLAlchemy, which would begin a transaction.
        driver = connection.connection.driver_connection
        assert isinstance(driver, sqlite3.Connection)  # noqa: S101
        try:
            driver.execute(f"PRAGMA busy_timeout = {LONG.lock_s * 1000:.0f}")
            for said in ("VACUUM", "ANALYZE", "PRAGMA wal_checkpoint(TRUNCATE)"):
                driver.execute(said)
        except sqlite3.Error as error:
            hint = "run it again when nothing else runs"
            raise StoreError(f"the store cannot be vacuumed: {error}", hint=hint) from error
