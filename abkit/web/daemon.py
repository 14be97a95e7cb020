"""Whether somebody does what a page asks for: requests of uploads and trainings wait for a daemon."""

from __future__ import annotations

from abkit.jobs.job import wall_clock
from abkit.jobs.schedules import CATALOG, QUICK
from abkit.jobs.status import daemon_seen, schedule_status
from abkit.workspace import Workspace


def absent(served: Workspace) -> bool:
    """Return whether no daemon seems to run."""
    now = wall_clock()
    with served.store.read() as session:
        return not daemon_seen(schedule_status(session, CATALOG, now), QUICK, now)
