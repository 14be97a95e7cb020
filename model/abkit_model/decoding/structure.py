"""What decoding a file would take, read from its structure before a decoder sees it: scans, frames and directories.

A few bytes can make a decoder pass over all pixels once more, read the same data thousands of times, or count for
hours. Sizes in pixels are no help there: they are what the header says.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Iterator

from abkit_model.errors import ImageRejected
from abkit_model.limits import MAX_FRAMES, MAX_SCANNED_PIXELS, MAX_SCANS

_NEXT_MARKER = re.compile(rb"\xff[^\x00\xd0-\xd7\xff]", re.DOTALL)  # in coded pixels FF is followed by 00 or a restart
_START_OF_SCAN = 0xDA
_STANDALONE = frozenset({0x01, 0xD8, *range(0xD0, 0xD8)})
# Bytes of one value by type: of TIFF 6.0, and the three of BigTIFF.
_VALUE_BYTES = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 6: 1, 7: 1, 8: 2, 9: 4, 10: 8, 11: 4, 12: 8, 13: 4, 16: 8, 17: 8, 18: 8}
_FREE_VALUES = 1 << 20
_TAGS_AT_ONCE = 4
_RESAVE = "open it in an image program and save it again"


def refuse_costly(data: bytes) -> None:
    """Refuse a file whose frames or directories would keep a decoder busy, whatever the size of its image.

    Raises:
        ImageRejected: A GIF or TIFF has too many frames or pages, or a TIFF names the same data again and again.
    """
    if data[:4] == b"GIF8" and _more_than(_gif_frames(data), MAX_FRAMES):
        raise ImageRejected(f"the animation has more than {MAX_FRAMES:,} frames: shorten it")
    if data[:2] in (b"II", b"MM"):
        refuse_repeated_values(data)


def refuse_scans(data: bytes, width: int, height: int) -> None:
    """Refuse a JPEG that passes over its pixels so often that decoding takes long.

    Args:
        data: The file.
        width: Its width in pixels, as stored.
        height: Its height.

    Raises:
        ImageRejected: It has too many scans, or too many for its size.
    """
    most = min(MAX_SCANS, MAX_SCANNED_PIXELS // max(1, width * height))
    if _more_than(_scans(data), most):
        raise ImageRejected(f"the JPEG has more than {most} scans, too many for {width}×{height} pixels: {_RESAVE}")


def refuse_repeated_values(data: bytes) -> None:
    """Refuse a TIFF, or the Exif of another image, whose tags hold far more than the file does.

    Raises:
        ImageRejected: The tags of its directories point to the same data again and again, or it has too many pages.
    """
    taken = 0
    for pages, size in enumerate(_directories(data), 1):
        taken += size
        if pages > MAX_FRAMES:
            raise ImageRejected(f"the file has more than {MAX_FRAMES:,} pages: save the one that is meant")
        if taken > _FREE_VALUES + _TAGS_AT_ONCE * len(data):
            raise ImageRejected(f"the tags of the image hold more than the file does: {_RESAVE}")


def _more_than(items: Iterator[None], most: int) -> bool:
    return any(number > most for number, _ in enumerate(items, 1))


def _scans(data: bytes) -> Iterator[None]:
    place = 2
    while place + 2 <= len(data):
        found = _NEXT_MARKER.search(data, place)
        if found is None:
            return
        marker, place = found.group()[1], found.end()
        if marker == 0xD9:  # the end; another image may follow, which is not decoded
            return
        if marker in _STANDALONE:
            continue
        if marker == _START_OF_SCAN:
            yield None
        place += max(2, int.from_bytes(data[place : place + 2], "big"))


def _gif_frames(data: bytes) -> Iterator[None]:
    place = 13 + _color_table(data[10:11])
    while place < len(data):
        kind = data[place]
        if kind == 0x2C:
            yield None
            place += 10 + _color_table(data[place + 9 : place + 10]) + 1
        elif kind == 0x21:
            place += 2
        else:  # the end, or stray bytes, which decoders skip one by one
            place += 1
            continue
        while place < len(data) and data[place]:
            place += 1 + data[place]
        place += 1


def _color_table(flags: bytes) -> int:
    return 3 * 2 ** ((flags[0] & 7) + 1) if flags and flags[0] & 0x80 else 0


def _directories(data: bytes) -> Iterator[int]:
    """Yield for each directory of a TIFF how many bytes its tags hold, as a reader would load them."""
    order = "<" if data[:2] == b"II" else ">"
    big = data[2:4] in (b"\x2b\x00", b"\x00\x2b")
    entry, count_of, offset_of, inside = (20, "Q", "Q", 8) if big else (12, "H", "I", 4)
    try:
        (place,) = struct.unpack_from(order + offset_of, data, 8 if big else 4)
        seen: set[int] = set()
        while place and place not in seen:
            seen.add(place)
            (count,) = struct.unpack_from(order + count_of, data, place)
            place += struct.calcsize(order + count_of)
            whole = min(count, max(0, (len(data) - place) // entry))
            size = 0
            for start in range(place, place + whole * entry, entry):
                kind, number = struct.unpack_from(f"{order}2xH{'Q' if big else 'I'}", data, start)
                held = _VALUE_BYTES.get(kind, 0) * number
                size += min(held, len(data)) if held > inside else 0
            yield size
            (place,) = struct.unpack_from(order + offset_of, data, place + count * entry)
    except struct.error:  # cut off: decoders say so
        return
