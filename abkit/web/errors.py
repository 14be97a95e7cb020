"""Errors for the reader: what was wrong and what to do, as a page, or as problem+json under /api."""

from __future__ import annotations

import logging
import secrets
from http import HTTPStatus
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse, RedirectResponse, Response

from abkit.errors import AbkitError, InvalidInput, StoreError, UsageError
from abkit.redaction import redacted
from abkit.web.access.headers import ALWAYS
from abkit.web.rendering import link, page

_log = logging.getLogger(__name__)
_WORDS = {
    400: "this request cannot be read",
    401: "sign in first",
    403: "you may not do this",
    404: "there is no such page",
    405: "this page does not take such a request",
    408: "the request took too long",
    413: "this is too large",
    429: "too many requests: wait a moment",
}


class NotThere(AbkitError):
    """What the address names is not in the store: a page answers 404."""


def install(app: FastAPI) -> None:
    """Answer every error with a sentence; a traceback goes to the log and nowhere else."""

    @app.exception_handler(AbkitError)
    def told(request: Request, error: AbkitError) -> Response:
        return answer(request, _status(error), redacted(error.message), redacted(error.hint or ""))

    @app.exception_handler(HTTPException)
    def refused(request: Request, error: HTTPException) -> Response:
        if error.status_code == 401 and request.method == "GET" and not _is_api(request):
            return RedirectResponse(link(request, "sign_in", query={"to": _here(request)}), 303)
        ours = error.detail and error.detail != HTTPStatus(error.status_code).phrase
        said = error.detail if ours else _WORDS.get(error.status_code, "there is no answer to this")
        return answer(request, error.status_code, said, headers=dict(error.headers or {}))

    @app.exception_handler(RequestValidationError)
    def misread(request: Request, error: RequestValidationError) -> Response:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"][1:])
        said = "this is not a valid value" if "pattern" in first["type"] else first["msg"].lower()
        return answer(request, 422, f"{where or 'the request'}: {said}")

    @app.exception_handler(Exception)
    def failed(request: Request, error: Exception) -> Response:
        number = secrets.token_hex(4)
        _log.error("request %s %s failed (%s)", request.method, request.url.path, number, exc_info=error)
        hint = f"its traceback is in the server's log under {number}"
        return answer(request, 500, "this looks like a bug in abkit", hint, headers=ALWAYS)


def answer(
    request: Request, status: int, message: str, hint: str = "", headers: dict[str, str] | None = None
) -> Response:
    """Return an error as a page; as problem+json (RFC 9457) under /api.

    Args:
        request: The request that failed.
        status: HTTP status.
        message: What was wrong, in one sentence.
        hint: What to do about it.
        headers: Further headers of the answer.
    """
    if _is_api(request):
        body: dict[str, Any] = {"type": "about:blank", "title": message, "status": status}
        if hint:
            body["detail"] = hint
        return JSONResponse(body, status_code=status, media_type="application/problem+json", headers=headers)
    by_link = "token" in request.path_params  # who comes by a rater's link has no account
    lost = status in (404, 405, 429)  # which says nothing about who asks
    made = page(request, "error.html.j2", status=status, message=message, hint=hint, by_link=by_link, lost=lost)
    made.headers.update(headers or {})
    return made


def _here(request: Request) -> str | None:
    path = request.url.path.removeprefix(request.scope.get("root_path", ""))
    return f"{path}?{request.url.query}" if request.url.query else path if path != "/" else None


def _is_api(request: Request) -> bool:
    return request.url.path.removeprefix(request.scope.get("root_path", "")).startswith("/api/")


def _status(error: AbkitError) -> int:
    if isinstance(error, NotThere):
        return 404
    if isinstance(error, UsageError):
        return 400
    if isinstance(error, InvalidInput):
        return 422
    return 503 if isinstance(error, StoreError) else 409
