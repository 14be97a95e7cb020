"""Alerts as JSON: look at them, acknowledge one, silence one."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Path, Query, Request
from pydantic import BaseModel, ConfigDict, Field
from starlette.responses import Response

from abkit.alerts import handling
from abkit.alerts.handling import AlertRecord, alert_records, find_alert, record_of
from abkit.web.access import audit
from abkit.web.access.guard import Reviewer, Served, Viewer
from abkit.web.api.answers import MOST_ID, PREFIX, Before, Limit, answer, answer_page, or_not_there, shows
from abkit.web.api.once import Key, once
from abkit.workflows.recorded.paging import Page

router = APIRouter(prefix=PREFIX, tags=["alerts"])

AlertId = Annotated[int, Path(ge=1, le=MOST_ID, description="Number of the alert.")]


class Silence(BaseModel):
    """Until when nothing is sent about an alert."""

    model_config = ConfigDict(extra="forbid")

    until: datetime = Field(description="Send nothing about it before; UTC where it has no time zone.")
    reason: str = Field(min_length=1, max_length=1000, description="Why, for those who find it silenced.")


@router.get("/alerts", name="api_alerts")
@shows(AlertRecord, page=True)
def alerts(
    request: Request,
    served: Served,
    person: Viewer,
    resolved: Annotated[bool, Query(description="Those that are resolved, too.")] = False,
    cursor: Before = None,
    limit: Limit = 50,
) -> Response:
    """List the alerts, the latest first."""
    items, following = alert_records(served.store, before=cursor, limit=limit, resolved=resolved)
    return answer_page(request, Page(items=tuple(items), next=following))


@router.get("/alerts/{alert_id}", name="api_alert")
@shows(AlertRecord)
def alert(request: Request, served: Served, person: Viewer, alert_id: AlertId) -> Response:
    """Show one alert."""
    with or_not_there(), served.store.read() as session:
        return answer(request, record_of(find_alert(session, alert_id)))


@router.post("/alerts/{alert_id}/acknowledge", name="api_acknowledge")
@shows(AlertRecord)
def acknowledge(request: Request, served: Served, person: Reviewer, alert_id: AlertId, key: Key = None) -> Response:
    """Acknowledge an alert and stop its reminders."""

    def act() -> Response:
        _require(served, alert_id)
        done = handling.acknowledge(served.store, alert_id, by=person.name)
        audit.record(served, person, "acknowledge alert", str(alert_id))
        return answer(request, done)

    return once(request, served, person, key, b"", act)


@router.post("/alerts/{alert_id}/silence", name="api_silence")
@shows(AlertRecord)
def silence(
    request: Request, served: Served, person: Reviewer, alert_id: AlertId, body: Silence, key: Key = None
) -> Response:
    """Silence an alert until a date. It is still counted, and sent again if it is open then."""

    def act() -> Response:
        _require(served, alert_id)
        done = handling.silence(served.store, alert_id, until=body.until, reason=body.reason)
        audit.record(served, person, "silence alert", str(alert_id))
        return answer(request, done)

    return once(request, served, person, key, body.model_dump_json().encode(), act)


def _require(served: Served, alert_id: int) -> None:
    with or_not_there(), served.store.read() as session:
        find_alert(session, alert_id)
