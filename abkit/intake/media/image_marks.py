"""Marks of origin in an image file: a C2PA manifest, and the word that a model made the image. Found, not verified."""

from __future__ import annotations

import re
import zlib
from dataclasses import dataclass

from abkit.intake.media.containers import parts

# The box in which AVIF, HEIC and films keep a manifest.
_C2PA_BOX = bytes.fromhex("d8fec3d61b0e483c92975828877ec481")
# TIFF keeps it under a tag of its own.
_C2PA_TAG = 0xCD41
# Terms of IPTC's vocabulary of digital source types: made, or partly made, by a trained model.
_AI_TERM = re.compile(rb"trainedAlgorithmicMedia|compositeSynthetic", re.IGNORECASE)
_XMP_STARTS, _XMP_ENDS = (b"<x:xmpmeta", b"<rdf:RDF"), (b"</x:xmpmeta", b"</rdf:RDF")
_MOST_PACKETS = 16
_MOST_UNPACKED = 1 << 22
_LONGEST_SCAN = 1 << 26


@dataclass(frozen=True, kw_only=True)
class Marks:
    """What a file carries.

    Attributes:
        c2pa: Whether there is a C2PA manifest. Its signature is not verified.
        ai: Whether XMP or the manifest names a trained model as the source (IPTC DigitalSourceType).
    """

    c2pa: bool
    ai: bool


def marks_of(data: bytes) -> Marks:
    """Return the marks in the bytes of an image or a film.

    >>> marks_of(b"GIF89a")
    Marks(c2pa=False, ai=False)
    """
    manifests, texts = [], []
    for name, content in parts(data):
        if _is_manifest(name, content):
            manifests.append(content)
        elif text := _xmp(name, content):
            texts.append(text)
    if data[4:8] == b"ftyp" or data[:4] in (b"II*\0", b"MM\0*"):  # XMP lies anywhere in these
        texts += _packets(data[:_LONGEST_SCAN])
    in_tiff = data[:4] in (b"II*\0", b"MM\0*") and _has_tag(data)
    return Marks(c2pa=bool(manifests) or in_tiff, ai=any(_AI_TERM.search(text) for text in (*texts, *manifests)))


def _is_manifest(name: str, content: bytes) -> bool:
    if name == "APP11":  # of JPEG: several segments, the first of which has the labels
        return content.startswith(b"JP") and b"c2pa" in content
    if name == "uuid":
        return content.startswith(_C2PA_BOX)
    return name in ("caBX", "C2PA") or (name == "application" and content.startswith(b"C2PA_GIF"))


def _xmp(name: str, content: bytes) -> bytes:
    if name == "APP1" and content.startswith(b"http://ns.adobe.com/x"):
        return content
    if name == "APP11":  # what follows the first segment of a manifest
        return content if content.startswith(b"JP") else b""
    if name == "iTXt" and content.startswith(b"XML:com.adobe.xmp\0"):
        return _international_text(content[18:])
    if name == "XMP " or (name == "application" and content.startswith(b"XMP Data")):
        return content
    return b""


def _packets(data: bytes) -> list[bytes]:
    """Return what lies between the tags of XMP, wherever that is in a file."""
    found = []
    for start, end in zip(_XMP_STARTS, _XMP_ENDS, strict=True):
        place = 0
        for _ in range(_MOST_PACKETS):
            opened = data.find(start, place)
            closed = data.find(end, opened) if opened >= 0 else -1
            if closed < 0:
                break
            found.append(data[opened:closed])
            place = closed
    return found


def _international_text(content: bytes) -> bytes:
    """Return the text of a PNG's iTXt chunk behind its keyword, unpacked up to a limit."""
    packed, _, rest = content[:1] == b"\1", content[:2], content[2:]
    text = rest.split(b"\0", 2)[-1]
    if not packed:
        return text
    try:
        return zlib.decompressobj().decompress(text, _MOST_UNPACKED)
    except zlib.error:
        return b""


def _has_tag(data: bytes) -> bool:
    order = "little" if data[:2] == b"II" else "big"
    start = int.from_bytes(data[4:8], order)  # type: ignore[arg-type]
    count = int.from_bytes(data[start : start + 2], order)  # type: ignore[arg-type]
    tags = (data[place : place + 2] for place in range(start + 2, start + 2 + 12 * count, 12))
    return any(int.from_bytes(tag, order) == _C2PA_TAG for tag in tags if tag)  # type: ignore[arg-type]
