"""Charts of one drift check: the scores of both windows over each other, and its statistics over time."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import altair as alt
import numpy as np
from numpy.typing import NDArray

from abkit.reporting.charts.theme import SERIES, empty_chart, themed
from abkit.store.schema import DriftResult

BINS = 20
REFERENCE, CURRENT = "reference", "current window"
_HIGHEST = 4.0  # times its floor; a statistic further up is drawn there


def window_scores(reference: NDArray[np.float64], current: NDArray[np.float64], width: int = 620) -> Any:
    """Draw the scores of both windows over each other, as shares of each, with their medians.

    Args:
        reference, current: Scores; either may be empty.
        width: Width of the plot in pixels.
    """
    title = "Scores of both windows"
    both = {REFERENCE: reference[np.isfinite(reference)], CURRENT: current[np.isfinite(current)]}
    values = np.concatenate(list(both.values()))
    if not len(values):
        return empty_chart(title, "No creative of the windows has a score.")
    low, high = float(values.min()), float(values.max())
    edges = np.linspace(low, high if high > low else low + 1e-6, BINS + 1)
    rows, medians = [], []
    for name, scores in both.items():
        if not len(scores):
            continue
        shares = np.histogram(scores, edges)[0] / len(scores)
        rows += [
            {"window": name, "from": float(a), "to": float(b), "share": float(share)}
            for a, b, share in zip(edges, edges[1:], shares, strict=False)
        ]
        medians.append({"window": name, "median": float(np.median(scores))})
    color = alt.Color(
        "window:N",
        title=None,
        scale=alt.Scale(domain=[REFERENCE, CURRENT], range=["#8b93a7", SERIES[1]]),
        legend=alt.Legend(orient="bottom", symbolOpacity=1),
    )
    bars = (
        alt.Chart(alt.Data(values=rows))
        .mark_bar(opacity=0.45)
        .encode(
            x=alt.X("from:Q", bin="binned", title="Score", scale=alt.Scale(zero=False)),
            x2="to:Q",
            y=alt.Y("share:Q", title="Share of the window", stack=None, axis=alt.Axis(format=".0%", tickCount=5)),
            color=color,
        )
    )
    lines = alt.Chart(alt.Data(values=medians)).mark_rule(strokeWidth=2.5, strokeDash=[6, 3])
    lines = lines.encode(x=alt.X("median:Q"), color=color)
    return themed(alt.layer(bars, lines).properties(width=width, height=190, title=title))


def statistics_over_time(findings: Sequence[DriftResult], width: int = 620) -> Any:
    """Draw the tests that decide as multiples of their floor, check by check.

    A point is filled where its p-value is below the level that the budget of false alarms leaves it: an alert needs a
    filled point on or above the line.

    Args:
        findings: Results of all checks; those without a statistic or a floor are left out.
        width: Width of the plot in pixels.
    """
    rows = [row for row in map(_point, findings) if row is not None]
    if not rows:
        return empty_chart("Statistics over time", "No test has had enough data yet.")
    names = sorted({row["test"] for row in rows})
    base = alt.Chart(alt.Data(values=rows)).encode(
        x=alt.X("day:T", title=None, axis=alt.Axis(format="%Y-%m-%d", grid=False, labelOverlap=True),
                scale=alt.Scale(type="utc", padding=12)),
        y=alt.Y("ratio:Q", title="Multiple of its floor", axis=alt.Axis(tickCount=5),
                scale=alt.Scale(domain=[0, max(1.5, *(row["ratio"] for row in rows))], nice=False)),
        color=alt.Color("test:N", title=None, sort=names, scale=alt.Scale(domain=names, range=SERIES),
                        legend=alt.Legend(orient="bottom", columns=3, symbolOpacity=1)),
    )  # fmt: skip
    floor = alt.Chart(alt.Data(values=[{"floor": 1}])).mark_rule(color="#c8372d", strokeDash=[6, 3], strokeWidth=1.6)
    filled = alt.condition("datum.below", alt.value(1.0), alt.value(0.0))
    return themed(
        alt.layer(
            floor.encode(y=alt.Y("floor:Q")),
            base.mark_line(strokeWidth=1.6, opacity=0.75),
            base.mark_point(filled=False, size=46, strokeWidth=1.6),
            base.mark_point(filled=True, size=46).encode(opacity=filled),
        ).properties(width=width, height=190, title="Statistics over time")
    )


def _point(row: DriftResult) -> dict[str, Any] | None:
    if row.layer == "data" or row.detail.get("explains") or row.statistic is None or not row.threshold:
        return None
    level = row.detail.get("level")
    ratio = max(0.0, row.statistic if row.layer != "kpi" else abs(row.statistic)) / abs(row.threshold)
    return {
        "day": row.as_of.isoformat(),
        "test": row.test.replace("_", " "),
        "ratio": min(ratio, _HIGHEST),
        "below": level is not None and row.p_value is not None and row.p_value < level,
    }
