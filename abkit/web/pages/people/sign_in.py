"""Signing in and out: the only page that everybody may see."""

from __future__ import annotations

from asyncio import sleep
from datetime import UTC, datetime, timedelta
from typing import Annotated

from fastapi import APIRouter, Depends, Form, Request
from starlette.concurrency import run_in_threadpool
from starlette.responses import HTMLResponse, RedirectResponse, Response

from abkit.store import people
from abkit.web.access.audit import record
from abkit.web.access.guard import Served, Viewer, known_person, require_own_form, slow_down
from abkit.web.access.identity import cookie_of, guest_of, keep_cookie, new_cookie
from abkit.web.access.people import Person
from abkit.web.rendering import link, page
from abkit.workflows.upkeep.people import password_fits
from abkit.workspace import Workspace

router = APIRouter()
#: What a try takes, one after the other, where a name has had too many from everywhere.
SLOW_SECONDS = 1.0
Anyone = Annotated[Person | None, Depends(known_person)]


@router.get("/sign-in", name="sign_in")
def sign_in(request: Request, person: Anyone, to: str = "/") -> Response:
    """Show the form."""
    if person is not None:
        return RedirectResponse(_inside(request, to), 303)
    return page(request, "sign_in.html.j2", to=to, name="", problem="")


@router.post("/sign-in", name="sign_in_now", dependencies=[Depends(known_person), Depends(require_own_form)])
async def sign_in_now(
    request: Request,
    served: Served,
    name: Annotated[str, Form(max_length=100)],
    password: Annotated[str, Form(max_length=1000)],
    to: Annotated[str, Form(max_length=2000)] = "/",
) -> Response:
    """Sign somebody in. To wait for a turn takes no thread, so a flood of tries leaves them to the other pages."""
    state, guest, called = request.app.state, guest_of(request), name.strip()
    slow_down(state.sign_ins, guest)
    known = state.signed_in_from.has(called, guest)
    failures = -1 if known else state.wrong_passwords.of(guest)
    if not known and state.sign_ins_as_one.wait(f"name {called}"):
        async with state.slow_sign_ins.turn(failures):
            await sleep(SLOW_SECONDS)
    number, hashed = await run_in_threadpool(_password_of, served, called)
    async with state.hashing_sign_ins.turn(failures):
        fits = await run_in_threadpool(password_fits, password, hashed)
    if not fits:
        state.wrong_passwords.note(guest)
        return await run_in_threadpool(_again, request, to, name)
    state.signed_in_from.note(called, guest)
    return await run_in_threadpool(_let_in, request, served, number, called, to)


def _password_of(served: Workspace, name: str) -> tuple[int, str | None]:
    with served.store.read() as session:
        found = people.find_person(session, name)
        return (found.id, found.password) if found else (0, None)


def _let_in(request: Request, served: Workspace, number: int, name: str, to: str) -> Response:
    """Open the page that was asked for, with a new cookie, so that nobody can have put one there before."""
    cookie, now = new_cookie(), datetime.now(UTC)
    with served.store.write() as session:
        idle = timedelta(hours=served.settings.web.session_hours)
        people.add_sign_in(session, number, people.digest_of(cookie), now, idle)
        people.add_audit(session, name, "sign in", "", now)
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
