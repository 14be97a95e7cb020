"""From a picture of any shape to the pixels that an encoder sees: aspect ratio kept, padding remembered."""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil, sqrt

import numpy as np
from PIL import Image


@dataclass(frozen=True)
class Canvas:
    """How pictures are laid out for an encoder.

    Attributes:
        area: A picture is scaled to about this many pixels, whatever its shape, so that every shape costs the same.
        cell: Canvas sides are multiples of this (the coarsest stride of the encoder).
        longest: No side is longer than this; very long pictures are scaled down further.
        square: Side of a fixed square canvas for encoders that take no other shape, or 0.
    """

    area: int
    cell: int
    longest: int
    square: int = 0

    def fit(self, width: int, height: int) -> tuple[int, int]:
        """Size in pixels, at least 1, that a picture is scaled to."""
        if self.square:
            scale = self.square / max(width, height)
        else:
            scale = min(sqrt(self.area / (width * height)), self.longest / max(width, height))
        return max(1, round(width * scale)), max(1, round(height * scale))

    def canvas_of(self, width: int, height: int) -> tuple[int, int]:
        """Size of the padded canvas for a scaled picture."""
        if self.square:
            return self.square, self.square
        return ceil(width / self.cell) * self.cell, ceil(height / self.cell) * self.cell


@dataclass(frozen=True)
class Prepared:
    """One picture, scaled and padded.

    The canvas depends on the picture alone and never on its batch, so that a score does not either.

    Attributes:
        pixels: `(H, W, 3)` uint8. The padding right and below repeats the last column and row, so that no
            artificial edge appears.
        width: Columns that show the picture.
        height: Rows that show the picture.
    """

    pixels: np.ndarray
    width: int
    height: int

    @property
    def shape(self) -> tuple[int, int]:
        """Canvas height and width: pictures that agree in it can be encoded together."""
        return self.pixels.shape[0], self.pixels.shape[1]


def prepare(image: Image.Image, canvas: Canvas) -> Prepared:
    """Scale an RGB picture to the canvas's area and pad it to whole cells."""
    width, height = canvas.fit(*image.size)
    # reducing_gap first shrinks by a whole factor, several times faster than one antialiased step
    scaled = image.resize((width, height), Image.Resampling.BICUBIC, reducing_gap=3.0)
    across, down = canvas.canvas_of(width, height)
    pixels = np.pad(np.asarray(scaled), ((0, down - height), (0, across - width), (0, 0)), mode="edge")
    return Prepared(pixels=pixels, width=width, height=height)
