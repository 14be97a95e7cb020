"""People: who may open the page, what they may do, and what was done."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Form, Request
from starlette.responses import RedirectResponse, Response

from abkit.store import people as stored
from abkit.vocabulary import Role
from abkit.web.access.audit import record
from abkit.web.access.guard import Administrator, Served
from abkit.web.access.people import MEANINGS
from abkit.web.numbers import Before
from abkit.web.rendering import link, page
from abkit.workflows.upkeep import people

router = APIRouter()
Name = Annotated[str, Form(max_length=people.MAX_NAME)]


@router.get("/people", name="people")
def show(request: Request, served: Served, person: Administrator, before: Before = None) -> Response:
    """Show everybody, and the latest changes."""
    with served.store.read() as session:
        audit, older = stored.list_audit(session, before=before)
    return page(
        request,
        "people.html.j2",
        people=people.list_people(served.store).people,
        roles=list(Role),
        meanings=MEANINGS,
        audit=audit,
        older=older,
        min_password=people.MIN_PASSWORD,
        by_proxy=bool(served.settings.web.user_header),
    )


@router.post("/people", name="add_person")
def add(
    request: Request,
    served: Served,
    person: Administrator,
    name: Name,
    role: Annotated[Role, Form()],
    password: Annotated[str, Form(max_length=1000)] = "",
) -> Response:
    """Add a person."""
    with request.app.state.hashing:
        people.add_person(served.store, name, role, password or None)
    record(served, person, "add person", f"{name} as {role}")
    return RedirectResponse(link(request, "people"), 303)


@router.post("/people/role", name="set_role")
def set_role(
    request: Request, served: Served, person: Administrator, name: Name, role: Annotated[Role, Form()]
) -> Response:
    """Change what somebody may do."""
    people.set_role(served.store, name, role)
    record(served, person, "set role", f"{name}: {role}")
    return RedirectResponse(link(request, "people"), 303)


@router.post("/people/remove", name="remove_person")
def remove(request: Request, served: Served, person: Administrator, name: Name) -> Response:
    """Remove a person."""
    people.remove_person(served.store, name)
    record(served, person, "remove person", name)
    return RedirectResponse(link(request, "people"), 303)
