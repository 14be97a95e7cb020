"""A workspace: the configuration file and the store beside it."""

import os
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from abkit.config import CONFIG_NAME, load_settings
from abkit.errors import AbkitError, UsageError
from abkit.store.database import migrate
from abkit.store.database.engine import Store
from abkit.store.runs import recorded_run
from abkit.written_files import whole_file

_FIRST_CONFIG = """\
# abkit: settings of this workspace. Every setting has a default; docs/configuration.md lists them.
# A PostgreSQL store for a team (keep the password in the environment: ABKIT_DATABASE_URL):
# database_url = "postgresql://USER@HOST/NAME"
"""


@dataclass(frozen=True)
class Workspace:
    """What `abkit init` made or found: the configuration file, and the store's URL without its password."""

    config: Path
    store_url: str


def named_folder(name: str | Path) -> Path:
    """Return the folder of a new workspace.

    Raises:
        UsageError: The name is empty: an unset variable in a script is not the current folder.
    """
    if not str(name).strip():
        raise UsageError("the name of the folder is empty", hint="say which folder; . is the current one")
    return Path(name)


def make_workspace(folder: Path, *, database_url: str | None = None) -> Workspace:
    """Make a folder, its abkit.toml and its store, as far as they are not there yet.

    Args:
        folder: The workspace.
        database_url: The store, if it is not the SQLite file of the folder. It may hold a password, so it is used but
            not written down.

    Raises:
        AbkitError: The folder may not be written.
    """
    folder = folder.resolve()
    config = folder / CONFIG_NAME
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        if not config.exists():
            with whole_file(config) as unfinished:
                unfinished.write_text(_FIRST_CONFIG, encoding="utf-8")
    except OSError as error:
        raise AbkitError(
            f"{folder} cannot become a workspace: {os.strerror(error.errno or 0).lower()}",
            hint="choose a folder that you may write, or free some space",
        ) from error
    store = Store(load_settings(config, database_url).store_url)
    try:
        if store.file is not None and store.file.parent.is_dir() and not store.file.exists():
            # SQLite would let others read it. What it keeps beside the file gets the same rights.
            with suppress(OSError):
                store.file.touch(mode=0o600)
        migrate.upgrade(store)
        with recorded_run(store, "init", {"folder": str(folder)}):
            pass
        return Workspace(config, store.shown_url)
    finally:
        store.close()


def upgrade_store(store: Store) -> str:
    """Bring a store to the migration that this abkit needs, and record the run if that changed anything.

    The run is written afterwards: before, the table of runs may be missing or that of another abkit.

    Returns:
        The migration that the store is at now.

    Raises:
        StoreError: The store is of a newer abkit or cannot be written; nothing was changed.
    """
    before = migrate.current(store)
    migrate.upgrade(store)
    after = migrate.head()
    if before != after:
        with recorded_run(store, "db upgrade", {}) as run:
            run.outcome.update({"from": before or "", "to": after})
    return after
