"""Charts of what listening to a score is worth: measured against chance and the ceiling, and the gain curve."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import altair as alt

from abkit.reporting.charts.theme import INK, MUTED, SERIES, empty_chart, themed
from abkit.stats.estimate import Estimate
from abkit.stats.listening.gains import GainPoint


def shares_chart(rows: Sequence[tuple[str, Estimate, float, float]], *, width: int = 560) -> Any:
    """Draw shares with their intervals, between what chance gets and the most that noise allows.

    Args:
        rows: Name, share with its interval, that of chance, and the ceiling.
        width: Width of the plot in pixels.
    """
    title = "Measured, against chance and the ceiling"
    known = [row for row in rows if math.isfinite(row[1].estimate)]
    if not known:
        return empty_chart(title, "Nothing can be measured yet")
    names = [row[0] for row in known]
    marks = ["chance", "measured", "most that noise allows"]
    data = [
        {"name": name, "mark": mark, "at": value}
        for name, found, chance, ceiling in known
        for mark, value in zip(marks, (chance, found.estimate, ceiling), strict=True)
        if math.isfinite(value)
    ]
    ends = [{"name": name, "low": found.ci_low, "high": found.ci_high} for name, found, *_ in known]
    y = alt.Y("name:N", sort=names, title=None, axis=None)
    scale = alt.Scale(domain=[0, 1])
    color = alt.Color(
        "mark:N",
        title=None,
        scale=alt.Scale(domain=marks, range=[MUTED, SERIES[0], SERIES[2]]),
        legend=alt.Legend(orient="bottom", labelLimit=260, columns=3),
    )
    x = alt.X("at:Q", title="Share", scale=scale, axis=alt.Axis(format=".0%"))
    lines = alt.Chart(alt.Data(values=ends)).mark_rule(strokeWidth=3, color=SERIES[0], opacity=0.5)
    dots = alt.Chart(alt.Data(values=data)).mark_point(filled=True, size=110, opacity=1)
    shapes = alt.Scale(domain=marks, range=["diamond", "circle", "triangle-left"])
    shape = alt.Shape("mark:N", legend=None, scale=shapes)
    intervals = lines.encode(x=alt.X("low:Q", scale=scale), x2="high:Q", y=y)
    marked = dots.encode(x=x, y=y, color=color, shape=shape)
    words = alt.Chart(alt.Data(values=ends)).mark_text(align="left", dy=-16, fontSize=13, color=INK)
    written = words.encode(x=alt.datum(0, scale=scale), y=y, text="name:N")
    return themed(alt.layer(intervals, marked, written).properties(width=width, height=64 * len(known), title=title))


def gain_chart(curve: Sequence[GainPoint], *, width: int = 560) -> Any:
    """Draw the gain of the best of k by score over the best of k at random, with its 95 % interval, for each k.

    Args:
        curve: The gain curve.
        width: Width of the plot in pixels.
    """
    title = "Best of k by score against best of k at random"
    if not curve:
        return empty_chart(title, "No campaign has two ideas that can be compared")
    data = [{"k": one.k, "gain": one.gain.estimate, "low": one.gain.ci_low, "high": one.gain.ci_high} for one in curve]
    x = alt.X("k:Q", title="Variants launched per campaign (k)", axis=alt.Axis(tickMinStep=1, format="d"))
    y = alt.Y("gain:Q", title="Gain, of the average rate", axis=alt.Axis(format="+.0%", tickCount=6, titlePadding=16))
    zero = alt.Chart(alt.Data(values=[{"zero": 0}])).mark_rule(color=INK, strokeDash=[4, 3]).encode(y="zero:Q")
    base = alt.Chart(alt.Data(values=data))
    area = base.mark_area(opacity=0.2, color=SERIES[0]).encode(x=x, y=alt.Y("low:Q"), y2="high:Q")
    line = base.mark_line(color=SERIES[0], strokeWidth=2.2, point=alt.OverlayMarkDef(size=40)).encode(x=x, y=y)
    return themed(alt.layer(area, zero, line).properties(width=width, height=220, title=title))
