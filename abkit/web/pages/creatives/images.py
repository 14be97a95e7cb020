"""Thumbnails: small JPEGs of creatives, which a browser keeps."""

from __future__ import annotations

from fastapi import APIRouter, HTTPException, Request
from starlette.responses import FileResponse, Response

from abkit.names import is_sha256
from abkit.web.access.guard import Served, Viewer
from abkit.web.numbers import Id
from abkit.workflows.creatives.thumbnails import SIDES, thumbnail_file

router = APIRouter()

_KEEP = {"Cache-Control": "private, max-age=604800"}
# A browser shows it in place of an image, whatever the status.
_NO_FILE = (
    '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 96 96" width="96" height="96">'
    '<rect width="96" height="96" fill="#8b93a7" fill-opacity="0.2"/>'
    '<text x="48" y="52" font-family="sans-serif" font-size="13" text-anchor="middle" fill="#6b7488">no file</text>'
    "</svg>"
)


@router.get("/images/{sha256}/{size}.jpg", name="thumbnail")
def thumbnail(request: Request, sha256: str, size: Id, served: Served, person: Viewer) -> Response:
    """Serve the thumbnail of a creative whose content is still in one of its files."""
    if not is_sha256(sha256) or size not in SIDES:
        raise HTTPException(404)
    sha256 = sha256.lower()
    tag = f'"{sha256[:32]}-{size}"'
    # The address names the content: what a browser has of it is right for ever.
    if tag in request.headers.get("if-none-match", ""):
        return Response(status_code=304, headers=_KEEP | {"ETag": tag})
    found = thumbnail_file(served.store, served.settings.cache_folder / "thumbnails", sha256, size)
    if found is None:
        headers = {"Cache-Control": "private, max-age=60"}
        return Response(_NO_FILE, 404, media_type="image/svg+xml", headers=headers)
    return FileResponse(found, media_type="image/jpeg", headers=_KEEP | {"ETag": tag})
