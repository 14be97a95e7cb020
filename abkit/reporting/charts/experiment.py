"""Charts of experiments: the intervals of all treatments, and a test over time with its boundary."""

from __future__ import annotations

import math
from collections.abc import Sequence
from datetime import date
from typing import Any

import altair as alt

from abkit.records import percent
from abkit.reporting.charts.theme import INK, MUTED, SERIES, empty_chart, themed
from abkit.stats.estimate import Estimate
from abkit.stats.sequential.always_valid import ConfidenceSequence

MOST_ROWS = 60


def forest_plot(lifts: Sequence[tuple[str, Estimate]], *, title: str, subtitle: str = "", width: int = 560) -> Any:
    """Draw one line per treatment: its lift with the interval that decides. What excludes zero is colored.

    Args:
        lifts: Names and lifts (0.1 is +10 %); those without a finite value or a lower end are left out.
        title: Title of the chart.
        subtitle: The rule, the level, the look.
        width: Width of the plot in pixels.
    """
    known = [(name, lift) for name, lift in lifts if math.isfinite(lift.estimate) and math.isfinite(lift.ci_low)]
    if not known:
        return empty_chart(title, "No lift can be estimated yet")
    shown = known[:MOST_ROWS]
    ends = [lift.ci_high for _, lift in shown if math.isfinite(lift.ci_high)]
    open_end = max([*ends, *(lift.estimate for _, lift in shown), 0.05]) * 1.15
    data = [
        {
            "name": name,
            "estimate": lift.estimate,
            "low": lift.ci_low,
            "high": lift.ci_high if math.isfinite(lift.ci_high) else open_end,
            "state": "better" if lift.ci_low > 0 else "worse" if lift.ci_high < 0 else "not shown",
            "text": f"{percent(lift.estimate, 1, sign=True)}",
        }
        for name, lift in shown
    ]
    if len(known) > len(shown):
        subtitle = f"{subtitle} · {len(shown)} of {len(known)} are drawn".strip(" ·")
    color = alt.Color(
        "state:N",
        title=None,
        scale=alt.Scale(domain=["better", "worse", "not shown"], range=[SERIES[2], SERIES[1], MUTED]),
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
    height = max(110, 44 * len(data))
    return themed(alt.layer(zero, lines, dots, labels).properties(width=width, height=height, title=head))


def sequence_chart(
    sequence: ConfidenceSequence, *, title: str, dates: Sequence[date] = (), unit: str = "", width: int = 620
) -> Any:
    """Draw the difference over time: the confidence sequence, and inside it the fixed-horizon interval.

    Args:
        sequence: The test as it looked at each look.
        title: Title of the chart.
        dates: Date of each look; its number by default.
        unit: Unit of the difference; that of a share by default.
        width: Width of the plot in pixels.
    """
    looks = sequence.looks
    if len(looks) < 2:
        return empty_chart(title, "A sequence takes at least two days of data")
    # The first looks are as wide as the whole axis and would flatten the rest.
    last = looks[-1].difference
    reach = 6 * max(abs(last.ci_low), abs(last.ci_high))
    at = [day.isoformat() for day in dates[: len(looks)]] + [look.look for look in looks[len(dates) :]]
    bands = ["valid at any look", "valid at one planned look only"]
    rows = [
        {
            "at": day,
            "band": name,
            "estimate": ends.estimate,
            "low": max(ends.ci_low, -reach),
            "high": min(ends.ci_high, reach),
        }
        for day, look in zip(at, looks, strict=True)
        for name, ends in zip(bands, (look.difference, look.fixed), strict=True)
    ]
    kind = "T" if dates else "Q"
    x = alt.X(
        f"at:{kind}",
        title="Day" if dates else "Look",
        axis=alt.Axis(format="%Y-%m-%d", labelOverlap=True) if dates else alt.Axis(tickMinStep=1),
    )
    color = alt.Color(
        "band:N",
        title=None,
        scale=alt.Scale(domain=bands, range=[SERIES[0], SERIES[4]]),
        legend=alt.Legend(orient="bottom", labelLimit=400, symbolOpacity=0.6),
    )
    base = alt.Chart(alt.Data(values=rows))
    axis = alt.Axis(format="+.3~r" if unit else "+.3~%", tickCount=7)
    areas = base.mark_area(opacity=0.3).encode(
        x=x, y=alt.Y("low:Q", title=f"Difference, {unit}".rstrip(", "), axis=axis), y2="high:Q", color=color
    )
    line = base.mark_line(color=INK, strokeWidth=1.8).encode(x=x, y="estimate:Q")
    zero = alt.Chart(alt.Data(values=[{"zero": 0}])).mark_rule(color=INK, strokeDash=[4, 3]).encode(y="zero:Q")
    layers = [areas, zero, line]
    stopped = sequence.stopped_at
    if stopped:
        there = alt.Chart(alt.Data(values=[{"at": at[stopped - 1]}]))
        layers.append(there.mark_rule(color=SERIES[2], strokeWidth=2).encode(x=f"at:{kind}"))
    subtitle = f"{len(looks)} looks, level {percent(sequence.level, 0)}; " + (
        f"zero excluded from look {stopped} on" if stopped else "zero is not excluded at any look"
    )
    head = alt.TitleParams(title, subtitle=subtitle)
    return themed(alt.layer(*layers).properties(width=width, height=310, title=head))
