"""Experiments: what each asks, what it has shown, and what people decided."""

from __future__ import annotations

from datetime import UTC, datetime
from functools import lru_cache
from typing import TYPE_CHECKING, Annotated

from fastapi import APIRouter, Form, Query, Request
from markupsafe import Markup
from starlette.responses import RedirectResponse, Response

from abkit.errors import UsageError
from abkit.store.people import find_person
from abkit.vocabulary import ExperimentDecision, Permission, Role
from abkit.web.access.audit import record
from abkit.web.access.guard import Operator, Reviewer, Served, Viewer
from abkit.web.rendering import link, page
from abkit.workflows.upkeep.people import GRANTED
from abkit.workspace import Workspace

if TYPE_CHECKING:
    from abkit.reporting.page.experiments import ExperimentSection
    from abkit.workflows.experiments.review.standing import Standing

router = APIRouter()
ON_A_PAGE = 50
Key = Annotated[str, Query(min_length=1, max_length=500)]


@router.get("/experiments", name="experiments")
def experiments(
    request: Request,
    served: Served,
    person: Viewer,
    skip: Annotated[int, Query(ge=0, le=10**9)] = 0,
    archived: bool = False,
) -> Response:
    """List the experiments, the latest first."""
    from abkit.workflows.experiments.experiments import list_experiments

    every = list_experiments(served.store, archived=archived)[::-1]
    shown = every[skip : skip + ON_A_PAGE]
    return page(
        request, "experiments.html.j2", experiments=shown, skip=skip, n=len(every), step=ON_A_PAGE, archived=archived
    )


@router.get("/experiment", name="experiment")
def experiment(request: Request, served: Served, person: Viewer, key: Key) -> Response:
    """Show one experiment: the verdict in words, figures, checks, the lift over time."""
    from abkit.reporting.page.experiments import experiment_section

    standing = _standing(served, key)
    section = experiment_section(standing, datetime.now(UTC).date())
    decisions = [one.value for one in ExperimentDecision]
    variants = list(standing.plan.variants) if standing.plan else []
    look = (standing.looks, standing.look.as_of if standing.look else None)
    drawn = _charts(_Keyed(section, served.store.shown_url, key, *look))
    return page(
        request,
        "experiment.html.j2",
        one=section,
        charts=list(zip(drawn, section.captions, strict=True)),
        standing=standing,
        decisions=decisions,
        variants=variants,
    )


@router.post("/experiment/analyze", name="analyze_experiment")
def analyze(
    request: Request, served: Served, person: Operator, key: Annotated[str, Form(min_length=1, max_length=500)]
) -> Response:
    """Look at an experiment as of today: the look is stored, and counts as one."""
    served.experiment(key)
    record(served, person, "analyze experiment", key)
    return RedirectResponse(link(request, "experiment", query={"key": key}), 303)


@router.post("/experiment/decide", name="decide_experiment")
def decide(
    request: Request,
    served: Served,
    person: Reviewer,
    key: Annotated[str, Form(min_length=1, max_length=500)],
    decision: Annotated[ExperimentDecision, Form()],
    variant: Annotated[str, Form(max_length=500)] = "",
    reason: Annotated[str, Form(max_length=2000)] = "",
    second: Annotated[str, Form(max_length=100)] = "",
) -> Response:
    """Write a decision down; against the verdict it needs a reason."""
    from abkit.workflows.experiments.experiments import decide_experiment

    if second.strip() and not request.app.state.local:
        _require_reviewer(served, second.strip())
    made = decide_experiment(
        served.store,
        key,
        decision,
        variant=variant or None,
        person=person.name,
        reason=reason,
        as_of=datetime.now(UTC).date(),
        second=second,
        needs_second=served.settings.experiments.second_name,
    )
    record(served, person, "decide experiment", f"{key}: {made.decision} {made.variant or ''}".strip())
    return RedirectResponse(link(request, "experiment", query={"key": key}), 303)


def _require_reviewer(served: Workspace, name: str) -> None:
    """Make sure that the second name is of somebody who could decide: where people sign in, nobody invents one.

    Raises:
        UsageError: It is not.
    """
    with served.store.read() as session:
        found = find_person(session, name)
        role = found.role if found else None
    if role is None or Permission.REVIEW not in GRANTED[Role(role)]:
        raise UsageError(f"{name!r} cannot decide here", hint="name a reviewer or an admin who agrees")


def _standing(served: Workspace, key: str) -> Standing:
    from abkit.workflows.experiments.review.standing import standing_of

    with served.store.read() as session:
        return standing_of(session, key, datetime.now(UTC).date())


class _Keyed:
    """A section whose charts are drawn once for each look: drawing takes longer than all else on the page."""

    def __init__(self, section: ExperimentSection, *key: object) -> None:
        self.section = section
        self.key = key

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Keyed) and other.key == self.key

    def __hash__(self) -> int:
        return hash(self.key)


@lru_cache(maxsize=64)
def _charts(keyed: _Keyed) -> tuple[Markup, ...]:
    from abkit.reporting.page.html import drawing

    return tuple(drawing(chart, f"e{place}") for place, chart in enumerate(keyed.section.charts))
