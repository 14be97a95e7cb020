"""What follows a command that changed what pages show."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

from abkit.errors import StoreError

if TYPE_CHECKING:
    from abkit.store.database.engine import Store


def let_pages_follow(store: Store) -> None:
    """Let the daemon make the leaderboards that are due, where one runs; else their pages do when somebody opens them.

    The command has done what it was asked for: a store that does not answer now is no fault of it.

    Args:
        store: A store at the current migration.
    """
    from abkit.jobs.requests import ask_for_leaderboards

    with suppress(StoreError):
        ask_for_leaderboards(store, by="command")
