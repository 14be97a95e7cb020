"""The overview: the standing decision, what changed since last week, what needs a person."""

from __future__ import annotations

from fastapi import APIRouter, Request
from starlette.responses import Response

from abkit.jobs.job import wall_clock
from abkit.jobs.schedules import CATALOG
from abkit.jobs.status import schedule_status
from abkit.web.access.guard import Served, Viewer
from abkit.web.rendering import page
from abkit.workflows.leaderboard.overview import overview as find_overview

router = APIRouter()

#: How each decision is colored, as on the report.
TONES = {
    "stable": "good",
    "watch": "caution",
    "retrain": "bad",
    "fix_data": "bad",
}
#: Days after which a check says nothing about today any more.
STALE = 30
#: What each decision answers to "can the scores be trusted?".
ANSWERS = {
    "stable": "Yes",
    "watch": "So far, yes",
    "retrain": "No",
    "fix_data": "Not before the data are fixed",
    "insufficient_data": "There is not enough data to say",
    "": "Nobody has checked yet",
}


@router.get("/", name="overview")
def overview(request: Request, served: Served, person: Viewer) -> Response:
    """Show what a manager reads in fifteen seconds."""
    found = find_overview(served.store)
    request.app.state.figures.look_after()
    with served.store.read() as session:
        late = [one for one in schedule_status(session, CATALOG, wall_clock()) if one.needs_attention]
    days = (found.day - found.checked_on).days if found.checked_on else 0
    stale = days > STALE
    answer = f"Not known: the last check was {days:,} days ago" if stale else ANSWERS.get(found.decision, "See below")
    return page(
        request,
        "overview.html.j2",
        workspace=served.settings.workspace.name,
        found=found,
        tone="unknown" if stale else TONES.get(found.decision, "unknown"),
        answer=answer,
        stale=stale,
        late=late,
    )
