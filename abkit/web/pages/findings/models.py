"""Models: the champion, the challengers, what they have shown; promote one, or go back."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Form, Request
from starlette.responses import RedirectResponse, Response

from abkit.store.trials import last_trials
from abkit.web.access.audit import record
from abkit.web.access.guard import Operator, Served, Viewer
from abkit.web.rendering import link, page
from abkit.workflows import active_model

router = APIRouter()
TRIALS = 20
Why = Annotated[str, Form(min_length=1, max_length=1000)]
Segment = Annotated[str, Form(max_length=500)]


@router.get("/models", name="models")
def models(request: Request, served: Served, person: Viewer) -> Response:
    """List the versions, and the latest trials of challengers."""
    with served.store.read() as session:
        trials = [
            {
                "as_of": trial.as_of,
                "champion": champion.name,
                "challenger": challenger.name if challenger else None,
                "decision": trial.decision,
                "gain": trial.gain,
                "gain_low": trial.gain_low,
                "creatives": trial.creatives,
                "campaigns": trial.campaigns,
                "reason": trial.reason,
                "metric": trial.metric,
            }
            for trial, champion, challenger in last_trials(session, TRIALS)
        ]
    versions = list(reversed(active_model.list_versions(served.store)))
    return page(request, "models.html.j2", versions=versions, trials=trials)


@router.post("/models/promote", name="promote_model")
def promote(
    request: Request,
    served: Served,
    person: Operator,
    digest: Annotated[str, Form(min_length=64, max_length=64)],
    why: Why,
    segment: Segment = "",
) -> Response:
    """Make a version the champion."""
    version = active_model.promote(served.store, digest, segment=segment, why=why, by=person.name)
    record(served, person, "promote model", f"{version.name}: {why}")
    return RedirectResponse(link(request, "models"), 303)


@router.post("/models/rollback", name="roll_back_model")
def roll_back(request: Request, served: Served, person: Operator, why: Why, segment: Segment = "") -> Response:
    """Make the champion before this one the champion again."""
    version = active_model.rollback(served.store, segment=segment, why=why, by=person.name)
    record(served, person, "roll back model", f"to {version.name}: {why}")
    return RedirectResponse(link(request, "models"), 303)
