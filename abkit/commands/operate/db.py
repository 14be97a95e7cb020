"""`abkit db`: the store's migrations."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import typer

from abkit.commands.context import CommandContext
from abkit.commands.output import note

if TYPE_CHECKING:
    from abkit.store.database.engine import Store

app = typer.Typer(help="Upgrade the store, show its version, check it.", no_args_is_help=True)


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
    from abkit.workflows.workspace import upgrade_store

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
