"""Style sheets and scripts, which a browser keeps until they change."""

from __future__ import annotations

from fastapi import APIRouter, HTTPException
from starlette.responses import Response

from abkit.web.assets import PLACES, content

router = APIRouter()


@router.get("/static/{name}", name="static")
def static(name: str) -> Response:
    """Serve one of the known files."""
    if name not in PLACES:
        raise HTTPException(404)
    return Response(
        content(name),
        media_type=PLACES[name][2],
        headers={"Cache-Control": "public, max-age=31536000, immutable"},
    )
