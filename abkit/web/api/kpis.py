"""Imported KPI files and what was found with them, as JSON."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Path, Query, Request
from starlette.responses import Response

from abkit.vocabulary import Metric
from abkit.web.access import audit
from abkit.web.access.guard import Operator, Served, Viewer
from abkit.web.api.answers import MOST_ID, PREFIX, Before, Limit, answer, answer_page, or_not_there, shows
from abkit.web.api.catalog import Campaign
from abkit.web.api.once import Key, once
from abkit.workflows.kpis.imports import ImportRecord, UndoReport, show_import
from abkit.workflows.recorded.findings import StoredCorrelation, correlation_page
from abkit.workflows.recorded.imports import StoredReject, import_page, reject_page

router = APIRouter(prefix=PREFIX, tags=["KPIs"])

ImportId = Annotated[int, Path(ge=1, le=MOST_ID, description="Number of the import.")]


@router.get("/imports", name="api_imports")
@shows(ImportRecord, page=True)
def imports(request: Request, served: Served, person: Viewer, cursor: Before = None, limit: Limit = 50) -> Response:
    """List the imported KPI files, the latest first."""
    return answer_page(request, import_page(served.store, before=cursor, limit=limit))


@router.get("/imports/{import_id}", name="api_import")
@shows(ImportRecord)
def one_import(request: Request, served: Served, person: Viewer, import_id: ImportId) -> Response:
    """Show one import, with the reasons of its rejected rows."""
    with or_not_there():
        return answer(request, show_import(served.store, import_id))


@router.get("/imports/{import_id}/rejects", name="api_rejects")
@shows(StoredReject, page=True)
def rejects(
    request: Request, served: Served, person: Viewer, import_id: ImportId, cursor: Before = None, limit: Limit = 50
) -> Response:
    """List the rows of an import that were refused or set aside."""
    with or_not_there():
        show_import(served.store, import_id)
    return answer_page(request, reject_page(served.store, import_id, before=cursor, limit=limit))


@router.post("/imports/{import_id}/undo", name="api_undo_import")
@shows(UndoReport)
def undo(request: Request, served: Served, person: Operator, import_id: ImportId, key: Key = None) -> Response:
    """Take an import back out, with everything that hangs on it."""

    def act() -> Response:
        with or_not_there():
            show_import(served.store, import_id)
        report = served.undo_import(import_id)
        audit.record(served, person, "undo import", str(import_id))
        return answer(request, report)

    return once(request, served, person, key, b"", act)


@router.get("/correlations", name="api_correlations")
@shows(StoredCorrelation, page=True)
def correlations(
    request: Request,
    served: Served,
    person: Viewer,
    metric: Annotated[Metric | None, Query(description="Only with this KPI.")] = None,
    campaign: Campaign = None,
    model: Annotated[str | None, Query(pattern="^[0-9a-f]{64}$", description="Only of the version so called.")] = None,
    cursor: Before = None,
    limit: Limit = 50,
) -> Response:
    """List how scores go with KPIs, as it was found, the latest first. A job of kind `correlate` finds it anew."""
    found = correlation_page(served.store, before=cursor, limit=limit, metric=metric, campaign=campaign, model=model)
    return answer_page(request, found)
