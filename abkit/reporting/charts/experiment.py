"""Charts of experiments: the intervals of all treatments, and a test over time with its boundary."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import altair as alt

from abkit.reporting.charts.theme import INK, MUTED, SERIES, empty_chart, themed

FLAT = MUTED
MOST_ROWS = 60


def forest_plot(rows: Sequence[Mapping[str, Any]], *, title: str, subtitle: str = "", width: int = 560) -> Any:
    """One line a treatment: its lift with the interval that decides. What excludes zero is colored.

    Args:
        rows: name, estimate, ci_low, ci_high (lifts, 0.1 is +10 %); None for what is not finite.
        title: of the chart.
        subtitle: the rule, the level, the look.
        width: of the plot in pixels.
    """
    known = [row for row in rows if row["estimate"] is not None and row["ci_low"] is not None]
    if not known:
        return empty_chart(title, "No lift can be estimated yet")
    shown = known[:MOST_ROWS]
    ends = [row["ci_high"] for row in shown if row["ci_high"] is not None]
    open_end = max([*ends, *(row["estimate"] for row in shown), 0.05]) * 1.15
    data = [
        {
            "name": row["name"],
            "estimate": row["estimate"],
            "low": row["ci_low"],
            "high": row["ci_high"] if row["ci_high"] is not None else open_end,
            "state": _state(row["ci_low"], row["ci_high"]),
            "text": f"{row['estimate']:+.1%}",
        }
        for row in shown
    ]
    if len(known) > len(shown):
        subtitle = f"{subtitle} · {len(shown)} of {len(known)} are drawn".strip(" ·")
    color = alt.Color(
        "state:N",
        title=None,
        scale=alt.Scale(domain=["better", "worse", "not shown"], range=[SERIES[2], SERIES[1], FLAT]),
        legend=alt.Legend(orient="bottom"),
    )
    base = alt.Chart(alt.Data(values=data)).encode(
        y=alt.Y("name:N", sort=[row["name"] for row in data], title=None, axis=alt.Axis(labelLimit=260))
    )
    x = alt.X("low:Q", title="Lift over the control", axis=alt.Axis(format="+.0%", tickCount=7))
    zero = alt.Chart(alt.Data(values=[{"zero": 0}])).mark_rule(color=INK, strokeDash=[4, 3]).encode(x="zero:Q")
    lines = base.mark_rule(strokeWidth=2.5).encode(x=x, x2="high:Q", color=color)
    dots = base.mark_point(filled=True, size=90, opacity=1).encode(x="estimate:Q", color=color)
    labels = base.mark_text(dy=-11, fontSize=12, color=INK).encode(x="estimate:Q", text="text:N")
    head = alt.TitleParams(title, subtitle=subtitle) if subtitle else title
    return themed(
        alt.layer(zero, lines, dots, labels).properties(width=width, height=max(110, 44 * len(data)), title=head)
    )


def sequence_chart(sequence: Mapping[str, Any], *, title: str, dates: Sequence[str] = (), width: int = 620) -> Any:
    """The difference over time: the confidence sequence, and inside it the fixed-horizon interval one may not stop at.

    Args:
        sequence: a `ConfidenceSequence` as a mapping.
        title: of the chart.
        dates: ISO date of each look; its number by default.
        width: of the plot in pixels.
    """
    looks = sequence["looks"]
    if len(looks) < 2:
        return empty_chart(title, "A sequence takes at least two days of data")
    # The first looks are as wide as the whole axis and would flatten the rest.
    reach = 6 * max(abs(looks[-1]["difference"][end]) for end in ("ci_low", "ci_high"))
    rows = []
    for index, look in enumerate(looks):
        at = dates[index] if index < len(dates) else look["look"]
        for key, name in (("difference", "right at any look"), ("fixed", "right at one planned look only")):
            ends = look[key]
            rows.append(
                {
                    "at": at,
                    "band": name,
                    "estimate": ends["estimate"],
                    "low": max(_finite(ends["ci_low"], -math.inf), -reach),
                    "high": min(_finite(ends["ci_high"], math.inf), reach),
                }
            )
    kind = "T" if dates else "Q"
    x = alt.X(f"at:{kind}", title="Day" if dates else "Look")
    color = alt.Color(
        "band:N",
        title=None,
        scale=alt.Scale(domain=["right at any look", "right at one planned look only"], range=[SERIES[0], SERIES[4]]),
        legend=alt.Legend(orient="bottom", labelLimit=400, symbolOpacity=0.6),
    )
    base = alt.Chart(alt.Data(values=rows))
    bands = base.mark_area(opacity=0.3).encode(
        x=x, y=alt.Y("low:Q", title="Difference", axis=alt.Axis(format="+.3~%", tickCount=7)), y2="high:Q", color=color
    )
    line = base.mark_line(color=INK, strokeWidth=1.8).encode(x=x, y="estimate:Q")
    zero = alt.Chart(alt.Data(values=[{"zero": 0}])).mark_rule(color=INK, strokeDash=[4, 3]).encode(y="zero:Q")
    layers = [bands, zero, line]
    stopped = sequence.get("stopped_at")
    if stopped:
        at = dates[stopped - 1] if stopped - 1 < len(dates) else stopped
        layers.append(
            alt.Chart(alt.Data(values=[{"at": at}])).mark_rule(color=SERIES[2], strokeWidth=2).encode(x=f"at:{kind}")
        )
    subtitle = f"{len(looks)} looks, level {sequence['level']:.0%}; " + (
        f"zero excluded from look {stopped} on" if stopped else "zero is not excluded at any look"
    )
    head = alt.TitleParams(title, subtitle=subtitle)
    return themed(alt.layer(*layers).properties(width=width, height=round(0.5 * width), title=head))


def _state(low: float | None, high: float | None) -> str:
    if low is not None and low > 0:
        return "better"
    if high is not None and high < 0:
        return "worse"
    return "not shown"


def _finite(value: float | None, otherwise: float) -> float:
    return otherwise if value is None else value
