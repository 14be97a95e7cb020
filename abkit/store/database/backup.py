"""Back up and restore a store that is an SQLite file. PostgreSQL has tools of its own: the refusal names the command.

A backup is one file, an SQLite database itself, made by SQLite's online backup while others write.
"""

import os
import shlex
import shutil
import sqlite3
import tempfile
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from datetime import datetime
from pathlib import Path

from sqlalchemy.engine import make_url

from abkit.errors import AbkitError, StoreError, UsageError
from abkit.store.database import migrate
from abkit.store.database.engine import Store

# Seconds to wait for a command that is just ending.
_ALONE_S = 5
# SQLite keeps what was written last beside the file, until somebody folds it in.
_LOG = "-wal"
_EARLIER = "restore an earlier backup: `abkit db restore FILE`"


def back_up(store: Store, target: Path) -> str:
    """Copy a store into a new file, as it is at one instant, while others read and write it.

    1. Copy in one step, within one snapshot, into a file beside the target that only its owner may read.
    2. Check the copy: SQLite copies damaged pages too.
    3. Give it its name: a file with that name is always a whole backup.

    Returns:
        The migration of the backup.

    Raises:
        UsageError: The store is on PostgreSQL, or the target is there already.
        AbkitError: The store is damaged, or the target cannot be written.
    """
    file = _file_of(store, "back up")
    if target.exists():
        raise UsageError(f"{target} is there already", hint="choose another name: a backup replaces nothing")
    if not file.exists():
        migrate.require_current(store)  # says what to do
    with _new_file(target) as made, _damage_named(f"the store {store.shown_url}", _EARLIER):
        with store.connect() as connection, closing(sqlite3.connect(made)) as copy:
            source = connection.connection.driver_connection
            assert isinstance(source, sqlite3.Connection)  # noqa: S101
            # What keeps the store from being read is said about the store; whatever fails from here on, of the copy.
            connection.exec_driver_sql("SELECT 1 FROM sqlite_master LIMIT 1").all()
            source.backup(copy)
        return _examine(made)


def restore(store: Store, backup: Path, *, now: datetime, replace: bool = False) -> tuple[str, Path | None]:
    """Put a backup in the place of a store, and keep the former one beside it.

    1. Copy the backup beside the store, and check the copy: nothing is replaced by a file that is damaged or newer.
    2. Make sure that no other process has the store open: it would go on writing to the former file.
    3. Rename the former store, then the copy. After a crash between the two, both are there: run it again.

    Args:
        store: Whose file is replaced; it need not exist.
        backup: The file of `back_up`, or any copy of a store, with the `-wal` beside it if there is one.
        now: The clock; part of the name of the former store.
        replace: Whether a store that exists may be replaced.

    Returns:
        The migration of the restored store, and the file of the former one.

    Raises:
        UsageError: The store is on PostgreSQL; or it exists, and `replace` is false.
        AbkitError: The backup is damaged, not a store, or of a newer abkit; or the store is in use.
    """
    file = _file_of(store, "restore", backup)
    if not backup.is_file():
        raise UsageError(f"there is no file {backup}", hint="name the file of `abkit db backup`")
    if file.exists() and backup.samefile(file):
        raise UsageError(f"{backup} is the store itself", hint="name the file of `abkit db backup`")
    if file.exists() and not replace:
        raise UsageError(
            f"there is a store already: {store.shown_url}",
            hint="--yes replaces it; the former one is kept beside it",
        )
    store.close()
    with _new_file(file, replace=True) as made:
        for suffix in ("", _LOG):
            if Path(f"{backup}{suffix}").is_file():
                shutil.copyfile(f"{backup}{suffix}", f"{made}{suffix}")
        with _damage_named(str(backup), "name another backup; nothing was changed"):
            at = _examine(made)
        _refuse_newer(at, backup)
        kept = _set_aside(file, now) if file.exists() else None
    return at, kept


def _file_of(store: Store, what: str, backup: Path | None = None) -> Path:
    if store.dialect == "postgresql":
        dump, restored = postgres_commands(store.shown_url, str(backup or "abkit.dump"))
        raise UsageError(
            f"the store is on PostgreSQL, which has its own tools to {what} it",
            hint=f"run: {restored if backup else dump}",
        )
    if store.file is None:
        raise UsageError("the store is in memory: there is no file", hint="name a store with --database-url")
    return store.file


def postgres_commands(shown_url: str, file: str) -> tuple[str, str]:
    """Return the commands that back up and restore a store on PostgreSQL; a password is left to `PGPASSWORD`.

    >>> for command in postgres_commands("postgresql://me:***@db/ads", "ads.dump"):
    ...     print(command)
    pg_dump --format=custom --file=ads.dump --dbname=postgresql://me@db/ads
    pg_restore --clean --if-exists --no-owner --single-transaction --dbname=postgresql://me@db/ads ads.dump
    """
    url = make_url(shown_url)
    hidden = [name for name, value in url.query.items() if value == "***"]
    plain = url.set(drivername="postgresql").difference_update_query(hidden)
    name = f"--dbname={plain._replace(password=None).render_as_string()}"
    dump = ["pg_dump", "--format=custom", f"--file={file}", name]
    back = ["pg_restore", "--clean", "--if-exists", "--no-owner", "--single-transaction", name, file]
    return shlex.join(dump), shlex.join(back)


@contextmanager
def _new_file(target: Path, *, replace: bool = False) -> Iterator[Path]:
    """Yield a file beside the target that gets its name when the block ends, and is gone when it raises."""
    made: Path | None = None
    try:
        descriptor, name = tempfile.mkstemp(prefix=f".{target.name}.", suffix=".part", dir=target.parent)
        os.close(descriptor)
        made = Path(name)
        yield made
        with made.open("rb+") as whole:
            os.fsync(whole.fileno())
        if target.exists() and not replace:
            raise UsageError(f"{target} is there already", hint="choose another name: a backup replaces nothing")
        made.rename(target)
    except OSError as error:
        raise _cannot_write(target, os.strerror(error.errno or 0).lower()) from error
    except sqlite3.OperationalError as error:
        raise _cannot_write(target, str(error)) from error
    finally:
        for suffix in ("", _LOG, "-shm", "-journal"):
            with suppress(OSError):
                if made is not None:
                    Path(f"{made}{suffix}").unlink()


def _cannot_write(target: Path, why: str) -> AbkitError:
    return AbkitError(
        f"{target} cannot be written: {why}",
        hint="free some space, or choose a folder that exists and that you may write; nothing was changed",
    )


@contextmanager
def _damage_named(name: str, hint: str) -> Iterator[None]:
    try:
        yield
    except sqlite3.OperationalError:
        raise
    except sqlite3.DatabaseError as error:
        raise StoreError(f"{name} is not a store of abkit, or it is damaged: {error}", hint=hint) from error


def _examine(copy: Path) -> str:
    """Fold what lies beside a copy into it, check it, and return its migration."""
    with closing(sqlite3.connect(copy, isolation_level=None)) as database:
        database.execute("PRAGMA trusted_schema = OFF")
        database.execute("PRAGMA journal_mode = DELETE")
        ((said,),) = database.execute("PRAGMA quick_check(1)").fetchall()
        if said != "ok":
            raise sqlite3.DatabaseError(said.splitlines()[-1])
        ((page,),) = database.execute("PRAGMA page_size").fetchall()
        if copy.stat().st_size % page:
            # SQLite would read zeros where the last page was cut.
            raise sqlite3.DatabaseError("its end was cut off")
        if database.execute("SELECT 1 FROM sqlite_master WHERE name = 'alembic_version'").fetchone() is None:
            raise sqlite3.DatabaseError("it has no table alembic_version")
        at = database.execute("SELECT version_num FROM alembic_version").fetchone()
        if at is None:
            raise sqlite3.DatabaseError("it is at no migration")
        return str(at[0])


def _refuse_newer(at: str, backup: Path) -> None:
    if not migrate.is_known(at):
        raise StoreError(
            f"{backup} is at migration {at}, made by a newer abkit than this one",
            hint="upgrade abkit (pip install --upgrade abkit); nothing was changed",
        )


def _set_aside(file: Path, now: datetime) -> Path:
    """Rename a store; a damaged one with what lies beside it, as it is."""
    try:
        with closing(sqlite3.connect(file, timeout=_ALONE_S, isolation_level=None)) as connection:
            # Leaving this mode takes the file for oneself; a process that has it open, even idle, prevents that.
            connection.execute("PRAGMA journal_mode = DELETE")
    except sqlite3.DatabaseError as error:
        if getattr(error, "sqlite_errorname", "").startswith(("SQLITE_BUSY", "SQLITE_LOCKED")):
            raise StoreError(
                f"another process has the store {file} open",
                hint="stop the daemon and other commands of abkit, then run it again; nothing was changed",
            ) from error
    kept = file.with_name(f"{file.stem}.before-{now:%Y%m%dT%H%M%S%fZ}{file.suffix}")
    for suffix in (_LOG, "-shm", ""):
        with suppress(FileNotFoundError):
            Path(f"{file}{suffix}").rename(f"{kept}{suffix}")
    return kept
