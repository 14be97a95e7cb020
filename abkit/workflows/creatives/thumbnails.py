"""Small images of creatives: of the very content that was scored, made once and kept on disk."""

from __future__ import annotations

import hashlib
import os
import tempfile
import threading
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from abkit.store.catalog.creatives import creative_ids, creative_names
from abkit.store.database.engine import Store

#: Longer edges that thumbnails are made in, in pixels.
SIDES = (96, 240, 320, 640, 1280)
#: All kept thumbnails together; beyond it the oldest go.
MOST_BYTES = 2**30
_NAMES = 5
_PRUNE_EVERY = 256
_QUALITY = 80
# Decoding takes memory: two at a time, whatever the number of requests.
_decoding = threading.BoundedSemaphore(2)


def thumbnail_file(store: Store, cache: Path, sha256: str, side: int) -> Path | None:
    """Return the file of a thumbnail, a JPEG; None where no file has this content any more, or it cannot be read.

    Args:
        store: Where the creative is known; others get no thumbnail.
        cache: Folder of all kept thumbnails.
        sha256: Digest of the content that was scored, 64 hexadecimal digits.
        side: One of `SIDES`.

    Raises:
        ValueError: Another side.
    """
    if side not in SIDES:
        raise ValueError(f"{side} is not a side of thumbnails: {SIDES}")
    kept = cache / sha256[:2] / f"{sha256}-{side}.jpg"
    if kept.is_file():
        return kept
    with store.read() as session:
        creative = creative_ids(session, [sha256]).get(sha256)
        names = [full for full, _ in creative_names(session, [creative]).get(creative, ())] if creative else []
    with _decoding:
        made = _small(names[:_NAMES], sha256, side)
    if made is None:
        return None
    _keep(kept, made)
    return kept


def _small(names: Sequence[str], sha256: str, side: int) -> bytes | None:
    from io import BytesIO

    from abkit.intake.media.images import file_called
    from abkit_model.errors import ImageRejected
    from abkit_model.images import open_creative, read_file

    for name in names:
        if not os.path.isabs(name):
            continue
        try:
            content = read_file(file_called(name))
            if hashlib.sha256(content).hexdigest() != sha256:
                continue
            image = open_creative(content).image
            image.thumbnail((side, side))
            small = BytesIO()
            image.convert("RGB").save(small, "JPEG", quality=_QUALITY, optimize=True)
            return small.getvalue()
        except (ImageRejected, OSError, ValueError):
            continue
    return None


def _keep(path: Path, content: bytes) -> None:
    """Write a file whole or not at all: another request may read it at once."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=path.parent, suffix=".part")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
        os.replace(name, path)
    except BaseException:
        with suppress(OSError):
            os.unlink(name)
        raise
    # One in so many: digests are spread evenly.
    if int(path.name[:4], 16) % _PRUNE_EVERY == 0:
        prune(path.parent.parent)


def prune(cache: Path, most: int = MOST_BYTES) -> int:
    """Delete the oldest thumbnails until all together have at most so many bytes; return how many went."""
    found = []
    for path in cache.glob("??/*.jpg"):
        with suppress(OSError):
            status = path.stat()
            found.append((status.st_mtime, status.st_size, path))
    size, gone = sum(bytes_ for _, bytes_, _ in found), 0
    for _, bytes_, path in sorted(found):
        if size <= most:
            break
        with suppress(OSError):
            path.unlink()
        size, gone = size - bytes_, gone + 1
    return gone
