"""What can be seen in an image: whether it is blank, and where text-like edges lie. Estimates, by numpy alone."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

# Text of all sizes: strokes are looked for at these lengths of the longer side, in squares of so many pixels.
_SCALES = (960, 480, 240)
_CELL = 10
_GRID = _SCALES[0] // _CELL
# A step in brightness between neighbors that can be an edge of a letter (of 255 levels).
_STEP = 35
# A cell of text has between so many and so many steps per pixel, …
_FEWEST, _MOST = 0.05, 0.60
# … is as far apart as this between its dark and its light (10th and 90th percentile), …
_CONTRAST = 60
# … and so much of it is near one or the other: print has two tones, and photographs have many.
_TWO_TONED = 0.62
_NEAR_TONE = 0.25
# Letters stand on a ground: this share of the cell lies within so little of the way from dark to light.
_GROUND, _FLAT = 0.4, 0.15
# Letters stand in lines: so many cells of text side by side.
_LINE = 4
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
        size = (max(_CELL, round(gray.width * scale)), max(_CELL, round(gray.height * scale)))
        if scale > 2:  # blown up, pixels have no sharp edges left
            continue
        scaled = gray.resize(size, Image.Resampling.BILINEAR if scale > 1 else Image.Resampling.BOX)
        cells = _in_lines(_like_text(np.asarray(scaled).astype(np.int16)))
        rows = np.minimum(np.arange(shape[0]) * cells.shape[0] // shape[0], cells.shape[0] - 1)
        columns = np.minimum(np.arange(shape[1]) * cells.shape[1] // shape[1], cells.shape[1] - 1)
        found |= cells[np.ix_(rows, columns)]
    return found


def _like_text(gray: NDArray[np.int16]) -> NDArray[np.bool_]:
    """Return which cells look like print: many steps both ways, two tones far apart, and one of them flat."""
    rows, columns = gray.shape[0] // _CELL, gray.shape[1] // _CELL
    gray = gray[: rows * _CELL, : columns * _CELL]
    steps = np.zeros(gray.shape, np.int16)
    steps[:, 1:] = gray[:, 1:] - gray[:, :-1]

    def cells(pixels: NDArray[Any]) -> NDArray[np.float64]:
        return pixels.astype(np.float64).reshape(rows, _CELL, columns, _CELL).swapaxes(1, 2).reshape(rows, columns, -1)

    rising, falling = cells(steps > _STEP).mean(axis=-1), cells(steps < -_STEP).mean(axis=-1)
    tones = cells(gray)
    dark, light = np.percentile(tones, (10, 90), axis=-1)
    span = (light - dark)[..., None]
    near = np.minimum(np.abs(tones - dark[..., None]), np.abs(tones - light[..., None])) <= _NEAR_TONE * span
    ordered = np.sort(tones, axis=-1)
    reach = round(_GROUND * ordered.shape[-1])
    ground = (ordered[..., reach:] - ordered[..., :-reach]).min(axis=-1)
    density = rising + falling
    balanced = np.minimum(rising, falling) >= 0.25 * np.maximum(rising, falling)
    return np.asarray(
        (density >= _FEWEST)
        & (density <= _MOST)
        & balanced
        & (light - dark >= _CONTRAST)
        & (near.mean(axis=-1) >= _TWO_TONED)
        & (ground <= _FLAT * (light - dark))
    )


def _in_lines(cells: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Keep cells that stand in a line with others."""
    kept = np.zeros_like(cells)
    for start in range(cells.shape[1] - _LINE + 1):
        whole = cells[:, start : start + _LINE].all(axis=1, keepdims=True)
        kept[:, start : start + _LINE] |= whole
    return kept
