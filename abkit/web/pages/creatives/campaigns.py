"""Campaigns: the list, the leaderboard of one, two creatives side by side, exports."""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated, Any

from fastapi import APIRouter, HTTPException, Query, Request
from pydantic import Field
from starlette.responses import RedirectResponse, Response

from abkit.errors import UsageError
from abkit.records import decimal, percent
from abkit.reporting.tables.spreadsheet import csv_bytes, xlsx_bytes
from abkit.store.catalog.tags import known_tags
from abkit.store.jobs.requests import is_unfinished
from abkit.store.leaderboards import entries_of
from abkit.vocabulary import CreativeAction, CreativeFormat, Fatigue, LeaderboardOrder
from abkit.web.access.audit import record
from abkit.web.access.guard import Operator, Served, Viewer
from abkit.web.asked import asked_for, in_query
from abkit.web.daemon import absent
from abkit.web.drawing import Axis, Point, bins, ends_of, interval_bar, scatter
from abkit.web.errors import NotThere
from abkit.web.figures import CampaignFigures
from abkit.web.numbers import MOST_ID, Id, PageNumber
from abkit.web.rendering import link, page
from abkit.workflows.creatives.overlays import kept_overlay
from abkit.workflows.leaderboard.read import Leaderboard, read_campaigns, read_leaderboard, rows_of
from abkit.workflows.leaderboard.summary import Summary
from abkit.workspace import Workspace

router = APIRouter()

_EXPORTED = (
    "name", "sha256", "idea", "format", "tags", "rank", "score", "score_low", "score_high", "unlike", "p_best",
    "impressions", "clicks", "conversions", "spend", "revenue", "ctr", "ctr_low", "ctr_high", "cvr", "cvr_low",
    "cvr_high", "cpa", "cpa_low", "cpa_high", "roas", "roas_low", "roas_high", "lift", "lift_low", "lift_high",
    "per_week", "action", "fatigue", "first_day", "last_day",
)  # fmt: skip
_PLAIN = ("first_day", "last_day")


@router.get("/campaigns", name="campaigns")
def campaigns(
    request: Request,
    served: Served,
    person: Viewer,
    q: Annotated[str, Query(max_length=200)] = "",
    number: PageNumber = 1,
) -> Response:
    """List the campaigns, the latest first."""
    found = read_campaigns(served.store, text=q.strip(), page=number)
    shown = [one.id for one, _ in found.campaigns]
    figures: CampaignFigures = request.app.state.figures
    figures.look_after(shown)
    empty = any(summary is None and one.creatives for one, summary in found.campaigns)
    return page(request, "campaigns.html.j2", found=found, q=q, making=empty and _are_made(served, figures, shown))


@router.get("/campaigns/{campaign_id}", name="campaign")
def campaign(request: Request, served: Served, person: Viewer, campaign_id: Id) -> Response:
    """Show the creatives of a campaign."""
    from abkit.workflows.learning.worth import action_words

    wanted = asked_for(request.query_params)
    asked = {"order": wanted.order, "reverse": wanted.reverse, "wanted": wanted.entries}
    board = _board(served, campaign_id, **asked, page=wanted.page)
    making = _keep_current(request, board)
    summary = board.summary
    tags, lists = _tags_and_lists(served, board)
    return page(
        request,
        "campaign.html.j2",
        board=board,
        making=making,
        wanted=wanted,
        query=in_query(wanted),
        orders=list(LeaderboardOrder),
        actions=[(one.value, action_words.WORDS[one.value]) for one in CreativeAction],
        fatigues=list(Fatigue),
        formats=list(CreativeFormat),
        tags=tags,
        words=action_words.WORDS,
        tones=action_words.TONES,
        rule=action_words.ACTION_RULE,
        lists=lists,
        charts=_charts(request, summary) if summary else {},
        parts=_quadrants(summary) if summary else [],
        bar=interval_bar,
        score_ends=ends_of([end for row in board.creatives for end in (row.score, row.score_low, row.score_high)]),
        ctr_ends=ends_of([end for row in board.creatives for end in (row.ctr, row.ctr_low, row.ctr_high)]),
    )


@router.post("/campaigns/{campaign_id}/refresh", name="refresh_campaign")
def refresh(request: Request, served: Served, person: Operator, campaign_id: Id) -> Response:
    """Make the figures of a campaign anew, beside the requests."""
    board = _board(served, campaign_id)
    request.app.state.figures.ask(board.campaign_id)
    record(served, person, "refresh figures", board.campaign)
    return RedirectResponse(link(request, "campaign", campaign_id=campaign_id), 303)


@router.get("/campaigns/{campaign_id}/creatives.{ending}", name="campaign_export")
def export(request: Request, served: Served, person: Viewer, campaign_id: Id, ending: str) -> Response:
    """Send the wanted creatives of a campaign as a table for a spreadsheet."""
    if ending not in ("csv", "xlsx"):
        raise HTTPException(404)
    wanted = asked_for(request.query_params)
    asked = {"order": wanted.order, "reverse": wanted.reverse, "wanted": wanted.entries}
    with request.app.state.heavy:
        board = _board(served, campaign_id, **asked, page=None)
        rows = [
            row.to_dict() | {name: getattr(row, name) for name in _PLAIN} | {"tags": ", ".join(row.tags)}
            for row in board.creatives
        ]
        if ending == "csv":
            content, kind = csv_bytes(rows, _EXPORTED), "text/csv; charset=utf-8"
        else:
            content = xlsx_bytes(rows, _EXPORTED, "creatives")
            kind = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
    name = f"campaign-{board.campaign_id}.{ending}"
    return Response(content, media_type=kind, headers={"Content-Disposition": f'attachment; filename="{name}"'})


@router.get("/campaigns/{campaign_id}/pair", name="pair")
def pair(
    request: Request,
    served: Served,
    person: Viewer,
    campaign_id: Id,
    creative: Annotated[list[Annotated[int, Field(ge=1, le=MOST_ID)]] | None, Query(max_length=20)] = None,
) -> Response:
    """Show two creatives of a campaign side by side."""
    from abkit.workflows.leaderboard.pair import compare_pair
    from abkit.workflows.learning.worth import action_words

    if creative is None or len(creative) != 2:
        raise UsageError(f"{len(creative or ())} creatives are chosen", hint="go back and choose two to compare")
    found = compare_pair(served.store, campaign_id, *creative)
    series = [(found.first.name, found.first_distribution), (found.second.name, found.second_distribution)]
    label = f"Predicted opinions of {found.first.name} and {found.second.name}"
    overlays = served.settings.cache_folder / "overlays"
    kept = {row.sha256: kept_overlay(overlays, row.sha256, found.digest) for row in (found.first, found.second)}
    return page(
        request,
        "pair.html.j2",
        pair=found,
        overlays=kept,
        chart=bins(series, found.scale, label),
        words=action_words.WORDS,
        tones=action_words.TONES,
    )


def _board(served: Workspace, campaign_id: int, **options: Any) -> Leaderboard:
    try:
        return read_leaderboard(served.store, campaign_id, **options)
    except UsageError as error:
        raise NotThere(error.message, hint=error.hint) from error


def _keep_current(request: Request, board: Leaderboard) -> bool:
    """Let figures that are not current be made anew; return whether they are being made."""
    figures: CampaignFigures = request.app.state.figures
    return figures.ask(board.campaign_id) if board.due else not board.current and figures.are_made([board.campaign_id])


def _are_made(served: Workspace, figures: CampaignFigures, campaigns: list[int]) -> bool:
    """Return whether figures of any of these campaigns are being made, by this process or the daemon."""
    if figures.are_made(campaigns):
        return True
    if absent(served):  # nobody takes the request
        return False
    with served.store.read() as session:
        return is_unfinished(session, "leaderboards")


def _tags_and_lists(
    served: Workspace, board: Leaderboard
) -> tuple[list[tuple[str, int]], list[tuple[str, str, list[Any], int]]]:
    """Return the tags of a campaign; and name, meaning, first creatives and length of each list of advice."""
    from abkit.workflows.learning.worth import action_words

    lists = board.summary.lists if board.summary else ()
    ids = [one for _, some, _ in lists for one in some]
    with served.store.read() as session:
        tags = known_tags(session, campaign=board.campaign_id)
        rows = {row.creative_id: row for row in rows_of(entries_of(session, board.campaign_id, ids))} if ids else {}
    meanings = {action.value: (name, meaning) for action, name, meaning in action_words.ACTION_LISTS}
    return tags, [
        (*meanings[action], [rows[one] for one in some if one in rows], number) for action, some, number in lists
    ]


def _charts(request: Request, summary: Summary) -> dict[str, Any]:
    score = Axis(title="Score", show=lambda value: decimal(value, 2), field="score")
    ctr, cvr = (
        Axis(title=name, show=lambda value: percent(value, 2), field=field, factor=100.0)
        for name, field in (("CTR", "ctr"), ("CVR", "cvr"))
    )
    most = max((shown for *_, shown in summary.points), default=1)
    drawn: list[tuple[Point, float | None]] = []
    for sha256, name, mean, rate, bought, shown in summary.points:
        if rate is not None:
            where = link(request, "creative", sha256=sha256)
            size = 3 + 4 * (shown / most) ** 0.5
            drawn.append((Point(x=mean, y=rate, name=name, href=where, size=size), bought))
    four = [replace(one, x=one.y, y=bought) for one, bought in drawn if bought is not None]
    middle = _middle(summary)
    return {
        "score": scatter([one for one, _ in drawn], score, ctr, f"Score against CTR of {len(drawn)} creatives"),
        "four": scatter(four, ctr, cvr, f"CTR against CVR of {len(four)} creatives", cross=middle) if middle else "",
        "drawn": len(drawn),
    }


def _middle(summary: Summary) -> tuple[float, float] | None:
    """Return CTR and CVR of the campaign as a whole; None where there are no clicks or conversions."""
    if not (summary.impressions and summary.clicks and summary.conversions):
        return None
    return summary.clicks / summary.impressions, summary.conversions / summary.clicks


def _quadrants(summary: Summary) -> list[tuple[str, int, dict[str, str]]]:
    """Return name, number of drawn creatives and filter of the four parts of CTR × CVR."""
    middle = _middle(summary)
    if middle is None:
        return []
    known = [(rate, bought) for _, _, _, rate, bought, _ in summary.points if rate is not None and bought is not None]
    parts = []
    for name, clicked, sold in (
        ("Clicked and bought", True, True),
        ("Clicked, not bought", True, False),
        ("Bought when clicked, seldom clicked", False, True),
        ("Neither", False, False),
    ):
        inside = sum((rate >= middle[0]) == clicked and (bought >= middle[1]) == sold for rate, bought in known)
        ends = [(field, "min" if high else "max", value) for field, high, value in
                (("ctr", clicked, middle[0]), ("cvr", sold, middle[1]))]  # fmt: skip
        parts.append((name, inside, {f"{field}_{end}": f"{100 * value:.4f}" for field, end, value in ends}))
    return parts
