"""Campaigns, creatives, scores, shortlists and model versions, as JSON."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Path, Query, Request
from pydantic import BaseModel, ConfigDict, Field
from starlette.responses import Response

from abkit.errors import UsageError
from abkit.store.keys import LONGEST_KEY
from abkit.web.access import audit
from abkit.web.access.guard import Reviewer, Served, Viewer
from abkit.web.api.answers import MOST_ID, PREFIX, Before, Limit, answer, answer_page, or_not_there, shows
from abkit.web.api.once import Key, once
from abkit.web.errors import NotThere
from abkit.workflows.active_model import VersionLine, list_versions
from abkit.workflows.creatives.campaigns import CreativeRecord, show_creative
from abkit.workflows.creatives.tags import LONGEST, MOST_OF_ONE, TagLine, list_tags, tag_creatives, untag_creatives
from abkit.workflows.recorded.catalog import (
    CampaignLine,
    StoredScore,
    campaign_key,
    campaign_page,
    creative_page,
    score_page,
)
from abkit.workflows.recorded.paging import Page
from abkit.workflows.scoring.results import Shortlist

router = APIRouter(prefix=PREFIX, tags=["catalog"])

Campaign = Annotated[str | None, Query(max_length=LONGEST_KEY, description="Only this campaign: its key.")]
Model = Annotated[
    str | None, Query(max_length=LONGEST_KEY, description="Only this version: its name, or how its digest begins.")
]
Sha256 = Annotated[str, Path(pattern="^[0-9a-f]{64}$", description="Digest of the content, in hexadecimal.")]
Tag = Annotated[str, Field(min_length=1, max_length=LONGEST)]
CampaignId = Annotated[int, Path(ge=1, le=MOST_ID, description="Number of the campaign.")]


@router.get("/campaigns", name="api_campaigns")
@shows(CampaignLine, page=True)
def campaigns(
    request: Request,
    served: Served,
    person: Viewer,
    campaign: Campaign = None,
    cursor: Before = None,
    limit: Limit = 50,
) -> Response:
    """List the campaigns, the latest first."""
    return answer_page(request, campaign_page(served.store, before=cursor, limit=limit, campaign=campaign))


@router.get("/campaigns/{campaign_id}/shortlist", name="api_shortlist")
@shows(Shortlist)
def shortlist(
    request: Request,
    served: Served,
    person: Viewer,
    campaign_id: CampaignId,
    keep: Annotated[int | None, Query(ge=1, le=10_000, description="How many to keep.")] = None,
    p_best: Annotated[float, Query(gt=0, le=1, description="Else keep the best with this chance.")] = 0.9,
    by_idea: Annotated[bool, Query(description="Choose ideas: the sizes of one go together.")] = False,
    model: Model = None,
) -> Response:
    """Choose which creatives of a campaign to launch, from the logged scores."""
    key = campaign_key(served.store, campaign_id)
    if key is None:
        raise NotThere(f"there is no campaign number {campaign_id}", hint="GET /api/v1/campaigns lists them")
    return answer(request, served.shortlist(key, keep=keep, p_best=p_best, by_idea=by_idea, model=model, record=False))


@router.get("/creatives", name="api_creatives")
@shows(CreativeRecord, page=True)
def creatives(
    request: Request,
    served: Served,
    person: Viewer,
    campaign: Campaign = None,
    tag: Annotated[str | None, Query(max_length=LONGEST, description="Only those with this tag.")] = None,
    cursor: Before = None,
    limit: Limit = 50,
) -> Response:
    """List creatives with their names, scores and delivery, the latest first."""
    return answer_page(request, creative_page(served.store, before=cursor, limit=limit, campaign=campaign, tag=tag))


@router.get("/creatives/{sha256}", name="api_creative")
@shows(CreativeRecord)
def creative(request: Request, served: Served, person: Viewer, sha256: Sha256) -> Response:
    """Show one creative."""
    with or_not_there():
        return answer(request, show_creative(served.store, sha256))


class Tags(BaseModel):
    """Tags to put on a creative, and tags to take off."""

    model_config = ConfigDict(extra="forbid")

    add: tuple[Tag, ...] = Field((), max_length=MOST_OF_ONE)
    remove: tuple[Tag, ...] = Field((), max_length=MOST_OF_ONE)


@router.post("/creatives/{sha256}/tags", name="api_tag_creative")
@shows(CreativeRecord)
def tag_creative(
    request: Request, served: Served, person: Reviewer, sha256: Sha256, body: Tags, key: Key = None
) -> Response:
    """Put tags on a creative, and take others off."""

    def act() -> Response:
        with or_not_there():
            show_creative(served.store, sha256)
        for tags, change in ((body.add, tag_creatives), (body.remove, untag_creatives)):
            if tags:
                done = change(served.store, [sha256], tags)
                what = "untag creative" if done.removed else "tag creative"
                audit.record(served, person, what, f"{sha256[:12]}: {', '.join(done.tags)}")
        return answer(request, show_creative(served.store, sha256))

    return once(request, served, person, key, body.model_dump_json().encode(), act)


@router.get("/tags", name="api_tags")
@shows(TagLine, page=True)
def tags(request: Request, served: Served, person: Viewer, campaign: Campaign = None) -> Response:
    """List the 200 most frequent tags with the number of their creatives, the most frequent first."""
    return answer_page(request, Page(items=list_tags(served.store, campaign=campaign).tags, next=None))


@router.get("/scores", name="api_scores")
@shows(StoredScore, page=True)
def scores(
    request: Request,
    served: Served,
    person: Viewer,
    campaign: Campaign = None,
    model: Model = None,
    sha256: Annotated[str | None, Query(pattern="^[0-9a-f]{64}$", description="Only of this creative.")] = None,
    cursor: Before = None,
    limit: Limit = 50,
) -> Response:
    """List scores, the latest first."""
    found = score_page(served.store, before=cursor, limit=limit, campaign=campaign, model=model, sha256=sha256)
    return answer_page(request, found)


@router.get("/models", name="api_models")
@shows(VersionLine, page=True)
def models(request: Request, served: Served, person: Viewer) -> Response:
    """List the model versions, the latest first; all of them, as there are few."""
    versions = sorted(list_versions(served.store), key=lambda version: version.created_at, reverse=True)
    return answer_page(request, Page(items=tuple(versions), next=None))


@router.get("/models/{digest}", name="api_model")
@shows(VersionLine)
def model(
    request: Request,
    served: Served,
    person: Viewer,
    digest: Annotated[str, Path(pattern="^[0-9a-f]{8,64}$", description="How its digest begins.")],
) -> Response:
    """Show one model version."""
    found = [version for version in list_versions(served.store) if version.digest.startswith(digest)]
    if not found:
        raise NotThere(f"there is no model version {digest}", hint="GET /api/v1/models lists them")
    if len(found) > 1:
        raise UsageError(f"several model versions begin with {digest}", hint="give more of the digest")
    return answer(request, found[0])
