"""Jobs that somebody asks for once: from the page or the API. The daemon runs them, and the store keeps them."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from abkit.errors import UsageError
from abkit.jobs.schedules import CATALOG, QUICK
from abkit.jobs.status import daemon_seen, schedule_status
from abkit.jobs.work.leaderboards import ask
from abkit.records import Record
from abkit.store.database.engine import Store
from abkit.store.jobs import requests
from abkit.store.schema import JobRequest, Run
from abkit.vocabulary import RunState

#: Jobs that can be asked for: those that read no path of this machine.
ON_REQUEST = ("score_addresses", "correlate", "drift_check", "experiments", "worth", "retrain", "train_labels")

#: Those that read a folder: only for what was uploaded, into a folder that the server chose.
ON_UPLOADS = ("score_folder", "import_kpis")


@dataclass(frozen=True, kw_only=True)
class RequestedJob(Record):
    """A job that somebody asked for.

    Attributes:
        key: Its name, of random letters.
        job: What is done.
        arguments: With which arguments.
        asked_by: Who asked for it.
        asked_at: When, UTC.
        state: waiting, running, done, failed, timed_out, interrupted or abandoned.
        started_at, finished_at: When it began and ended; None before.
        run_id: The run that every figure of it points to; None before.
        result: What it reported; None before its end.
        error: Why it failed; "" otherwise.
        hint: What to do about that.
    """

    key: str
    job: str
    arguments: Mapping[str, Any]
    asked_by: str
    asked_at: datetime
    state: str
    started_at: datetime | None
    finished_at: datetime | None
    run_id: int | None
    result: Mapping[str, Any] | None
    error: str
    hint: str


def ask_for(store: Store, job: str, arguments: Mapping[str, Any], *, by: str) -> RequestedJob:
    """Ask for a job; a daemon runs it when it next looks, also if it is started only later.

    Args:
        store: A store at the current migration.
        job: One of `ON_REQUEST`.
        arguments: As its schedule would have them.
        by: Who asks.

    Raises:
        UsageError: There is no such job, or an argument is not valid.
    """
    if job not in ON_REQUEST:
        raise UsageError(f"there is no job {job!r} that can be asked for", hint=f"there are {', '.join(ON_REQUEST)}")
    return _ask(store, job, arguments, by)


def ask_for_upload(store: Store, job: str, arguments: Mapping[str, Any], *, by: str) -> RequestedJob:
    """Ask for a job that reads a folder which this server made itself, of files that somebody uploaded.

    Args:
        store: A store at the current migration.
        job: One of `ON_UPLOADS`.
        arguments: As its schedule would have them; the folder never comes from a request.
        by: Who asks.

    Raises:
        UsageError: An argument is not valid.
    """
    if job not in ON_UPLOADS:
        raise UsageError(f"there is no job {job!r} for uploads", hint=f"there are {', '.join(ON_UPLOADS)}")
    return _ask(store, job, arguments, by)


def ask_for_leaderboard(store: Store, campaign: int, *, by: str) -> bool:
    """Ask for the figures of a campaign if a daemon seems to run; return whether one does.

    What waits already is not asked for again.

    Args:
        store: A store at the current migration.
        campaign: Its number.
        by: Who asks.
    """
    now = datetime.now(UTC)
    with store.read() as session:
        if not daemon_seen(schedule_status(session, CATALOG, now), QUICK, now):
            return False
    ask(store, {"campaign": campaign}, by=by)
    return True


def requested(store: Store, key: str) -> RequestedJob:
    """Return the job that was asked for under a key.

    Raises:
        UsageError: There is none, or it ended so long ago that it was forgotten.
    """
    with store.read() as session:
        found = requests.requests(session, key=key, limit=1)
        if not found:
            raise UsageError(f"nobody asked for a job {key}", hint="GET /api/v1/jobs lists those that are known")
        return _record(*found[0])


def last_requested(store: Store, job: str) -> tuple[RequestedJob, Mapping[str, Any]] | None:
    """Return the latest request of a job, and how far it says it is while it runs; None where nobody asked."""
    with store.read() as session:
        for request, run in requests.requests(session, limit=50):
            if request.job == job:
                outcome = (run.outcome or {}) if run is not None else {}
                return _record(request, run), outcome.get("so_far") or {}
    return None


def requested_jobs(
    store: Store, *, before: int | None = None, limit: int = 50
) -> tuple[tuple[RequestedJob, ...], int | None]:
    """Return the jobs that were asked for, the latest first, and before which number the next part begins."""
    with store.read() as session:
        found = requests.requests(session, before=before, limit=limit + 1)
        following = found[limit - 1][0].id if len(found) > limit else None
        return tuple(_record(*one) for one in found[:limit]), following


def _ask(store: Store, job: str, arguments: Mapping[str, Any], by: str) -> RequestedJob:
    checked = CATALOG[job].check(arguments, "the request")
    key = secrets.token_hex(16)
    with store.write() as session:
        requests.ask(session, key=key, job=job, arguments=checked, asked_by=by, now=datetime.now(UTC))
    return requested(store, key)


def _record(request: JobRequest, run: Run | None) -> RequestedJob:
    outcome = dict(run.outcome or {}) if run is not None and run.state != RunState.RUNNING else None
    done = run is not None and run.state == RunState.DONE
    return RequestedJob(
        key=request.key,
        job=request.job,
        arguments=request.arguments,
        asked_by=request.asked_by,
        asked_at=request.asked_at,
        state="waiting" if run is None else run.state,
        started_at=run.started_at if run else None,
        finished_at=run.finished_at if run else None,
        run_id=request.run_id,
        result=outcome if done else None,
        error="" if done or outcome is None else _why(outcome),
        hint="" if done or outcome is None else str(outcome.get("hint", "")),
    )


def _why(outcome: Mapping[str, Any]) -> str:
    why = str(outcome.get("error", "no reason was given"))
    return f"{why}. It was reading {outcome['file']}" if "file" in outcome else why
