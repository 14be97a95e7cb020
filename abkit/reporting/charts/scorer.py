"""Charts of how good scorers are: heads beside each other, and how reliable P(A beats B) is."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import altair as alt

from abkit.reporting.charts.theme import MUTED, SERIES, themed

if TYPE_CHECKING:
    from abkit_model.evaluation.pair_calibration import PairCalibration
    from abkit_model.studies.compare import HeadComparison

QUERIES_COLOR, PLAIN_COLOR = "#e66101", "#5e6c84"


def head_chart(comparison: HeadComparison, width: int = 560) -> Any:
    """Draw one line per head, best first: SRCC on subjects held out, with its 95 % interval."""
    data = [
        {
            "head": head.name,
            "srcc": head.srcc.value,
            "low": head.srcc.low,
            "high": head.srcc.high,
            "kind": "learnable queries" if head.name.startswith("learnable queries") else "plain heads",
            "text": f"{head.srcc.value:.3f}",
        }
        for head in comparison.heads
    ]
    color = alt.Color(
        "kind:N",
        title=None,
        scale=alt.Scale(domain=["learnable queries", "plain heads"], range=[QUERIES_COLOR, PLAIN_COLOR]),
        legend=alt.Legend(orient="bottom"),
    )
    base = alt.Chart(alt.Data(values=data)).encode(
        y=alt.Y("head:N", sort=[row["head"] for row in data], title=None, axis=alt.Axis(labelLimit=260))
    )
    x = alt.X("low:Q", title="SRCC on subjects held out", scale=alt.Scale(zero=False), axis=alt.Axis(format=".2f"))
    lines = base.mark_rule(strokeWidth=2.5).encode(x=x, x2="high:Q", color=color)
    dots = base.mark_point(filled=True, size=80, opacity=1).encode(x="srcc:Q", color=color)
    labels = base.mark_text(dy=-10, fontSize=11).encode(x="srcc:Q", text="text:N")
    title = alt.TitleParams(
        "Learnable queries beside plain heads",
        subtitle=(
            f"{comparison.n} images of {comparison.subjects} subjects, {comparison.folds} folds × "
            f"{comparison.repeats} repeats; 95 % intervals, whole subjects resampled"
        ),
    )
    return themed(alt.layer(lines, dots, labels).properties(width=width, height=34 * len(data), title=title))


def reliability_chart(figures: PairCalibration, size: int = 400) -> Any:
    """Draw one dot per bin, with its 95 % interval; dots on the diagonal are probabilities that hold."""
    data = [
        {"said": one.said, "right": one.right.value, "low": one.right.low, "high": one.right.high, "pairs": one.pairs}
        for one in figures.bins
        if one.pairs
    ]
    line = [{"said": edge, "right": edge} for edge in (0.5, 1.0)]
    lowest = min([0.48, *(row["low"] for row in data)])
    scale = alt.Scale(domain=[lowest, 1.0], nice=False)
    x = alt.X("said:Q", title="predicted: P(the higher score is the better image)", scale=scale, axis=_axis())
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
