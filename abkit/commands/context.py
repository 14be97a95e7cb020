"""What every command shares: the global options, and the workspace that they name."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from abkit_model import devices

if TYPE_CHECKING:
    from abkit.config import Settings
    from abkit.store.database.engine import Store
    from abkit.vocabulary import Device
    from abkit.workspace import Workspace


@dataclass
class CommandContext:
    """The global options; `ctx.obj` of every command."""

    config: Path | None = None
    database_url: str | None = None
    debug: bool = False
    device: Device | None = None

    @cached_property
    def workspace(self) -> Workspace:
        """The workspace that the options name; its configuration is read on first use."""
        from abkit.config import load_settings
        from abkit.workspace import Workspace

        settings = load_settings(self.config, self.database_url)
        return Workspace(settings if self.device is None else settings.on_device(self.device))

    def compute_on(self, device: Device | None) -> None:
        """Let encoders compute on a device instead of the one that the configuration names; None changes nothing."""
        self.device = device
        if device is not None:
            devices.prefer(device)  # for commands that need no workspace

    @property
    def settings(self) -> Settings:
        """The configuration of the workspace."""
        return self.workspace.settings

    @contextmanager
    def store(self) -> Iterator[Store]:
        """Open the store of the workspace, at the migration that this code needs."""
        with self.workspace as workspace:
            yield workspace.store
