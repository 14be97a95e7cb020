"""Seven ways to lay out an advert. Each draws one design on one canvas."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from PIL import Image, ImageOps

from abkit.demo.canvas import Canvas, Color
from abkit.demo.photographs import PHOTOGRAPHS, load_photograph

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

    def photograph(self) -> Image.Image:
        """Load the photograph."""
        return load_photograph(self.name)


Layout = Callable[[Canvas, Crop, Copy, Palette], None]


def hero(canvas: Canvas, crop: Crop, copy: Copy, palette: Palette) -> None:
    """The photograph fills the advert; headline and button stand on a shade at its foot."""
    canvas.photograph(crop.photograph(), (0, 0, 1, 1), crop.center, crop.zoom)
    canvas.scrim((0, 0.38, 1, 1), BLACK, 0.86)
    canvas.scrim((0, 0, 1, 0.2), BLACK, 0.5, upwards=False)
    canvas.brand((0.06, 0.075), copy.brand, palette.on_photograph, 0.034)
    canvas.text((0.06, 0.5, 0.94, 0.76), copy.headline, palette.on_photograph, 0.098, bold=True, valign="bottom")
    canvas.text((0.06, 0.775, 0.94, 0.83), copy.line, palette.on_photograph, 0.036)
    canvas.button((0.06, 0.905), copy.button, palette.accent, palette.on_accent, 0.036, "left")


def split(canvas: Canvas, crop: Crop, copy: Copy, palette: Palette) -> None:
    """Half photograph, half a panel of color with the offer: side by side or one above the other."""
    if canvas.width > canvas.height * 1.2:
        canvas.photograph(crop.photograph(), (0.46, 0, 1, 1), crop.center, crop.zoom)
        canvas.brand((0.045, 0.12), copy.brand, palette.type, 0.034)
        bottom = canvas.text((0.045, 0.22, 0.43, 0.62), copy.headline, palette.type, 0.085, bold=True)
        canvas.text((0.045, bottom + 0.02, 0.43, 0.76), copy.line, palette.type, 0.034)
        canvas.button((0.045, 0.86), copy.button, palette.accent, palette.on_accent, 0.036, "left")
        canvas.badge((0.46, 0.17), copy.price, palette.accent, palette.on_accent, 0.1)
        return
    canvas.photograph(crop.photograph(), (0, 0, 1, 0.56), crop.center, crop.zoom)
    canvas.badge((0.83, 0.56), copy.price, palette.accent, palette.on_accent, 0.105)
    canvas.brand((0.06, 0.62), copy.brand, palette.type, 0.032)
    bottom = canvas.text((0.06, 0.665, 0.9, 0.82), copy.headline, palette.type, 0.082, bold=True)
    canvas.text((0.06, bottom + 0.008, 0.9, 0.88), copy.line, palette.type, 0.032)
    canvas.button((0.06, 0.93), copy.button, palette.accent, palette.on_accent, 0.033, "left")


def card(canvas: Canvas, crop: Crop, copy: Copy, palette: Palette) -> None:
    """The photograph fills the advert; the offer is on a white card."""
    canvas.photograph(crop.photograph(), (0, 0, 1, 1), crop.center, crop.zoom)
    wide = canvas.width > canvas.height * 1.2
    left, top, right, bottom = (0.05, 0.12, 0.47, 0.88) if wide else (0.07, 0.58, 0.93, 0.95)
    canvas.rectangle((left, top + 0.008, right, bottom + 0.008), BLACK, radius=0.03, opacity=0.25)
    canvas.rectangle((left, top, right, bottom), (252, 251, 248), radius=0.03)
    span, rise = right - left, bottom - top
    ink = palette.ground if sum(palette.ground) < 380 else palette.accent
    pad = 0.08 * span
    canvas.brand((left + pad, top + 0.13 * rise), copy.brand, ink, 0.03)
    canvas.text((left + pad, top + 0.23 * rise, right - pad, top + 0.59 * rise), copy.headline, BLACK, 0.07, bold=True)
    canvas.text((left + pad, top + 0.62 * rise, right - pad, top + 0.74 * rise), copy.line, (90, 90, 92), 0.031)
    canvas.text((left + pad, top + 0.76 * rise, left + 0.45 * span, bottom - 0.07 * rise), copy.price,
                ink, 0.06, bold=True, valign="middle")  # fmt: skip
    canvas.button((left + 0.7 * span, top + 0.845 * rise), copy.button, palette.accent, palette.on_accent, 0.029)


def offer(canvas: Canvas, crop: Crop, copy: Copy, palette: Palette) -> None:
    """The photograph with a big star of a price: the flyer."""
    canvas.photograph(crop.photograph(), (0, 0, 1, 1), crop.center, crop.zoom)
    canvas.rectangle((0, 0.8, 1, 1), palette.ground)
    canvas.badge((0.8, 0.2), copy.price, palette.accent, palette.on_accent, 0.165, points=18)
    canvas.text((0.05, 0.815, 0.62, 0.93), copy.headline, palette.type, 0.062, bold=True, valign="middle")
    canvas.text((0.05, 0.935, 0.62, 0.985), copy.line, palette.type, 0.028)
    canvas.button((0.82, 0.9), copy.button, palette.accent, palette.on_accent, 0.03)
    canvas.brand((0.05, 0.07), copy.brand, palette.on_photograph, 0.036)


def frame(canvas: Canvas, crop: Crop, copy: Copy, palette: Palette) -> None:
    """A quiet ground, the headline in the middle above, the photograph framed, the button below."""
    if canvas.width > canvas.height * 1.2:
        canvas.photograph(crop.photograph(), (0.05, 0.09, 0.5, 0.91), crop.center, crop.zoom, radius=0.03)
        canvas.brand((0.55, 0.15), copy.brand, palette.type, 0.032)
        canvas.text((0.55, 0.24, 0.95, 0.62), copy.headline, palette.type, 0.08, bold=True, valign="middle")
        canvas.text((0.55, 0.64, 0.95, 0.74), copy.line, palette.type, 0.032)
        canvas.button((0.55, 0.85), copy.button, palette.accent, palette.on_accent, 0.034, "left")
        return
    canvas.text((0.1, 0.05, 0.9, 0.25), copy.headline, palette.type, 0.083, bold=True, align="center", valign="middle")
    canvas.text((0.1, 0.255, 0.9, 0.305), copy.line, palette.type, 0.032, align="center")
    canvas.photograph(crop.photograph(), (0.08, 0.33, 0.92, 0.83), crop.center, crop.zoom, radius=0.04)
    canvas.button((0.5, 0.885), copy.button, palette.accent, palette.on_accent, 0.034)
    canvas.text((0.1, 0.94, 0.9, 0.98), copy.brand, palette.type, 0.026, align="center", valign="middle")


def roundel(canvas: Canvas, crop: Crop, copy: Copy, palette: Palette) -> None:
    """The subject in a big circle on a flat ground, price beside it: the product shot."""
    wide = canvas.width > canvas.height * 1.2
    reach = min(0.40 * canvas.width, (0.40 if wide else 0.29) * canvas.height)
    x, y = (0.74, 0.5) if wide else (0.5, 0.385)
    half_width, half_height = reach / canvas.width, reach / canvas.height
    ring = 1.06
    canvas.rectangle(
        (x - ring * half_width, y - ring * half_height, x + ring * half_width, y + ring * half_height),
        palette.accent, radius=1,
    )  # fmt: skip
    canvas.photograph(
        crop.photograph(),
        (x - half_width, y - half_height, x + half_width, y + half_height),
        crop.center, crop.zoom, radius=1,
    )  # fmt: skip
    canvas.badge((x + 0.78 * half_width, y - 0.78 * half_height), copy.price, palette.type, palette.ground, 0.085)
    canvas.brand((0.055, 0.1 if wide else 0.05), copy.brand, palette.type, 0.032)
    if wide:
        canvas.text((0.055, 0.22, 0.46, 0.6), copy.headline, palette.type, 0.088, bold=True, valign="middle")
        canvas.text((0.055, 0.63, 0.46, 0.75), copy.line, palette.type, 0.033)
        canvas.button((0.055, 0.86), copy.button, palette.accent, palette.on_accent, 0.035, "left")
        return
    canvas.text((0.08, 0.7, 0.92, 0.84), copy.headline, palette.type, 0.08, bold=True, align="center", valign="middle")
    canvas.text((0.08, 0.842, 0.92, 0.885), copy.line, palette.type, 0.031, align="center")
    canvas.button((0.5, 0.935), copy.button, palette.accent, palette.on_accent, 0.033)


def catalogue(canvas: Canvas, crop: Crop, copy: Copy, palette: Palette) -> None:
    """Four crops with four prices and a banner: the advert that wants to say everything."""
    canvas.rectangle((0, 0, 1, 0.15), palette.accent)
    canvas.text((0.03, 0.02, 0.97, 0.13), copy.headline.upper(), palette.on_accent, 0.075, bold=True,
                align="center", valign="middle")  # fmt: skip
    x, y = PHOTOGRAPHS[crop.name].subject
    crops = [((x, y), 1.0), ((x - 0.25, y), 1.9), ((x + 0.2, y + 0.2), 2.3), ((x, y - 0.25), 1.6)]
    for cell, (center, zoom) in enumerate(crops):
        left, top = 0.02 + 0.49 * (cell % 2), 0.17 + 0.33 * (cell // 2)
        canvas.photograph(crop.photograph(), (left, top, left + 0.47, top + 0.31), center, zoom)
        canvas.badge((left + 0.39, top + 0.24), copy.price, palette.accent, palette.on_accent, 0.062, points=12)
        canvas.rectangle((left, top + 0.26, left + 0.3, top + 0.31), palette.ground)
        canvas.text((left + 0.01, top + 0.262, left + 0.29, top + 0.308), f"{copy.line} *", palette.type, 0.022,
                    valign="middle")  # fmt: skip
    canvas.text((0.02, 0.84, 0.6, 0.91), f"{copy.brand}: {copy.line}", palette.type, 0.034, bold=True)
    canvas.text((0.02, 0.92, 0.6, 0.985), "* While stocks last. Terms apply. Not with other offers. One per guest.",
                palette.type, 0.018)  # fmt: skip
    canvas.button((0.8, 0.91), copy.button, palette.accent, palette.on_accent, 0.03)


def textured(name: str, size: tuple[int, int], color: Color) -> Image.Image:
    """A gray texture (brick, gravel, grass) in a color, to stand under an advert."""
    tile = load_photograph(name)
    gray = ImageOps.fit(tile, size, Image.Resampling.BICUBIC).convert("L")
    dark = tuple(round(level * 0.55) for level in color)
    return ImageOps.colorize(gray, dark, color)


LAYOUTS: dict[str, Layout] = {
    "hero": hero,
    "split": split,
    "card": card,
    "offer": offer,
    "frame": frame,
    "roundel": roundel,
    "catalogue": catalogue,
}
