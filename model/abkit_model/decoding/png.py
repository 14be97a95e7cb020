"""A PNG before it is decoded: what its chunks say about damage and colors, without those that a decoder would refuse.

Decoders do not look at the checksums of pixels: a damaged PNG would be an image with other pixels.
"""

from __future__ import annotations

import zlib

from abkit_model.errors import ImageRejected

_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_MATTERS = (b"IHDR", b"PLTE", b"IDAT", b"tRNS")
_HUNDRED_THOUSAND, _SCREEN = 100_000, 2.2
#: A gamma as near to that of a screen as this changes nothing that can be seen; browsers take it so too.
_SAME_GAMMA = 0.05
#: Primaries and curve of sRGB, and of HD video, which has the same primaries and nearly the same curve.
_SRGB = {(1, 13), (1, 1), (1, 6)}
#: Pillow refuses a text that is longer once it is decompressed, and the whole image with it.
_LONGEST_TEXT = 2**20
_ALL_TEXTS = 8 * 2**20
#: Profiles of printers' inks are larger; a PNG has none of these.
_LONGEST_PROFILE = 2**20


def without_oversized_chunks(data: bytes) -> tuple[bytes, tuple[str, ...]]:
    """Drop texts (XMP, comments) and color profiles that are too large or damaged; the pixels stay as they are.

    Returns:
        The bytes of the file, the very same where nothing was dropped; and what a reader has to be told.

    Raises:
        ImageRejected: A chunk that pixels depend on does not have its checksum.
    """
    if not data.startswith(_SIGNATURE):
        return data, ()
    kept: list[memoryview] = [memoryview(data)[: len(_SIGNATURE)]]
    notes: list[str] = []
    place, texts, dropped = len(_SIGNATURE), 0, False
    colors: dict[bytes, bytes] = {}
    while place + 12 <= len(data):
        size = int.from_bytes(data[place : place + 4], "big")
        kind = data[place + 4 : place + 8]
        end = place + 12 + size
        body = memoryview(data)[place + 8 : end - 4]
        keep = True
        if kind in _MATTERS and end <= len(data) and _is_damaged(data, place, end):
            raise ImageRejected("the PNG image is damaged: export or download it once more")
        if kind in (b"gAMA", b"cICP", b"sRGB"):
            colors[kind] = bytes(body[:8])
        if kind in (b"tEXt", b"zTXt", b"iTXt"):
            length = _text_length(kind, body)
            keep = length <= _LONGEST_TEXT and texts + length <= _ALL_TEXTS
            texts += length if keep else 0
        elif kind == b"iCCP":
            keep = _profile_is_whole(body)
            colors |= {kind: b""} if keep else {}
            notes += () if keep else ("the color profile is damaged and was ignored",)
        if keep:
            kept.append(memoryview(data)[place:end])
        dropped |= not keep
        place = end
    notes += _not_followed(colors)
    if not dropped:
        return data, tuple(notes)
    kept.append(memoryview(data)[place:])
    return b"".join(kept), tuple(notes)


def _is_damaged(data: bytes, place: int, end: int) -> bool:
    return zlib.crc32(memoryview(data)[place + 4 : end - 4]) != int.from_bytes(data[end - 4 : end], "big")


def _not_followed(colors: dict[bytes, bytes]) -> list[str]:
    """Say what the file says about its colors where pixels are read as they are stored."""
    space = colors.get(b"cICP", b"")
    if len(space) >= 2 and (space[0], space[1]) not in _SRGB:
        return [f"the color space of the PNG (cICP {space[0]}, {space[1]}) was not followed: screens show other colors"]
    gamma = int.from_bytes(colors.get(b"gAMA", b"")[:4], "big") / _HUNDRED_THOUSAND
    if gamma and not colors.keys() & {b"sRGB", b"iCCP", b"cICP"} and abs(gamma * _SCREEN - 1) > _SAME_GAMMA:
        return [f"the gamma of the PNG ({gamma:g}) was not followed: browsers show it lighter or darker"]
    return []


def _text_length(kind: bytes, body: memoryview) -> int:
    """Return how many bytes of text a chunk has, decompressed; a number beyond the limit where it cannot be known."""
    if kind == b"tEXt" or len(body) > _LONGEST_TEXT:
        return len(body)
    head, _, rest = bytes(body).partition(b"\0")
    if kind == b"iTXt":
        if rest[:1] != b"\x01":
            return len(body)
        rest = rest[2:].partition(b"\0")[2].partition(b"\0")[2]
    else:
        rest = rest[1:]
    text = _decompressed(rest, _LONGEST_TEXT + 1)
    return _LONGEST_TEXT + 1 if text is None else len(head) + len(text)


def _profile_is_whole(body: memoryview) -> bool:
    if len(body) > _LONGEST_PROFILE:
        return False
    profile = _decompressed(bytes(body).partition(b"\0")[2][1:], _LONGEST_PROFILE)
    return profile is not None and len(profile) < _LONGEST_PROFILE


def _decompressed(data: bytes, most: int) -> bytes | None:
    try:
        return zlib.decompressobj().decompress(data, most)
    except zlib.error:
        return None
