"""Signing in and out: the only page that everybody may see."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta
from typing import Annotated

from fastapi import APIRouter, Depends, Form, Request
from starlette.responses import HTMLResponse, RedirectResponse, Response

from abkit.store import people
from abkit.web.access.audit import record
from abkit.web.access.guard import Served, Viewer, known_person, require_own_form, slow_down
from abkit.web.access.identity import cookie_of, guest_of, keep_cookie, new_cookie
from abkit.web.access.people import Person
from abkit.web.rendering import link, page
from abkit.workflows.people import password_fits

router = APIRouter()
#: What a try takes where a name has had too many from everywhere.
SLOW_SECONDS = 2.0
Anyone = Annotated[Person | None, Depends(known_person)]


@router.get("/sign-in", name="sign_in")
def sign_in(request: Request, person: Anyone, to: str = "/") -> Response:
    """Show the form."""
    if person is not None:
        return RedirectResponse(_inside(request, to), 303)
    return page(request, "sign_in.html.j2", to=to, name="", problem="")


@router.post("/sign-in", name="sign_in_now", dependencies=[Depends(known_person), Depends(require_own_form)])
def sign_in_now(
    request: Request,
    served: Served,
    name: Annotated[str, Form(max_length=100)],
    password: Annotated[str, Form(max_length=1000)],
    to: Annotated[str, Form(max_length=2000)] = "/",
) -> Response:
    """Sign somebody in: with a new cookie, so that nobody can have put one there before."""
    state, guest = request.app.state, guest_of(request)
    slow_down(state.sign_ins, guest)
    if not state.signed_in_from.has(name.strip(), guest) and state.sign_ins_as_one.wait(f"name {name.strip()}"):
        with state.slow_sign_ins:
            time.sleep(SLOW_SECONDS)
    with served.store.read() as session:
        found = people.find_person(session, name.strip())
        number, hashed = (found.id, found.password) if found else (0, None)
    with state.hashing:
        fits = password_fits(password, hashed)
    if not fits:
        return _again(request, to, name)
    state.signed_in_from.note(name.strip(), guest)
    cookie, now = new_cookie(), datetime.now(UTC)
    with served.store.write() as session:
        idle = timedelta(hours=served.settings.web.session_hours)
        people.add_sign_in(session, number, people.digest_of(cookie), now, idle)
        people.add_audit(session, name.strip(), "sign in", "", now)
    answer = RedirectResponse(_inside(request, to), 303)
    keep_cookie(request, answer, cookie)
    return answer


@router.post("/sign-out", name="sign_out")
def sign_out(request: Request, served: Served, person: Viewer) -> Response:
    """Sign this browser out."""
    with served.store.write() as session:
        people.end_sign_in(session, people.digest_of(cookie_of(request)))
    record(served, person, "sign out")
    answer = RedirectResponse(link(request, "sign_in"), 303)
    keep_cookie(request, answer, new_cookie())
    return answer


def _again(request: Request, to: str, name: str) -> HTMLResponse:
    problem = "This name and password do not belong together."
    return page(request, "sign_in.html.j2", status=401, to=to, name=name, problem=problem)


def _inside(request: Request, to: str) -> str:
    """Return a path of ours; anything that could lead elsewhere leads to the overview."""
    ours = to.startswith("/") and not to.startswith(("//", "/\\")) and to.isprintable() and "\\" not in to
    return f"{request.scope.get('root_path', '')}{to if ours else '/'}"
