"""Sixty adverts, rendered in code: three campaigns of twenty, good and bad ones on purpose.

    from abkit.demo.adverts import write_adverts
    for advert in write_adverts(Path("ads")):
        ...

The same seed gives the same designs. The brands are made up; the photographs are in `photographs.py`.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import numpy as np
from PIL import Image, ImageEnhance, ImageFilter

from abkit.demo.canvas import WHITE, Canvas, Color, Copy, Crop, Palette
from abkit.demo.layouts import LAYOUTS
from abkit.demo.photographs import PHOTOGRAPHS

T = TypeVar("T")

FORMATS: dict[str, tuple[int, int]] = {
    "1x1": (720, 720),
    "4x5": (720, 900),
    "9x16": (630, 1120),
    "1.91x1": (955, 500),
}

FAULTS = (
    "bad_crop",  # the crop misses the subject
    "blur",  # upscaled from a thumbnail
    "low_contrast",  # type that hardly differs from its background
    "dark",  # underexposed
    "washed_out",  # overexposed and pale
    "loud",  # colors that clash
    "blocky",  # compressed to pieces
    "textured",  # a busy texture under the type
)


@dataclass(frozen=True, kw_only=True)
class Theme:
    """What the adverts of one campaign share."""

    key: str
    brand: str
    photographs: tuple[str, ...]
    texture: str
    headlines: tuple[str, ...]
    lines: tuple[str, ...]
    prices: tuple[str, ...]
    buttons: tuple[str, ...]
    palettes: tuple[Palette, ...]


@dataclass(frozen=True, kw_only=True)
class Design:
    """One advert before it is drawn. `faults` are keys of `FAULTS`; a good advert has none."""

    campaign: str
    name: str
    format: str
    layout: str
    crop: Crop
    copy: Copy
    palette: Palette
    texture: str
    faults: tuple[str, ...]


@dataclass(frozen=True)
class Advert:
    """One advert as a file."""

    path: Path
    design: Design


CREAM: Color = (250, 244, 232)
THEMES: tuple[Theme, ...] = (
    Theme(
        key="coffee-bar",
        brand="Kettle Lane",
        photographs=("coffee",),
        texture="brick",
        headlines=(
            "Your morning, poured.",
            "The good cup is back",
            "Slow down for an espresso",
            "Two for one until ten",
            "Roasted on Tuesday. Yours today.",
        ),
        lines=("Every day from 7 to 10", "Freshly roasted in small lots", "Around the corner from you"),
        prices=("$2.20", "-30%", "2 for 1"),
        buttons=("Order ahead", "Find a bar", "Get the offer"),
        palettes=(
            Palette((62, 35, 24), CREAM, (235, 106, 52), WHITE),
            Palette(CREAM, (58, 34, 22), (178, 46, 31), WHITE),
            Palette((24, 62, 58), (246, 240, 226), (246, 190, 83), (40, 28, 16)),
        ),
    ),
    Theme(
        key="cat-food",
        brand="Tabby Bowl",
        photographs=("cat",),
        texture="grass",
        headlines=(
            "Dinner is served.",
            "Picky? Not any more.",
            "Real chicken. Nothing else.",
            "She will know.",
            "The first box is on us",
        ),
        lines=("Delivered every second week", "Vet approved, cat demanded", "Cancel whenever you like"),
        prices=("$9.90", "-40%", "1st free"),
        buttons=("Try a box", "Shop now", "Build your bowl"),
        palettes=(
            Palette((255, 214, 92), (44, 33, 20), (28, 96, 84), WHITE),
            Palette((28, 82, 74), (250, 246, 236), (255, 186, 73), (40, 30, 12)),
            Palette((246, 238, 228), (66, 42, 30), (214, 84, 60), WHITE),
        ),
    ),
    Theme(
        key="star-hall",
        brand="Star Hall",
        photographs=("rocket", "galaxies"),
        texture="gravel",
        headlines=(
            "Look further.",
            "Ten billion years, tonight",
            "Launch night, live",
            "Kids go free on Sundays",
            "The sky has never been closer",
        ),
        lines=("Shows at 5, 7 and 9 pm", "The new dome is open", "Half an hour from the center"),
        prices=("$12", "-25%", "Kids free"),
        buttons=("Book seats", "Get tickets", "See the program"),
        palettes=(
            Palette((16, 22, 58), (238, 240, 252), (255, 196, 61), (24, 20, 40)),
            Palette((238, 238, 246), (22, 24, 64), (92, 70, 214), WHITE),
            Palette((44, 18, 72), (250, 240, 255), (255, 122, 89), WHITE),
        ),
    ),
)

LOUD = Palette((255, 0, 168), (0, 255, 64), (255, 240, 0), (255, 0, 0))


def designs(seed: int = 7, per_campaign: int = 20, themes: Sequence[Theme] = THEMES) -> list[Design]:
    """Draw the designs: formats and layouts evenly, faults for somewhat over half of them.

    Args:
        seed: Seed of the draw.
        per_campaign: Adverts per campaign.
        themes: What the adverts of each campaign share.

    >>> [d.name for d in designs(per_campaign=2)][:2]
    ['coffee-bar-01-hero-1x1', 'coffee-bar-02-catalogue-9x16']
    """
    rng = np.random.default_rng(seed)
    drawn: list[Design] = []
    for theme in themes:
        formats = _evenly(rng, list(FORMATS), per_campaign)
        layouts = _evenly(rng, list(LAYOUTS), per_campaign)
        headlines = _evenly(rng, list(theme.headlines), per_campaign)
        fault_counts = _evenly(rng, [0, 0, 1, 1, 2], per_campaign)
        for index in range(per_campaign):
            faults = tuple(str(f) for f in rng.choice(FAULTS, size=fault_counts[index], replace=False))
            photograph = str(rng.choice(theme.photographs))
            drawn.append(
                Design(
                    campaign=theme.key,
                    name=f"{theme.key}-{index + 1:02d}-{layouts[index]}-{formats[index]}",
                    format=formats[index],
                    layout=layouts[index],
                    crop=_crop(rng, photograph, bad="bad_crop" in faults),
                    copy=Copy(
                        brand=theme.brand,
                        headline=headlines[index],
                        line=str(rng.choice(theme.lines)),
                        price=str(rng.choice(theme.prices)),
                        button=str(rng.choice(theme.buttons)),
                    ),
                    palette=theme.palettes[int(rng.integers(len(theme.palettes)))],
                    texture=theme.texture,
                    faults=faults,
                )
            )
    return drawn


def render(design: Design) -> Image.Image:
    """Draw one advert with its faults."""
    size = FORMATS[design.format]
    palette = LOUD if "loud" in design.faults else design.palette
    if "low_contrast" in design.faults:
        palette = _flattened(palette)
    texture = design.texture if "textured" in design.faults else None
    canvas = Canvas(size, palette, design.copy, design.crop, texture)
    LAYOUTS[design.layout](canvas)
    return _spoiled(canvas.finished(), design.faults)


def write_adverts(
    folder: Path,
    seed: int = 7,
    per_campaign: int = 20,
    progress: Callable[[int, int], None] | None = None,
    themes: Sequence[Theme] = THEMES,
) -> list[Advert]:
    """Render the adverts as JPEG files, one folder per campaign.

    Args:
        folder: Where the campaign folders go; it is created.
        seed: Seed of the designs.
        per_campaign: Adverts per campaign.
        progress: Called with (adverts written, adverts in all).
        themes: What the adverts of each campaign share.
    """
    written = []
    drawn = designs(seed, per_campaign, themes)
    for design in drawn:
        path = folder / design.campaign / f"{design.name}.jpg"
        path.parent.mkdir(parents=True, exist_ok=True)
        render(design).save(path, quality=90)
        written.append(Advert(path, design))
        if progress:
            progress(len(written), len(drawn))
    return written


def _evenly(rng: np.random.Generator, choices: list[T], count: int) -> list[T]:
    """Return every choice about equally often, in random order."""
    rounds = -(-count // len(choices))
    return [choices[i % len(choices)] for i in rng.permutation(rounds * len(choices))[:count]]


def _crop(rng: np.random.Generator, photograph: str, bad: bool) -> Crop:
    """Return a crop around the subject, or one that misses it."""
    if bad:
        return Crop(photograph, (float(rng.choice([0.08, 0.92])), float(rng.choice([0.1, 0.9]))), 2.4)
    return Crop(photograph, PHOTOGRAPHS[photograph].subject, float(rng.uniform(1.0, 1.25)))


def _flattened(palette: Palette) -> Palette:
    """Return the palette with type close to the color of its background."""

    def faint(color: Color) -> Color:
        red, green, blue = (round(0.22 * c + 0.78 * g) for c, g in zip(color, palette.ground, strict=True))
        return red, green, blue

    inks = faint(palette.type), faint(palette.accent), faint(palette.on_accent)
    return Palette(palette.ground, *inks, (122, 116, 110))


def _spoiled(image: Image.Image, faults: tuple[str, ...]) -> Image.Image:
    """Apply the faults that come after drawing: exposure, sharpness, compression."""
    if "dark" in faults:
        image = ImageEnhance.Brightness(image).enhance(0.5)
    if "washed_out" in faults:
        image = ImageEnhance.Contrast(ImageEnhance.Brightness(image).enhance(1.5)).enhance(0.55)
    if "blur" in faults:
        small = image.resize((image.width // 6, image.height // 6), Image.Resampling.BOX)
        image = small.resize(image.size, Image.Resampling.BICUBIC).filter(ImageFilter.GaussianBlur(1))
    if "blocky" in faults:
        squeezed = io.BytesIO()
        image.resize((image.width // 2, image.height // 2)).save(squeezed, "JPEG", quality=7)
        image = Image.open(squeezed).convert("RGB").resize(image.size, Image.Resampling.BILINEAR)
    return image
