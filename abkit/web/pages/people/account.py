"""The account: one's own password and tokens."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Form, Request
from starlette.responses import RedirectResponse, Response

from abkit.errors import AbkitError, UsageError
from abkit.store import people as stored
from abkit.vocabulary import Permission
from abkit.web.access.audit import record
from abkit.web.access.guard import Served, Viewer, slow_down
from abkit.web.access.people import MEANINGS, Person
from abkit.web.numbers import Id
from abkit.web.rendering import link, page
from abkit.workflows.upkeep import people
from abkit.workspace import Workspace

router = APIRouter()


@router.get("/account", name="account")
def account(request: Request, served: Served, person: Viewer) -> Response:
    """Show one's own account."""
    return _show(request, served, person)


@router.post("/account/password", name="change_password")
def change_password(
    request: Request,
    served: Served,
    person: Viewer,
    old: Annotated[str, Form(max_length=1000)],
    new: Annotated[str, Form(max_length=1000)],
) -> Response:
    """Change one's own password; every browser is signed out."""
    _of_browsers_only(person)
    # Somebody else may sit down at a browser that is signed in, and does not have its password.
    slow_down(request.app.state.sign_ins, f"password of {person.name}")
    with served.store.read() as session:
        found = stored.find_person(session, person.name)
        hashed = found.password if found else None
    with request.app.state.hashing:
        fits = people.password_fits(old, hashed)
    if not fits:
        return _show(request, served, person, problem="The old password is another one.")
    try:
        with request.app.state.hashing:
            people.set_password(served.store, person.name, new)
    except AbkitError as error:
        return _show(request, served, person, problem=f"{error.message}: {error.hint}")
    record(served, person, "change password")
    return RedirectResponse(link(request, "sign_in"), 303)


@router.post("/account/tokens", name="create_token")
def create_token(
    request: Request,
    served: Served,
    person: Viewer,
    label: Annotated[str, Form(max_length=100)],
    scopes: Annotated[list[str], Form()],
    days: Annotated[int, Form(ge=1, le=people.MAX_TOKEN_DAYS)] = 90,
) -> Response:
    """Make a token for a program, and show it once."""
    _of_browsers_only(person)
    made = people.create_token(served.store, person.name, label=label, scopes=scopes, days=days)
    record(served, person, "create token", f"{made.id} ({label})")
    return _show(request, served, person, token=made.secret)


@router.post("/account/tokens/{number}/revoke", name="revoke_token")
def revoke_token(request: Request, served: Served, person: Viewer, number: Id) -> Response:
    """Take one's own token back."""
    _of_browsers_only(person)
    people.revoke_token(served.store, number, person.name)
    record(served, person, "revoke token", str(number))
    return RedirectResponse(link(request, "account"), 303)


def _show(request: Request, served: Workspace, person: Person, *, problem: str = "", token: str = "") -> Response:
    return page(
        request,
        "account.html.j2",
        status=422 if problem else 200,
        tokens=people.list_tokens(served.store, person.name).tokens,
        scopes=[one for one in Permission if one is not Permission.ADMINISTER and person.can(one)],
        max_days=people.MAX_TOKEN_DAYS,
        min_password=people.MIN_PASSWORD,
        meanings=MEANINGS,
        problem=problem,
        token=token,
    )


def _of_browsers_only(person: Person) -> None:
    # A token that leaked must not make further ones.
    if person.only is not None:
        raise UsageError("a token cannot change the account that it belongs to", hint="sign in with a browser")
