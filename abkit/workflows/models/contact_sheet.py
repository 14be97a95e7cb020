"""Contact sheets: many small images on one sheet, each with its name and a figure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from PIL import Image, ImageDraw, ImageFont

COLUMNS = 6
TILE = (180, 135)  # pixels, across and down
_CAPTION, _GAP, _LINE = 36, 10, 22
_INK, _MUTED, _EMPTY = "#1d2433", "#5b6478", "#e6e8ee"


@dataclass(frozen=True)
class Tile:
    """One image on a sheet.

    Attributes:
        image: The image, of any size; None where the file is gone.
        name: Its name.
        figure: The figure below the name.
    """

    image: Image.Image | None
    name: str
    figure: str


def contact_sheet(heading: Sequence[str], blocks: Sequence[tuple[str, Sequence[Tile]]]) -> Image.Image:
    """Draw a sheet: lines of heading, then titled blocks of tiles.

    >>> contact_sheet(["Two"], [("most", [Tile(None, "a.png", "1.0"), Tile(None, "b.png", "0.9")])]).size
    (1150, 255)
    """
    step = TILE[1] + _CAPTION + _GAP
    rows = [-(-len(tiles) // COLUMNS) for _, tiles in blocks]
    height = 2 * _GAP + _LINE * len(heading) + sum(_GAP + _LINE + count * step for count in rows)
    sheet = Image.new("RGB", (COLUMNS * (TILE[0] + _GAP) + _GAP, height), "white")
    draw = ImageDraw.Draw(sheet)
    top = _GAP
    for number, line in enumerate(heading):
        _write(draw, (_GAP, top), line, 16 if number == 0 else 13, _INK if number == 0 else _MUTED, sheet.width)
        top += _LINE
    for (title, tiles), count in zip(blocks, rows, strict=True):
        top += _GAP
        _write(draw, (_GAP, top), title, 14, _INK, sheet.width)
        for place, tile in enumerate(tiles):
            row, column = divmod(place, COLUMNS)
            _draw(sheet, draw, tile, _GAP + column * (TILE[0] + _GAP), top + _LINE + row * step)
        top += _LINE + count * step
    return sheet


def _draw(sheet: Image.Image, draw: ImageDraw.ImageDraw, tile: Tile, left: int, top: int) -> None:
    if tile.image is None:
        draw.rectangle((left, top, left + TILE[0], top + TILE[1]), fill=_EMPTY)
        _write(draw, (left + 8, top + 8), "cannot be read", 12, _MUTED, TILE[0])
    else:
        small = tile.image.copy()
        small.thumbnail(TILE)
        sheet.paste(small, (left + (TILE[0] - small.width) // 2, top + TILE[1] - small.height))
    _write(draw, (left, top + TILE[1] + 2), tile.name, 12, _INK, TILE[0])
    _write(draw, (left, top + TILE[1] + 18), tile.figure, 12, _MUTED, TILE[0])


def _write(draw: ImageDraw.ImageDraw, at: tuple[int, int], text: str, size: int, color: str, width: int) -> None:
    font = ImageFont.load_default(size)
    text = "".join(letter if letter.isprintable() else "?" for letter in text[:500])
    if not isinstance(font, ImageFont.FreeTypeFont):  # the small built-in one knows no other letters
        text = text.encode("latin-1", "replace").decode("latin-1")
    if draw.textlength(text, font) > width:
        while text and draw.textlength(text + "…", font) > width:
            text = text[:-1]
        text += "…"
    draw.text(at, text, fill=color, font=font)
