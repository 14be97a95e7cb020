"""Seven ways to lay out an advert. Each draws one design on one canvas."""

from __future__ import annotations

from collections.abc import Callable

from abkit.demo.canvas import BLACK, Canvas, Crop
from abkit.demo.photographs import PHOTOGRAPHS


def hero(canvas: Canvas) -> None:
    """The photograph fills the advert; headline and button stand on a shade at its foot."""
    copy, ink = canvas.copy, canvas.palette.on_photograph
    canvas.photograph((0, 0, 1, 1))
    canvas.scrim((0, 0.38, 1, 1), 0.86)
    canvas.scrim((0, 0, 1, 0.2), 0.5, upwards=True)
    canvas.brand((0.06, 0.075), 0.034, ink)
    canvas.text((0.06, 0.5, 0.94, 0.76), copy.headline, ink, 0.098, bold=True, anchor="ld")
    canvas.text((0.06, 0.785, 0.94, 0.84), copy.line, ink, 0.036)
    canvas.button((0.06, 0.905), 0.036, left=True)


def split(canvas: Canvas) -> None:
    """Half photograph, half a panel of color with the offer: side by side or one above the other."""
    copy, palette = canvas.copy, canvas.palette
    if canvas.wide:
        canvas.photograph((0.46, 0, 1, 1))
        canvas.brand((0.045, 0.12), 0.034, palette.type)
        bottom = canvas.text((0.045, 0.22, 0.43, 0.62), copy.headline, palette.type, 0.085, bold=True)
        canvas.text((0.045, bottom + 0.03, 0.43, 0.78), copy.line, palette.type, 0.034)
        canvas.button((0.045, 0.86), 0.036, left=True)
        canvas.badge((0.46, 0.17), 0.1, palette.accent, palette.on_accent)
        return
    canvas.photograph((0, 0, 1, 0.56))
    canvas.badge((0.83, 0.56), 0.105, palette.accent, palette.on_accent)
    canvas.brand((0.06, 0.62), 0.032, palette.type)
    bottom = canvas.text((0.06, 0.665, 0.9, 0.82), copy.headline, palette.type, 0.082, bold=True)
    canvas.text((0.06, bottom + 0.015, 0.9, 0.89), copy.line, palette.type, 0.032)
    canvas.button((0.06, 0.93), 0.033, left=True)


def card(canvas: Canvas) -> None:
    """The photograph fills the advert; the offer is on a white card."""
    copy, palette = canvas.copy, canvas.palette
    canvas.photograph((0, 0, 1, 1))
    left, top, right, bottom = (0.05, 0.12, 0.47, 0.88) if canvas.wide else (0.07, 0.58, 0.93, 0.95)
    canvas.rectangle((left, top + 0.008, right, bottom + 0.008), BLACK, radius=0.03, opacity=0.25)
    canvas.rectangle((left, top, right, bottom), (252, 251, 248), radius=0.03)
    ink = palette.ground if sum(palette.ground) < 380 else palette.accent
    span, rise = right - left, bottom - top
    start, end = left + 0.08 * span, right - 0.08 * span
    canvas.brand((start, top + 0.13 * rise), 0.03, ink)
    canvas.text((start, top + 0.23 * rise, end, top + 0.59 * rise), copy.headline, BLACK, 0.07, bold=True)
    canvas.text((start, top + 0.63 * rise, end, top + 0.74 * rise), copy.line, (90, 90, 92), 0.031)
    price = (start, top + 0.76 * rise, left + 0.45 * span, bottom - 0.07 * rise)
    canvas.text(price, copy.price, ink, 0.06, bold=True, anchor="lm")
    canvas.button((left + 0.7 * span, top + 0.845 * rise), 0.029)


def offer(canvas: Canvas) -> None:
    """The photograph with a big star of a price: the flyer."""
    copy, palette = canvas.copy, canvas.palette
    canvas.photograph((0, 0, 1, 1))
    canvas.rectangle((0, 0.8, 1, 1), palette.ground)
    canvas.badge((0.8, 0.2), 0.165, palette.accent, palette.on_accent, star=True)
    canvas.text((0.05, 0.815, 0.62, 0.92), copy.headline, palette.type, 0.062, bold=True, anchor="lm")
    canvas.text((0.05, 0.935, 0.62, 0.985), copy.line, palette.type, 0.028)
    canvas.button((0.82, 0.9), 0.03)
    canvas.brand((0.05, 0.07), 0.036, palette.on_photograph)


def frame(canvas: Canvas) -> None:
    """A quiet ground, the headline in the middle above, the photograph framed, the button below."""
    copy, ink = canvas.copy, canvas.palette.type
    if canvas.wide:
        canvas.photograph((0.05, 0.09, 0.5, 0.91), radius=0.03)
        canvas.brand((0.55, 0.15), 0.032, ink)
        canvas.text((0.55, 0.24, 0.95, 0.62), copy.headline, ink, 0.08, bold=True, anchor="lm")
        canvas.text((0.55, 0.64, 0.95, 0.74), copy.line, ink, 0.032)
        canvas.button((0.55, 0.85), 0.034, left=True)
        return
    canvas.text((0.1, 0.05, 0.9, 0.24), copy.headline, ink, 0.083, bold=True, anchor="mm")
    canvas.text((0.1, 0.26, 0.9, 0.31), copy.line, ink, 0.032, anchor="ma")
    canvas.photograph((0.08, 0.33, 0.92, 0.83), radius=0.04)
    canvas.button((0.5, 0.885), 0.034)
    canvas.text((0.1, 0.94, 0.9, 0.98), copy.brand, ink, 0.026, anchor="mm")


def roundel(canvas: Canvas) -> None:
    """The subject in a big circle on a flat ground, price beside it: the product shot."""
    copy, palette, wide = canvas.copy, canvas.palette, canvas.wide
    reach = min(0.40 * canvas.width, (0.40 if wide else 0.29) * canvas.height)
    x, y = (0.74, 0.5) if wide else (0.5, 0.385)
    width, height = reach / canvas.width, reach / canvas.height
    ring = (x - 1.06 * width, y - 1.06 * height, x + 1.06 * width, y + 1.06 * height)
    canvas.rectangle(ring, palette.accent, radius=1)
    canvas.photograph((x - width, y - height, x + width, y + height), radius=1)
    canvas.badge((x + 0.78 * width, y - 0.78 * height), 0.085, palette.type, palette.ground)
    canvas.brand((0.055, 0.1 if wide else 0.05), 0.032, palette.type)
    if wide:
        canvas.text((0.055, 0.22, 0.46, 0.6), copy.headline, palette.type, 0.088, bold=True, anchor="lm")
        canvas.text((0.055, 0.64, 0.46, 0.76), copy.line, palette.type, 0.033)
        canvas.button((0.055, 0.86), 0.035, left=True)
        return
    canvas.text((0.08, 0.7, 0.92, 0.84), copy.headline, palette.type, 0.08, bold=True, anchor="mm")
    canvas.text((0.08, 0.85, 0.92, 0.89), copy.line, palette.type, 0.031, anchor="ma")
    canvas.button((0.5, 0.935), 0.033)


def catalogue(canvas: Canvas) -> None:
    """Four crops with four prices and a banner: the advert that wants to say everything."""
    copy, palette = canvas.copy, canvas.palette
    canvas.rectangle((0, 0, 1, 0.15), palette.accent)
    canvas.text((0.03, 0.02, 0.97, 0.13), copy.headline.upper(), palette.on_accent, 0.075, bold=True, anchor="mm")
    x, y = PHOTOGRAPHS[canvas.crop.name].subject
    crops = [((x, y), 1.0), ((x - 0.25, y), 1.9), ((x + 0.2, y + 0.2), 2.3), ((x, y - 0.25), 1.6)]
    for cell, (center, zoom) in enumerate(crops):
        left, top = 0.02 + 0.49 * (cell % 2), 0.17 + 0.33 * (cell // 2)
        canvas.photograph((left, top, left + 0.47, top + 0.31), crop=Crop(canvas.crop.name, center, zoom))
        canvas.badge((left + 0.39, top + 0.24), 0.062, palette.accent, palette.on_accent, star=True)
        canvas.rectangle((left, top + 0.26, left + 0.3, top + 0.31), palette.ground)
        label = (left + 0.01, top + 0.262, left + 0.29, top + 0.308)
        canvas.text(label, f"{copy.line} *", palette.type, 0.022, anchor="lm")
    canvas.text((0.02, 0.84, 0.6, 0.91), f"{copy.brand}: {copy.line}", palette.type, 0.034, bold=True)
    terms = "* While stocks last. Terms apply. Not with other offers. One per guest."
    canvas.text((0.02, 0.925, 0.6, 0.985), terms, palette.type, 0.018)
    canvas.button((0.8, 0.91), 0.03)


LAYOUTS: dict[str, Callable[[Canvas], None]] = {
    layout.__name__: layout for layout in (hero, split, card, offer, frame, roundel, catalogue)
}
