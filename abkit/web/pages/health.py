"""Health: whether the page and its store answer, and whether a daemon seems to run."""

from __future__ import annotations

from fastapi import APIRouter
from starlette.responses import JSONResponse

from abkit.errors import AbkitError
from abkit.jobs.job import wall_clock
from abkit.jobs.schedules import CATALOG, QUICK
from abkit.jobs.status import no_daemon, schedule_status
from abkit.web.access.guard import Served

router = APIRouter()


@router.get("/healthz", name="health")
def health(served: Served) -> JSONResponse:
    """Answer 200 where the store can be read, else 503; say whether a daemon seems to run, and nothing else.

    That no daemon runs is no fault of the page, which is why the status stays 200.
    """
    now = wall_clock()
    try:
        with served.store.read() as session:
            gone = no_daemon(schedule_status(session, CATALOG, now), QUICK, now)
    except AbkitError:
        return JSONResponse({"status": "the store does not answer"}, status_code=503)
    return JSONResponse({"status": "ok", "daemon": "absent" if gone else "ok"})
