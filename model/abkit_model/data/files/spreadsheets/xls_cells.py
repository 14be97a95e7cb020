"""Cells of an old XLS that hold something else than they seem to: errors, formulas without a value, or dressed.

The library that reads the file gives an empty cell for the first two, and the bare number of the last. An XLS is a
small file system with one stream of records: what applies to all sheets, then each sheet. Records that are cut short
or of unknown kinds are passed over: reading the values themselves is the library's business.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from itertools import pairwise
from typing import NamedTuple

from abkit_model.data.files.spreadsheets.cell_formats import (
    ERROR,
    MOST_FAULTS,
    NEVER,
    PERCENT_OF_OLD,
    SeenSheet,
    ShownOtherwise,
    column_letters,
    formats_shown,
)
from abkit_model.errors import TableError

_MAGIC = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
_LAST = 0xFFFFFFFA  # sectors from here on are marks
_BIFF8 = 0x600
# Kinds of records.
_BEGINS, _ENDS, _SHEET, _FORMAT, _XF, _DATES = 0x809, 0x0A, 0x85, 0x41E, 0xE0, 0x22
_ROW, _NUMBER, _RK, _MANY_RK, _FORMULA, _ERROR = 0x208, 0x203, 0x27E, 0xBD, 0x06, 0x205
_TEXTS = (0xFD, 0x204, 0xD6)


class OldBook(NamedTuple):
    """What is said about the sheets, by name, and whether numbers of days are counted from 1904."""

    sheets: dict[str, SeenSheet]
    from_1904: bool


def look_through_old(content: bytes) -> OldBook:
    """Return what is said about the sheets of an XLS; nothing of a file that is none.

    Raises:
        TableError: Too many cells cannot be trusted.
    """
    book = OldBook({}, False)
    stream = _workbook(content) if content.startswith(_MAGIC) else b""
    codes, used, places, from_1904, biff8 = dict(PERCENT_OF_OLD), [], {}, False, True
    for kind, data in _records(stream):
        if kind == _BEGINS and len(data) >= 2:
            biff8 = struct.unpack_from("<H", data)[0] >= _BIFF8
        elif kind == _SHEET and len(data) > 7:
            places[_text(data[6:], 1, biff8)] = struct.unpack_from("<I", data)[0]
        elif kind == _FORMAT and len(data) > 3:
            codes[struct.unpack_from("<H", data)[0]] = _text(data[2:], 2 if biff8 else 1, biff8)
        elif kind == _XF and len(data) >= 4:
            used.append(struct.unpack_from("<H", data, 2)[0])
        elif kind == _DATES and len(data) >= 2:
            from_1904 = data[:2] == b"\1\0"
    formats = formats_shown([codes.get(number, "") for number in used])
    starts = sorted({*places.values(), len(stream)})
    # No sheet reaches into the next: however many begin, each record is read once.
    parts = {begin: stream[begin:end] for begin, end in pairwise(starts)}
    for name, place in places.items():
        book.sheets[name] = _look(parts.pop(place, b""), formats)
    return book._replace(from_1904=from_1904)


def _look(stream: bytes, formats: dict[int, str]) -> SeenSheet:
    found = SeenSheet(shown=ShownOtherwise(formats))
    hidden: set[int] = set()
    filled: set[int] = set()
    for kind, data in _records(stream):
        if kind == _ROW and len(data) >= 14:
            row, flags = struct.unpack_from("<H", data)[0], struct.unpack_from("<H", data, 12)[0]
            hidden |= {row} if flags & 0x20 else set()
            continue
        if len(data) < 6:
            continue
        row, column, style = struct.unpack_from("<HHH", data)
        if kind in (_NUMBER, _RK, _FORMULA, _ERROR, *_TEXTS):
            filled.add(row)
        if kind in (_NUMBER, _RK, _FORMULA):
            styles = [style]
        elif kind == _MANY_RK:
            filled.add(row)
            styles = [struct.unpack_from("<H", data, at)[0] for at in range(4, len(data) - 7, 6)]
        else:
            styles = []
        for at, one in enumerate(styles, column):
            if one in formats:
                found.shown.note(row + 1, column_letters(at), formats[one])
        if fault := _fault(kind, data):
            found.faults[row + 1, column] = fault
        if len(found.faults) > MOST_FAULTS:
            raise TableError("too many cells of a sheet have errors, or formulas without a value")
    found.hidden = len(hidden & filled)
    return found


def _fault(kind: int, data: bytes) -> str:
    if kind == _ERROR and len(data) >= 8:
        return ERROR if data[7] == 1 else ""
    if kind == _FORMULA and data[12:14] == b"\xff\xff":
        return {2: ERROR, 3: NEVER}.get(data[6], "")
    return ""


def _records(stream: bytes) -> Iterator[tuple[int, bytes]]:
    """Yield kind and content of the records of one part of the stream; charts inside of it are passed over."""
    depth = place = 0
    while place + 4 <= len(stream):
        kind, length = struct.unpack_from("<HH", stream, place)
        place += 4
        depth += (kind == _BEGINS) - (kind == _ENDS)
        if depth <= 0:
            return
        if depth == 1:
            yield kind, stream[place : place + length]
        place += length


def _text(data: bytes, size: int, biff8: bool) -> str:
    length = int.from_bytes(data[:size], "little")
    if not biff8:
        return data[size : size + length].decode("cp1252", "replace")
    wide = bool(data[size : size + 1] and data[size] & 1)
    text = data[size + 1 : size + 1 + length * (2 if wide else 1)]
    return text.decode("utf-16-le" if wide else "latin-1", "replace")


def _workbook(content: bytes) -> bytes:
    """Return the stream of the workbook; b"" where there is none, or the file is damaged."""
    try:
        size = 1 << min(struct.unpack_from("<H", content, 30)[0], 12)
        head = struct.unpack_from("<IIIIIIIII", content, 44)
        fats = [one for one in struct.unpack_from("<109I", content, 76) if one < _LAST]
        following, left = head[6], len(content) // size
        while following < _LAST and left > 0:
            more = struct.unpack_from(f"<{size // 4}I", content, (following + 1) * size)
            fats, following, left = [*fats, *(one for one in more[:-1] if one < _LAST)], more[-1], left - 1
        table = b"".join(content[(one + 1) * size : (one + 2) * size] for one in fats[: len(content) // size])
        chain = struct.unpack(f"<{len(table) // 4}I", table[: len(table) // 4 * 4])
        files = _follow(content, chain, head[1], size, 1)
        entries = [files[at : at + 128] for at in range(0, len(files) - 127, 128)]
        streams = {entry[: max(entry[64] - 2, 0)].decode("utf-16-le", "replace"): entry for entry in entries}
        found = streams.get("Workbook") or streams.get("Book")
        if found is None:
            return b""
        start, length = struct.unpack_from("<II", found, 116)
        if length >= head[3]:
            return _follow(content, chain, start, size, 1)[:length]
        # Small streams are kept together in that of the root.
        small = _follow(content, chain, struct.unpack_from("<I", entries[0], 116)[0], size, 1)
        table = _follow(content, chain, head[4], size, 1)
        return _follow(small, struct.unpack(f"<{len(table) // 4}I", table), start, 64, 0)[:length]
    except (struct.error, IndexError):
        return b""


def _follow(content: bytes, chain: tuple[int, ...], sector: int, size: int, header: int) -> bytes:
    parts: list[bytes] = []
    while sector < len(chain) and len(parts) <= len(content) // size:
        parts.append(content[(sector + header) * size : (sector + header + 1) * size])
        sector = chain[sector]
    return b"".join(parts)
