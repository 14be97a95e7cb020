"""Ratings and comparisons as JSON: what people said, and the same sent by a program."""

from __future__ import annotations

import json
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request
from pydantic import BaseModel, ConfigDict, Field, WithJsonSchema
from starlette.responses import Response

from abkit.store.keys import LONGEST_KEY
from abkit.web.access import audit
from abkit.web.access.guard import Labeler, Served, Viewer
from abkit.web.access.people import Permission, Person
from abkit.web.api.answers import PREFIX, Before, Limit, answer, answer_page, shows
from abkit.web.api.once import Key, once
from abkit.workflows.recorded.labels import StoredComparison, StoredRating, comparison_page, rating_page

router = APIRouter(prefix=PREFIX, tags=["labels"])

Source = Annotated[str | None, Query(max_length=LONGEST_KEY, description="Only of this study: its key.")]
Study = Annotated[
    str, Field(min_length=1, max_length=LONGEST_KEY, description="Key of the study that the raters belong to.")
]
_SENT = "abkit.workflows.ratings.sent_labels:SentLabels"
_DIGEST = {"type": "string", "pattern": "^[0-9a-f]{64}$", "description": "Digest of a creative's content."}
_NAME = {"type": "string", "maxLength": 500}
_WHO = {**_NAME, "description": "Who said it; kept under a pseudonym. Leave it out where it is you."}
# Rows are looked at one by one, so that a bad one does not take the good ones with it: the shape is told, not required.
_RATING = WithJsonSchema({
    "type": "object",
    "properties": {"sha256": _DIGEST, "score": {"type": "number"}, "rater": _WHO, "rated_at": _NAME},
    "required": ["sha256", "score"],
})  # fmt: skip
_COMPARISON = WithJsonSchema({
    "type": "object",
    "properties": {
        "first": _DIGEST,
        "second": _DIGEST,
        "choice": {"type": "string", "enum": ["first", "second", "tie"]},
        "share": {"type": "number", "minimum": 0, "maximum": 1, "description": "Of the votes, those for the first."},
        "weight": {"type": "number", "exclusiveMinimum": 0, "description": "How many votes; 1 by default."},
        "rater": _WHO,
        "compared_at": _NAME,
    },
    "required": ["first", "second"],
})  # fmt: skip


class Ratings(BaseModel):
    """Ratings of one study."""

    model_config = ConfigDict(extra="forbid")

    source: Study = "api"
    scale: tuple[float, float] | None = Field(None, description="Lowest and highest rating; needed once for a study.")
    ratings: list[Annotated[Any, _RATING]] = Field(description="1 to 1,000 rows.")


class Comparisons(BaseModel):
    """Comparisons of one study."""

    model_config = ConfigDict(extra="forbid")

    source: Study = "api"
    comparisons: list[Annotated[Any, _COMPARISON]] = Field(description="1 to 1,000 rows.")


@router.get("/ratings", name="api_ratings")
@shows(StoredRating, page=True)
def ratings(
    request: Request, served: Served, person: Viewer, source: Source = None, cursor: Before = None, limit: Limit = 50
) -> Response:
    """List single ratings, the latest first; who gave them is not told."""
    return answer_page(request, rating_page(served.store, before=cursor, limit=limit, source=source))


@router.get("/comparisons", name="api_comparisons")
@shows(StoredComparison, page=True)
def comparisons(
    request: Request, served: Served, person: Viewer, source: Source = None, cursor: Before = None, limit: Limit = 50
) -> Response:
    """List comparisons of two creatives, the latest first; who made them is not told."""
    return answer_page(request, comparison_page(served.store, before=cursor, limit=limit, source=source))


@router.post("/ratings", name="api_send_ratings")
@shows(_SENT)
def send_ratings(request: Request, served: Served, person: Labeler, body: Ratings, key: Key = None) -> Response:
    """Record up to 1,000 ratings: good rows land, the others come back with the reason."""
    from abkit.workflows.ratings.sent_labels import record_ratings

    rater = _rater(person)

    def act() -> Response:
        done = record_ratings(served.store, body.ratings, source=body.source, scale=body.scale, rater=rater)
        audit.record(served, person, "send ratings", f"{done.source}: {done.imported} new")
        return answer(request, done)

    return once(request, served, person, key, _content(body), act)


@router.post("/comparisons", name="api_send_comparisons")
@shows(_SENT)
def send_comparisons(request: Request, served: Served, person: Labeler, body: Comparisons, key: Key = None) -> Response:
    """Record up to 1,000 comparisons: good rows land, the others come back with the reason."""
    from abkit.workflows.ratings.sent_labels import record_comparisons

    rater = _rater(person)

    def act() -> Response:
        done = record_comparisons(served.store, body.comparisons, source=body.source, rater=rater)
        audit.record(served, person, "send comparisons", f"{done.source}: {done.imported} new")
        return answer(request, done)

    return once(request, served, person, key, _content(body), act)


def _rater(person: Person) -> str | None:
    """Return whose judgments somebody may send: their own, or with the permission to operate those of anybody."""
    return None if person.can(Permission.OPERATE) else person.name


def _content(body: Ratings | Comparisons) -> bytes:
    # Rows hold whatever was sent, halves of letters among it, which only escaped JSON can write.
    return json.dumps(body.model_dump()).encode()
