"""Charts for a page that is read on a phone, on a wide screen, on paper, by day and by night."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from abkit.reporting.charts.theme import GRID, INK, MUTED, spec_of, svg_of

WIDE, NARROW = 800, 250
"""Widths of the plots in pixels; axes come on top."""

_COLORS = {INK: "var(--ink)", MUTED: "var(--muted)", GRID: "var(--line)", "#aab0bf": "var(--axis)"}
_COLORS["#000"] = "var(--ink)"


def responsive(make: Callable[[int], Any], prefix: str) -> str:
    """Return a chart as two drawings, of which the page shows the one that fits.

    The title is left to the page, and colors of text and lines follow its light or dark scheme.

    Args:
        make: Draws the chart with a plot of so many pixels.
        prefix: Prefix of the ids in it, its own for each chart of a page.
    """
    wide, narrow = spec_of(make(WIDE)), spec_of(make(NARROW))
    for spec in (wide, narrow):
        _without_titles(spec)
    _narrowed(narrow)
    drawings = ("wide", wide), ("narrow", narrow)
    return "".join(f'<div class="{name}">{_recolored(svg_of(spec, prefix + name[0]))}</div>' for name, spec in drawings)


def _without_titles(spec: dict[str, Any]) -> None:
    spec.pop("title", None)
    for part in ("vconcat", "hconcat"):
        for one in spec.get(part, ()):
            _without_titles(one)


def _narrowed(value: Any) -> None:
    """Give legends one column, and axes fewer and shorter labels."""
    if isinstance(value, list):
        for one in value:
            _narrowed(one)
    elif isinstance(value, dict):
        for key, one in value.items():
            if key == "legend" and isinstance(one, dict):
                one |= {"columns": 1, "labelLimit": 260}
            elif key in ("x", "y") and isinstance(one, dict) and one.get("axis", {}) is not None:
                one["axis"] = {**one.get("axis", {}), "tickCount": 4, "labelLimit": 120, "titleLimit": 280}
            elif key == "width" and isinstance(one, int | float) and one > NARROW:
                value[key] = NARROW
            _narrowed(one)


def _recolored(svg: str) -> str:
    """Let text, axes and grid take the colors of the page."""
    svg = svg.replace(' fill="#ffffff"', ' fill="none"', 1)  # the ground
    return re.sub(
        r'(fill|stroke)="(#[0-9a-fA-F]{3,6})"',
        lambda found: f'{found[1]}="{_COLORS.get(found[2].lower(), found[2])}"',
        svg,
    )
