"""Answers of the API: a record or a page of records as JSON, with its entity tag, and what shape it has."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pkgutil import resolve_name
from typing import Annotated, Any, NamedTuple, TypeVar
from urllib.parse import urlencode

from fastapi import Query, Request
from starlette.responses import Response

from abkit.errors import AbkitError, StoreError
from abkit.records import to_json, to_plain
from abkit.web.errors import NotThere
from abkit.web.rendering import link
from abkit.workflows.recorded.paging import MOST, Page

Endpoint = TypeVar("Endpoint", bound=Callable[..., Any])

#: Where all routes begin.
PREFIX = "/api/v1"
#: Ids of the store have 64 bits: a larger one is no id.
MOST_ID = 2**63 - 1

Limit = Annotated[int, Query(ge=1, le=MOST, description="Items of a page.")]
Before = Annotated[
    int | None,
    Query(alias="cursor", ge=1, le=MOST_ID, description="`next` of the page before; leave it out for the first page."),
]


class Shown(NamedTuple):
    """What a route answers with: a record, or a page of records."""

    shape: Any
    is_page: bool

    def found(self) -> Any:
        """Return the shape; one that was only named is imported now."""
        return resolve_name(self.shape) if isinstance(self.shape, str) else self.shape


def shows(shape: Any, *, page: bool = False) -> Callable[[Endpoint], Endpoint]:
    """Say what a route answers with, for the OpenAPI.

    Args:
        shape: A record, or what one is made of; "module:Name" where importing it would make the start slow.
        page: The route answers with a page of them.
    """

    def say(endpoint: Endpoint) -> Endpoint:
        vars(endpoint)["shown"] = Shown(shape, page)
        return endpoint

    return say


def answer(request: Request, record: Any, *, status: int = 200, headers: dict[str, str] | None = None) -> Response:
    """Return a record as JSON; 304 where the client has it already.

    Args:
        request: The request that is answered.
        record: A record, or plain data.
        status: Status of the answer.
        headers: Further headers.
    """
    body = to_json(_plain(record)).encode("utf-8", "backslashreplace")
    named = dict(headers or {})
    if request.method in ("GET", "HEAD"):
        tag = f'W/"{hashlib.sha256(body).hexdigest()[:32]}"'
        named |= {"ETag": tag, "Cache-Control": "private, no-cache"}
        if _matches(request.headers.get("if-none-match", ""), tag):
            return Response(status_code=304, headers=named)
    return Response(body, status_code=status, media_type="application/json", headers=named)


def answer_page(request: Request, found: Page[Any]) -> Response:
    """Return a page as JSON: its `items`, and `next`, which the header Link names too."""
    headers = {}
    if found.next is not None:
        asked = [(name, value) for name, value in request.query_params.multi_items() if name != "cursor"]
        where = link(request, request.scope["route"].name, **request.path_params)
        headers["Link"] = f'<{where}?{urlencode([*asked, ("cursor", found.next)])}>; rel="next"'
    return answer(request, {"items": [_plain(item) for item in found.items], "next": found.next}, headers=headers)


@contextmanager
def or_not_there() -> Iterator[None]:
    """Answer 404 where a workflow finds nothing under what the address names."""
    try:
        yield
    except StoreError:
        raise
    except AbkitError as error:
        raise NotThere(error.message, hint=error.hint) from error


def _plain(record: Any) -> Any:
    return record.to_dict() if hasattr(record, "to_dict") else to_plain(record)


def _matches(asked: str, tag: str) -> bool:
    # Weak comparison: a proxy may have made a weak tag of ours, or taken the mark away.
    bare = tag.removeprefix("W/")
    return any(one.strip() == "*" or one.strip().removeprefix("W/") == bare for one in asked.split(","))
