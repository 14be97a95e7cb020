"""What the demo is played on: a workspace of its own, the daemon's jobs, and who watches."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Protocol

from abkit.config import Settings, load_settings
from abkit.errors import AbkitError
from abkit.store.database.engine import Store
from abkit.store.runs import recorded_run
from abkit.workflows.upkeep.workspace import make_workspace


class Audience(Protocol):
    """What shows the demo while it runs."""

    def progress(self, what: str, done: int, total: int) -> None:
        """Show how much of one stage is done."""

    def day(self, played: Any) -> None:
        """Show one more day."""

    def said(self, when: str, what: str, style: str = "") -> None:
        """Show an event in one line."""


@dataclass(frozen=True)
class DemoWorkspace:
    """The workspace of the demo: its folder, its settings, and its store."""

    folder: Path
    settings: Settings
    store: Store


def open_workspace(folder: Path) -> DemoWorkspace:
    """Create a workspace for the demo in a folder that is new or empty.

    Raises:
        AbkitError: The folder is not empty.
    """
    if folder.exists() and any(folder.iterdir()):
        raise AbkitError(
            f"the demo needs a folder of its own, and {folder} is not empty", hint="name a new one with --folder"
        )
    made = make_workspace(folder)
    settings = load_settings(made.config)
    return DemoWorkspace(made.config.parent, settings, Store(settings.store_url))


def run_job(workspace: DemoWorkspace, name: str, at: datetime, **arguments: Any) -> int:
    """Run a job of the daemon for one tick, as the daemon does, and return the id of its run.

    Args:
        workspace: Where to run it.
        name: Name of the job.
        at: Instant of the tick: "now" to the job.
        arguments: Arguments of the job.
    """
    from abkit.jobs.job import Tick
    from abkit.jobs.schedules import CATALOG

    job = CATALOG[name]
    with recorded_run(workspace.store, name, {"tick": at.isoformat(), **arguments}) as run:
        tick = Tick(schedule=f"demo-{name}", at=at, started_at=datetime.now(UTC), attempt=1, run=run)
        run.outcome.update(job.run(workspace.store, workspace.settings, tick, job.arguments(**arguments)))
    return run.id
