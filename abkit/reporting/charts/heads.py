"""The chart of a comparison of heads: held-out SRCC with intervals, the learnable queries in color."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import altair as alt

from abkit.reporting.charts.theme import themed

if TYPE_CHECKING:
    from abkit_model.studies.compare import HeadComparison

QUERIES_COLOUR, PLAIN_COLOUR = "#e66101", "#5e6c84"


def head_chart(comparison: HeadComparison, width: int = 560) -> Any:
    """One line a head, best first: SRCC on subjects held out, with its 95 % interval."""
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
        scale=alt.Scale(domain=["learnable queries", "plain heads"], range=[QUERIES_COLOUR, PLAIN_COLOUR]),
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
            f"{comparison.repeats} repeats; 95% intervals, whole subjects resampled"
        ),
    )
    return themed(alt.layer(lines, dots, labels).properties(width=width, height=34 * len(data), title=title))
