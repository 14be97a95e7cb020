"""Jobs: what runs when, what is late or failing, and what the last runs did."""

from __future__ import annotations

import json
from typing import Annotated

from fastapi import APIRouter, Form, Query, Request
from starlette.responses import RedirectResponse, Response

from abkit.errors import UsageError
from abkit.jobs.job import wall_clock
from abkit.jobs.schedules import CATALOG, QUICK
from abkit.jobs.status import daemon_seen, schedule_status, unknown_schedule
from abkit.store.jobs import schedules
from abkit.web.access.audit import record
from abkit.web.access.guard import Operator, Served, Viewer
from abkit.web.rendering import link, page

router = APIRouter()
RUNS = 20
#: Characters of each part of an outcome.
LONGEST = 300


@router.get("/jobs", name="jobs")
def jobs(request: Request, served: Served, person: Viewer) -> Response:
    """List the schedules, those that need somebody first."""
    now = wall_clock()
    with served.store.read() as session:
        found = schedule_status(session, CATALOG, now)
    return page(
        request,
        "jobs.html.j2",
        schedules=sorted(found, key=lambda one: not one.needs_attention),
        daemon_absent=not daemon_seen(found, QUICK, now),
    )


@router.get("/job", name="job")
def job(
    request: Request, served: Served, person: Viewer, key: Annotated[str, Query(min_length=1, max_length=500)]
) -> Response:
    """Show one schedule, with its last runs."""
    with served.store.read() as session:
        found = {one.key: one for one in schedule_status(session, CATALOG, wall_clock())}.get(key)
        if found is None:
            raise unknown_schedule(key)
        runs = [
            {
                "run": run.id,
                "started_at": run.started_at,
                "finished_at": run.finished_at,
                "state": run.state,
                "attempt": run.attempt,
                "outcome": [(name.replace("_", " "), _short(value)) for name, value in (run.outcome or {}).items()],
            }
            for run in schedules.runs_of(session, key, RUNS)
        ]
    return page(request, "job.html.j2", one=found, runs=runs)


def _short(value: object) -> str:
    """Return a part of an outcome: text as it is, anything else as JSON; the beginning of what is long."""
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return text if len(text) <= LONGEST else f"{text[:LONGEST]}…"


@router.post("/job/run", name="run_job")
def run_soon(
    request: Request, served: Served, person: Operator, key: Annotated[str, Form(min_length=1, max_length=500)]
) -> Response:
    """Make a schedule due now: the daemon starts it with its next look."""
    with served.store.write() as session:
        schedule = schedules.find(session, key)
        if schedule is None:
            raise unknown_schedule(key)
        if not schedule.enabled:
            raise UsageError(f"{key} is paused", hint=f"abkit schedule resume {key}")
        schedules.move_back(session, schedule, wall_clock())
    record(served, person, "run job", key)
    return RedirectResponse(link(request, "job", query={"key": key}), 303)
