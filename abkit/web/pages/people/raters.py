"""Raters: their links, and training on what they said."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Form, Request
from starlette.responses import HTMLResponse, RedirectResponse

from abkit.errors import AbkitError
from abkit.jobs.requests import ask_for, last_requested
from abkit.web.access import audit
from abkit.web.access.guard import Operator, Served
from abkit.web.daemon import absent
from abkit.web.rendering import link, page
from abkit.workflows.ratings.rater_links import (
    DAYS,
    MOST_DAYS,
    labeled_campaigns,
    list_links,
    make_link,
    revoke_links,
)
from abkit.workspace import Workspace

router = APIRouter()

_JOB = "train_labels"


@router.get("/raters", name="raters")
def raters(request: Request, served: Served, person: Operator) -> HTMLResponse:
    """Show the links of raters, and how the last training on labels ended."""
    return _page(request, served)


@router.post("/raters", name="make_rater_link")
def make(
    request: Request,
    served: Served,
    person: Operator,
    name: Annotated[str, Form(max_length=200)],
    campaign: Annotated[str, Form(max_length=200)] = "",
    days: Annotated[float, Form(gt=0, le=MOST_DAYS)] = DAYS,
) -> HTMLResponse:
    """Make a link, and show it this once."""
    made = make_link(served.store, name, campaign=campaign or None, days=days)
    # The audit has the act and the number of the link: a name in it would stay when its rater is forgotten.
    audit.record(served, person, "make rater link", str(made.number))
    base = str(request.base_url).rstrip("/")
    path = link(request, "rater_link", token=made.token)
    root = request.scope.get("root_path", "").rstrip("/")
    address = f"{base.removesuffix(root)}{path}" if not served.settings.web.hosts else (
        f"{served.settings.web.address.removesuffix(served.settings.web.prefix)}{path}"
    )  # fmt: skip
    return _page(request, served, address=address, made=made)


@router.post("/raters/revoke", name="revoke_rater_link")
def revoke(
    request: Request, served: Served, person: Operator, number: Annotated[int, Form(ge=1, le=10**15)]
) -> RedirectResponse:
    """Revoke one link."""
    revoke_links(served.store, number=number)
    audit.record(served, person, "revoke rater link", str(number))
    return RedirectResponse(link(request, "raters"), 303)


@router.post("/raters/train", name="train_on_labels")
def train(request: Request, served: Served, person: Operator) -> RedirectResponse:
    """Ask for a training on all labels, which the daemon does; the active model stays as it is."""
    last = last_requested(served.store, _JOB)
    if last is not None and last[0].state in ("waiting", "running"):
        raise AbkitError("a training was asked for already", hint="wait for its end")
    ask_for(served.store, _JOB, {}, by=person.name)
    audit.record(served, person, "train on labels")
    return RedirectResponse(link(request, "raters"), 303)


@router.get("/raters/training", name="training_state")
def training_state(request: Request, served: Served, person: Operator) -> HTMLResponse:
    """Show how far a training is: a part of the page, which asks for it again while it runs."""
    return page(request, "raters_training.html.j2", training=_training(served))


def _page(request: Request, served: Workspace, **values: object) -> HTMLResponse:
    shown = {"address": "", "made": None} | values
    return page(
        request,
        "raters.html.j2",
        links=list_links(served.store).links[:50],
        campaigns=[key for _, key in labeled_campaigns(served.store)],
        days=DAYS,
        most_days=MOST_DAYS,
        training=_training(served),
        daemon_absent=absent(served),
        address=shown["address"],
        made=shown["made"],
    )


def _training(served: Workspace) -> dict[str, Any] | None:
    last = last_requested(served.store, _JOB)
    if last is None:
        return None
    asked, so_far = last
    result = asked.result or {}
    return {
        "asked": asked,
        "goes_on": asked.state in ("waiting", "running"),
        "so_far": so_far,
        "version": result.get("version", ""),
        "comparisons": result.get("comparisons"),
        "ratings": result.get("ratings"),
        "short": result.get("decision") == "insufficient_data",
    }
