"""Identity: the person behind a request, by a cookie, a token, or the word of a proxy."""

from __future__ import annotations

import hmac
import ipaddress
import secrets
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from hashlib import sha256

from fastapi import Request
from starlette.responses import Response

from abkit.config import WebSettings
from abkit.errors import StoreError
from abkit.store import people
from abkit.store.database.engine import Store
from abkit.store.database.patience import Patience
from abkit.vocabulary import Permission, Role
from abkit.web.access import rater_links
from abkit.web.access.people import Person

COOKIE = "abkit_session"
_COOKIE_LENGTH = 43
_AT_THIS_MACHINE = Person(name="local", role=Role.ADMIN)
_AT_ONCE = Patience(statement_s=5, lock_s=0.2)


def cookie_of(request: Request) -> str:
    """Return the cookie of a browser, or "" where it has none that we could have made."""
    value = request.cookies.get(COOKIE, "")
    return value if len(value) == _COOKIE_LENGTH and value.isascii() else ""


def new_cookie() -> str:
    """Return a new cookie: 32 random bytes."""
    return secrets.token_urlsafe(32)


def keep_cookie(request: Request, answer: Response, value: str) -> None:
    """Give the browser its cookie: no script reads it, and no page elsewhere sends it with a form."""
    path = request.scope.get("root_path", "") or "/"
    answer.set_cookie(COOKIE, value, path=path, httponly=True, samesite="lax", secure=is_https(request))


def form_code(cookie: str) -> str:
    """Return the code that makes a form ours: only who can read the cookie can make it."""
    return hmac.new(cookie.encode(), b"abkit form", sha256).hexdigest()


def at_this_machine(request: Request, *, local: bool) -> Person | None:
    """Return who makes a request where the store need not be asked: somebody at this machine, without token or link."""
    plain = bearer_of(request) is None and rater_links.COOKIE not in request.cookies
    return _AT_THIS_MACHINE if local and plain else None


def person_behind(request: Request, store: Store, web: WebSettings, *, local: bool) -> Person | None:
    """Return who makes a request, or None where nobody is known.

    Args:
        request: The request.
        store: The store.
        web: The settings of the page.
        local: Only people at this machine reach it.
    """
    if (bearer := bearer_of(request)) is not None:
        return _holder(store, bearer)
    if (rater := rater_links.rater_behind(request, store)) is not None:
        return rater
    if local:
        return _AT_THIS_MACHINE
    if (name := _name_from_proxy(request, web)) is not None:
        with store.read() as session:
            found = people.find_person(session, name)
        return None if found is None else Person(name=found.name, role=Role(found.role))
    cookie = cookie_of(request)
    return _in_browser(store, cookie, timedelta(hours=web.session_hours)) if cookie else None


def bearer_of(request: Request) -> str | None:
    """Return the token that a program sends, or None where it sends none."""
    kind, _, secret = request.headers.get("authorization", "").partition(" ")
    return secret.strip() if kind.lower() == "bearer" else None


def address_of(request: Request) -> str:
    """Return the address of the other end of the connection."""
    return request.client.host if request.client else ""


def guest_of(request: Request) -> str:
    """Return what requests of somebody unknown are counted under: their address, as a proxy of ours says it.

    Of IPv6 it is the network: one address of it stands for all.
    """
    web: WebSettings = request.app.state.workspace.settings.web
    address = address_of(request)
    if address in web.proxies and (web.hosts or web.prefix or web.user_header):
        # Each proxy writes whom it has heard behind what it was told: the last one that is no proxy is no invention.
        passed = ",".join(request.headers.getlist("x-forwarded-for")).split(",")
        said = next((one for text in reversed(passed) if (one := text.strip()) not in web.proxies), "")
        if _is_address(said):
            address = said
    if ":" in address and _is_address(address):
        known = ipaddress.IPv6Address(address)
        address = str(known.ipv4_mapped or ipaddress.IPv6Network((int(known) >> 64 << 64, 64)))
    return f"address {address}"


def _is_address(text: str) -> bool:
    with suppress(ValueError):
        ipaddress.ip_address(text)
        return True
    return False


def is_https(request: Request) -> bool:
    """Whether the browser speaks TLS, to us or to a proxy of ours."""
    if request.url.scheme == "https":
        return True
    served = request.app.state.workspace.settings.web
    return address_of(request) in served.proxies and request.headers.get("x-forwarded-proto", "").lower() == "https"


def _name_from_proxy(request: Request, web: WebSettings) -> str | None:
    # Two of such headers are a trick: one of the proxy, one that it should have taken out.
    if not web.user_header or address_of(request) not in web.proxies:
        return None
    said = request.headers.getlist(web.user_header)
    return said[0].strip() if len(said) == 1 and said[0].strip() else None


def _in_browser(store: Store, cookie: str, idle: timedelta) -> Person | None:
    digest, now = people.digest_of(cookie), datetime.now(UTC)
    with store.read() as session:
        found = people.signed_in(session, digest, now, idle)
    if found is None:
        return None
    known, mark = found
    if mark:
        _mark_seen(store, digest, now)
    return Person(name=known.name, role=Role(known.role))


def _mark_seen(store: Store, digest: str, now: datetime) -> None:
    """Note that somebody is there; while a job holds the store, the next request does: to look, nobody has to wait."""
    with suppress(StoreError), store.with_patience(_AT_ONCE).write() as session:
        people.mark_seen(session, digest, now)


def _holder(store: Store, secret: str) -> Person | None:
    digest, now = people.digest_of(secret), datetime.now(UTC)
    with store.read() as session:
        found = people.holder_of(session, digest, now)
    if found is None:
        return None
    known, mark = found
    if mark:
        _mark_seen(store, digest, now)
    scopes = frozenset(Permission(one) for one in known.scopes or ())
    return Person(name=known.name, role=Role(known.role), only=scopes)
