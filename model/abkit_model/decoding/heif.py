"""HEIC and HEIF, as phones save photographs: read with the extra `heic`."""

from __future__ import annotations

import threading
from io import BytesIO

from PIL import Image

from abkit_model.errors import KindNotRead

MISSING = "a HEIC image is read with an extra: pip install 'abkit[heic]', or save it as JPEG"
_lock = threading.Lock()


def open_header(data: bytes) -> Image.Image:
    """Open a HEIC or HEIF image without decoding it.

    Raises:
        KindNotRead: The extra `heic` is not installed.
        Exception: Whatever the parser raises at a damaged file.
    """
    try:
        import pi_heif
    except ImportError as error:
        raise KindNotRead(MISSING) from error
    with _lock:
        if "HEIF" not in Image.OPEN:
            pi_heif.register_heif_opener()
    return Image.open(BytesIO(data), formats=["HEIF"])


def media_type(data: bytes) -> str:
    """Return the media type of a HEIF container by its major brand."""
    return "image/heic" if data[8:12].startswith((b"hei", b"hev")) else "image/heif"
