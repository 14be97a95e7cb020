"""What database errors mean, told by their codes: SQLite's `sqlite_errorname` and PostgreSQL's `sqlstate`.

Texts are shown, never searched: they depend on the version and the language of the server.
"""

from collections.abc import Callable
from pathlib import Path

from sqlalchemy import Engine, inspect
from sqlalchemy.exc import DatabaseError, IntegrityError, OperationalError

from abkit.addresses import masked_url
from abkit.errors import StoreError, StoreFull, StoreLocked, StoreUnreachable
from abkit.redaction import redacted
from abkit.store.database.patience import USUAL, Patience
from abkit.store.schema import Base

_PING_S = 5


def is_duplicate(error: IntegrityError) -> bool:
    """Return whether a row was refused because another one has its unique key."""
    return _code(error) in ("SQLITE_CONSTRAINT_UNIQUE", "SQLITE_CONSTRAINT_PRIMARYKEY", "23505")


def explain(engine: Engine, error: DatabaseError) -> StoreError | None:
    """Return what a database error means and what to do about it; None where it is a bug."""
    code = _code(error)
    if code.startswith("SQLITE_"):
        code = "_".join(code.split("_")[:2])  # SQLITE_IOERR_WRITE and the like are kinds of SQLITE_IOERR
    if code in _MEANINGS:
        return _MEANINGS[code](engine, error)
    return _no_answer(engine, error) if isinstance(error, OperationalError) else None


def _code(error: DatabaseError) -> str:
    return getattr(error.orig, "sqlite_errorname", None) or getattr(error.orig, "sqlstate", None) or ""


def _shown(engine: Engine) -> str:
    return masked_url(engine.url.render_as_string(hide_password=True))


def _patience(engine: Engine) -> Patience:
    patience: Patience = engine.get_execution_options().get("abkit_patience", USUAL)
    return patience


def _locked(engine: Engine, _error: DatabaseError) -> StoreError:
    return StoreLocked(
        f"another process has been writing to {_shown(engine)} for more than {_patience(engine).lock_s:g} seconds",
        hint="wait for it to end" + (", or use PostgreSQL for many writers" if engine.dialect.name == "sqlite" else ""),
    )


def _too_long(engine: Engine, _error: DatabaseError) -> StoreError:
    return StoreError(
        f"{_shown(engine)} ended a statement that took longer than {_patience(engine).statement_s:g} seconds, or an "
        "administrator did; nothing was half-written",
        hint="run the same command again when the database is less busy: it goes on where it stopped",
    )


def _silent(engine: Engine, error: DatabaseError) -> StoreError:
    return StoreUnreachable(
        f"the store {_shown(engine)} does not answer any more: {_lines(error)[0]}; whether the last step was kept is "
        "not known",
        hint="check the server and the network, then run the same command again: it goes on where it stopped",
    )


def _says(
    message: str, hint: str, kind: type[StoreError] = StoreError
) -> Callable[[Engine, DatabaseError], StoreError]:
    """Return the meaning of a code that always means the same; `{}` in the message stands for the store."""
    return lambda engine, _error: kind(message.format(_shown(engine)), hint=hint)


_deadlock = _says(
    "another process and this one waited for each other in {}; nothing was half-written",
    "run the same command again: it goes on where it stopped",
    StoreLocked,
)
_full_disk = _says(
    "the disk that holds {} is full or failing; nothing was half-written",
    "free some space and run the same command again: it goes on where it stopped",
    StoreFull,
)


def _full(engine: Engine, error: DatabaseError) -> StoreError:
    most = _most_bytes() if engine.dialect.name == "sqlite" else None
    if most is None:
        return _full_disk(engine, error)
    return StoreFull(
        f"no file of this process may grow beyond {most:,} bytes, and {_shown(engine)}, or what SQLite keeps beside "
        "it, would; nothing was half-written",
        hint="raise the limit (ulimit -f) and run the same command again: it goes on where it stopped",
    )


def _most_bytes() -> int | None:
    """Return how large a file of this process may become; None where nothing limits it."""
    try:
        import resource
    except ModuleNotFoundError:  # Windows
        return None
    most, _ = resource.getrlimit(resource.RLIMIT_FSIZE)
    return None if most == resource.RLIM_INFINITY else most


_damaged = _says(
    "{} is not an SQLite database, or it is damaged",
    "restore it from a backup, or run `abkit init` in another folder",
)
_lacks_tables = _says("the store {} lacks tables or columns that this version of abkit needs", "run `abkit db upgrade`")


def _read_only(engine: Engine, _error: DatabaseError) -> StoreError:
    return _not_writable(engine, "the file or its folder is read-only")


def _refused(engine: Engine, error: DatabaseError) -> StoreError:
    return _not_writable(engine, f"the database refuses it ({_lines(error)[0]})")


def _not_writable(engine: Engine, why: str) -> StoreError:
    return StoreError(
        f"the store {_shown(engine)} may not be written: {why}",
        hint="get permission to write there, or name another store with --database-url",
    )


def _cannot_open(engine: Engine, _error: DatabaseError) -> StoreError:
    path = Path(str(engine.url.database))
    if path.exists():
        return _not_writable(engine, f"SQLite keeps a journal beside it, also to read, and {path.parent} is read-only")
    return StoreError(
        f"the store {_shown(engine)} cannot be opened: there is no such file, or the folder {path.parent} is out of "
        "reach",
        hint="check the path and the folder's permissions, or run `abkit init`",
    )


def _wrong_statement(engine: Engine, error: DatabaseError) -> StoreError | None:
    """SQLite has one code for all that is wrong with a statement: look whether the store has what ours name."""
    columns = inspect(engine).get_multi_columns()
    there = {name: {column["name"] for column in found} for (_, name), found in columns.items()}
    tables = Base.metadata.tables.values()
    whole = all(set(table.columns.keys()) <= there.get(table.name, set()) for table in tables)
    return None if whole else _lacks_tables(engine, error)


def _no_answer(engine: Engine, error: DatabaseError) -> StoreError:
    said, hint = _lines(error)[0], "is it running?"
    if engine.dialect.name == "postgresql" and _server_runs(engine):
        # It refused us. Where several addresses were tried, what it said stands last.
        said, hint = _lines(error)[-1], "check the URL, the user and the database's name"
    return StoreUnreachable(f"the store {_shown(engine)} does not answer: {said}", hint=hint)


def _server_runs(engine: Engine) -> bool:
    """Ask the server itself: a refused connection has no code. User, password and database do not matter for this."""
    from psycopg import conninfo, pq

    _, options = engine.dialect.create_connect_args(engine.url)
    address = {name: options[name] for name in ("host", "hostaddr", "port") if name in options}
    return pq.PGconn.ping(conninfo.make_conninfo(**address, connect_timeout=_PING_S).encode()) == pq.Ping.OK


def _lines(error: DatabaseError) -> list[str]:
    return [line.strip() for line in redacted(str(error.orig)).splitlines() if line.strip()] or ["no reason given"]


_MEANINGS: dict[str, Callable[[Engine, DatabaseError], StoreError | None]] = {
    "SQLITE_BUSY": _locked,
    "SQLITE_LOCKED": _locked,
    "SQLITE_FULL": _full,
    "SQLITE_IOERR": _full,
    "SQLITE_NOTADB": _damaged,
    "SQLITE_CORRUPT": _damaged,
    "SQLITE_READONLY": _read_only,
    "SQLITE_CANTOPEN": _cannot_open,
    "SQLITE_ERROR": _wrong_statement,
    # https://www.postgresql.org/docs/current/errcodes-appendix.html
    "25006": _refused,  # read_only_sql_transaction
    "42501": _refused,  # insufficient_privilege
    "08006": _silent,  # connection_failure
    "55P03": _locked,  # lock_not_available
    "57014": _too_long,  # query_canceled
    "40P01": _deadlock,  # deadlock_detected
    "53100": _full,  # disk_full
    "58030": _full,  # io_error
    "42P01": _lacks_tables,  # undefined_table
    "42703": _lacks_tables,  # undefined_column
}
