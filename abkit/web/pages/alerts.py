"""Alerts: what needs a person, acknowledged or silenced by one."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Annotated

from fastapi import APIRouter, Form, Path, Query, Request
from starlette.responses import RedirectResponse, Response

from abkit.alerts import handling
from abkit.store.jobs import alerts as stored
from abkit.web.access.audit import record
from abkit.web.access.guard import Reviewer, Served, Viewer
from abkit.web.rendering import link, page

router = APIRouter()
ON_A_PAGE = 50
AlertId = Annotated[int, Path(ge=1, le=2**62)]


@router.get("/alerts", name="alerts")
def alerts(
    request: Request,
    served: Served,
    person: Viewer,
    resolved: bool = False,
    before: Annotated[int | None, Query(ge=1, le=2**62)] = None,
) -> Response:
    """List the alerts, the latest first."""
    found, following = handling.alert_records(served.store, before=before, limit=ON_A_PAGE, resolved=resolved)
    return page(request, "alerts.html.j2", alerts=found, resolved=resolved, before=before, following=following)


@router.get("/alerts/{alert_id}", name="alert")
def alert(request: Request, served: Served, person: Viewer, alert_id: AlertId) -> Response:
    """Show one alert: what happened, what to do, and whom it was sent to."""
    with served.store.read() as session:
        found = handling.record_of(handling.find_alert(session, alert_id))
        sent = list(stored.deliveries(session, [alert_id]))
    return page(
        request,
        "alert.html.j2",
        alert=found,
        sent=sent,
        soon=datetime.now(UTC) + timedelta(days=1),
        check=found.evidence.get("run") if found.rule == "decision" else None,
    )


@router.post("/alerts/{alert_id}/acknowledge", name="acknowledge_alert")
def acknowledge(request: Request, served: Served, person: Reviewer, alert_id: AlertId) -> Response:
    """Acknowledge an alert and stop its reminders."""
    handling.acknowledge(served.store, alert_id, by=person.name)
    record(served, person, "acknowledge alert", str(alert_id))
    return RedirectResponse(link(request, "alert", alert_id=alert_id), 303)


@router.post("/alerts/{alert_id}/silence", name="silence_alert")
def silence(
    request: Request,
    served: Served,
    person: Reviewer,
    alert_id: AlertId,
    until: Annotated[datetime, Form()],
    reason: Annotated[str, Form(max_length=1000)],
) -> Response:
    """Silence an alert until a time, in UTC. It is still counted, and sent again if it is open then."""
    handling.silence(served.store, alert_id, until=until, reason=reason)
    record(served, person, "silence alert", f"{alert_id}: {reason}")
    return RedirectResponse(link(request, "alert", alert_id=alert_id), 303)
