"""What the overview and the page of a campaign show, as JSON."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Path, Query, Request
from starlette.responses import Response

from abkit.errors import UsageError
from abkit.vocabulary import LeaderboardOrder
from abkit.web.access.guard import Served, Viewer
from abkit.web.api.answers import MOST_ID, PREFIX, answer, shows
from abkit.web.asked import FILTERS, asked_for
from abkit.web.errors import NotThere
from abkit.workflows.leaderboard.overview import Overview
from abkit.workflows.leaderboard.overview import overview as find_overview
from abkit.workflows.leaderboard.read import Leaderboard, read_leaderboard

router = APIRouter(prefix=PREFIX, tags=["pages"])


@router.get("/overview", name="api_overview")
@shows(Overview)
def overview(request: Request, served: Served, person: Viewer) -> Response:
    """Show the standing decision, what changed this week, and what needs a person."""
    return answer(request, find_overview(served.store))


@router.get("/campaigns/{campaign_id}/leaderboard", name="api_leaderboard")
@shows(Leaderboard)
def leaderboard(
    request: Request,
    served: Served,
    person: Viewer,
    campaign_id: Annotated[int, Path(ge=1, le=MOST_ID, description="Number of the campaign.")],
    order: Annotated[LeaderboardOrder, Query(description="Best, largest or most urgent first.")] = (
        LeaderboardOrder.SCORE
    ),
    reverse: Annotated[bool, Query(description="Turn the order around; what is not known stays last.")] = False,
    page: Annotated[int, Query(ge=1, le=MOST_ID, description="Which page of fifty creatives.")] = 1,
) -> Response:
    """Show the creatives of a campaign as its page does: the figures made last, and whether they are current.

    Filters are those of the page's address: `q` (a part of the name), `action`, `fatigue`, `format`, `delivered`
    (yes, no), `idea`, `tag`, and from and to as `score_min`, `score_max`, and so on for `p_best`, `ctr`, `cvr` (in
    percent), `cpa`, `roas`, `spend` and `age` (in days).
    """
    given = {name: value for name, value in request.query_params.items() if name in FILTERS}
    wanted = asked_for(given).entries
    try:
        found = read_leaderboard(served.store, campaign_id, wanted=wanted, order=order, reverse=reverse, page=page)
    except UsageError as error:
        raise NotThere(error.message, hint=error.hint) from error
    return answer(request, found)
