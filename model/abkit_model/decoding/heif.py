"""HEIC and HEIF, as phones save photographs: read with the extra `heic`."""

from __future__ import annotations

import threading
from io import BytesIO

from PIL import Image

from abkit_model.errors import KindNotRead

MISSING = "a HEIC image is read with an extra: pip install 'abkit[heic]', or save it as JPEG"
#: Color primaries and curves by their numbers in ITU-T H.273: what is wider than sRGB, and what is HDR.
_WIDER = {9: "Rec. 2020", 11: "DCI-P3", 12: "Display P3"}
_HDR = {16, 18}
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


def notes(image: Image.Image) -> tuple[str, ...]:
    """Return the remarks about an opened HEIF: images beside the main one, colors that no profile describes."""
    said = []
    if (count := int(getattr(image, "n_frames", 1) or 1)) > 1:
        said.append(f"{count} images in one file: the main one was scored")
    colors = image.info.get("nclx_profile")
    if isinstance(colors, dict) and not image.info.get("icc_profile"):
        kinds = [_WIDER.get(colors.get("color_primaries", 2), "")]
        # Its name has changed between releases of the library.
        curve = colors.get("transfer_characteristics", colors.get("transfer_characteristic"))
        kinds.append("HDR" if curve in _HDR else "")
        if kind := ", ".join(name for name in kinds if name):
            said.append(f"colors of another range than sRGB ({kind}) are taken for sRGB")
    return tuple(said)
