"""Requests that take effect once: with an `Idempotency-Key`, the same request gets the same answer for a day."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Annotated

from fastapi import Header, HTTPException, Request
from starlette.responses import Response

from abkit.store import answers
from abkit.store.database.engine import Store
from abkit.web.access.people import Person
from abkit.workspace import Workspace

Key = Annotated[
    str | None,
    Header(
        alias="Idempotency-Key",
        min_length=1,
        max_length=200,
        pattern="^[!-~]+$",
        description="A name that you choose for this request. Sent again, it gets the same answer for 24 hours.",
    ),
]
# Headers that belong to an answer; the others are those of its connection.
_KEPT = ("location", "link", "retry-after")


def once(
    request: Request, workspace: Workspace, person: Person, key: str | None, content: bytes, act: Callable[[], Response]
) -> Response:
    """Answer a request that changes something; where it was answered before, give that answer again.

    1. Without a key: act.
    2. Claim the key, by inserting its row. If it is there: give its answer, if it has one and the request is the same.
    3. Act, and keep the answer. If that fails, forget the key, so that the request can be tried again.

    Args:
        request: The request.
        workspace: Where answers are kept.
        person: Who asks: keys of different people are different keys.
        key: The Idempotency-Key.
        content: What was sent; with the same key it has to be the same.
        act: Does what is asked, and returns the answer.

    Raises:
        HTTPException: The key was used for another request (409), or its first request is still under way (409).
    """
    if key is None:
        return act()
    store: Store = workspace.store
    where = f"{request.method} {request.url.path}?{request.url.query}"
    digest = hashlib.sha256(where.encode() + b"\0" + content).hexdigest()
    with store.write() as session:
        former = answers.claim(session, person=person.name, key=key, digest=digest, now=datetime.now(UTC))
    if former is not None:
        if former.digest != digest:
            raise HTTPException(409, "this Idempotency-Key was used for another request: choose another one")
        if former.status is None:
            raise HTTPException(409, "the first request with this Idempotency-Key is still being answered: wait")
        headers = {**former.headers, "Idempotency-Replayed": "true"}
        return Response(former.body or b"", former.status, headers, former.media_type)
    try:
        made = act()
    except BaseException:
        with store.write() as session:
            answers.forget(session, person=person.name, key=key)
        raise
    headers = {name: made.headers[name] for name in _KEPT if name in made.headers}
    with store.write() as session:
        answers.keep(
            session,
            person=person.name,
            key=key,
            status=made.status_code,
            media_type=made.media_type or "",
            headers=headers,
            body=bytes(made.body),
        )
    return made
