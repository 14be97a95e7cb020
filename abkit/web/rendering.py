"""Fill templates: every page knows who looks at it, its links, and the code that makes a form ours."""

from __future__ import annotations

import re
from typing import Any
from urllib.parse import urlencode

from fastapi import Request
from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup, escape
from starlette.responses import HTMLResponse

from abkit.jobs.cron import in_words
from abkit.records import decimal, percent
from abkit.reporting.tables.table import shown
from abkit.terminal import harmless
from abkit.web.access.identity import keep_cookie
from abkit.web.assets import VERSION
from abkit.web.navigation import navigation


def environment() -> Environment:
    """Return the templates: everything is escaped, and a name that nobody set is an error."""
    made = Environment(
        loader=PackageLoader("abkit.web"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=_readable_text,
    )
    made.filters.update(percent=percent, decimal=decimal, shown=shown, coded=coded, aloud=aloud, in_words=in_words)
    made.globals.update(navigation=navigation)
    return made


def page(request: Request, template: str, *, status: int = 200, **values: Any) -> HTMLResponse:
    """Return a page.

    Args:
        request: The request that it answers; `allowed(…)` has said who makes it.
        template: Name of the template, such as "overview.html.j2".
        status: Status of the answer.
        values: What the template shows, beside `person`, `csrf`, `url` and `here`.
    """
    text = request.app.state.templates.get_template(template).render(
        person=getattr(request.state, "person", None),
        csrf=getattr(request.state, "csrf", ""),
        url=lambda route, **parts: link(request, route, **parts),
        here=request.url.path,
        static_version=VERSION,
        served_locally=request.app.state.local,
        **values,
    )
    made = HTMLResponse(text, status_code=status)
    if cookie := getattr(request.state, "new_cookie", ""):
        keep_cookie(request, made, cookie)
    return made


def link(request: Request, route: str, /, *, query: dict[str, Any] | None = None, **parts: Any) -> str:
    """Return the path of a page under the prefix that a proxy has put before it.

    Args:
        request: The request at hand.
        route: Name of the route.
        query: What follows the "?"; values that are None are left out.
        parts: The parts of the path.
    """
    path = request.scope.get("root_path", "").rstrip("/") + _path(request.app, route, parts)
    asked = {key: value for key, value in (query or {}).items() if value is not None}
    return f"{path}?{urlencode(asked, doseq=True)}" if asked else path


def _path(app: Any, route: str, parts: dict[str, Any]) -> str:
    """Return the path of a route; where it is found is remembered, as a page has hundreds of links."""
    if not hasattr(app.state, "paths"):
        app.state.paths = {}
    known: dict[tuple[str, ...], list[str]] = app.state.paths
    values = [str(value) for value in parts.values()]
    if any("/" in value or not value for value in values):
        return str(app.url_path_for(route, **parts))  # a path may have them, anything else is refused
    key = (route, *parts)
    if key not in known:
        marks = {name: f"\x01{name}\x01" for name in parts}
        known[key] = str(app.url_path_for(route, **marks)).split("\x01")
    pieces = known[key]
    return "".join(str(parts[piece]) if place % 2 else piece for place, piece in enumerate(pieces))


def coded(text: str) -> Markup:
    """Return a sentence with what stands between backticks, such as a command, marked as code.

    >>> coded("run `abkit <drift> check`")
    Markup('run <code>abkit &lt;drift&gt; check</code>')
    """
    safe = str(escape(harmless(text)))
    return Markup(re.sub("`([^`]+)`", r"<code>\1</code>", safe))  # noqa: S704  # escaped the line before


def aloud(note: str) -> str:
    """Return a sentence of a command as a page says it: without the options that the command has for it.

    >>> aloud("an export of Meta Ads: platform is 'meta' (--platform says otherwise)")
    "An export of Meta Ads: platform is 'meta'."
    >>> aloud("spend may be in millionths (--map 'Spend (USD)=')")
    'Spend may be in millionths.'
    """
    said = re.sub(r" \(--(?:[^()]|\([^()]*\))*\)", "", note).removesuffix(" …").removesuffix(".")
    return f"{said[:1].upper()}{said[1:]}."


def _readable_text(value: Any) -> Any:
    # Markup is a str too, and is ours; only plain text may hold what cannot be read.
    return harmless(value) if type(value) is str else value
