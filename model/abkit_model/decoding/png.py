"""A PNG without the chunks that do not matter to its pixels and that a decoder would refuse."""

from __future__ import annotations

import zlib

_SIGNATURE = b"\x89PNG\r\n\x1a\n"
#: Pillow refuses a text that is longer once it is decompressed, and the whole image with it.
_LONGEST_TEXT = 2**20
_ALL_TEXTS = 8 * 2**20
#: Profiles of printers' inks are larger; a PNG has none of these.
_LONGEST_PROFILE = 2**20


def without_oversized_chunks(data: bytes) -> tuple[bytes, tuple[str, ...]]:
    """Drop texts (XMP, comments) and color profiles that are too large or damaged; the pixels stay as they are.

    Returns:
        The bytes of the file, the very same where nothing was dropped; and what a reader has to be told.
    """
    if not data.startswith(_SIGNATURE):
        return data, ()
    kept: list[memoryview] = [memoryview(data)[: len(_SIGNATURE)]]
    notes: list[str] = []
    place, texts, dropped = len(_SIGNATURE), 0, False
    while place + 12 <= len(data):
        size = int.from_bytes(data[place : place + 4], "big")
        kind = data[place + 4 : place + 8]
        end = place + 12 + size
        body = memoryview(data)[place + 8 : end - 4]
        keep = True
        if kind in (b"tEXt", b"zTXt", b"iTXt"):
            length = _text_length(kind, body)
            keep = length <= _LONGEST_TEXT and texts + length <= _ALL_TEXTS
            texts += length if keep else 0
        elif kind == b"iCCP" and not _profile_is_whole(body):
            keep = False
            notes.append("the color profile is damaged and was ignored")
        if keep:
            kept.append(memoryview(data)[place:end])
        dropped |= not keep
        place = end
    if not dropped:
        return data, ()
    kept.append(memoryview(data)[place:])
    return b"".join(kept), tuple(notes)


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
