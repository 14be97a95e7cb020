"""Schedules as they are defined: by abkit.toml, by command, and those that every daemon has."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy.orm import Session

from abkit.alerts import rules
from abkit.config import AlertSettings, ScheduleSettings
from abkit.errors import InvalidInput, UsageError
from abkit.jobs.catalogue import check_job
from abkit.jobs.cron import Cron
from abkit.store import schedules
from abkit.store.engine import Store
from abkit.store.schema import Schedule

FROM_FILE, FROM_COMMAND, BUILT_IN = "abkit.toml", "command", "built-in"

_BUILT_IN = (
    ScheduleSettings(key="deliver-alerts", job="deliver_alerts", cron="* * * * *", time_limit_seconds=600),
    ScheduleSettings(key="prune", job="prune", cron="17 3 * * *", grace_seconds=6 * 3600),
)


def synchronise(
    store: Store, configured: Sequence[ScheduleSettings], now: datetime, alerts: AlertSettings | None = None
) -> dict[str, str]:
    """Bring the schedules of abkit.toml into the store; several daemons may do so at once.

    1. Check them all; if one is wrong, nothing is changed.
    2. Add what is new and change what differs. Paused ones stay paused.
    3. Remove what came from abkit.toml and no longer stands there, and let its alerts come to rest. What was added by
       command stays.

    Args:
        store: where they go.
        configured: the `[[schedule]]` entries.
        now: the clock.
        alerts: `[alerts]`; the defaults if left out.

    Returns:
        What was done, by name: added, changed or removed.

    Raises:
        UsageError: an unknown job, a wrong argument, a bad cron line, or the same name twice.
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
        _remove(session, gone, alerts or AlertSettings(), now)
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
            hint="leave --start out to begin with the next tick; for days past there is `--as-of` of the commands",
        )
    first = Cron(entry.cron).after(start or now)
    with store.write() as session:
        if schedules.find(session, entry.key) is not None:
            raise UsageError(
                f"there is a schedule {entry.key!r} already", hint="choose another name, or change it in abkit.toml"
            )
        schedules.save(session, entry.key, values, next_run_at=first, now=now)
    return first


def remove(store: Store, key: str, alerts: AlertSettings, *, now: datetime) -> None:
    """Remove a schedule that was added by command; its runs stay, and its alerts come to rest.

    Raises:
        UsageError: there is none of that name, or it would be back when the next daemon starts.
    """
    with store.write() as session:
        schedule = _find(session, key)
        if schedule.source != FROM_COMMAND:
            raise UsageError(
                f"schedule {key} is {'built in' if schedule.source == BUILT_IN else 'defined in abkit.toml'}",
                hint="take it out of abkit.toml and restart the daemon, or pause it: abkit schedule pause " + key,
            )
        _remove(session, [key], alerts, now)


def set_enabled(store: Store, key: str, alerts: AlertSettings, *, enabled: bool, now: datetime) -> datetime:
    """Pause a schedule, or let it go on from its next tick. That a paused job failed or is late bothers nobody.

    Returns:
        Its next tick.

    Raises:
        UsageError: there is none of that name.
    """
    with store.write() as session:
        next_run_at = Cron(_find(session, key).cron).after(now)
        schedules.set_enabled(session, key, enabled, next_run_at=next_run_at)
        if not enabled:
            rules.job_put_away(session, alerts, schedule=key, now=now)
    return next_run_at


def unknown(key: str) -> UsageError:
    """There is no schedule of that name."""
    return UsageError(f"there is no schedule {key!r}", hint="`abkit schedule list` shows them all")


def _find(session: Session, key: str) -> Schedule:
    schedule = schedules.find(session, key)
    if schedule is None:
        raise unknown(key)
    return schedule


def _remove(session: Session, keys: Sequence[str], alerts: AlertSettings, now: datetime) -> None:
    schedules.remove(session, keys)
    for key in keys:
        rules.job_put_away(session, alerts, schedule=key, now=now, feed_too=True)


def definition(entry: ScheduleSettings, source: str) -> Mapping[str, Any]:
    """The columns of a schedule, checked."""
    where = f"schedule {entry.key}"
    try:
        Cron(entry.cron)
    except InvalidInput as error:
        raise UsageError(f"{where}: {error.message}", hint=error.hint) from error
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
