"""Schedules: the catalog of jobs that they can name, and how abkit.toml and the commands define them."""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy.orm import Session

from abkit.alerts import rules
from abkit.config import AlertSettings, ScheduleSettings
from abkit.errors import InvalidInput, UsageError
from abkit.jobs.cron import Cron
from abkit.jobs.job import Catalog, Job
from abkit.jobs.status import ScheduleStatus, unknown_schedule
from abkit.jobs.work.asked import ScoreAddresses, Worth, score_addresses, worth
from abkit.jobs.work.findings import Correlate, DriftCheck, correlate, digest, drift_check, experiments
from abkit.jobs.work.folders import ImportKpis, ScoreFolder, import_kpis, score_folder
from abkit.jobs.work.leaderboards import Leaderboards, leaderboards
from abkit.jobs.work.learning import Retrain, retrain, train_labels
from abkit.jobs.work.sources import ImportSource, import_source
from abkit.jobs.work.upkeep import Heartbeat, deliver_alerts, heartbeat, prune
from abkit.store.database.engine import Store
from abkit.store.jobs import schedules
from abkit.store.schema import Schedule

# A schedule can run these and nothing else.
CATALOG: Catalog = {
    job.name: job
    for job in (
        Job("score_folder", "score the new images of a watched folder", score_folder, ScoreFolder),
        Job("score_addresses", "score images of the public web, by their addresses", score_addresses, ScoreAddresses),
        Job("import_kpis", "import the KPI exports of a watched folder", import_kpis, ImportKpis),
        Job("import_source", "get the export of a [[source]] and import it", import_source, ImportSource),
        Job("leaderboards", "make the figures of campaigns that have changed", leaderboards, Leaderboards),
        Job("correlate", "correlate scores with a KPI", correlate, Correlate),
        Job("drift_check", "check all drift layers and decide", drift_check, DriftCheck),
        Job("retrain", "train a challenger, judge it on later launches, promote it if it is better", retrain, Retrain),
        Job("worth", "say what listening to the scores is worth", worth, Worth),
        Job("train_labels", "train a challenger on ratings and comparisons; it is not promoted", train_labels),
        Job("experiments", "analyze the running experiments", experiments),
        Job("digest", "tell the week: experiments, tired creatives, what needs a person", digest),
        Job("deliver_alerts", "send pending alerts to the channels", deliver_alerts, quick=True),
        Job("prune", "remove old records that no figure points to", prune),
        Job("heartbeat", "call an address while all is well (dead-man's switch)", heartbeat, Heartbeat, quick=True),
    )
}
# These have a worker of their own: a daemon that runs starts them within moments.
QUICK = frozenset(name for name, job in CATALOG.items() if job.quick)
FROM_FILE, FROM_COMMAND, BUILT_IN = "abkit.toml", "command", "built-in"

_BUILT_IN = (
    ScheduleSettings(key="deliver-alerts", job="deliver_alerts", cron="* * * * *", time_limit_seconds=600),
    ScheduleSettings(key="prune", job="prune", cron="17 3 * * *", grace_seconds=6 * 3600),
)


def synchronize(
    store: Store, configured: Sequence[ScheduleSettings], now: datetime, alerts: AlertSettings | None = None
) -> dict[str, str]:
    """Bring the schedules of abkit.toml into the store; several daemons may do so at once.

    1. Check them all; if one is wrong, change nothing.
    2. Add what is new and change what differs. Paused ones stay paused.
    3. Remove what came from abkit.toml and is no longer there, and let its alerts resolve. What was added by command
       stays.

    Args:
        store: Where they go.
        configured: The `[[schedule]]` entries.
        now: The clock.
        alerts: `[alerts]`; the defaults if left out.

    Returns:
        What was done, by name: added, changed or removed.

    Raises:
        UsageError: An unknown job, a wrong argument, an invalid cron line, or the same name twice.
    """
    wanted = check_all(configured)
    with store.write() as session:
        present = schedules.all_schedules(session)
        done = {
            key: schedules.save(session, key, values, next_run_at=Cron(values["cron"]).after(now), now=now)
            for key, values in wanted.items()
        }
        gone = [row.key for row in present if row.source == FROM_FILE and row.key not in wanted]
        _remove(session, gone, alerts or AlertSettings(), now)
    return {key: what for key, what in done.items() if what != "unchanged"} | dict.fromkeys(gone, "removed")


def check_all(configured: Sequence[ScheduleSettings]) -> dict[str, Mapping[str, Any]]:
    """Return the columns of all schedules, built-in ones included, by name.

    Raises:
        UsageError: As for `synchronize`.
    """
    names = [entry.key for entry in configured]
    if twice := next((name for name in names if names.count(name) > 1), None):
        raise UsageError(f"two schedules are called {twice!r}", hint="give each [[schedule]] a key of its own")
    wanted = {entry.key: _definition(entry, BUILT_IN) for entry in _BUILT_IN}
    return wanted | {entry.key: _definition(entry, FROM_FILE) for entry in configured}


def not_started(configured: Sequence[ScheduleSettings], known: Collection[str], now: datetime) -> list[ScheduleStatus]:
    """Return the schedules that the next daemon brings into the store, with the ticks that they would have.

    Raises:
        UsageError: As for `synchronize`.
    """
    return [
        ScheduleStatus(
            key=key,
            state="not started",
            problem="",
            next_run_at=Cron(values["cron"]).after(now),
            last_tick=None,
            last_state=None,
            last_run=None,
            finished_at=None,
            failures=0,
            backoff_until=None,
            **{name: values[name] for name in ("job", "cron", "missed", "grace_s", "source", "arguments")},
        )
        for key, values in sorted(check_all(configured).items())
        if key not in known and values["source"] == FROM_FILE
    ]


def add(store: Store, entry: ScheduleSettings, *, now: datetime, start: datetime | None = None) -> datetime:
    """Add a schedule by command, and return its first tick.

    Args:
        store: Where it goes.
        entry: The schedule.
        now: The clock.
        start: Earliest time of its first tick.

    Raises:
        UsageError: The name is taken, or `start` is in the past, or as for `synchronize`.
    """
    values = _definition(entry, FROM_COMMAND)
    if start is not None and start <= now:
        raise UsageError(
            f"schedule {entry.key}: the start {start:%Y-%m-%d %H:%M:%S} UTC is in the past",
            hint="leave --start out to begin with the next tick; for past days use `--as-of` of the commands",
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
    """Remove a schedule that was added by command; its runs stay, and its alerts resolve.

    Raises:
        UsageError: It does not exist, or it would be back when the next daemon starts.
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
    """Pause a schedule, or resume it from its next tick, which is returned. The job alerts of a paused one resolve.

    Raises:
        UsageError: It does not exist.
    """
    with store.write() as session:
        next_run_at = Cron(_find(session, key).cron).after(now)
        schedules.set_enabled(session, key, enabled, next_run_at=next_run_at)
        if not enabled:
            rules.schedule_retired(session, alerts, schedule=key, now=now)
    return next_run_at


def _find(session: Session, key: str) -> Schedule:
    schedule = schedules.find(session, key)
    if schedule is None:
        raise unknown_schedule(key)
    return schedule


def _remove(session: Session, keys: Sequence[str], alerts: AlertSettings, now: datetime) -> None:
    schedules.remove(session, keys)
    for key in keys:
        rules.schedule_retired(session, alerts, schedule=key, now=now, feed_too=True)


def _definition(entry: ScheduleSettings, source: str) -> Mapping[str, Any]:
    """Return the columns of a schedule, checked."""
    where = f"schedule {entry.key}"
    try:
        Cron(entry.cron)
    except InvalidInput as error:
        raise UsageError(f"{where}: {error.message}", hint=error.hint) from error
    job = CATALOG.get(entry.job)
    if job is None:
        raise UsageError(f"{where}: there is no job {entry.job!r}", hint=f"the jobs are {', '.join(CATALOG)}")
    return {
        "job": entry.job,
        "arguments": job.check(entry.arguments, where),
        "cron": entry.cron,
        "jitter_s": entry.jitter_seconds,
        "grace_s": entry.grace_seconds,
        "time_limit_s": entry.time_limit_seconds,
        "missed": entry.missed,
        "source": source,
    }
