"""The parts that image files are made of, read from their bytes without decoding any pixel."""

from __future__ import annotations

from collections.abc import Iterator

_PNG = b"\x89PNG\r\n\x1a\n"
# Files have some dozens of parts, and long animations thousands; beyond this nobody means well.
_MOST_PARTS = 200_000


def parts(data: bytes) -> Iterator[tuple[str, bytes]]:
    """Yield name and content of the parts before and between the pixels of a JPEG, PNG, GIF, WebP, AVIF, HEIC or MP4.

    JPEG segments are named by their marker ("APP11"), PNG chunks and WebP chunks by their four letters, GIF extensions
    "control" and "application", boxes of AVIF, HEIC and films by their four letters. A file that is cut off ends the
    list, and a file of another kind has no parts; nothing is raised.

    >>> [name for name, _ in parts(b"RIFF\\x10\\0\\0\\0WEBPXMP \\x04\\0\\0\\0<a/>")]
    ['XMP ']
    """
    if data.startswith(b"\xff\xd8"):
        yield from _jpeg(data)
    elif data.startswith(_PNG):
        yield from _png(data)
    elif data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        yield from _riff(data, 12)
    elif data[:4] == b"GIF8":
        yield from _gif(data)
    elif data[4:8] == b"ftyp":
        yield from _boxes(data)


def _jpeg(data: bytes) -> Iterator[tuple[str, bytes]]:
    place = 2
    for _ in range(_MOST_PARTS):
        marker = data[place : place + 2]
        if len(marker) < 2 or marker[0] != 0xFF or marker[1] in (0xD9, 0xDA):  # the end, or the pixels
            return
        if marker[1] == 0xFF:  # a fill byte
            place += 1
            continue
        length = int.from_bytes(data[place + 2 : place + 4], "big")
        if length < 2:
            return
        name = f"APP{marker[1] - 0xE0}" if 0xE0 <= marker[1] <= 0xEF else f"{marker[1]:02X}"
        yield name, data[place + 4 : place + 2 + length]
        place += 2 + length


def _png(data: bytes) -> Iterator[tuple[str, bytes]]:
    place = len(_PNG)
    for _ in range(_MOST_PARTS):
        if place + 12 > len(data):
            return
        length = int.from_bytes(data[place : place + 4], "big")
        yield data[place + 4 : place + 8].decode("latin-1"), data[place + 8 : place + 8 + length]
        place += 12 + length


def _riff(data: bytes, place: int) -> Iterator[tuple[str, bytes]]:
    for _ in range(_MOST_PARTS):
        if place + 8 > len(data):
            return
        length = int.from_bytes(data[place + 4 : place + 8], "little")
        yield data[place : place + 4].decode("latin-1"), data[place + 8 : place + 8 + length]
        place += 8 + length + length % 2


def _gif(data: bytes) -> Iterator[tuple[str, bytes]]:
    place = 13 + _color_table(data[10:11])
    for _ in range(_MOST_PARTS):
        kind = data[place : place + 1]
        if kind == b"!":
            label = data[place + 1 : place + 2]
            content, place = _sub_blocks(data, place + 2)
            name = {b"\xf9": "control", b"\xff": "application"}.get(label, "extension")
            yield name, content
        elif kind == b",":
            place += 10 + _color_table(data[place + 9 : place + 10]) + 1
            _, place = _sub_blocks(data, place, keep=False)
            yield "image", b""
        else:
            return


def _color_table(flags: bytes) -> int:
    return 3 * 2 ** ((flags[0] & 7) + 1) if flags and flags[0] & 0x80 else 0


def _sub_blocks(data: bytes, place: int, keep: bool = True) -> tuple[bytes, int]:
    found = bytearray()
    while place < len(data) and (length := data[place]):
        if keep:
            found += data[place + 1 : place + 1 + length]
        place += 1 + length
    return bytes(found), place + 1


def _boxes(data: bytes) -> Iterator[tuple[str, bytes]]:
    place = 0
    for _ in range(_MOST_PARTS):
        if place + 8 > len(data):
            return
        length, head = int.from_bytes(data[place : place + 4], "big"), 8
        if length == 1:
            length, head = int.from_bytes(data[place + 8 : place + 16], "big"), 16
        end = place + length if length else len(data)
        if end < place + head:
            return
        yield data[place + 4 : place + 8].decode("latin-1"), data[place + head : end]
        place = end
