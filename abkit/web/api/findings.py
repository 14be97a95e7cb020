"""Drift and experiments, as JSON."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Path, Query, Request
from starlette.responses import Response

from abkit.store.keys import LONGEST_KEY
from abkit.web.access.guard import Served, Viewer
from abkit.web.api.answers import MOST_ID, PREFIX, Before, Limit, answer, answer_page, or_not_there, shows
from abkit.workflows.recorded.findings import CheckedDrift, StoredCheck, check_page, drift_check, drift_status
from abkit.workflows.recorded.paging import Page, part_of

router = APIRouter(prefix=PREFIX, tags=["findings"])


@router.get("/drift", name="api_drift")
@shows(CheckedDrift)
def drift(request: Request, served: Served, person: Viewer) -> Response:
    """Show the last standing drift check: the decision, and every test that it rests on."""
    return answer(request, drift_status(served.store))


@router.get("/drift/checks", name="api_drift_checks")
@shows(StoredCheck, page=True)
def checks(
    request: Request,
    served: Served,
    person: Viewer,
    standing: Annotated[bool | None, Query(description="Only standing checks, or only the others.")] = None,
    cursor: Before = None,
    limit: Limit = 50,
) -> Response:
    """List the drift checks, the latest first."""
    return answer_page(request, check_page(served.store, before=cursor, limit=limit, standing=standing))


@router.get("/drift/checks/{run_id}", name="api_drift_check")
@shows(CheckedDrift)
def check(
    request: Request,
    served: Served,
    person: Viewer,
    run_id: Annotated[int, Path(ge=1, le=MOST_ID, description="Run of the check.")],
) -> Response:
    """Show one drift check with its tests."""
    with or_not_there():
        return answer(request, drift_check(served.store, run_id))


@router.get("/experiments", name="api_experiments")
@shows("abkit.workflows.experiments.experiments:ExperimentSummary", page=True)
def experiments(
    request: Request,
    served: Served,
    person: Viewer,
    archived: Annotated[bool, Query(description="Those that were archived, too.")] = False,
    cursor: Before = None,
    limit: Limit = 50,
) -> Response:
    """List the experiments with their last verdict and decision, the latest first."""
    from abkit.workflows.experiments.experiments import list_experiments

    found = list(enumerate(list_experiments(served.store, archived=archived), 1))
    items, following = part_of(found, lambda item: item[0], before=cursor, limit=limit)
    return answer_page(request, Page(items=tuple(one for _, one in items), next=following))


@router.get("/experiments/{key:path}/history", name="api_experiment_history")
@shows("abkit.workflows.experiments.experiments:HistoryEntry", page=True)
def experiment_history(
    request: Request,
    served: Served,
    person: Viewer,
    key: Annotated[str, Path(max_length=LONGEST_KEY, description="Key of the experiment.")],
    cursor: Before = None,
    limit: Limit = 50,
) -> Response:
    """List all looks at an experiment and all decisions about it, the latest first."""
    from abkit.workflows.experiments.experiments import history

    with or_not_there():
        found = list(enumerate(history(served.store, key), 1))
    items, following = part_of(found, lambda item: item[0], before=cursor, limit=limit)
    return answer_page(request, Page(items=tuple(one for _, one in items), next=following))
