"""`abkit db`: the store's migrations, backups and size."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from abkit.commands.context import CommandContext
from abkit.commands.output import Format, FormatOption, note, show

if TYPE_CHECKING:
    from abkit.store.database.engine import Store

app = typer.Typer(help="Upgrade, check, back up and restore the store, and keep it small.", no_args_is_help=True)


@contextmanager
def _any_store(ctx: typer.Context) -> Iterator[Store]:
    from abkit.store.database.engine import Store

    context: CommandContext = ctx.obj
    store = Store(context.settings.store_url)
    try:
        yield store
    finally:
        store.close()


@app.command()
def upgrade(ctx: typer.Context) -> None:
    """Upgrade the store to the migration that this abkit needs. Running it again changes nothing."""
    from abkit.store.database import migrate
    from abkit.workflows.upkeep.workspace import upgrade_store

    with _any_store(ctx) as store:
        before = migrate.current(store)
        after = upgrade_store(store)
    typer.echo(after)
    note("the store was up to date already" if before == after else f"upgraded from {before or 'an empty database'}")


@app.command()
def current(ctx: typer.Context) -> None:
    """Print the migration of the store."""
    from abkit.store.database import migrate

    with _any_store(ctx) as store:
        at = migrate.current(store)
    typer.echo(at or "empty")
    if at != migrate.head():
        note(f"this abkit needs {migrate.head()}: run `abkit db upgrade`")


@app.command()
def check(ctx: typer.Context) -> None:
    """Check that the store has the right migration and the expected tables. Exits with 1 if it does not."""
    from abkit.errors import StoreError
    from abkit.store.database import migrate

    with _any_store(ctx) as store:
        migrate.require_current(store)
        found = migrate.differences(store)
    if found:
        raise StoreError(
            f"the store differs from what this abkit expects in {len(found)} places, the first: {found[0]}",
            hint="its tables were changed by hand; restore a backup, or undo that change",
        )
    typer.echo("ok")


@app.command()
def backup(
    ctx: typer.Context,
    backup_file: Annotated[
        Path | None,
        typer.Argument(
            metavar="[FILE]", help="New file; by default one named after the time in backups/ of the workspace."
        ),
    ] = None,
    form: FormatOption = Format.TABLE,
) -> None:
    """Copy the store into one file, while daemons and commands go on writing to it."""
    from abkit.jobs.job import wall_clock
    from abkit.workflows.upkeep.backups import back_up

    context: CommandContext = ctx.obj
    with _any_store(ctx) as store:
        show(back_up(store, context.settings, backup_file, now=wall_clock()), form)


@app.command()
def restore(
    ctx: typer.Context,
    backup_file: Annotated[Path, typer.Argument(metavar="FILE", help="The backup.")],
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Replace the store that is there; it is kept.")] = False,
    form: FormatOption = Format.TABLE,
) -> None:
    """Put a backup in the place of the store, and keep the former one beside it. Stop the daemon first."""
    from abkit.jobs.job import wall_clock
    from abkit.workflows.upkeep.backups import restore as restored_from

    with _any_store(ctx) as store:
        if not yes and store.file is not None and store.file.exists() and backup_file.is_file() and sys.stdin.isatty():
            yes = typer.confirm(f"Replace {store.file}? It is kept beside it.", abort=True, err=True)
        show(restored_from(store, backup_file, now=wall_clock(), replace=yes), form)


@app.command()
def vacuum(ctx: typer.Context, form: FormatOption = Format.TABLE) -> None:
    """Give back the space of rows that are gone, and renew what the database knows of its tables."""
    from abkit.workflows.upkeep.retention import vacuum as vacuumed

    context: CommandContext = ctx.obj
    with context.store() as store:
        show(vacuumed(store), form)
        if store.dialect == "postgresql":
            note("PostgreSQL keeps its files and fills them again; VACUUM FULL makes them smaller, and locks them")


@app.command()
def archive(
    ctx: typer.Context,
    before: Annotated[
        datetime | None,
        typer.Option("--before", formats=["%Y-%m-%d"], help="The first day that stays; from keep_days by default."),
    ] = None,
    folder: Annotated[
        Path | None, typer.Option("--to", help="New folder for the files; one in archive/ of the workspace by default.")
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show what would leave; change nothing.")] = False,
    form: FormatOption = Format.TABLE,
) -> None:
    """Move KPI rows of days that are long over into Parquet files; `abkit kpi import FOLDER` brings them back."""
    from abkit.workflows.upkeep.retention import archive as archived

    context: CommandContext = ctx.obj
    with context.store() as store:
        found = archived(
            store, context.settings, before=before.date() if before else None, folder=folder, dry_run=dry_run
        )
    show(found, form)
    if not found.rows:
        note(f"no row ended before {found.before}: nothing to do")
    elif not dry_run:
        note(f"back again: abkit kpi import {found.folder}; less disk: abkit db vacuum")
    if found.stayed:
        note(f"{found.stayed:,} rows before {found.before} stay, because rows that stay are counted beside them")
