"""The overview: the standing decision, what changed since last week, what needs a person."""

from __future__ import annotations

from fastapi import APIRouter, Request
from starlette.responses import HTMLResponse

from abkit.web.access.guard import Served, Viewer
from abkit.web.rendering import page

router = APIRouter()


@router.get("/", name="overview")
def overview(request: Request, served: Served, person: Viewer) -> HTMLResponse:
    """Show what a manager reads in fifteen seconds."""
    return page(request, "overview.html.j2", workspace=served.settings.workspace.name)
