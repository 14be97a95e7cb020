"""A map drawn over its picture."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from abkit_model.preparation import Prepared


def overlay(image: Image.Image, prepared: Prepared, heat: NDArray[np.float64], *, signed: bool) -> Image.Image:
    """The picture in grey with a map over it: orange raises, blue lowers.

    Args:
        image: As it was opened.
        prepared: The same as the encoder sees it.
        heat: `(h, w)`; drawn relative to its largest absolute value.
        signed: False for maps of attention, which only attract: all of it is orange then.
    """
    top = np.abs(heat).max()
    scaled = heat / top if top > 0 else heat
    cell = prepared.pixels.shape[0] // heat.shape[0]
    small = Image.fromarray((np.clip(scaled, -1, 1) * 127 + 128).astype(np.uint8))
    large = small.resize((heat.shape[1] * cell, heat.shape[0] * cell), Image.Resampling.BICUBIC)
    shown = large.crop((0, 0, prepared.width, prepared.height)).resize(image.size, Image.Resampling.BICUBIC)
    value = (np.asarray(shown).astype(np.float64) - 128) / 127  # (H, W), -1 … 1
    grey = np.asarray(image.convert("L").convert("RGB")).astype(np.float64) * 0.7 + 40
    warm, cold = np.array([230.0, 97.0, 1.0]), np.array([33.0, 102.0, 172.0])  # told apart by the colour-blind too
    colour = np.where(value[..., None] >= 0, warm, cold if signed else warm)
    strength = 0.75 * np.clip(np.abs(value), 0, 1)[..., None]
    return Image.fromarray((grey * (1 - strength) + colour * strength).clip(0, 255).astype(np.uint8))
