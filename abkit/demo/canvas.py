"""A small drawing board for adverts: photographs, wrapped headlines, buttons and price badges, in Pillow.

Everything is placed in fractions of the board (0…1), drawn at twice the size and reduced at the end, so that round
corners and letters are smooth. Letters are those of the font that comes with Pillow: the same on every machine.
"""

from __future__ import annotations

import math
import textwrap
from dataclasses import dataclass
from itertools import product

import numpy as np
from PIL import Image, ImageDraw, ImageFont, ImageOps

from abkit.demo.photographs import load_photograph

OVERSAMPLING = 2
Box = tuple[float, float, float, float]  # left, top, right, bottom, as fractions of the board
Color = tuple[int, int, int]
WHITE: Color = (255, 255, 255)
BLACK: Color = (18, 18, 20)


@dataclass(frozen=True)
class Palette:
    """The colors of an advert: ground, type on it, accent of button and badge, type on that, type on a photograph."""

    ground: Color
    type: Color
    accent: Color
    on_accent: Color
    on_photograph: Color = WHITE


@dataclass(frozen=True)
class Copy:
    """What an advert says."""

    brand: str
    headline: str
    line: str
    price: str
    button: str


@dataclass(frozen=True)
class Crop:
    """Which photograph an advert shows, and how it is cropped: the point kept in the middle, and the zoom."""

    name: str
    center: tuple[float, float]
    zoom: float


class Canvas:
    """One advert while it is drawn.

    Args:
        size: Width and height of the finished advert in pixels.
        palette: Its colors.
        copy: Its words.
        crop: Its photograph.
        texture: A photograph to stand under everything, tinted.
    """

    def __init__(
        self, size: tuple[int, int], palette: Palette, copy: Copy, crop: Crop, texture: str | None = None
    ) -> None:
        self.palette, self.copy, self.crop = palette, copy, crop
        self.width, self.height = size[0] * OVERSAMPLING, size[1] * OVERSAMPLING
        self.unit = math.sqrt(self.width * self.height)  # of letters and corners
        self.image = Image.new("RGB", (self.width, self.height), palette.ground)
        if texture:
            gray = ImageOps.fit(load_photograph(texture), self.image.size).convert("L")
            dark = tuple(round(level * 0.55) for level in palette.ground)
            self.image.paste(ImageOps.colorize(gray, dark, palette.ground))
        self.draw = ImageDraw.Draw(self.image)

    @property
    def wide(self) -> bool:
        """Whether there is more room beside the photograph than below it."""
        return self.width > self.height * 1.2

    def finished(self) -> Image.Image:
        """Return the advert at its real size."""
        return self.image.reduce(OVERSAMPLING)

    def photograph(self, box: Box, radius: float = 0.0, crop: Crop | None = None) -> None:
        """Fill a box with the photograph: cropped, never stretched, the crop's center as near the middle as possible.

        Args:
            box: Where it goes.
            radius: Radius of the corners, in units of the board; 1 makes a circle of a square box.
            crop: Another crop than the advert's.
        """
        crop = crop or self.crop
        photo = load_photograph(crop.name)
        left, top, right, bottom = self._pixels(box)
        scale = min(photo.width / (right - left), photo.height / (bottom - top)) / crop.zoom
        width, height = (right - left) * scale, (bottom - top) * scale
        x = min(max(crop.center[0] * photo.width - width / 2, 0), photo.width - width)
        y = min(max(crop.center[1] * photo.height - height / 2, 0), photo.height - height)
        piece = photo.resize((right - left, bottom - top), Image.Resampling.BICUBIC, (x, y, x + width, y + height))
        self.image.paste(piece, (left, top), self._rounded(piece.size, radius, 1.0))

    def rectangle(self, box: Box, fill: Color, radius: float = 0.0, opacity: float = 1.0) -> None:
        """Draw a box of one color, with round corners of `radius` units."""
        left, top, right, bottom = self._pixels(box)
        mask = self._rounded((right - left, bottom - top), radius, opacity)
        self.image.paste(fill, (left, top, right, bottom), mask)

    def scrim(self, box: Box, strength: float, upwards: bool = False) -> None:
        """Draw a shade from nothing to `strength`, so that type on a photograph can be read."""
        left, top, right, bottom = self._pixels(box)
        ramp = (
            Image.linear_gradient("L").point(lambda level: round(level * strength)).resize((right - left, bottom - top))
        )
        self.image.paste(BLACK, (left, top, right, bottom), ImageOps.flip(ramp) if upwards else ramp)

    def text(self, box: Box, words: str, color: Color, size: float, bold: bool = False, anchor: str = "la") -> float:
        """Write words into a box, wrapped and, if need be, smaller, so that they fit; return the bottom they reach.

        Args:
            box: Where they go.
            words: Text to write.
            color: Color of the letters.
            size: Largest letter size, in units of the board.
            bold: Whether strokes are thicker.
            anchor: Where in the box, as in Pillow: `l` or `m`, then `a` (top), `m` or `d` (bottom).
        """
        left, top, right, bottom = self._pixels(box)
        x, align = ((left + right) / 2, "center") if anchor[0] == "m" else (left, "left")
        at = (x, {"a": top, "m": (top + bottom) / 2, "d": bottom}[anchor[1]])
        longest = max(map(len, words.split()))
        # As large as possible, then in as few lines as possible.
        for points, columns in product(np.geomspace(size * self.unit, 12, 24), range(len(words), longest - 1, -1)):
            lines, font = textwrap.fill(words, columns), ImageFont.load_default(points)
            spacing, stroke = 0.2 * points, 0.022 * points * bold
            x0, y0, x1, y1 = self.draw.multiline_textbbox(at, lines, font, anchor, spacing, align, stroke_width=stroke)
            if x1 - x0 <= right - left and y1 - y0 <= bottom - top:
                break
        self.draw.multiline_text(at, lines, color, font, anchor, spacing, align, stroke_width=stroke)
        return y1 / self.height

    def button(self, at: tuple[float, float], size: float, left: bool = False) -> None:
        """Draw the call to action: a pill as wide as its words, around `at` or with its left end there."""
        points = size * self.unit
        half_width = (ImageFont.load_default(points).getlength(self.copy.button) / 2 + points * 0.95) / self.width
        half_height = points * 1.05 / self.height
        x, y = at[0] + half_width if left else min(at[0], 0.97 - half_width), at[1]
        box = (x - half_width, y - half_height, x + half_width, y + half_height)
        self.rectangle((box[0], box[1] + 0.006, box[2], box[3] + 0.006), (0, 0, 0), radius=1, opacity=0.22)
        self.rectangle(box, self.palette.accent, radius=1)
        self.text(box, self.copy.button, self.palette.on_accent, size, bold=True, anchor="mm")

    def badge(self, center: tuple[float, float], radius: float, fill: Color, ink: Color, star: bool = False) -> None:
        """Draw the price on a disc or a star."""
        x, y, reach = center[0] * self.width, center[1] * self.height, radius * self.unit
        if star:
            for turn in range(0, 120, 20):
                self.draw.regular_polygon((x, y, reach), 3, turn, fill)
        else:
            self.draw.circle((x, y), reach, fill)
        width, height = 0.75 * reach / self.width, 0.75 * reach / self.height
        box = (center[0] - width, center[1] - height, center[0] + width, center[1] + height)
        self.text(box, self.copy.price, ink, 0.62 * radius, bold=True, anchor="mm")

    def brand(self, corner: tuple[float, float], size: float, color: Color) -> None:
        """Draw the sender: a ring with a dot and the name beside it."""
        reach = size * self.unit * 0.55
        x, y = corner[0] * self.width + reach, corner[1] * self.height
        self.draw.circle((x, y), reach, outline=color, width=max(2, round(reach * 0.28)))
        self.draw.circle((x, y), 0.38 * reach, color)
        font = ImageFont.load_default(size * self.unit)
        self.draw.text((x + 1.7 * reach, y), self.copy.brand, color, font, "lm", stroke_width=size * self.unit * 0.02)

    def _pixels(self, box: Box) -> tuple[int, int, int, int]:
        left, top, right, bottom = box
        width, height = self.width, self.height
        return round(left * width), round(top * height), round(right * width), round(bottom * height)

    def _rounded(self, size: tuple[int, int], radius: float, opacity: float) -> Image.Image:
        """Return a mask with round corners."""
        mask = Image.new("L", size, 0)
        corner = min(radius * self.unit, min(size) / 2)
        shape = (0, 0, size[0] - 1, size[1] - 1)
        ImageDraw.Draw(mask).rounded_rectangle(shape, corner, fill=round(255 * opacity))
        return mask
