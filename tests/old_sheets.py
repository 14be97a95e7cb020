"""Old spreadsheets (XLS) as programs wrote them until 2007: records of cells in a small file system."""

import struct
from collections.abc import Collection, Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Number:
    """A number that is shown in a format; `packed` writes it as RK, as programs do for whole numbers."""

    value: float
    format: str = ""
    packed: bool = False


@dataclass(frozen=True)
class Fault:
    """A cell without a value: an error ("error", "formula error"), or a formula that was never calculated ("never")."""

    kind: str


Cell = str | int | float | Number | Fault | None


def old_sheet(rows: Sequence[Sequence[Cell]], *, hidden: Collection[int] = (), small: bool = False) -> bytes:
    """An XLS with one sheet, `R`.

    Args:
        rows: The cells; None is an empty one.
        hidden: Which rows are hidden, from 0.
        small: Keep the stream beside the smallest ones, where few programs put it.
    """
    formats = sorted({cell.format for row in rows for cell in row if isinstance(cell, Number)} - {""})
    styles = dict(zip(formats, range(1, len(formats) + 1), strict=True))
    book = _begin(5) + b"".join(
        _record(0x41E, struct.pack("<H", 164 + at) + _text(one)) for at, one in enumerate(formats)
    )
    for number in (0, *range(164, 164 + len(formats))):
        book += _record(0xE0, struct.pack("<HH", 0, number) + bytes(16))
    name = b"\1\0R"  # one letter of one byte
    place = len(book) + 4 + 6 + len(name) + 4
    book += _record(0x85, struct.pack("<IBB", place, 0, 0) + name) + _record(0x0A)
    sheet = _begin(0x10) + _record(0x200, struct.pack("<IIHHH", 0, len(rows), 0, max(map(len, rows)), 0))
    for at, row in enumerate(rows):
        flags = 0x120 if at in hidden else 0x100
        sheet += _record(0x208, struct.pack("<HHHHHHI", at, 0, len(row), 255, 0, 0, flags))
        for column, cell in enumerate(row):
            sheet += b"" if cell is None else _cell(struct.pack("<HH", at, column), cell, styles)
    return _file(book + sheet + _record(0x0A), small=small)


def _cell(place: bytes, cell: Cell, styles: dict[str, int]) -> bytes:
    plain = place + struct.pack("<H", 0)
    if isinstance(cell, str):
        return _record(0x204, plain + _text(cell))
    if isinstance(cell, Fault):
        if cell.kind == "error":
            return _record(0x205, plain + b"\x07\1")
        value = bytes([2 if cell.kind == "formula error" else 3, 0, 7, 0, 0, 0, 0xFF, 0xFF])
        return _record(0x06, plain + value + bytes(6) + b"\3\0\x1e\1\0")
    number = cell if isinstance(cell, Number) else Number(float(cell or 0))
    place += struct.pack("<H", styles.get(number.format, 0))
    if number.packed:
        return _record(0x27E, place + struct.pack("<I", int(number.value) << 2 | 2))
    return _record(0x203, place + struct.pack("<d", number.value))


def _record(kind: int, content: bytes = b"") -> bytes:
    return struct.pack("<HH", kind, len(content)) + content


def _begin(kind: int) -> bytes:
    return _record(0x809, struct.pack("<HHHHII", 0x600, kind, 0x0DBB, 0x07CC, 0x41, 6))


def _text(text: str) -> bytes:
    return struct.pack("<HB", len(text), 1) + text.encode("utf-16-le")


def _file(stream: bytes, *, small: bool) -> bytes:
    """The file system: a table of sectors, a directory, and the stream, which small ones share with the root."""
    end, free = 0xFFFFFFFE, 0xFFFFFFFF
    length = len(stream) if small else max(len(stream), 4096)
    data = stream.ljust(-(-length // 512) * 512, b"\0")
    sectors = len(data) // 512
    parts = -(-len(data) // 64)
    table = [0xFFFFFFFD, end, *range(3, 2 + sectors), end]
    shorts = b""
    if small:
        table.append(end)
        shorts = struct.pack(f"<{parts}I", *range(1, parts), end).ljust(512, b"\xff")
    assert len(table) <= 128, "one sector of the table has to do"
    root = _entry("Root Entry", 5, 2 if small else end, len(data) if small else 0, child=1)
    directory = root + _entry("Workbook", 2, 0 if small else 2, length) + bytes(256)
    head = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(16) + struct.pack("<HHHHH", 0x3E, 3, 0xFFFE, 9, 6) + bytes(6)
    head += struct.pack("<9I", 0, 1, 1, 0, 4096, 2 + sectors if small else end, int(small), end, 0)
    head += struct.pack("<109I", 0, *[free] * 108)
    return head + struct.pack("<128I", *table, *[free] * (128 - len(table))) + directory + data + shorts


def _entry(name: str, kind: int, start: int, length: int, child: int = 0xFFFFFFFF) -> bytes:
    called = name.encode("utf-16-le") + b"\0\0"
    links = struct.pack("<HBBIII", len(called), kind, 1, 0xFFFFFFFF, 0xFFFFFFFF, child)
    return called.ljust(64, b"\0") + links + bytes(36) + struct.pack("<IQ", start, length)
