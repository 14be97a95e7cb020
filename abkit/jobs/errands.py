"""Errands: a job that somebody asks for, run once in the background and on record like the ticks of schedules.

Each has a schedule of its own that is paused, so that it never starts by itself, and that the runs hang on: one at a
time, with a lease, a time limit, and an outcome that can be looked at.
"""

from __future__ import annotations

import logging
import threading

from abkit.config import ScheduleSettings, Settings
from abkit.errors import AbkitError
from abkit.jobs.daemon.loop import trigger
from abkit.jobs.job import wall_clock
from abkit.jobs.schedules import CATALOG, add, set_enabled
from abkit.store.database.engine import Store
from abkit.store.jobs import schedules
from abkit.store.schema import Run
from abkit.vocabulary import RunState

_log = logging.getLogger("abkit.jobs")
_NEVER = "0 0 29 2 *"  # paused anyhow


def start(store: Store, settings: Settings, key: str, job: str, *, time_limit_s: int = 3600) -> threading.Thread:
    """Start a job in the background; its run is on record under the key.

    Args:
        store: A store at the current migration.
        settings: The configuration.
        key: Name of the schedule that its runs hang on; it is made with the first one.
        job: Name of the job.
        time_limit_s: After so many seconds it is ended.

    Raises:
        AbkitError: It is running already.
    """
    with store.read() as session:
        known = schedules.find(session, key)
        runs = schedules.runs_of(session, key, limit=1)
    if runs and runs[0].state == RunState.RUNNING:
        raise AbkitError("this is running already", hint="wait for its end")
    if known is None:
        entry = ScheduleSettings(key=key, job=job, cron=_NEVER, time_limit_seconds=time_limit_s)
        add(store, entry, now=wall_clock())
        set_enabled(store, key, settings.alerts, enabled=False, now=wall_clock())
    thread = threading.Thread(target=_run, args=(settings, key), name=f"errand-{key}", daemon=True)
    thread.start()
    return thread


def last_run(store: Store, key: str) -> Run | None:
    """Return the last run of an errand; None before the first."""
    with store.read() as session:
        runs = schedules.runs_of(session, key, limit=1)
    return runs[0] if runs else None


def _run(settings: Settings, key: str) -> None:
    # A connection of its own: the one of the request is closed when this is still running.
    store = Store(settings.store_url)
    try:
        trigger(store, settings, CATALOG, key)
    except AbkitError as error:
        _log.warning("%s: %s", key, error.message)
    finally:
        store.close()
