"""What every command shares: the global options, the settings and the store behind them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from abkit.config import Settings
    from abkit.store.engine import Store


@dataclass
class CommandContext:
    """The global options; `ctx.obj` of every command."""

    config: Path | None = None
    database_url: str | None = None
    debug: bool = False

    @cached_property
    def settings(self) -> Settings:
        """The configuration, read on first use."""
        from abkit.config import load_settings

        return load_settings(self.config, self.database_url)

    @contextmanager
    def store(self) -> Iterator[Store]:
        """The store of the workspace, at the migration that this code needs."""
        from abkit.store.engine import Store
        from abkit.store.migrate import require_current

        store = Store(self.settings.store_url)
        try:
            require_current(store)
            yield store
        finally:
            store.close()
