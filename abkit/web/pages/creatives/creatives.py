"""Everything about one creative, and where its score comes from."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from fastapi import APIRouter, Form, HTTPException, Request
from starlette.responses import FileResponse, RedirectResponse, Response

from abkit.intake.media.placements import placement_table
from abkit.names import is_sha256
from abkit.records import percent
from abkit.store.catalog.creatives import creative_ids
from abkit.store.models import active_model
from abkit.web.access.audit import record
from abkit.web.access.guard import Reviewer, Served, Viewer
from abkit.web.background import Background
from abkit.web.drawing import bins, days
from abkit.web.errors import NotThere
from abkit.web.rendering import link, page
from abkit.workflows.creatives.creative_files import find_images, image_names
from abkit.workflows.creatives.overlays import kept_overlay, make_overlay
from abkit.workflows.creatives.tags import tag_creatives, untag_creatives
from abkit.workflows.leaderboard.about import AboutCreative, about_creative
from abkit.workspace import Workspace

router = APIRouter()


@router.get("/creatives/{sha256}", name="creative")
def creative(request: Request, served: Served, person: Viewer, sha256: str) -> Response:
    """Show everything about a creative."""
    from abkit.workflows.learning.worth import action_words

    found = _about(served, sha256)
    background: Background = request.app.state.background
    shown = [
        (one.end.isoformat(), one.clicks / one.impressions if one.impressions else None, one.impressions)
        for one in found.days
    ]
    score = found.scores[0] if found.scores else None
    digest = score.digest if score and score.active else ""
    return page(
        request,
        "creative.html.j2",
        about=found,
        overlay=kept_overlay(_overlays(served), found.sha256, digest) if digest else None,
        can_explain=bool(digest),
        making=background.is_making(("overlay", found.sha256)),
        failed=background.why_failed(("overlay", found.sha256)),
        spread=bins([(found.name, score.distribution)], score.scale, "Predicted opinions") if score else "",
        timeline=days(shown, lambda value: percent(value, 2), f"CTR of {found.name} by day"),
        words=action_words.WORDS,
        tones=action_words.TONES,
    )


@router.post("/creatives/{sha256}/overlay", name="make_overlay")
def explain(request: Request, served: Served, person: Viewer, sha256: str) -> Response:
    """Let the overlay of a creative be made: it takes some seconds, one at a time."""
    sha256 = _known(served, sha256)
    background: Background = request.app.state.background
    background.ask(("overlay", sha256), lambda: make_overlay(served.store, _overlays(served), sha256))
    return RedirectResponse(link(request, "creative", sha256=sha256) + "#overlay", 303)


@router.post("/creatives/{sha256}/tags", name="tag_creative")
def tag(
    request: Request, served: Served, person: Reviewer, sha256: str, tags: Annotated[str, Form(max_length=2000)]
) -> Response:
    """Put tags on a creative; commas stand between them."""
    sha256 = _known(served, sha256)
    done = tag_creatives(served.store, [sha256], [one for one in tags.split(",") if one.strip()])
    record(served, person, "tag creative", f"{sha256[:12]}: {', '.join(done.tags)}")
    return RedirectResponse(link(request, "creative", sha256=sha256) + "#tags", 303)


@router.post("/creatives/{sha256}/untag", name="untag_creative")
def untag(
    request: Request, served: Served, person: Reviewer, sha256: str, tag: Annotated[str, Form(max_length=200)]
) -> Response:
    """Take a tag off a creative."""
    sha256 = _known(served, sha256)
    done = untag_creatives(served.store, [sha256], [tag])
    record(served, person, "untag creative", f"{sha256[:12]}: {', '.join(done.tags)}")
    return RedirectResponse(link(request, "creative", sha256=sha256) + "#tags", 303)


@router.get("/creatives/{sha256}/overlay.jpg", name="overlay")
def overlay(request: Request, served: Served, person: Viewer, sha256: str) -> Response:
    """Serve the overlay of a creative by the active model, where it was made."""
    if not is_sha256(sha256):
        raise HTTPException(404)
    with served.store.read() as session:
        version = active_model(session)
    found = kept_overlay(_overlays(served), sha256.lower(), version.digest) if version else None
    if found is None:
        raise HTTPException(404)
    return FileResponse(found.image, media_type="image/jpeg", headers={"Cache-Control": "private, max-age=3600"})


@router.get("/creatives/{sha256}/preflight", name="creative_preflight")
def check(request: Request, served: Served, person: Viewer, sha256: str) -> Response:
    """Hold the file of a creative against every placement."""
    sha256 = _known(served, sha256)
    with served.store.read() as session:
        ids = creative_ids(session, [sha256])
        names = image_names(session, list(ids.values()))
    path = find_images(names).get(ids[sha256])
    if path is None:
        raise NotThere("no file has the content that was scored any more", hint="put the file back, or score it again")
    from abkit.workflows.preflight.check import preflight

    with request.app.state.heavy:
        found = preflight([path], list(placement_table().placements))
    checked = found.files[0] if found.files else None
    return page(request, "preflight.html.j2", sha256=sha256, found=found, checked=checked)


def _about(served: Workspace, sha256: str) -> AboutCreative:
    found = about_creative(served.store, sha256.lower()) if is_sha256(sha256) else None
    if found is None:
        raise NotThere("there is no such creative", hint="its address may be of another workspace")
    return found


def _known(served: Workspace, sha256: str) -> str:
    sha256 = sha256.lower()
    with served.store.read() as session:
        if not is_sha256(sha256) or sha256 not in creative_ids(session, [sha256]):
            raise NotThere("there is no such creative", hint="its address may be of another workspace")
    return sha256


def _overlays(served: Workspace) -> Path:
    return served.settings.cache_folder / "overlays"
