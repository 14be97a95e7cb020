"""A small drawing board for adverts: photographs, wrapped headlines, buttons and price badges, in Pillow.

Everything is placed in fractions of the board (0…1), drawn at twice the size and reduced at the end, so that round
corners and letters are smooth.
"""

from __future__ import annotations

import math

from PIL import Image, ImageDraw, ImageFont

from abkit.errors import AbkitError

OVERSAMPLING = 2
Box = tuple[float, float, float, float]  # left, top, right, bottom, as fractions of the board
Color = tuple[int, int, int]


class Canvas:
    """One advert while it is drawn.

    Args:
        size: Width and height of the finished advert in pixels.
        background: Color under everything.
    """

    def __init__(self, size: tuple[int, int], background: Color) -> None:
        self.width, self.height = size[0] * OVERSAMPLING, size[1] * OVERSAMPLING
        self.image = Image.new("RGB", (self.width, self.height), background)

    @property
    def unit(self) -> float:
        """Unit of length for type and margins: the geometric mean of the sides, in drawn pixels."""
        return math.sqrt(self.width * self.height)

    def pixels(self, box: Box) -> tuple[int, int, int, int]:
        """Return a box in drawn pixels."""
        left, top, right, bottom = box
        return (
            round(left * self.width),
            round(top * self.height),
            round(right * self.width),
            round(bottom * self.height),
        )

    def finished(self) -> Image.Image:
        """Return the advert at its real size."""
        return self.image.reduce(OVERSAMPLING)

    def photograph(
        self, photo: Image.Image, box: Box, center: tuple[float, float], zoom: float = 1.0, radius: float = 0.0
    ) -> None:
        """Fill a box with a photograph: cropped, never stretched, with `center` as near the middle as possible.

        Args:
            photo: The photograph.
            box: Where it goes.
            center: Point of the photograph to keep in the middle, as fractions.
            zoom: 1 shows as much as the box allows, 2 half of that.
            radius: Radius of the corners, in units of the board; 1 makes a circle of a square box.
        """
        left, top, right, bottom = self.pixels(box)
        width, height = right - left, bottom - top
        scale = min(photo.width / width, photo.height / height) / zoom
        crop_width, crop_height = width * scale, height * scale
        x = min(max(center[0] * photo.width - crop_width / 2, 0), photo.width - crop_width)
        y = min(max(center[1] * photo.height - crop_height / 2, 0), photo.height - crop_height)
        piece = photo.resize((width, height), Image.Resampling.BICUBIC, box=(x, y, x + crop_width, y + crop_height))
        mask = Image.new("L", piece.size, 0)
        corner = min(radius * self.unit, min(piece.size) / 2)
        ImageDraw.Draw(mask).rounded_rectangle((0, 0, width - 1, height - 1), corner, fill=255)
        self.image.paste(piece, (left, top), mask)

    def rectangle(self, box: Box, fill: Color, radius: float = 0.0, opacity: float = 1.0) -> None:
        """Draw a box of one color, with round corners of `radius` units."""
        left, top, right, bottom = self.pixels(box)
        mask = Image.new("L", (right - left, bottom - top), 0)
        corner = min(radius * self.unit, min(mask.size) / 2)
        ImageDraw.Draw(mask).rounded_rectangle(
            (0, 0, mask.width - 1, mask.height - 1), corner, fill=round(255 * opacity)
        )
        self.image.paste(fill, (left, top, right, bottom), mask)

    def scrim(self, box: Box, color: Color, strength: float, upwards: bool = True) -> None:
        """Draw a gradient from nothing to `strength`, so that type on a photograph can be read."""
        left, top, right, bottom = self.pixels(box)
        ramp = Image.linear_gradient("L").point(lambda level: round(level * strength))
        ramp = ramp.resize((right - left, bottom - top))
        if not upwards:
            ramp = ramp.transpose(Image.Transpose.FLIP_TOP_BOTTOM)
        self.image.paste(color, (left, top, right, bottom), ramp)

    def text(
        self,
        box: Box,
        words: str,
        color: Color,
        size: float,
        bold: bool = False,
        align: str = "left",
        valign: str = "top",
    ) -> float:
        """Write words into a box, wrapped and, if need be, smaller, so that they fit; return the bottom they reach.

        Args:
            box: Where they go.
            words: Text to write.
            color: Color of the letters.
            size: Largest letter size, in units of the board.
            bold: Whether strokes are thicker.
            align: Left, center or right.
            valign: Top, middle or bottom.
        """
        left, top, right, bottom = self.pixels(box)
        draw = ImageDraw.Draw(self.image)
        points = max(12.0, size * self.unit)
        while True:
            font = _font(points)
            stroke = points * 0.022 if bold else 0.0
            lines = _wrapped(words, font, right - left, stroke)
            height = points * 1.12 * len(lines)
            fits = height <= bottom - top and all(font.getlength(line) + 2 * stroke <= right - left for line in lines)
            if fits or points <= 12:
                break
            points *= 0.93
        y = {"top": float(top), "middle": (top + bottom - height) / 2, "bottom": bottom - height}[valign]
        for line in lines:
            length = font.getlength(line)
            x = {"left": float(left), "center": (left + right - length) / 2, "right": right - length}[align]
            draw.text((x, y), line, color, font, stroke_width=stroke, stroke_fill=color)
            y += points * 1.12
        return y / self.height

    def button(
        self,
        at: tuple[float, float],
        words: str,
        fill: Color,
        ink: Color,
        size: float,
        align: str = "center",
    ) -> None:
        """Draw a call to action: a pill as wide as its words. `at` is its center, or with align="left" its left end."""
        font = _font(size * self.unit)
        half_width = (font.getlength(words) / 2 + size * self.unit * 0.95) / self.width
        half_height = size * self.unit * 1.05 / self.height
        x = at[0] + half_width if align == "left" else min(at[0], 0.97 - half_width)
        box = (x - half_width, at[1] - half_height, x + half_width, at[1] + half_height)
        shadow = (box[0], box[1] + 0.006, box[2], box[3] + 0.006)
        self.rectangle(shadow, (0, 0, 0), radius=1, opacity=0.22)
        self.rectangle(box, fill, radius=1)
        self._centered((x, at[1]), words, ink, font, bold=True)

    def badge(
        self, center: tuple[float, float], words: str, fill: Color, ink: Color, radius: float, points: int = 0
    ) -> None:
        """Draw a price on a disc, or on a star of so many points."""
        x, y, reach = center[0] * self.width, center[1] * self.height, radius * self.unit
        draw = ImageDraw.Draw(self.image)
        if points:
            draw.polygon(
                [
                    (
                        x + math.cos(math.pi * k / points) * reach * (1.0 if k % 2 else 0.82),
                        y + math.sin(math.pi * k / points) * reach * (1.0 if k % 2 else 0.82),
                    )
                    for k in range(2 * points)
                ],
                fill,
            )
        else:
            draw.ellipse((x - reach, y - reach, x + reach, y + reach), fill)
        size = 0.62 * reach
        while _font(size).getlength(words) > 1.5 * reach:
            size *= 0.93
        self._centered(center, words, ink, _font(size), bold=True)

    def brand(self, corner: tuple[float, float], name: str, color: Color, size: float) -> None:
        """Draw the sender: a ring with a dot and the name beside it."""
        x, y, reach = corner[0] * self.width, corner[1] * self.height, size * self.unit * 0.55
        draw = ImageDraw.Draw(self.image)
        draw.ellipse((x, y - reach, x + 2 * reach, y + reach), outline=color, width=max(2, round(reach * 0.28)))
        draw.ellipse((x + 0.62 * reach, y - 0.38 * reach, x + 1.38 * reach, y + 0.38 * reach), color)
        font = _font(size * self.unit)
        draw.text(
            (x + 2.7 * reach, y), name, color, font, anchor="lm", stroke_width=font.size * 0.02, stroke_fill=color
        )

    def _centered(
        self, center: tuple[float, float], words: str, ink: Color, font: ImageFont.FreeTypeFont, bold: bool
    ) -> None:
        ImageDraw.Draw(self.image).text(
            (center[0] * self.width, center[1] * self.height),
            words,
            ink,
            font,
            anchor="mm",
            stroke_width=font.size * 0.02 if bold else 0,
            stroke_fill=ink,
        )


def _font(points: float) -> ImageFont.FreeTypeFont:
    """Return the font that comes with Pillow, so that adverts look the same on every machine.

    Raises:
        AbkitError: This Pillow has bitmap fonts only.
    """
    font = ImageFont.load_default(points)
    if not isinstance(font, ImageFont.FreeTypeFont):
        raise AbkitError(
            "This Pillow was built without FreeType and cannot write headlines.",
            hint="Install Pillow from its wheel: pip install --force-reinstall pillow",
        )
    return font


def _wrapped(words: str, font: ImageFont.FreeTypeFont, width: float, stroke: float) -> list[str]:
    """Return the words in lines no longer than `width`."""
    lines: list[str] = []
    for word in words.split():
        longer = f"{lines[-1]} {word}" if lines else word
        if lines and font.getlength(longer) + 2 * stroke <= width:
            lines[-1] = longer
        else:
            lines.append(word)
    return lines
