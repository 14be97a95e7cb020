"""Render a page as one HTML file that needs nothing else, and write it.

Its charts fit a phone, a wide screen and paper, by day and by night.
"""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Protocol

from markupsafe import Markup

from abkit.reporting.charts.compact import compact
from abkit.reporting.charts.theme import GRID, INK, MUTED, readable, spec_of, svg_of
from abkit.written_files import whole_file

#: Widths of the plots in pixels; axes come on top.
WIDE, NARROW = 800, 250
_COLORS = {INK: "var(--ink)", MUTED: "var(--muted)", GRID: "var(--line)", "#aab0bf": "var(--axis)"}
_COLORS["#000"] = "var(--ink)"


class WithThumbnail(Protocol):
    """A creative that is shown on a page."""

    @property
    def sha256(self) -> str:
        """SHA-256 of its content."""

    @property
    def thumbnail(self) -> str:
        """A data URI, or ""."""


def drawing(make: Callable[[int], Any], prefix: str) -> Markup:
    """Return a chart for the page; names in it are escaped where it is drawn."""
    return Markup(responsive(make, prefix))  # noqa: S704


def render(template: str, creatives: Sequence[WithThumbnail], **values: Any) -> str:
    """Return a page: everything is escaped but what was made here.

    Args:
        template: Name of the template.
        creatives: Those whose thumbnails are on the page; each is in it once, as a background.
        values: What the template shows.
    """
    from jinja2 import Environment, PackageLoader, StrictUndefined

    environment = Environment(
        loader=PackageLoader("abkit.reporting"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=_readable_text,
    )

    def source(name: str) -> str:
        return environment.loader.get_source(environment, name)[0] if environment.loader else ""

    images = {one.sha256: one.thumbnail for one in creatives if one.thumbnail}
    numbers = {sha256: number for number, sha256 in enumerate(images)}
    backgrounds = "\n".join(f".t{numbers[sha256]}{{background-image:url({uri})}}" for sha256, uri in images.items())
    script = source("report.js")
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    return environment.get_template(template).render(
        css=Markup(source("report.css")),  # noqa: S704
        thumbnail_css=Markup(backgrounds),  # noqa: S704
        thumbnails=numbers,
        script=Markup(script),  # noqa: S704
        script_hash=f"sha256-{digest}",
        **values,
    )


def write_page(page: str, path: Path) -> Path:
    """Write the page, whole or not at all; others may read it once its owner lets them.

    Raises:
        AbkitError: The file cannot be written.
    """
    with whole_file(
        path, what="the report", hint="name another file with --out, or free some space", folders=True
    ) as unfinished:
        unfinished.write_text(page, encoding="utf-8")
    return path


def _readable_text(value: Any) -> Any:
    # Markup is a str too, and is ours; only plain text may hold what cannot be read.
    return readable(value) if type(value) is str else value


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
    return "".join(
        f'<div class="{name}">{compact(_recolored(svg_of(spec, prefix + name[0])))}</div>' for name, spec in drawings
    )


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
