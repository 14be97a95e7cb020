"""The state of schedules: in time, late, failing, paused; `status`, /healthz, the metrics and the heartbeat use it."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy.orm import Session

from abkit.errors import InvalidInput, UsageError
from abkit.jobs.cron import Cron, jitter
from abkit.records import Record
from abkit.store.jobs import schedules
from abkit.store.schema import Run, Schedule
from abkit.vocabulary import RunState

# Twice the time in which the shortest built-in schedule comes round, and then some.
_SILENCE = timedelta(minutes=3)
BAD_STATES = ("late", "failing", "stuck", "broken")
_AS_DEFINED = (
    *("key", "job", "cron", "next_run_at", "failures", "backoff_until", "missed", "grace_s", "source", "arguments"),
)


@dataclass(frozen=True, kw_only=True)
class ScheduleStatus(Record):
    """The state of one schedule.

    Attributes:
        key, job, cron, missed, grace_s, source, arguments: As defined.
        state: ok, new (never run), running, paused; or, if it needs attention: late (its tick is overdue by more than
            the grace period), failing (the last run failed), stuck (the daemon that runs it is gone), broken (unknown
            job or invalid cron line).
        problem: One sentence if it needs attention, else "".
        next_run_at: The next tick.
        last_tick, last_state, last_run, finished_at: Those of the latest run; None if there is none.
        failures: Failures in a row.
        backoff_until: Time before which it is not started again after a failure.
    """

    key: str
    job: str
    state: str
    problem: str
    cron: str
    next_run_at: datetime
    last_tick: datetime | None
    last_state: str | None
    last_run: int | None
    finished_at: datetime | None
    failures: int
    backoff_until: datetime | None
    missed: str
    grace_s: int
    source: str
    arguments: dict[str, Any]

    @property
    def needs_attention(self) -> bool:
        """Whether a person should look at it."""
        return self.state in BAD_STATES


def schedule_status(session: Session, jobs: Collection[str], now: datetime) -> list[ScheduleStatus]:
    """Return the state of every schedule.

    Args:
        session: For reading.
        jobs: Names of the jobs that exist.
        now: The clock.
    """
    last = schedules.last_runs(session)
    return [_status(schedule, last.get(schedule.key), jobs, now) for schedule in schedules.all_schedules(session)]


def no_daemon(statuses: Sequence[ScheduleStatus], quick: Collection[str], now: datetime) -> str:
    """Return a sentence if it seems that no daemon runs, else "".

    A quick job waits for no worker: a daemon that runs starts it within moments of its tick.

    Args:
        statuses: The state of every schedule.
        quick: Names of the quick jobs.
        now: The clock.
    """
    if any(one.last_state == RunState.RUNNING and one.state != "stuck" for one in statuses):
        return ""  # somebody extends its lease
    waits = [
        max(one.next_run_at, one.backoff_until or one.next_run_at)
        for one in statuses
        if one.job in quick and one.state not in ("paused", "broken")
    ]
    since = min(waits, default=now)
    if now - since <= _SILENCE:
        return ""
    return f"no daemon runs, or none reaches the store: nothing was started since {since:%Y-%m-%d %H:%M:%S} UTC"


def daemon_seen(statuses: Sequence[ScheduleStatus], quick: Collection[str], now: datetime) -> bool:
    """Return whether a daemon seems to run: it has made its own schedules, and starts what is due.

    Args:
        statuses: The state of every schedule.
        quick: Names of the quick jobs, which every daemon has.
        now: The clock.
    """
    return any(one.job in quick for one in statuses) and not no_daemon(statuses, quick, now)


def unknown_schedule(key: str) -> UsageError:
    """Return the error for a schedule that does not exist."""
    return UsageError(f"there is no schedule {key!r}", hint="`abkit schedule list` shows them all")


def _status(schedule: Schedule, last: Run | None, jobs: Collection[str], now: datetime) -> ScheduleStatus:
    state, problem = _judge(schedule, last, jobs, now)
    return ScheduleStatus(
        state=state,
        problem=problem,
        last_tick=last.tick if last else None,
        last_state=last.state if last else None,
        last_run=last.id if last else None,
        finished_at=last.finished_at if last else None,
        **{name: getattr(schedule, name) for name in _AS_DEFINED},
    )


def _judge(schedule: Schedule, last: Run | None, jobs: Collection[str], now: datetime) -> tuple[str, str]:
    if not schedule.enabled:
        return "paused", ""
    if schedule.job not in jobs:
        return "broken", f"there is no job {schedule.job!r}"
    try:
        Cron(schedule.cron)
    except InvalidInput as bad_line:
        return "broken", bad_line.message
    running = last is not None and last.state == RunState.RUNNING
    if last is not None and running and last.lease_until < now:
        return "stuck", f"run {last.id} was left by its daemon ({last.owner or 'stopped'}) and nobody has taken it over"
    if schedule.failures:
        error = str((last.outcome or {}).get("error", "")) if last else ""
        times = "once" if schedule.failures == 1 else f"{schedule.failures} times in a row"
        return "failing", f"failed {times}{': ' + error if error else ''}"
    overdue = now - schedule.next_run_at - jitter(schedule.key, schedule.next_run_at, schedule.jitter_s)
    if overdue > timedelta(seconds=schedule.grace_s):
        why = "the previous run is still going on" if running else "no daemon has taken it"
        return "late", f"due at {schedule.next_run_at:%Y-%m-%d %H:%M:%S} UTC, and {why}"
    if running:
        return "running", ""
    return ("ok", "") if last is not None else ("new", "")
