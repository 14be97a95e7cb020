"""Where text-like edges lie in a gray image, by numpy alone. An estimate: print has two tones, and stands in lines."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

#: Pixels on a side of the squares that are looked at.
CELL = 10
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


def text_cells(gray: NDArray[np.int16]) -> NDArray[np.bool_]:
    """Return which cells look like print, for letters whose strokes are one to three pixels wide.

    Args:
        gray: Shape (H, W), 0 to 255.

    Returns:
        Shape (H // 10, W // 10).
    """
    if min(gray.shape) < CELL:
        return np.zeros((gray.shape[0] // CELL, gray.shape[1] // CELL), bool)
    return _in_lines(_like_text(gray))


def _like_text(gray: NDArray[np.int16]) -> NDArray[np.bool_]:
    """Return which cells look like print: many steps both ways, two tones far apart, and one of them flat."""
    rows, columns = gray.shape[0] // CELL, gray.shape[1] // CELL
    gray = gray[: rows * CELL, : columns * CELL]
    steps = np.zeros(gray.shape, np.int16)
    steps[:, 1:] = gray[:, 1:] - gray[:, :-1]

    def share(hit: NDArray[np.bool_]) -> NDArray[np.float64]:
        by_column = hit.reshape(rows, CELL, -1).sum(axis=1, dtype=np.uint8)
        found: NDArray[np.float64] = by_column.reshape(rows, columns, CELL).sum(axis=2) / CELL**2
        return found

    rising, falling = share(steps > _STEP), share(steps < -_STEP)
    density = rising + falling
    balanced = np.minimum(rising, falling) >= 0.25 * np.maximum(rising, falling)
    found: NDArray[np.bool_] = (density >= _FEWEST) & (density <= _MOST) & balanced
    # Most cells of a photograph are out by now; sorting is for those that are left.
    cells = gray.reshape(rows, CELL, columns, CELL).swapaxes(1, 2)[found]
    ordered = np.sort(cells.reshape(-1, CELL**2).astype(np.float64), axis=-1)
    dark, light = np.percentile(ordered, (10, 90), axis=-1) if len(ordered) else np.zeros((2, 0))
    span = (light - dark)[:, None]
    near = np.minimum(np.abs(ordered - dark[:, None]), np.abs(ordered - light[:, None])) <= _NEAR_TONE * span
    reach = round(_GROUND * ordered.shape[-1])
    ground = (ordered[:, reach:] - ordered[:, :-reach]).min(axis=-1)
    found[found] = (light - dark >= _CONTRAST) & (near.mean(axis=-1) >= _TWO_TONED) & (ground <= _FLAT * (light - dark))
    return found


def _in_lines(cells: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Keep cells that stand in a line with others."""
    kept = np.zeros_like(cells)
    for start in range(cells.shape[1] - _LINE + 1):
        whole = cells[:, start : start + _LINE].all(axis=1, keepdims=True)
        kept[:, start : start + _LINE] |= whole
    return kept
