"""KPIs: what was imported, what was refused, which ads have no creative yet; undo an import, confirm links."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Form, Path, Query, Request
from starlette.responses import RedirectResponse, Response

from abkit.web.access.audit import record
from abkit.web.access.guard import Operator, Served, Viewer
from abkit.web.rendering import link, page
from abkit.workflows.kpis.imports import show_import
from abkit.workflows.kpis.linking.open import open_links
from abkit.workflows.recorded.imports import import_page, reject_page

router = APIRouter()
ON_A_PAGE = 50
ImportId = Annotated[int, Path(ge=1, le=2**62)]
Before = Annotated[int | None, Query(ge=1, le=2**62)]


@router.get("/kpis", name="kpis")
def kpis(request: Request, served: Served, person: Viewer, before: Before = None) -> Response:
    """List the imported files, the latest first."""
    return page(request, "kpis.html.j2", imports=import_page(served.store, before=before, limit=ON_A_PAGE))


@router.get("/kpis/{import_id}", name="kpi_import")
def kpi_import(
    request: Request, served: Served, person: Viewer, import_id: ImportId, before: Before = None
) -> Response:
    """Show one import: what came in, how it was read, and the rows that were refused or set aside."""
    return page(
        request,
        "kpi_import.html.j2",
        one=show_import(served.store, import_id),
        rejects=reject_page(served.store, import_id, before=before, limit=ON_A_PAGE),
    )


@router.post("/kpis/{import_id}/undo", name="undo_import")
def undo(request: Request, served: Served, person: Operator, import_id: ImportId) -> Response:
    """Take an import back out; figures that it replaced come back."""
    report = served.undo_import(import_id)
    record(served, person, "undo import", f"{import_id} ({report.file})")
    return RedirectResponse(link(request, "kpi_import", import_id=import_id), 303)


@router.get("/links", name="links")
def links(request: Request, served: Served, person: Viewer) -> Response:
    """List the ads without a creative, the largest first, with the creative that each may show."""
    return page(request, "links.html.j2", found=open_links(served.store, ON_A_PAGE))


@router.post("/links/one", name="link_one")
def link_one(
    request: Request,
    served: Served,
    person: Operator,
    ad: Annotated[str, Form(min_length=1, max_length=500)],
    creative: Annotated[str, Form(min_length=1, max_length=1000)],
    platform: Annotated[str, Form(max_length=100)] = "",
    account: Annotated[str, Form(max_length=500)] = "",
) -> Response:
    """Link one ad to the creative that it shows."""
    from abkit.workflows.kpis.linking.link import link_by_hand

    link_by_hand(served.store, ad, creative, platform=platform or None, account=account or None)
    record(served, person, "link ad", f"{ad} to {creative}")
    return RedirectResponse(link(request, "links"), 303)


@router.post("/links/all", name="link_above")
def link_above(
    request: Request, served: Served, person: Operator, confidence: Annotated[float, Form(gt=0, le=1)]
) -> Response:
    """Take all suggestions with at least this confidence."""
    from abkit.workflows.kpis.linking.link import link as link_all

    report = link_all(served.store, accept=confidence)
    record(served, person, "link ads", f"{report.linked} with confidence {confidence:g} or more")
    return RedirectResponse(link(request, "links"), 303)
