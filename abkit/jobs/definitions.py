"""Schedules as they are defined: by abkit.toml, by command, and those that every daemon has."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from abkit.config import ScheduleSettings
from abkit.errors import InvalidInput, UsageError
from abkit.jobs.catalogue import check_job
from abkit.jobs.cron import Cron
from abkit.store import schedules
from abkit.store.engine import Store

FROM_FILE, FROM_COMMAND, BUILT_IN = "abkit.toml", "command", "built-in"

_BUILT_IN = (
    ScheduleSettings(key="deliver-alerts", job="deliver_alerts", cron="* * * * *", time_limit_seconds=600),
    ScheduleSettings(key="prune", job="prune", cron="17 3 * * *", grace_seconds=6 * 3600),
)


def synchronise(store: Store, configured: Sequence[ScheduleSettings], now: datetime) -> dict[str, str]:
    """Bring the schedules of abkit.toml into the store; several daemons may do so at once.

    1. Check them all; if one is wrong, nothing is changed.
    2. Add what is new and change what differs. Paused ones stay paused.
    3. Remove what came from abkit.toml and no longer stands there. What was added by command stays.

    Args:
        store: where they go.
        configured: the `[[schedule]]` entries.
        now: the clock.

    Returns:
        What was done, by name: added, changed or removed.

    Raises:
        UsageError: an unknown job, a wrong argument, or the same name twice.
        InvalidInput: a bad cron line.
    """
    names = [entry.key for entry in configured]
    if twice := next((name for name in names if names.count(name) > 1), None):
        raise UsageError(f"two schedules are called {twice!r}", hint="give each [[schedule]] a key of its own")
    wanted = {entry.key: definition(entry, BUILT_IN) for entry in _BUILT_IN}
    wanted |= {entry.key: definition(entry, FROM_FILE) for entry in configured}
    done: dict[str, str] = {}
    with store.write() as session:
        present = {schedule.key: schedule for schedule in schedules.all_schedules(session)}
        for key, values in wanted.items():
            first = Cron(values["cron"]).after(now)
            done[key] = schedules.save(session, key, values, next_run_at=first, now=now)
        gone = [key for key, row in present.items() if row.source == FROM_FILE and key not in wanted]
        schedules.remove(session, gone)
    return {key: what for key, what in done.items() if what != "unchanged"} | dict.fromkeys(gone, "removed")


def add(store: Store, entry: ScheduleSettings, *, now: datetime, start: datetime | None = None) -> datetime:
    """Add a schedule by command.

    Args:
        store: where it goes.
        entry: the schedule.
        now: the clock.
        start: its first tick does not come before that.

    Returns:
        Its first tick.

    Raises:
        UsageError: there is one of that name, or `start` is in the past, or as `synchronise`.
    """
    values = definition(entry, FROM_COMMAND)
    if start is not None and start <= now:
        raise UsageError(
            f"schedule {entry.key}: the start {start:%Y-%m-%d %H:%M:%S} UTC is in the past",
            hint="leave --start out to begin with the next tick; what is past can be run with `as_of` by the commands",
        )
    first = Cron(entry.cron).after(start or now)
    with store.write() as session:
        if schedules.find(session, entry.key) is not None:
            raise UsageError(
                f"there is a schedule {entry.key!r} already", hint="choose another name, or change it in abkit.toml"
            )
        schedules.save(session, entry.key, values, next_run_at=first, now=now)
    return first


def definition(entry: ScheduleSettings, source: str) -> Mapping[str, Any]:
    """The columns of a schedule, checked."""
    where = f"schedule {entry.key}"
    try:
        Cron(entry.cron)
    except InvalidInput as error:
        raise InvalidInput(f"{where}: {error.message}", hint=error.hint) from error
    return {
        "job": entry.job,
        "arguments": check_job(entry.job, entry.arguments, where),
        "cron": entry.cron,
        "jitter_s": entry.jitter_seconds,
        "grace_s": entry.grace_seconds,
        "time_limit_s": entry.time_limit_seconds,
        "missed": entry.missed,
        "source": source,
    }
