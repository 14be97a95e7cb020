"""Small images for a page, embedded in it: only of the very content that was scored."""

from __future__ import annotations

import base64
import hashlib
import io
from pathlib import Path

SIDE = 320
MAX_BYTES = 64 * 2**20


def thumbnail(path: Path, sha256: str, side: int = SIDE, *, quality: int = 80) -> str:
    """Return a WebP as a data URI; "" where the file is gone, unreadable, or has another content by now.

    Args:
        path: A name under which the content came.
        sha256: SHA-256 of the content that was scored, in hex.
        side: Longer edge in pixels, at most.
        quality: Of the WebP, 1 to 100.
    """
    from abkit.intake.media.images import file_called
    from abkit_model.errors import ImageRejected
    from abkit_model.images import open_creative, read_file

    try:
        content = read_file(file_called(str(path)))
        if len(content) > MAX_BYTES or hashlib.sha256(content).hexdigest() != sha256:
            return ""
        image = open_creative(content).image
    except (ImageRejected, OSError, ValueError):
        return ""
    image.thumbnail((side, side))
    small = io.BytesIO()
    image.save(small, "WEBP", quality=quality, method=6)
    return "data:image/webp;base64," + base64.b64encode(small.getvalue()).decode()
