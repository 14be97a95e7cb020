"""Drift: the standing decision, the checks before it, and what moved."""

from __future__ import annotations

import gzip
from functools import lru_cache
from typing import Annotated, Any

from fastapi import APIRouter, HTTPException, Path, Query, Request
from markupsafe import Markup
from starlette.responses import RedirectResponse, Response

from abkit.reporting.page.advice import advice
from abkit.stats.monitoring.decisions import headline, windows_in_words
from abkit.store import results
from abkit.web.access.audit import record
from abkit.web.access.guard import Operator, Served, Viewer
from abkit.web.rendering import link, page
from abkit.workspace import Workspace

router = APIRouter()
ON_A_PAGE = 30
RunId = Annotated[int, Path(ge=1, le=2**62)]


@router.get("/drift", name="drift")
def drift(
    request: Request, served: Served, person: Viewer, before: Annotated[int | None, Query(ge=1, le=2**62)] = None
) -> Response:
    """Show the standing decision, and list the checks."""
    with served.store.read() as session:
        last = results.last_decision(session)
        rows = results.decisions_before(session, before, ON_A_PAGE + 1)
        checks = [
            {
                "run_id": row.run_id,
                "as_of": row.as_of,
                "decision": row.decision,
                "headline": headline(row.decision, row.layers_judged, row.coarse),
                "standing": row.standing,
                "windows": windows_in_words(row.scope),
                "reason": next(iter(row.reasons.get("reasons", [])), ""),
            }
            for row in rows[:ON_A_PAGE]
        ]
        standing = (
            None
            if last is None
            else {
                "run_id": last.run_id,
                "as_of": last.as_of,
                "headline": headline(last.decision, last.layers_judged, last.coarse),
                "reasons": list(map(str, last.reasons.get("reasons", []))),
                "windows": windows_in_words(last.scope),
            }
        )
        words = advice(last.decision if last else None, last.cause if last else "")
    older = rows[ON_A_PAGE - 1].id if len(rows) > ON_A_PAGE else None
    return page(request, "drift.html.j2", standing=standing, advice=words, checks=checks, older=older)


@router.get("/drift/{run_id}", name="drift_check")
def drift_check(request: Request, served: Served, person: Viewer, run_id: RunId) -> Response:
    """Show one check: the decision, why, and the creatives that moved it."""
    return page(request, "drift_check.html.j2", **_shown(served, run_id))


@router.post("/drift/check", name="check_drift_now")
def check_now(request: Request, served: Served, person: Operator) -> Response:
    """Make the standing check now, as the schedule does."""
    report = served.check_drift()
    record(served, person, "check drift", str(report.run_id))
    return RedirectResponse(link(request, "drift_check", run_id=report.run_id), 303)


@router.get("/drift/{run_id}/charts/{name}", name="drift_chart")
def drift_chart(request: Request, served: Served, person: Viewer, run_id: RunId, name: str) -> Response:
    """Serve a chart of a check, which the page fetches once it is in sight: a year of checks is a large drawing."""
    drawn = _drawn(served, run_id).get(name)
    if drawn is None:
        raise HTTPException(404)
    headers = {"Cache-Control": "private, max-age=86400", "Vary": "Accept-Encoding"}
    content = str(drawn).encode()
    # There is no secret in a chart, so that packing it tells nobody anything.
    if "gzip" in request.headers.get("accept-encoding", ""):
        content = gzip.compress(content, 6)
        headers["Content-Encoding"] = "gzip"
    return Response(content, media_type="text/html; charset=utf-8", headers=headers)


# A check does not change once it is made; reading its samples and drawing them takes seconds.
@lru_cache(maxsize=16)
def _shown(served: Workspace, run_id: int) -> dict[str, Any]:
    from abkit.reporting.charts.drift_timeline import timeline_sentence
    from abkit.reporting.page.drift import gather_drift_page

    data = gather_drift_page(served.store, served.settings, run_id, with_thumbnails=False)
    trace = data.trace
    return {
        "data": data,
        "trace": trace,
        "advice": advice(trace.decision, trace.cause),
        "timeline_words": timeline_sentence(data.decision_history),
        "has_scores": bool(len(data.reference) + len(data.current)),
    }


@lru_cache(maxsize=16)
def _drawn(served: Workspace, run_id: int) -> dict[str, Markup | str]:
    from abkit.reporting.page.drift import drift_drawings

    return drift_drawings(_shown(served, run_id)["data"])
