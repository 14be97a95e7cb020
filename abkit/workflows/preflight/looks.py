"""What can be seen in an image: whether it is blank, and where text-like edges lie. Estimates, by numpy alone."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from abkit.intake.media.text_like import CELL, text_cells

# Text of all sizes: strokes are looked for at these lengths of the longer side, in squares of so many pixels.
_SCALES = (960, 480, 240)
_GRID = _SCALES[0] // CELL
# Whose colors differ from those around them by less cannot be seen (as `abkit_model.decoding.grounds` has it).
_SEEN = 32
_ONE_COLOR = 8


@dataclass(frozen=True, kw_only=True, eq=False)
class Looks:
    """What can be seen in one image.

    Attributes:
        blank: Every pixel has nearly the same color.
        faint: It has more than one color, and hardly any pixel differs visibly from the color of most.
        background: The color of most pixels, as `#rrggbb`.
        text: Cells of a grid over the image, `(rows, columns)`, true where text-like edges lie.
    """

    blank: bool
    faint: bool
    background: str
    text: NDArray[np.bool_]

    @property
    def text_share(self) -> float:
        """Estimated share of the area with text, 0 to 1."""
        return float(self.text.mean()) if self.text.size else 0.0

    def share_in(self, zones: Mapping[str, float]) -> dict[str, float]:
        """Return the estimated share of text-like edges in the bands along the sides, by side.

        Args:
            zones: How deep each band is, as a share of height (top, bottom) or width (left, right).
        """
        rows, columns = self.text.shape
        found = {}
        for side, share in zones.items():
            deep = max(1, round(share * (rows if side in ("top", "bottom") else columns)))
            band = {
                "top": self.text[:deep],
                "bottom": self.text[-deep:],
                "left": self.text[:, :deep],
                "right": self.text[:, -deep:],
            }[side]
            found[side] = float(band.mean())
        return found


def look_at(image: Image.Image) -> Looks:
    """Return what can be seen in an RGB image.

    >>> look_at(Image.new("RGB", (300, 250), "white")).blank
    True
    """
    small = image.copy()
    small.thumbnail((512, 512), Image.Resampling.BOX)
    pixels = np.asarray(small.convert("RGB")).astype(np.int16)  # (H, W, 3)
    background = np.median(pixels.reshape(-1, 3), axis=0)
    apart = np.abs(pixels - background).max(axis=-1)  # (H, W)
    blank = int(np.ptp(pixels.reshape(-1, 3), axis=0).max()) <= _ONE_COLOR
    return Looks(
        blank=blank,
        faint=not blank and float((apart > _SEEN).mean()) < 0.001,
        background="#" + "".join(f"{int(channel):02x}" for channel in background),
        text=_text_cells(image),
    )


def _text_cells(image: Image.Image) -> NDArray[np.bool_]:
    """Return where text-like edges lie, at any of the scales, on a grid whose longer side has `_GRID` cells."""
    gray = image.convert("L")
    longest = max(gray.size)
    shape = (max(1, round(gray.height / longest * _GRID)), max(1, round(gray.width / longest * _GRID)))
    found = np.zeros(shape, bool)
    for side in _SCALES:
        scale = side / longest
        size = (max(CELL, round(gray.width * scale)), max(CELL, round(gray.height * scale)))
        if scale > 2:  # blown up, pixels have no sharp edges left
            continue
        scaled = gray.resize(size, Image.Resampling.BILINEAR if scale > 1 else Image.Resampling.BOX)
        cells = text_cells(np.asarray(scaled).astype(np.int16))
        rows = np.minimum(np.arange(shape[0]) * cells.shape[0] // shape[0], cells.shape[0] - 1)
        columns = np.minimum(np.arange(shape[1]) * cells.shape[1] // shape[1], cells.shape[1] - 1)
        found |= cells[np.ix_(rows, columns)]
    return found
