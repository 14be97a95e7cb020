"""The guard: every route names the permission it needs, and nothing is served without one."""

from __future__ import annotations

import hmac
from collections.abc import Awaitable, Callable
from typing import Annotated, Any

from fastapi import Depends, FastAPI, HTTPException, Request
from starlette.concurrency import run_in_threadpool
from starlette.types import Scope

from abkit.config import Settings
from abkit.errors import AbkitError, UsageError
from abkit.store import people
from abkit.web.access.headers import Head, Headers, KnownHost, Prefix, host_name
from abkit.web.access.identity import (
    at_this_machine,
    bearer_of,
    cookie_of,
    form_code,
    guest_of,
    new_cookie,
    person_behind,
)
from abkit.web.access.lane import Failures, Lane
from abkit.web.access.limits import FORM_BYTES, BodyLimit, Known, RateLimit, Turns
from abkit.web.access.people import Permission, Person
from abkit.workspace import Workspace

_SAFE = frozenset({"GET", "HEAD", "OPTIONS"})
_OWN_NAMES = ("localhost", "127.0.0.1", "[::1]")
#: Tries to sign in per minute: of an address, and of a name from all addresses together. Beyond the second a try is
#: slow, not refused: nobody keeps somebody else out by trying wrong passwords.
SIGN_INS_PER_MINUTE = 10
SIGN_INS_AS_ONE = 100
#: Paths that take files, and the permission without which nothing large is read there.
_TAKE_FILES = {
    "/upload/images": Permission.OPERATE,
    "/upload/exports": Permission.OPERATE,
    "/api/v1/score": Permission.VIEW,
}


def install(app: FastAPI, settings: Settings, *, local: bool) -> None:
    """Put the guard before an application.

    Args:
        app: The application.
        settings: The configuration.
        local: Only people at this machine reach it, and they may do everything.
    """
    web = settings.web
    app.state.local = local
    app.state.requests = RateLimit(web.requests_per_minute)
    app.state.sign_ins = RateLimit(SIGN_INS_PER_MINUTE)
    app.state.sign_ins_as_one = RateLimit(SIGN_INS_AS_ONE)
    app.state.signed_in_from = Known()
    app.state.wrong_passwords = Failures()
    app.state.slow_sign_ins = Lane(16)
    # One at a time: each takes 64 MiB on purpose. People who are signed in do not wait for those who try to.
    app.state.hashing_sign_ins = Lane(32)
    app.state.hashing = Turns(1, 8)
    app.state.heavy = Turns(2, 6)
    # What is slow elsewhere: a host that answers letter by letter holds a thread for a minute.
    app.state.fetching = Turns(4, 2)
    # The last one added is the first that a request meets.
    app.add_middleware(BodyLimit, most=lambda scope: _most_bytes(scope, round(web.max_upload_mb * 2**20)))
    app.add_middleware(Prefix, prefix=web.prefix)
    app.add_middleware(KnownHost, names=(*_OWN_NAMES, *web.hosts) if local or web.hosts else ())
    app.add_middleware(Headers)
    app.add_middleware(Head)


def require_people(settings: Settings) -> None:
    """Make sure that somebody can sign in.

    Raises:
        UsageError: There are no people yet.
    """
    with Workspace(settings) as workspace, workspace.store.read() as session:
        if any(one.removed_at is None for one in people.list_people(session)):
            return
    raise UsageError("nobody could sign in: there are no people yet", hint="abkit user add NAME --role admin")


def allowed(permission: Permission) -> Callable[[Request], Awaitable[Person]]:
    """Return the dependency of a route that needs a permission; it says who asks.

    Raises:
        HTTPException: Nobody signed in (401), they may not do this or the form is not ours (403), or they ask too
            often (429).
    """

    async def check(request: Request) -> Person:
        person = await known_person(request)
        if person is None:
            raise HTTPException(401, headers={"WWW-Authenticate": "Bearer"})
        await require_own_form(request)
        if not person.can(permission):
            raise HTTPException(403, f"{person.name} may not do this: it needs the permission to {permission}")
        return person

    check.permission = permission  # type: ignore[attr-defined]
    return check


async def known_person(request: Request) -> Person | None:
    """Return who asks, or None; count the request, and give the browser a cookie where it has none.

    Raises:
        HTTPException: They ask too often (429).
    """
    person = await _person_behind(request)
    slow_down(request.app.state.requests, f"name {person.name}" if person else guest_of(request))
    request.state.person = person
    cookie = cookie_of(request)
    request.state.new_cookie = "" if cookie or bearer_of(request) else new_cookie()
    request.state.csrf = form_code(cookie or request.state.new_cookie) if not bearer_of(request) else ""
    return person


def slow_down(limit: RateLimit, key: str) -> None:
    """Count a request.

    Raises:
        HTTPException: There are too many (429).
    """
    if seconds := limit.wait(key):
        raise HTTPException(429, headers={"Retry-After": str(int(seconds) + 1)})


async def require_own_form(request: Request) -> None:
    """Make sure that a change was asked for by a form of ours, or by a program.

    A browser says where a form comes from (Origin, Sec-Fetch-Site), and only our own forms have the code that belongs
    to its cookie. A program sends a token, or, on this machine, neither cookie nor origin.

    Raises:
        HTTPException: It was not (403).
    """
    if request.method in _SAFE or bearer_of(request) is not None:
        return
    cookie, origin = cookie_of(request), request.headers.get("origin")
    site = request.headers.get("sec-fetch-site")
    if request.app.state.local and not cookie and origin is None and site is None:
        return
    if (origin is not None and not _is_own(request, origin)) or site not in (None, "same-origin", "none"):
        raise HTTPException(403, "this form was sent from another page")
    sent: Any = request.headers.get("x-csrf-token") or (await _form(request)).get("csrf", "")
    if not cookie or not isinstance(sent, str) or not hmac.compare_digest(sent.encode(), form_code(cookie).encode()):
        raise HTTPException(403, "this form is too old, or not ours: open its page again, and send it once more")


def _is_own(request: Request, origin: str) -> bool:
    """Whether an origin is this page: under the name of the request, or one that the configuration gives it."""
    place = origin.rpartition("://")[2].lower()
    names = (name.lower() for name in workspace_of(request).settings.web.hosts)
    return place == request.headers.get("host", "").lower() or host_name(place) in names


def workspace_of(request: Request) -> Workspace:
    """Return the workspace that is served."""
    workspace: Workspace = request.app.state.workspace
    return workspace


async def _served(request: Request) -> Workspace:
    # A plain function would be given a thread of its own, with every request.
    return workspace_of(request)


async def _most_bytes(scope: Scope, most: int) -> int:
    """Return how large the body of a request may be: files are taken on few paths, from those who may send them."""
    needs = _TAKE_FILES.get(str(scope["path"]).removeprefix(scope.get("root_path", "")))
    if needs is None:
        return min(most, FORM_BYTES)
    try:
        person = await _person_behind(Request(scope))
    except AbkitError:
        person = None  # the route says that the store does not answer
    return most if person is not None and person.can(needs) else min(most, FORM_BYTES)


async def _person_behind(request: Request) -> Person | None:
    # A thread costs a wait for the others that compute: only what asks the store takes one.
    if (person := at_this_machine(request, local=request.app.state.local)) is not None:
        return person
    served = workspace_of(request)
    return await run_in_threadpool(
        person_behind, request, served.store, served.settings.web, local=request.app.state.local
    )


async def _form(request: Request) -> Any:
    kind = request.headers.get("content-type", "")
    is_form = kind.startswith(("application/x-www-form-urlencoded", "multipart/form-data"))
    return await request.form() if is_form else {}


Viewer = Annotated[Person, Depends(allowed(Permission.VIEW))]
Labeler = Annotated[Person, Depends(allowed(Permission.LABEL))]
Reviewer = Annotated[Person, Depends(allowed(Permission.REVIEW))]
Operator = Annotated[Person, Depends(allowed(Permission.OPERATE))]
Administrator = Annotated[Person, Depends(allowed(Permission.ADMINISTER))]
Served = Annotated[Workspace, Depends(_served)]
