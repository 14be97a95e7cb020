"""Label: two creatives to choose between, or one to rate; what is asked next, and when to stop."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any

from fastapi import APIRouter, BackgroundTasks, Form, HTTPException, Path, Query, Request
from starlette.responses import FileResponse, HTMLResponse, RedirectResponse, Response

from abkit.errors import AbkitError
from abkit.store.catalog.creatives import contents_of, creative_files
from abkit.web.access import rater_links
from abkit.web.access.guard import Labeler, Served, slow_down
from abkit.web.access.identity import guest_of, is_https
from abkit.web.access.people import Person
from abkit.web.rendering import link, page
from abkit.workflows.creatives.thumbnails import thumbnail_file
from abkit.workflows.ratings.rater_links import check_token, labeled_campaigns
from abkit.workspace import Workspace

if TYPE_CHECKING:
    from abkit.workflows.ratings.queue import LabelState, RaterQueue

router = APIRouter()

_SIDE = 640
#: Figures about raters are counted anew after so many answers.
FIGURES_EVERY = 5
_CLOSED = "this link is no longer valid: ask the person who sent it for a new one"


@dataclass(frozen=True)
class Way:
    """What somebody labels: creatives of one campaign or of all, as pairs or one by one."""

    campaign: int | None
    pairs: bool

    @property
    def query(self) -> dict[str, Any]:
        """What stands in the address of the page."""
        return {"campaign": self.campaign, "way": None if self.pairs else "one"}


#: Ids are numbers that both engines can hold; "" is all campaigns.
_ID, _LARGEST = r"^\d{0,15}$", 10**15
CampaignField = Annotated[str, Form(pattern=_ID)]
CampaignQuery = Annotated[str, Query(pattern=_ID)]
WayQuery = Annotated[str, Query(max_length=8)]
WayField = Annotated[str, Form(max_length=8)]


@router.get("/label/link/{token}", name="rater_link")
def rater_link(request: Request, token: str, served: Served) -> Response:
    """Open a rater's link: the browser keeps it, and its address does not."""
    if check_token(served.store, token) is None:
        slow_down(request.app.state.sign_ins, f"link {guest_of(request)}")
        raise HTTPException(404, _CLOSED)
    answer = RedirectResponse(link(request, "label"), 303)
    rater_links.keep(request, answer, token, secure=is_https(request))
    return answer


@router.get("/label", name="label")
def label(
    request: Request,
    served: Served,
    person: Labeler,
    campaign: CampaignQuery = "",
    way: WayQuery = "",
) -> HTMLResponse:
    """Show the next question; the first batch is planned where none is."""
    chosen = _way(request, campaign, way)
    queue = _queue(request, served, person, chosen)
    state, why = _ready(served, queue)
    # Which campaigns there are is no business of somebody who has come by a link.
    campaigns = [] if rater_links.link_of(request) else labeled_campaigns(served.store)
    return page(
        request,
        "label.html.j2",
        campaigns=campaigns,
        by_link=rater_links.link_of(request) is not None,
        **_shown(served, chosen, state, why),
    )


@router.post("/label/vote", name="label_vote")
def vote(
    request: Request,
    served: Served,
    person: Labeler,
    later: BackgroundTasks,
    question: Annotated[int, Form(ge=1, le=_LARGEST)],
    answer: Annotated[str, Form(max_length=12)],
    campaign: CampaignField = "",
    way: WayField = "",
) -> Response:
    """Take an answer, and show the next question; where few are left, more are planned after the page has gone out."""
    from abkit.workflows.ratings import queue as queues

    chosen = _way(request, campaign, way)
    queue = _queue(request, served, person, chosen)
    queues.vote(served.store, queue, question, answer)
    return _next(request, served, queue, chosen, later)


@router.post("/label/undo", name="label_undo")
def undo(
    request: Request,
    served: Served,
    person: Labeler,
    later: BackgroundTasks,
    campaign: CampaignField = "",
    way: WayField = "",
) -> Response:
    """Take the last answer back, and ask again."""
    from abkit.workflows.ratings import queue as queues

    chosen = _way(request, campaign, way)
    queue = _queue(request, served, person, chosen)
    queues.undo(served.store, queue)
    return _next(request, served, queue, chosen, later)


@router.post("/label/leave", name="label_leave")
def leave(request: Request, person: Labeler) -> Response:
    """Forget the link in this browser."""
    answer = page(request, "label_left.html.j2")
    rater_links.drop(request, answer)
    return answer


@router.get("/label/images/{question}/{side}.jpg", name="label_image")
def image(
    request: Request,
    question: Annotated[int, Path(ge=1, le=_LARGEST)],
    side: str,
    served: Served,
    person: Labeler,
) -> Response:
    """Serve the image of a question to whom it was asked; there is no way from here to any other creative."""
    from abkit.workflows.ratings import queue as queues

    opened = rater_links.link_of(request)
    rater = _rater(request, served, person)
    creatives = queues.creatives_of(served.store, rater, question, only=opened.campaign if opened else None)
    shown = creatives.get(side)
    if shown is None:
        raise HTTPException(404)
    with served.store.read() as session:
        sha256 = contents_of(session, [shown])[shown]
    tag = f'"{question}-{side}"'
    keep = {"Cache-Control": "private, max-age=3600", "ETag": tag}
    if tag in request.headers.get("if-none-match", ""):
        return Response(status_code=304, headers=keep)
    found = thumbnail_file(served.store, served.settings.cache_folder / "thumbnails", sha256, _SIDE)
    if found is None:
        raise HTTPException(404)
    return FileResponse(found, media_type="image/jpeg", headers=keep)


@router.get("/label/figures", name="label_figures")
def figures(
    request: Request,
    served: Served,
    person: Labeler,
    campaign: CampaignQuery = "",
    way: WayQuery = "",
) -> HTMLResponse:
    """Show how consistent answers are; a part of the page, which asks for it while somebody labels."""
    from abkit.workflows.ratings.rater_figures import rater_figures

    chosen = _way(request, campaign, way)
    found = rater_figures(served.store, _queue(request, served, person, chosen))
    return page(request, "label_figures.html.j2", figures=found, pairs=chosen.pairs)


def _way(request: Request, campaign: str, way: str) -> Way:
    opened = rater_links.link_of(request)
    chosen = int(campaign) if campaign else None
    return Way(campaign=opened.campaign if opened else chosen, pairs=way != "one")


def _rater(request: Request, served: Workspace, person: Person) -> int:
    from abkit.workflows.ratings import queue as queues

    opened = rater_links.link_of(request)
    return opened.rater if opened else queues.ensure_rater(served.store, person.name)


def _queue(request: Request, served: Workspace, person: Person, way: Way) -> RaterQueue:
    from abkit.workflows.ratings import queue as queues

    return queues.RaterQueue(rater=_rater(request, served, person), campaign=way.campaign, pairs=way.pairs)


def _ready(served: Workspace, queue: RaterQueue) -> tuple[LabelState, str]:
    """Return where a rater stands, with a question where one can be found, and why there is none."""
    from abkit.workflows.ratings import queue as queues

    state = queues.label_state(served.store, queue)
    if state.question is not None:
        return state, ""
    try:
        queues.plan(served.store, queue)
    except AbkitError as error:
        return state, error.message
    return queues.label_state(served.store, queue), ""


def _plan_ahead(served: Workspace, queue: RaterQueue) -> None:
    from abkit.workflows.ratings import queue as queues

    try:
        queues.plan(served.store, queue)
    except AbkitError:
        return  # the page says why, once nothing is left


def _next(request: Request, served: Workspace, queue: RaterQueue, way: Way, later: BackgroundTasks) -> Response:
    from abkit.workflows.ratings import queue as queues

    if request.headers.get("hx-request") != "true":
        return RedirectResponse(link(request, "label", query=way.query), 303)
    state, why = _ready(served, queue)
    if 0 < state.waiting <= queues.FEW_LEFT and (state.knowledge is None or state.knowledge.questions):
        later.add_task(_plan_ahead, served, queue)
    answer = page(request, "label_question.html.j2", **_shown(served, way, state, why))
    answer.background = later
    return answer


def _shown(served: Workspace, way: Way, state: LabelState, why: str) -> dict[str, Any]:
    from abkit.workflows.ratings.rater_figures import why_stop

    wide = False
    if state.question is not None:
        ids = [one for one in (state.question.left, state.question.right) if one is not None]
        with served.store.read() as session:
            files = creative_files(session, ids)
        wide = all(one.width > 1.2 * one.height for one in files.values())
    return {
        "way": way,
        "state": state,
        "why": why,
        "wide": wide,
        "progress": why_stop(state.knowledge) if state.knowledge else "",
        "figures_due": state.answered % FIGURES_EVERY == 0,
        "scale": range(state.scale[0], state.scale[1] + 1),
    }
