"""An image in words: how bright, contrasting, sharp and colorful it is, how much text it has, which color.

All of it comes from the pixels that are decoded for the scorer, in about 3 ms: a small copy, and for the sharpness five
squares at full size, because a small copy of a blurred image is sharp.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from abkit.intake.media.text_like import text_cells

#: Raised when a property is computed otherwise: those of other rules are not compared with each other.
RULES = 1

_LONGEST = 240
_SQUARE = 96
_BLACK, _WHITE, _GRAY, _BROWN = 0.2, 0.85, 0.2, 0.6
# Where a color ends on the circle of hues, in degrees.
_HUES = ((20, "red"), (45, "orange"), (70, "yellow"), (165, "green"), (200, "cyan"), (260, "blue"), (295, "purple"),
         (340, "pink"), (361, "red"))  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class ImageProperties:
    """Properties of one image.

    Attributes:
        brightness: Mean of the gray levels, 0 (black) to 1 (white).
        contrast: Their standard deviation, 0 to 0.5.
        sharpness: Mean absolute second difference of the gray levels of neighboring pixels, at full size; 0 is flat.
        colorfulness: Of Hasler & Süsstrunk (2003): spread and mean of the opponent colors; 0 is gray, 100 colorful.
        text_share: Estimated share of the area with text that can be read in a small copy, 0 to 1.
        color: The color of most pixels, as `#rrggbb`.
        color_name: What that color is called: black, gray, white, red, orange, yellow, green, cyan, blue, purple,
            pink or brown.
    """

    brightness: float
    contrast: float
    sharpness: float
    colorfulness: float
    text_share: float
    color: str
    color_name: str

    def stored(self) -> dict[str, Any]:
        """Return them as the store keeps them: with the rules that made them."""
        rounded = {name: round(v, 5) if isinstance(v, float) else v for name, v in asdict(self).items()}
        return {"rules": RULES, **rounded}


def restored_properties(stored: Mapping[str, Any] | None) -> ImageProperties | None:
    """Return what the store keeps as a record; None where it is not known, or other rules made it.

    >>> gray = image_properties(Image.new("RGB", (64, 48), "gray"))
    >>> restored_properties(gray.stored()).color_name, restored_properties(None)
    ('gray', None)
    """
    if stored is None or stored.get("rules") != RULES:
        return None
    return ImageProperties(**{name: value for name, value in stored.items() if name != "rules"})


def image_properties(image: Image.Image) -> ImageProperties:
    """Return the properties of an upright RGB image.

    >>> red = image_properties(Image.new("RGB", (300, 200), (200, 20, 20)))
    >>> red.color, red.color_name, red.contrast, red.sharpness, red.text_share
    ('#c81414', 'red', 0.0, 0.0, 0.0)
    """
    small = _small(image)
    pixels = np.asarray(small)[::2, ::2].astype(np.int16)  # (H, W, 3): colors need no more
    gray = np.asarray(small.convert("L")).astype(np.int16)  # (H, W)
    cells = text_cells(gray)
    color = _most_frequent(pixels.reshape(-1, 3))
    return ImageProperties(
        brightness=float(gray.mean()) / 255,
        contrast=float(gray.std()) / 255,
        sharpness=_sharpness(image),
        colorfulness=_colorfulness(pixels),
        text_share=float(cells.mean()) if cells.size else 0.0,
        color="#" + "".join(f"{channel:02x}" for channel in color),
        color_name=_name_of(color),
    )


def _small(image: Image.Image) -> Image.Image:
    longest = max(image.size)
    if longest <= _LONGEST:
        return image
    size = tuple(max(1, round(side * _LONGEST / longest)) for side in image.size)
    return image.resize((size[0], size[1]), Image.Resampling.BOX, reducing_gap=1.0)


def _sharpness(image: Image.Image) -> float:
    """Return the mean over five squares: one in the middle, and one in the middle of each quarter."""
    found = []
    for right, down in ((0.5, 0.5), (0.25, 0.25), (0.75, 0.25), (0.25, 0.75), (0.75, 0.75)):
        left, top = max(0, int(right * image.width) - _SQUARE // 2), max(0, int(down * image.height) - _SQUARE // 2)
        box = (left, top, min(image.width, left + _SQUARE), min(image.height, top + _SQUARE))
        gray = np.asarray(image.crop(box).convert("L")).astype(np.int16)
        if min(gray.shape) >= 3:
            around = gray[:-2, 1:-1] + gray[2:, 1:-1] + gray[1:-1, :-2] + gray[1:-1, 2:]
            found.append(float(np.abs(4 * gray[1:-1, 1:-1] - around).mean()) / 255)
    return float(np.mean(found)) if found else 0.0


def _colorfulness(pixels: NDArray[np.int16]) -> float:
    red, green, blue = (pixels[..., channel].astype(np.float32) for channel in range(3))
    against = red - green, 0.5 * (red + green) - blue
    spread, middle = (np.hypot(*(getattr(one, what)() for one in against)) for what in ("std", "mean"))
    return float(spread + 0.3 * middle)


def _most_frequent(pixels: NDArray[np.int16]) -> tuple[int, int, int]:
    """Return the mean color of the fullest of 4 × 4 × 4 boxes."""
    boxes = (pixels[:, 0] >> 6 << 4) + (pixels[:, 1] >> 6 << 2) + (pixels[:, 2] >> 6)
    fullest = np.bincount(boxes, minlength=64).argmax()
    red, green, blue = pixels[boxes == fullest].mean(axis=0).round().astype(int).tolist()
    return red, green, blue


def _name_of(color: tuple[int, int, int]) -> str:
    red, green, blue = (channel / 255 for channel in color)
    most, least = max(red, green, blue), min(red, green, blue)
    if most < _BLACK:
        return "black"
    if most - least < _GRAY * most:
        return "white" if most > _WHITE else "gray"
    if most == red:
        hue = 60 * ((green - blue) / (most - least) % 6)
    else:
        hue = 60 * ((blue - red) / (most - least) + 2 if most == green else (red - green) / (most - least) + 4)
    name = next(name for end, name in _HUES if hue < end)
    return "brown" if name in ("orange", "yellow") and most < _BROWN else name
