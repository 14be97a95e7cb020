"""Health: whether the page and its store answer."""

from __future__ import annotations

from fastapi import APIRouter
from sqlalchemy import text
from starlette.responses import JSONResponse

from abkit.errors import AbkitError
from abkit.web.access.guard import Served

router = APIRouter()


@router.get("/healthz", name="health")
def health(served: Served) -> JSONResponse:
    """Answer 200 where the store can be read, else 503; nothing else is said to whoever asks."""
    try:
        with served.store.read() as session:
            session.execute(text("SELECT 1"))
    except AbkitError:
        return JSONResponse({"status": "the store does not answer"}, status_code=503)
    return JSONResponse({"status": "ok"})
