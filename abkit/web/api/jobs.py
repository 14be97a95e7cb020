"""Jobs that a client asks for: the daemon runs them, and the answer says where to look."""

from __future__ import annotations

import json
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Path, Request
from pydantic import BaseModel, ConfigDict, Field, field_validator
from starlette.responses import Response

from abkit.jobs.requests import RequestedJob, ask_for, requested, requested_jobs
from abkit.web.access import audit
from abkit.web.access.guard import Operator, Served, Viewer
from abkit.web.api.answers import PREFIX, Before, Limit, answer, answer_page, or_not_there, shows
from abkit.web.api.once import Key, once
from abkit.web.rendering import link
from abkit.workflows.recorded.paging import Page

router = APIRouter(prefix=PREFIX, tags=["jobs"])


class JobOrder(BaseModel):
    """What is asked for."""

    model_config = ConfigDict(extra="forbid")

    job: Literal["score_addresses", "correlate", "drift_check", "experiments", "worth", "retrain"] = Field(
        description="What to do; docs/daemon.md says what each does."
    )
    arguments: dict[str, Any] = Field(default_factory=dict, max_length=20, description="As its schedule has them.")

    @field_validator("arguments")
    @classmethod
    def _is_text(cls, given: dict[str, Any]) -> dict[str, Any]:
        # JSON can name halves of letters, which no store keeps.
        try:
            json.dumps(given, ensure_ascii=False).encode()
        except UnicodeEncodeError:
            raise ValueError("there is a letter in it that is no letter") from None
        return given


@router.get("/jobs", name="api_jobs")
@shows(RequestedJob, page=True)
def jobs(request: Request, served: Served, person: Viewer, cursor: Before = None, limit: Limit = 50) -> Response:
    """List the jobs that were asked for, the latest first."""
    items, following = requested_jobs(served.store, before=cursor, limit=limit)
    return answer_page(request, Page(items=items, next=following))


@router.get("/jobs/{key}", name="api_job")
@shows(RequestedJob)
def job(
    request: Request,
    served: Served,
    person: Viewer,
    key: Annotated[str, Path(pattern="^[0-9a-f]{32}$", description="Its key, as the answer to POST has it.")],
) -> Response:
    """Show one job: whether it waits, runs or is done, and then its result."""
    with or_not_there():
        return answer(request, requested(served.store, key))


@router.post("/jobs", name="api_ask_for_job", status_code=202)
@shows(RequestedJob)
def ask(request: Request, served: Served, person: Operator, body: JobOrder, key: Key = None) -> Response:
    """Ask for a job. It is kept in the store until a daemon (`abkit schedule run`) has done it."""

    def act() -> Response:
        made = ask_for(served.store, body.job, body.arguments, by=person.name)
        audit.record(served, person, "ask for job", f"{made.job} {made.key}")
        where = link(request, "api_job", key=made.key)
        return answer(request, made, status=202, headers={"Location": where})

    return once(request, served, person, key, body.model_dump_json().encode(), act)
