"""Schedules, and the claims that make a tick run once.

No lock is held while a job runs. To claim work, update a row where it still is as it was read, and count the rows that
changed: one means that the work is ours, zero that another process was first.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Exists, Update, delete, exists, func, or_, select, update
from sqlalchemy.orm import Session

from abkit.store.database.statements import count_changed, insert_missing
from abkit.store.schema import Run, Schedule
from abkit.version import __version__
from abkit.vocabulary import MissedTicks, RunState

#: The columns that the configuration or a command decides; the others are the schedule's state.
DEFINITION = ("job", "arguments", "cron", "jitter_s", "grace_s", "time_limit_s", "missed", "source")


@dataclass(frozen=True, kw_only=True)
class Lease:
    """A claimed tick: this process may run it until the lease ends, or is extended.

    `attempt` is the fence: a process that takes the run over raises it, and what the former owner reports no longer
    counts.
    """

    run_id: int
    schedule: str
    job: str
    arguments: Mapping[str, Any]
    tick: datetime
    attempt: int
    owner: str


def due(session: Session, now: datetime) -> Sequence[Schedule]:
    """Return the enabled schedules whose tick has come and whose job is not running, longest waiting first."""
    return session.scalars(
        select(Schedule)
        .where(Schedule.enabled, Schedule.next_run_at <= now, ~_running(Schedule.key))
        .order_by(Schedule.next_run_at)
    ).all()


def claim(
    session: Session,
    schedule: Schedule,
    *,
    tick: datetime,
    next_run_at: datetime,
    owner: str,
    now: datetime,
    lease_until: datetime,
    skip: Mapping[str, Any] | None = None,
) -> Lease | None:
    """Claim the tick of a schedule that is due.

    1. Wait for processes that are claiming this schedule, so that the next statement sees their run.
    2. Move `next_run_at` on, where it still is what we read and no run of this schedule is under way.
    3. If no row changed, another process was first, or the job is still running: the tick is not ours.
    4. If the tick has its run already (the clock was set back), do not run it again.
    5. Insert the run with its lease, in the same transaction.

    Args:
        session: A writing session.
        schedule: As it was read.
        tick: The tick to run.
        next_run_at: The tick after it.
        owner: The process that claims.
        now: The present instant.
        lease_until: When the lease ends unless it is extended.
        skip: If given, record the tick as skipped, with this outcome, instead of running it.

    Returns:
        The lease; None if the tick is not ours.
    """
    _wait_for_others(session, schedule)
    moved = _as_it_was_read(schedule).where(Schedule.enabled, ~_running(schedule.key)).values(next_run_at=next_run_at)
    if count_changed(session, moved) == 0:
        return None
    if session.scalar(select(Run.id).where(Run.schedule == schedule.key, Run.tick == tick)) is not None:
        return None
    return _insert_run(session, schedule, tick=tick, owner=owner, now=now, lease_until=lease_until, skip=skip)


def claim_extra(
    session: Session, schedule: Schedule, *, owner: str, now: datetime, lease_until: datetime
) -> Lease | None:
    """Claim a run outside the cron line, with the present instant as its tick; None while another one runs."""
    _wait_for_others(session, schedule)
    if session.scalar(select(Run.id).where(Run.schedule == schedule.key, Run.state == RunState.RUNNING)) is not None:
        return None
    return _insert_run(session, schedule, tick=now, owner=owner, now=now, lease_until=lease_until)


def expired(session: Session, now: datetime) -> Sequence[Run]:
    """Return the runs of schedules whose lease has ended: their daemon is dead, asleep, or gave them back."""
    return session.scalars(
        select(Run)
        .where(Run.state == RunState.RUNNING, Run.schedule != "", Run.lease_until <= now)
        .order_by(Run.lease_until, Run.id)
    ).all()


def to_retry(session: Session, now: datetime, most: int, longest: timedelta) -> Sequence[tuple[Schedule, Run]]:
    """Return the schedules whose last run failed and whose wait is over, with that run, to try its tick again.

    Where the next tick has come, that one runs instead; but a schedule that runs all its ticks runs each in its turn.

    Args:
        session: For reading.
        now: The clock.
        most: Failures in a row after which a schedule waits for its next tick.
        longest: The longest wait; a longer one was set by a clock that ran ahead, and is over.
    """
    last = select(func.max(Run.id)).where(Run.schedule == Schedule.key, Run.state != RunState.SKIPPED)
    rows = session.execute(
        select(Schedule, Run)
        .join(Run, Run.id == last.correlate(Schedule).scalar_subquery())
        .where(
            Schedule.enabled,
            Schedule.failures.between(1, most),
            or_(Schedule.backoff_until <= now, Schedule.backoff_until > now + longest),
            or_(Schedule.next_run_at > now, Schedule.missed == MissedTicks.RUN_ALL),
            Run.state.in_((RunState.FAILED, RunState.TIMED_OUT)),
        )
        .order_by(Schedule.backoff_until)
    )
    return [(schedule, run) for schedule, run in rows]


def try_again(
    session: Session, schedule: Schedule, run: Run, *, owner: str, now: datetime, lease_until: datetime
) -> Lease | None:
    """Claim a run that failed for one more attempt at its tick; None if another process was first."""
    _wait_for_others(session, schedule)
    unchanged = select(Schedule.id).where(
        Schedule.id == schedule.id,
        Schedule.enabled,
        Schedule.next_run_at == schedule.next_run_at,
        Schedule.failures == schedule.failures,
        ~_running(schedule.key),
    )
    if session.scalar(unchanged) is None:
        return None
    again = (
        update(Run)
        .where(Run.id == run.id, Run.state == run.state, Run.attempt == run.attempt)
        .values(
            state=RunState.RUNNING,
            owner=owner,
            attempt=run.attempt + 1,
            lease_until=lease_until,
            started_at=now,
            finished_at=None,
        )
    )
    if count_changed(session, again) == 0:
        return None
    return _lease(run, attempt=run.attempt + 1, owner=owner)


def take_over(session: Session, run: Run, *, owner: str, now: datetime, lease_until: datetime) -> Lease | None:
    """Take over a run whose lease has ended, if it still is as it was read; None if another process was first."""
    taken = (
        update(Run)
        .where(
            Run.id == run.id,
            Run.state == RunState.RUNNING,
            Run.attempt == run.attempt,
            Run.lease_until == run.lease_until,
        )
        .values(owner=owner, attempt=run.attempt + 1, lease_until=lease_until, started_at=now)
    )
    if count_changed(session, taken) == 0:
        return None
    return _lease(run, attempt=run.attempt + 1, owner=owner)


def extend(session: Session, leases: Sequence[Lease], lease_until: datetime) -> list[Lease]:
    """Extend the leases that are still ours; return those that are not."""
    later = {"lease_until": lease_until}
    return [lease for lease in leases if count_changed(session, _still_ours(lease).values(later)) == 0]


def give_back(session: Session, lease: Lease, when: datetime) -> bool:
    """End our lease but not the run: any daemon may take it over from that instant on. Return whether it was ours."""
    return count_changed(session, _still_ours(lease).values(lease_until=when, owner="")) == 1


def finish(session: Session, lease: Lease, *, state: str, outcome: Mapping[str, Any], now: datetime) -> bool:
    """Record how a run ended, and return whether it was still ours."""
    ended = _still_ours(lease).values(state=state, outcome=dict(outcome), finished_at=now, lease_until=now)
    return count_changed(session, ended) == 1


def count_failure(session: Session, key: str, *, failures: int, backoff_until: datetime | None) -> None:
    """Record how often in a row a schedule has failed, and until when it pauses."""
    session.execute(update(Schedule).where(Schedule.key == key).values(failures=failures, backoff_until=backoff_until))


def move_back(session: Session, schedule: Schedule, next_run_at: datetime) -> bool:
    """Move a schedule back to an earlier tick; False if another process was first."""
    return count_changed(session, _as_it_was_read(schedule).values(next_run_at=next_run_at)) == 1


def find(session: Session, key: str) -> Schedule | None:
    """Return the schedule with this key, if there is one."""
    return session.scalar(select(Schedule).where(Schedule.key == key))


def all_schedules(session: Session) -> Sequence[Schedule]:
    """Return every schedule, by key."""
    return session.scalars(select(Schedule).order_by(Schedule.key)).all()


def save(session: Session, key: str, definition: Mapping[str, Any], *, next_run_at: datetime, now: datetime) -> str:
    """Add a schedule, or change the one with this key where it differs. Whether it is paused stays as it is.

    Args:
        session: A writing session.
        key: Its name.
        definition: The columns named in `DEFINITION`.
        next_run_at: Its first tick; used only if it is new or its cron line changed.
        now: The present instant.

    Returns:
        "added", "changed" or "unchanged".
    """
    present = find(session, key)
    if present is None:
        row = {"key": key, **definition, "enabled": True, "next_run_at": next_run_at, "failures": 0, "created_at": now}
        insert_missing(session, Schedule, [row], key=["key"])
        return "added"
    if all(getattr(present, column) == definition[column] for column in DEFINITION):
        return "unchanged"
    if present.cron != definition["cron"]:
        present.next_run_at = next_run_at
    for column in DEFINITION:
        setattr(present, column, definition[column])
    present.failures, present.backoff_until = 0, None
    return "changed"


def remove(session: Session, keys: Sequence[str]) -> None:
    """Remove schedules; their runs stay."""
    session.execute(delete(Schedule).where(Schedule.key.in_(keys)))


def set_enabled(session: Session, key: str, enabled: bool, *, next_run_at: datetime) -> None:
    """Pause a schedule, or resume it from its next tick: ticks during the pause do not count as missed."""
    values: dict[str, Any] = {"enabled": enabled, "failures": 0, "backoff_until": None}
    session.execute(
        update(Schedule).where(Schedule.key == key).values(values | ({"next_run_at": next_run_at} if enabled else {}))
    )


def last_runs(session: Session) -> dict[str, Run]:
    """Return the latest run of each schedule, by its key."""
    latest = select(func.max(Run.id)).where(Run.schedule != "").group_by(Run.schedule)
    return {run.schedule: run for run in session.scalars(select(Run).where(Run.id.in_(latest)))}


def runs_of(session: Session, key: str, limit: int) -> Sequence[Run]:
    """Return the latest runs of a schedule, newest first."""
    return session.scalars(select(Run).where(Run.schedule == key).order_by(Run.id.desc()).limit(limit)).all()


def _wait_for_others(session: Session, schedule: Schedule) -> None:
    # PostgreSQL holds the row until the end of the transaction; on SQLite there is one writer at a time anyhow.
    session.execute(select(Schedule.id).where(Schedule.id == schedule.id).with_for_update())


def _as_it_was_read(schedule: Schedule) -> Update:
    return update(Schedule).where(
        Schedule.id == schedule.id,
        Schedule.next_run_at == schedule.next_run_at,
        # A tick that failed since is tried again, or waits.
        Schedule.failures == schedule.failures,
    )


def _running(key: Any) -> Exists:
    return exists().where(Run.schedule == key, Run.state == RunState.RUNNING)


def _still_ours(lease: Lease) -> Update:
    return update(Run).where(
        Run.id == lease.run_id, Run.state == RunState.RUNNING, Run.attempt == lease.attempt, Run.owner == lease.owner
    )


def _insert_run(
    session: Session,
    schedule: Schedule,
    *,
    tick: datetime,
    owner: str,
    now: datetime,
    lease_until: datetime,
    skip: Mapping[str, Any] | None = None,
) -> Lease:
    run = Run(
        what=schedule.job,
        arguments=schedule.arguments,
        code_version=__version__,
        schedule=schedule.key,
        tick=tick,
        state=RunState.RUNNING if skip is None else RunState.SKIPPED,
        owner=owner,
        lease_until=lease_until,
        started_at=now,
        finished_at=None if skip is None else now,
        outcome=dict(skip) if skip else None,
    )
    session.add(run)
    session.flush()
    return _lease(run)


def _lease(run: Run, **taken_over: Any) -> Lease:
    same = {name: getattr(run, name) for name in ("schedule", "arguments", "tick", "attempt", "owner")}
    return Lease(run_id=run.id, job=run.what, **same | taken_over)
