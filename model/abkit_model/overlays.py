"""Draw a map over its image: the original beside it, a legend, and a sentence below."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from abkit_model.images import Prepared

Floats = NDArray[np.float64]

# Told apart by the color-blind too.
_WARM, _COLD = (230.0, 97.0, 1.0), (33.0, 102.0, 172.0)
_SIDE = 480  # of each half of a sheet, so that text and image keep their proportions
_GAP = 16
_INK, _PAPER = (34, 34, 34), (255, 255, 255)
_ROWS, _COLUMNS = ("top", "", "bottom"), ("left", "", "right")
#: Rating steps below which an area is not worth a word.
LEAST = 0.02


def overlay(image: Image.Image, prepared: Prepared, heat: Floats, *, signed: bool) -> Image.Image:
    """Draw a map over its image in gray: orange raises, blue lowers.

    Args:
        image: The image as it was opened.
        prepared: The same image as the encoder sees it.
        heat: `(h, w)`, the map; drawn relative to its largest absolute value.
        signed: False for maps of attention, which only attract: they are all orange.
    """
    top = np.abs(heat).max()
    scaled = heat / top if top > 0 else heat
    cell = prepared.pixels.shape[0] // heat.shape[0]
    small = Image.fromarray((np.clip(scaled, -1, 1) * 127 + 128).astype(np.uint8))
    large = small.resize((heat.shape[1] * cell, heat.shape[0] * cell), Image.Resampling.BICUBIC)
    shown = large.crop((0, 0, prepared.width, prepared.height)).resize(image.size, Image.Resampling.BICUBIC)
    value = (np.asarray(shown).astype(np.float64) - 128) / 127  # (H, W), -1 … 1
    gray = np.asarray(image.convert("L").convert("RGB")).astype(np.float64) * 0.7 + 40
    warm, cold = np.array(_WARM), np.array(_COLD)
    color = np.where(value[..., None] >= 0, warm, cold if signed else warm)
    strength = 0.75 * np.clip(np.abs(value), 0, 1)[..., None]
    return Image.fromarray((gray * (1 - strength) + color * strength).clip(0, 255).astype(np.uint8))


def sheet(image: Image.Image, drawn: Image.Image, sentence: str, *, signed: bool) -> Image.Image:
    """Return the original and its overlay side by side, with a legend and a sentence below.

    Args:
        image: The image as it was opened.
        drawn: Its overlay.
        sentence: What the overlay shows.
        signed: Whether blue has a meaning too.
    """
    scale = _SIDE / max(image.size)
    size = (max(1, round(image.width * scale)), max(1, round(image.height * scale)))
    halves = [one.convert("RGB").resize(size, Image.Resampling.LANCZOS) for one in (image, drawn)]
    across = max(2 * size[0] + _GAP, 640)
    font = ImageFont.load_default(15)
    lines = _wrapped(sentence, font, across - 2 * _GAP)
    below = 32 + 20 * len(lines)
    paper = Image.new("RGB", (across + 2 * _GAP, size[1] + below + 3 * _GAP), _PAPER)
    paper.paste(halves[0], (_GAP, _GAP))
    paper.paste(halves[1], (2 * _GAP + size[0], _GAP))
    pen = ImageDraw.Draw(paper)
    left, top = _GAP, size[1] + 2 * _GAP
    legend = [(_WARM, "raises the score"), *([(_COLD, "lowers the score")] if signed else [])]
    for color, words in legend:
        pen.rectangle((left, top + 2, left + 14, top + 16), fill=tuple(round(part) for part in color))
        pen.text((left + 22, top), words, _INK, font)
        left += 22 + round(font.getlength(words)) + 2 * _GAP
    pen.text((left, top), "gray: neither; stronger color, stronger effect", _INK, font)
    for number, line in enumerate(lines):
        pen.text((_GAP, top + 28 + 20 * number), line, _INK, font)
    return paper


def describe(heat: Floats, unit: str = "rating steps") -> str:
    """Say which ninth of an image matters most for its score.

    Args:
        heat: `(h, w)`, by how much the score falls when a window around the cell is blurred, per cell of the window.
        unit: What the score is counted in.

    >>> heat = np.zeros((9, 9))
    >>> heat[:3, :3] = 0.05
    >>> describe(heat)
    'Without the top left the score would be about 0.45 rating steps lower; no area lowers it.'
    """
    ninths = {
        f"{_ROWS[row]} {_COLUMNS[column]}".strip() or "center": float(part.sum())
        for row, band in enumerate(np.array_split(heat, 3, axis=0))
        for column, part in enumerate(np.array_split(band, 3, axis=1))
    }
    best, worst = max(ninths, key=lambda name: ninths[name]), min(ninths, key=lambda name: ninths[name])
    if max(ninths[best], -ninths[worst]) < LEAST:
        return f"No area matters by itself: each ninth of the image changes the score by less than {LEAST} {unit}."
    if ninths[best] < LEAST:
        return f"Without the {worst} the score would be about {-ninths[worst]:.2f} {unit} higher; no area raises it."
    raised = f"Without the {best} the score would be about {ninths[best]:.2f} {unit} lower"
    if ninths[worst] > -LEAST:
        return f"{raised}; no area lowers it."
    return f"{raised}; without the {worst} about {-ninths[worst]:.2f} higher."


def _wrapped(text: str, font: ImageFont.FreeTypeFont | ImageFont.ImageFont, width: int) -> list[str]:
    lines: list[str] = []
    for word in text.split():
        if lines and font.getlength(f"{lines[-1]} {word}") <= width:
            lines[-1] += f" {word}"
        else:
            lines.append(word)
    return lines
