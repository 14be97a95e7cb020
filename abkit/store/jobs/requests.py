"""Jobs that somebody asked for once. A claimed one is a run like that of a schedule: it outlives its daemon."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import delete, or_, select
from sqlalchemy.orm import Session

from abkit.store.jobs.schedules import Lease
from abkit.store.schema import JobRequest, Run
from abkit.version import __version__
from abkit.vocabulary import RunState

#: Seconds that a job may take that somebody asked for.
TIME_LIMIT_S = 3600
# What the runs of requests have where those of schedules have the key of the schedule: no key has a colon.
_PREFIX = "request:"


def ask(session: Session, *, key: str, job: str, arguments: Mapping[str, Any], asked_by: str, now: datetime) -> None:
    """Write a request; a daemon claims it when it next looks."""
    row = JobRequest(key=key, job=job, arguments=dict(arguments), asked_by=asked_by, asked_at=now)
    session.add(row)
    session.flush()


def waiting(session: Session, limit: int = 50) -> Sequence[JobRequest]:
    """Return the requests that nobody has claimed, the oldest first."""
    unclaimed = select(JobRequest).where(JobRequest.run_id.is_(None))
    return session.scalars(unclaimed.order_by(JobRequest.id).limit(limit)).all()


def waiting_of(session: Session, job: str) -> Sequence[JobRequest]:
    """Return the requests of a job that nobody has claimed."""
    return session.scalars(select(JobRequest).where(JobRequest.run_id.is_(None), JobRequest.job == job)).all()


def is_unfinished(session: Session, job: str) -> bool:
    """Return whether a request of a job waits or runs."""
    open_ones = or_(JobRequest.run_id.is_(None), Run.state == RunState.RUNNING)
    found = select(JobRequest.id).outerjoin(Run, Run.id == JobRequest.run_id).where(JobRequest.job == job, open_ones)
    return session.scalar(found.limit(1)) is not None


def claim(session: Session, request: JobRequest, *, owner: str, now: datetime, lease_until: datetime) -> Lease | None:
    """Claim a request, with a run of its own; None if another process was first.

    Args:
        session: A writing session.
        request: As it was read.
        owner: The process that claims.
        now: The present instant, which is the tick of the run.
        lease_until: When the lease ends unless it is extended.
    """
    # PostgreSQL holds the row until the end of the transaction; on SQLite there is one writer at a time anyhow.
    held = select(JobRequest).where(JobRequest.id == request.id).with_for_update()
    row = session.scalar(held.execution_options(populate_existing=True))
    if row is None or row.run_id is not None:
        return None
    run = Run(
        what=row.job,
        arguments=row.arguments,
        code_version=__version__,
        schedule=f"{_PREFIX}{row.key}",
        tick=now,
        state=RunState.RUNNING,
        attempt=1,
        owner=owner,
        lease_until=lease_until,
        started_at=now,
    )
    session.add(run)
    session.flush()
    row.run_id = run.id
    same = {name: getattr(run, name) for name in ("schedule", "arguments", "tick", "attempt", "owner")}
    return Lease(run_id=run.id, job=run.what, **same)


def is_request(schedule: str) -> bool:
    """Whether a run is one that somebody asked for, by what it has in place of a schedule.

    >>> is_request("request:4f"), is_request("drift")
    (True, False)
    """
    return schedule.startswith(_PREFIX)


def runs_of_requests(session: Session, job: str, *, before: int, limit: int) -> Sequence[Run]:
    """Return the ended runs of a job that people asked for, the latest before a run first."""
    ended = select(Run).where(Run.what == job, Run.schedule.startswith(_PREFIX), Run.id < before)
    ended = ended.where(Run.state.not_in((RunState.RUNNING, RunState.SKIPPED)))
    return session.scalars(ended.order_by(Run.id.desc()).limit(limit)).all()


def requests(
    session: Session, *, before: int | None = None, limit: int = 50, key: str | None = None
) -> Sequence[tuple[JobRequest, Run | None]]:
    """Return requests with their runs, the latest first; only that with a key where it is given."""
    query = select(JobRequest, Run).outerjoin(Run, Run.id == JobRequest.run_id)
    if key is not None:
        query = query.where(JobRequest.key == key)
    if before is not None:
        query = query.where(JobRequest.id < before)
    return [(row[0], row[1]) for row in session.execute(query.order_by(JobRequest.id.desc()).limit(limit))]


def remove_finished(session: Session, before: datetime) -> Any:
    """Remove the requests whose run ended before an instant; the runs stay."""
    ended = select(Run.id).where(Run.finished_at < before)
    return session.execute(
        delete(JobRequest).where(JobRequest.run_id.in_(ended)).execution_options(synchronize_session=False)
    )
