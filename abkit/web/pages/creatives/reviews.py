"""Review: how far the variants of campaigns have come, and the decisions about them."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Form, Path, Query, Request
from starlette.responses import HTMLResponse, RedirectResponse, Response

from abkit.vocabulary import ReviewAct, ReviewState
from abkit.web.access import audit
from abkit.web.access.guard import Operator, Reviewer, Served, Viewer
from abkit.web.access.people import Permission
from abkit.web.errors import NotThere
from abkit.web.rendering import link, page
from abkit.workflows.reviews.review_pages import campaign_page, campaign_with_id, campaigns_page
from abkit.workflows.reviews.reviews import LONGEST_REASON, MOST_APPROVALS, agree, review, variant_review
from abkit.workspace import Workspace

router = APIRouter()

PER_PAGE = 50
_LARGEST = 10**15
CampaignId = Annotated[int, Path(ge=1, le=_LARGEST)]
PageNumber = Annotated[int, Query(alias="page", ge=1, le=100_000)]
Reason = Annotated[str, Form(max_length=2 * LONGEST_REASON)]


@router.get("/reviews", name="reviews")
def reviews(request: Request, served: Served, person: Viewer, number: PageNumber = 1) -> HTMLResponse:
    """List the campaigns that have variants, each with how far these have come."""
    rows = campaigns_page(served.store, limit=PER_PAGE + 1, offset=PER_PAGE * (number - 1))
    return page(request, "reviews.html.j2", campaigns=rows[:PER_PAGE], number=number, more=len(rows) > PER_PAGE)


@router.get("/campaigns/{campaign_id}/review", name="campaign_review")
def campaign_review(
    request: Request,
    campaign_id: CampaignId,
    served: Served,
    person: Viewer,
    state: Annotated[str, Query(max_length=20)] = "",
    number: PageNumber = 1,
) -> HTMLResponse:
    """Show the variants of a campaign, to be decided about one by one or many at once."""
    return _campaign(request, served, campaign_id, state, number, can=person.can(Permission.REVIEW))


@router.post("/campaigns/{campaign_id}/review", name="decide")
def decide(
    request: Request,
    campaign_id: CampaignId,
    served: Served,
    person: Reviewer,
    act: Annotated[ReviewAct, Form()],
    creative: Annotated[list[str] | None, Form(max_length=PER_PAGE)] = None,
    reason: Reason = "",
    state: Annotated[str, Form(max_length=20)] = "",
    back: Annotated[str, Form(max_length=64)] = "",
) -> Response:
    """Decide about the variants that were selected, and show what became of it."""
    key = _key(served, campaign_id)
    done = review(served.store, key, creative or [], act, by=person.name, reason=reason)
    if done.done:
        audit.record(served, person, f"{act.value.replace('_', ' ')} variants", f"{key}: {len(done.done)}")
    if back:
        return _variant(request, served, campaign_id, back, refused=done.refused)
    if not done.refused:
        query = {"state": state or None}
        return RedirectResponse(link(request, "campaign_review", campaign_id=campaign_id, query=query), 303)
    return _campaign(request, served, campaign_id, state, 1, can=True, refused=done.refused, done=len(done.done))


@router.get("/campaigns/{campaign_id}/review/{sha256}", name="variant_review")
def variant(
    request: Request,
    campaign_id: CampaignId,
    sha256: Annotated[str, Path(pattern=r"^[0-9a-f]{64}$")],
    served: Served,
    person: Viewer,
) -> HTMLResponse:
    """Show the history of one variant, with its comments."""
    return _variant(request, served, campaign_id, sha256, refused={})


@router.post("/campaigns/{campaign_id}/review-flow", name="agree_review_flow")
def agree_flow(
    request: Request,
    campaign_id: CampaignId,
    served: Served,
    person: Operator,
    approvals: Annotated[int, Form(ge=1, le=MOST_APPROVALS)],
    gate: Annotated[str, Form(max_length=8)] = "",
    note: Reason = "",
) -> RedirectResponse:
    """Write down what was agreed about the reviews of a campaign."""
    key = _key(served, campaign_id)
    agree(served.store, key, by=person.name, approvals=approvals, gate=bool(gate), note=note)
    audit.record(served, person, "agree on reviews", key)
    return RedirectResponse(link(request, "campaign_review", campaign_id=campaign_id), 303)


def _key(served: Workspace, campaign_id: int) -> str:
    key = campaign_with_id(served.store, campaign_id)
    if key is None:
        raise NotThere("there is no such campaign")
    return key


def _campaign(
    request: Request, served: Workspace, campaign_id: int, state: str, number: int, *, can: bool, **said: Any
) -> HTMLResponse:
    key = _key(served, campaign_id)
    wanted = ReviewState(state) if state in set(ReviewState) else None
    shown = campaign_page(served.store, campaign_id, key, state=wanted, limit=PER_PAGE, offset=PER_PAGE * (number - 1))
    total = shown.counts[wanted] if wanted else sum(shown.counts.values())
    return page(
        request,
        "campaign_review.html.j2",
        campaign_id=campaign_id,
        shown=shown,
        state=wanted,
        states=list(ReviewState),
        number=number,
        pages=max(1, -(-total // PER_PAGE)),
        can=can,
        may_agree=request.state.person.can(Permission.OPERATE),
        most_approvals=MOST_APPROVALS,
        longest=LONGEST_REASON,
        refused=said.get("refused", {}),
        done=said.get("done", 0),
    )


def _variant(request: Request, served: Workspace, campaign_id: int, sha256: str, *, refused: Any) -> HTMLResponse:
    key = _key(served, campaign_id)
    found = variant_review(served.store, key, sha256)
    return page(
        request,
        "variant_review.html.j2",
        campaign_id=campaign_id,
        found=found,
        refused=refused,
        can=request.state.person.can(Permission.REVIEW),
        longest=LONGEST_REASON,
    )
