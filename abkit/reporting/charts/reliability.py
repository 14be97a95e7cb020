"""The chart of a pair calibration: how often the higher score won, against how often it was said to."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import altair as alt

from abkit.reporting.charts.theme import MUTED, SERIES, themed

if TYPE_CHECKING:
    from abkit_model.evaluation.pair_calibration import PairCalibration


def reliability_chart(figures: PairCalibration, size: int = 400) -> Any:
    """A dot a bin with its 95 % interval; dots on the diagonal are probabilities that hold."""
    data = [
        {"said": one.said, "right": one.right.value, "low": one.right.low, "high": one.right.high, "pairs": one.pairs}
        for one in figures.bins
        if one.pairs
    ]
    line = [{"said": edge, "right": edge} for edge in (0.5, 1.0)]
    lowest = min([0.48, *(row["low"] for row in data)])
    scale = alt.Scale(domain=[lowest, 1.0], nice=False)
    x = alt.X("said:Q", title="said: P(the higher score is the better image)", scale=scale, axis=_axis())
    y = alt.Y("right:Q", title="share of pairs in which it was", scale=scale, axis=_axis())
    diagonal = alt.Chart(alt.Data(values=line)).mark_line(color=MUTED, strokeDash=[5, 4]).encode(x=x, y=y)
    base = alt.Chart(alt.Data(values=data))
    whiskers = base.mark_rule(strokeWidth=2, color=SERIES[0]).encode(x=x, y=alt.Y("low:Q", scale=scale), y2="high:Q")
    counts = [row["pairs"] for row in data]
    sizes = alt.Legend(values=sorted({min(counts), max(counts)}), format=",d")
    dots = base.mark_point(filled=True, opacity=1, color=SERIES[0]).encode(
        x=x,
        y=y,
        size=alt.Size("pairs:Q", title="pairs", scale=alt.Scale(rangeMin=30, rangeMax=200), legend=sizes),
    )
    ece = figures.ece
    title = alt.TitleParams(
        "Do the probabilities hold?",
        subtitle=[
            f"{figures.pairs:,} pairs of {figures.n} held-out images, {figures.subjects} subjects;",
            f"calibration error {ece.value:.3f} [{ece.low:.3f}, {ece.high:.3f}], whole subjects resampled",
        ],
    )
    return themed(alt.layer(diagonal, whiskers, dots).properties(width=size, height=size, title=title))


def _axis() -> alt.Axis:
    return alt.Axis(format=".0%", values=[edge / 10 for edge in range(11)])
