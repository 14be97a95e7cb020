"""What stands behind a transparent image, and whether anything can be seen in an opaque one."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image

#: Grounds that are tried where white would hide an image, by name.
_GROUNDS = {"dark": (48, 48, 48), "gray": (119, 119, 119)}
_WHITE = (255, 255, 255)
# A color is seen on a ground when one of its channels is this far away.
_SEEN = 32
# White is kept where at least this share of the visible pixels is seen on it.
_ENOUGH = 0.25
# Below this share of transparent pixels the ground is no more than a rim or rounded corners.
_TRANSPARENT = 0.05
_SIDE = 256
_BAND = 1 << 21  # pixels that are put on a ground at a time
# The channels of an image of one color lie within so many levels; WebP moves them most.
_ONE_COLOR = 8
_SOME = (32, 32)


@dataclass(frozen=True)
class Composed:
    """An opaque image.

    Attributes:
        image: Mode RGB.
        note: Which ground was chosen where it is not white; "" otherwise.
    """

    image: Image.Image
    note: str = ""


def compose(layer: Image.Image) -> Composed:
    """Put a transparent image (RGBA) on white, or on a dark ground where it could hardly be seen on white.

    >>> compose(Image.new("RGBA", (40, 40), (0, 0, 0, 255))).note
    ''
    """
    name = _ground(layer)
    color = _GROUNDS[name] if name else _WHITE
    image = Image.new("RGB", layer.size)
    rows = max(1, _BAND // layer.width)
    for top in range(0, layer.height, rows):  # some rows at a time, to save memory
        band = layer.crop((0, top, layer.width, min(layer.height, top + rows)))
        image.paste(Image.alpha_composite(Image.new("RGBA", band.size, color), band).convert("RGB"), (0, top))
    note = f"transparent: scored on a {name} ground, for on white it could hardly be seen" if name else ""
    return Composed(image, note)


def _ground(layer: Image.Image) -> str:
    """Return the name of the ground that shows more than white does; "" for white."""
    small = layer
    if max(layer.size) > _SIDE:
        scale = _SIDE / max(layer.size)
        size = (max(1, round(layer.width * scale)), max(1, round(layer.height * scale)))
        small = layer.resize(size, Image.Resampling.BOX, reducing_gap=2.0)
    pixels = np.asarray(small).astype(np.float64)
    alpha = pixels[..., 3] / 255
    visible = float(alpha.sum())
    if not visible or (alpha < 0.5).mean() < _TRANSPARENT or _seen(pixels, alpha, _WHITE) >= _ENOUGH:
        return ""
    shares = {name: _seen(pixels, alpha, color) for name, color in _GROUNDS.items()}
    best = max(shares, key=lambda name: shares[name])
    return best if shares[best] > _seen(pixels, alpha, _WHITE) else ""


def _seen(pixels: NDArray[np.float64], alpha: NDArray[np.float64], ground: tuple[int, int, int]) -> float:
    """Return the share of the visible pixels, by their alpha, whose color can be told from a ground."""
    apart = np.abs(pixels[..., :3] - np.array(ground)).max(axis=-1)
    return float((alpha * (apart > _SEEN)).sum() / alpha.sum())


def single_color(image: Image.Image) -> str:
    """Return the color of an RGB image that has only one, as `#rrggbb`; "" for any other image.

    >>> single_color(Image.new("RGB", (40, 40), "red")), single_color(Image.linear_gradient("L").convert("RGB"))
    ('#ff0000', '')
    """
    # Some of its own pixels show it of most images; to look at all of them holds up the threads beside this one.
    for some in (image.resize(_SOME, Image.Resampling.NEAREST), image):
        bands = [some.getchannel(band).getextrema() for band in image.getbands()]
        if any(high - low > _ONE_COLOR for low, high in bands):  # type: ignore[operator]
            return ""
    return "#" + "".join(f"{int(sum(band)) // 2:02x}" for band in bands)  # type: ignore[arg-type]


def spread(image: Image.Image) -> float:
    """Return how much there is to see in an RGB image: the standard deviation of its thumbnail, of 255 levels."""
    small = np.asarray(image.convert("RGB").resize((48, 48), Image.Resampling.BOX, reducing_gap=2.0)).astype(float)
    return float(np.sqrt(small.reshape(-1, 3).var(axis=0).sum()))
