"""Backups of a workspace's store: what was copied or restored, and what belongs to the workspace beside it."""

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from sqlalchemy import select

from abkit.config import CONFIG_NAME, Settings
from abkit.errors import AbkitError
from abkit.records import Record
from abkit.store.database import backup, migrate
from abkit.store.database.engine import Store
from abkit.store.runs import recorded_run
from abkit.store.schema import ModelVersion
from abkit.workflows.active_model import SHIPPED


@dataclass(frozen=True, kw_only=True)
class Backup(Record):
    """A backup of the store.

    Attributes:
        file: The backup: an SQLite database that only its owner may read.
        bytes: Its size.
        migration: The migration that it is at.
        beside: What the store needs and the backup does not hold: the configuration, the folders of checkpoints.
    """

    file: str
    bytes: int
    migration: str
    beside: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class Restored(Record):
    """A store that was restored.

    Attributes:
        store: Its file.
        backup: The file that it came from.
        migration: The migration that it is at.
        upgrade: Whether `abkit db upgrade` must follow, because the backup is of an earlier abkit.
        kept: The file of the former store; None if there was none.
        missing: Folders of checkpoints that the store names and that are not there.
    """

    store: str
    backup: str
    migration: str
    upgrade: bool
    kept: str | None
    missing: tuple[str, ...]


def back_up(store: Store, settings: Settings, file: Path | None, *, now: datetime) -> Backup:
    """Copy the store of a workspace into a new file, while others read and write it.

    Args:
        store: The store; at any migration.
        settings: Its workspace.
        file: The backup; by default one with the date and time in the folder `backups` of the workspace.
        now: The clock; part of the default name.

    Raises:
        UsageError: The store is on PostgreSQL, which has its own tools, or the file is there already.
        AbkitError: The store is damaged, or the file cannot be written.
    """
    if file is None:
        file = settings.workspace / "backups" / f"abkit-{now:%Y%m%dT%H%M%SZ}.db"
        if store.dialect == "sqlite":
            _make(file.parent)
    at = backup.back_up(store, file)
    config = settings.workspace / CONFIG_NAME
    beside = ([str(config)] if config.is_file() else []) + _checkpoints(store)
    return Backup(file=str(file), bytes=file.stat().st_size, migration=at, beside=tuple(beside))


def restore(store: Store, file: Path, *, now: datetime, replace: bool = False) -> Restored:
    """Put a backup in the place of a store, keep the former one beside it, and record the run.

    Args:
        store: Whose file is replaced; no other process may have it open.
        file: The backup.
        now: The clock; part of the name of the former store.
        replace: Whether a store that exists may be replaced.

    Raises:
        UsageError: The store is on PostgreSQL; or there is one, and `replace` is false.
        AbkitError: The backup is damaged or of a newer abkit, or another process has the store open.
    """
    at, kept = backup.restore(store, file, now=now, replace=replace)
    if at == migrate.head():
        with recorded_run(store, "db restore", {"backup": str(file)}) as run:
            run.outcome["kept"] = str(kept or "")
    missing = tuple(folder for folder in _checkpoints(store) if not Path(folder).is_dir())
    return Restored(
        store=str(store.file),
        backup=str(file),
        migration=at,
        upgrade=at != migrate.head(),
        kept=str(kept) if kept else None,
        missing=missing,
    )


def _make(folder: Path) -> None:
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise AbkitError(f"{folder} cannot be made: {error.strerror}", hint="name the file of the backup") from error


def _checkpoints(store: Store) -> list[str]:
    """Return the folders of the checkpoints that a store names, whatever its migration: every one has this column."""
    with store.read() as session:
        found = session.scalars(select(ModelVersion.location).distinct().order_by(ModelVersion.location))
        return [location for location in found if location != SHIPPED]
