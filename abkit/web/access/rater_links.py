"""Links of raters: the cookie that a link leaves in a browser, and the person whom it stands for.

The cookie is sent to the pages of labeling alone (its path), and the person may label and nothing else. An unknown, an
expired and a revoked link get the same answer.
"""

from __future__ import annotations

from typing import Final

from fastapi import Request
from starlette.responses import Response

from abkit.store.database.engine import Store
from abkit.store.ratings.links import LiveLink
from abkit.vocabulary import Permission, Role
from abkit.web.access.people import Person
from abkit.workflows.ratings.rater_links import check_token

COOKIE: Final = "abkit_rater"
#: Below it the cookie is sent.
PATH: Final = "/label"


def keep(request: Request, answer: Response, token: str, *, secure: bool) -> None:
    """Leave a token in the browser that has opened its link."""
    answer.set_cookie(COOKIE, token, path=_path(request), httponly=True, samesite="lax", secure=secure)


def drop(request: Request, answer: Response) -> None:
    """Take the token out of the browser again."""
    answer.delete_cookie(COOKIE, path=_path(request), httponly=True, samesite="lax")


def rater_behind(request: Request, store: Store) -> Person | None:
    """Return the rater whose link was opened in this browser; None on other pages, or where it opens nothing now."""
    token = request.cookies.get(COOKIE, "")
    own = request.url.path.removeprefix(request.scope.get("root_path", ""))
    if not token or not (own == PATH or own.startswith(f"{PATH}/")):
        return None
    link = check_token(store, token)
    if link is None:
        return None
    request.state.rater_link = link
    only = frozenset({Permission.LABEL})
    return Person(name=f"rater {link.pseudonym[:8]}", role=Role.RATER, only=only, rater=link.pseudonym)


def link_of(request: Request) -> LiveLink | None:
    """Return the link by which a rater has come; None for somebody who has signed in."""
    found: LiveLink | None = getattr(request.state, "rater_link", None)
    return found


def _path(request: Request) -> str:
    return f"{request.scope.get('root_path', '').rstrip('/')}{PATH}"
