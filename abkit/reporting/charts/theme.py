"""How charts look and where they go: one theme, colors that everyone can tell apart, files without network."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import altair as alt

from abkit.errors import AbkitError
from abkit.written_files import whole_file

INK = "#1d2433"
MUTED = "#5b6478"
GRID = "#e6e8ee"
SERIES = ["#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#8a6d3b", "#555555"]
FORMATS = (".png", ".svg", ".html", ".json")
MAX_COLORS = 12  # campaigns; more cannot be told apart, and their lines say nothing
RESERVED = 66 * 2**30  # bytes of addresses that the drawing library takes, of which it uses few
FONT = "Arial, 'Liberation Sans', Helvetica, sans-serif"  # of the widths that charts are laid out with


def readable(text: object) -> str:
    """Return a text from outside with control characters and direction marks replaced by �.

    >>> readable("spring" + chr(0x202E) + "gpj.exe")
    'spring�gpj.exe'
    """
    said = str(text)
    if said.isprintable():
        return said
    return "".join(char if char.isprintable() or char == "\n" else "�" for char in said)


def themed(chart: Any) -> Any:
    """Put the theme on a finished (top-level) chart."""
    # In one step: each copies the chart with all its rows.
    return chart.configure(
        font=FONT,
        background="#ffffff",
        padding=8,
        view=alt.ViewConfig(stroke=None),
        axis=alt.AxisConfig(
            labelColor=MUTED,
            titleColor=INK,
            gridColor=GRID,
            domainColor="#aab0bf",
            tickColor="#aab0bf",
            labelFontSize=13,
            titleFontSize=13,
            titleFontWeight="normal",
        ),
        title=alt.TitleConfig(
            color=INK,
            subtitleColor=MUTED,
            anchor="start",
            fontSize=16,
            subtitleFontSize=13,
            subtitleLineHeight=17,
            offset=14,
        ),
        legend=alt.LegendConfig(
            labelColor=INK, titleColor=MUTED, labelFontSize=13, titleFontSize=13, labelLimit=220, columnPadding=18
        ),
    )


def campaign_color(campaigns: Sequence[str]) -> Any:
    """Return the encoding of the column `campaign`: a color each, and a legend where it helps."""
    few = 1 < len(campaigns) <= MAX_COLORS
    return alt.Color(
        "campaign:N",
        title=None,
        scale=alt.Scale(domain=campaigns, range=SERIES),
        legend=alt.Legend(orient="bottom", columns=3, symbolOpacity=1) if few else None,
    )


def empty_chart(title: str, why: str) -> Any:
    """Draw the reason where there is nothing else to draw."""
    words = alt.Chart(alt.Data(values=[{"why": why}])).mark_text(color=MUTED, fontSize=14)
    return themed(words.encode(text="why:N").properties(width=560, height=120, title=title))


def chart_svg(chart: Any, prefix: str = "") -> str:
    """Return a chart as an SVG element for an HTML page: no scripts, no links, names escaped.

    Args:
        chart: Any Altair chart.
        prefix: Prefix of the ids in it; give each chart of a page its own, because ids are of the whole page.
    """
    return svg_of(spec_of(chart), prefix)


def spec_of(chart: Any) -> dict[str, Any]:
    """Return a chart in the notation of Vega-Lite.

    It is not held against the schema of Vega-Lite, which takes longer than all else: the tests do that.
    """
    spec: dict[str, Any] = chart.to_dict(validate=False)
    return spec


def svg_of(spec: dict[str, Any], prefix: str = "") -> str:
    """Return a chart in the notation of Vega-Lite as an SVG element; see `chart_svg`."""
    svg: str = _drawing().vegalite_to_svg(spec)
    # Where a browser has none of the fonts, words are wider than they were measured: what they lack is not cut off.
    svg = svg[svg.index("<svg") :].replace("<svg ", '<svg overflow="visible" ', 1)
    return re.sub(r'(\bid="|url\(#)((?:clip|gradient)_?\d+)', rf"\g<1>{prefix}\g<2>", svg) if prefix else svg


def _drawing() -> Any:
    """Return the library that draws.

    Raises:
        AbkitError: It would end this process, because it may reserve too few addresses.
    """
    with suppress(ImportError):  # Windows has no such limit
        import resource

        most, _ = resource.getrlimit(resource.RLIMIT_AS)
        if most != resource.RLIM_INFINITY and most < RESERVED:
            raise AbkitError(
                f"a chart cannot be drawn: this process may reserve {most / 2**30:.1f} GiB of memory addresses, and "
                f"drawing reserves {RESERVED // 2**30}, though it uses little of them",
                hint="ulimit -v unlimited, or start it without a limit of virtual memory (LimitAS=)",
            )
    import vl_convert

    return vl_convert


def refuse_unwritable(path: Path) -> None:
    """Refuse before the work a path where its chart could not be saved.

    Raises:
        AbkitError: An ending that charts do not have, or a place where no file can be written.
    """
    _ending_of(path)
    folder = next(place for place in path.parents if os.path.lexists(place))  # the others will be made
    if path.exists():
        fits = path.is_file() and os.access(path, os.W_OK)
    else:
        fits = folder.is_dir() and os.access(folder, os.W_OK | os.X_OK)
    if not fits:
        raise AbkitError(f"{path}: cannot be written.", hint="Name another file.")


def _ending_of(path: Path) -> str:
    ending = path.suffix.lower()
    if ending not in FORMATS:
        raise AbkitError(
            f"{path.name}: a chart cannot be written as {ending or 'a file without an ending'!r}.",
            hint=f"End the name with {', '.join(FORMATS)}.",
        )
    return ending


def save_chart(chart: Any, path: Path) -> Path:
    """Write a chart as .png, .svg, .html (the SVG in a page) or .json (Vega-Lite), without any network.

    Raises:
        AbkitError: Another ending, or the file cannot be written.
    """
    import json

    ending = _ending_of(path)
    spec = spec_of(chart)
    if ending == ".png":
        content = _drawing().vegalite_to_png(spec, scale=2)
    elif ending == ".json":
        content = json.dumps(spec, indent=1).encode()
    elif ending == ".svg":
        content = chart_svg(chart).encode()
    else:
        page = (
            f'<!doctype html><html lang="en"><meta charset="utf-8"><title>abkit</title><body>{chart_svg(chart)}</body>'
        )
        content = page.encode()
    with whole_file(path, folders=True) as unfinished:
        unfinished.write_bytes(content)
    return path
