"""The drift timeline: what each check found, day by day, and what was decided."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from datetime import date
from typing import Any

import altair as alt

from abkit.reporting.charts.theme import SERIES, empty_chart, themed
from abkit.stats.monitoring.decisions import headline
from abkit.store.schema import CorrelationResult, Decision, DriftResult

LAYER_NAMES = {
    "data": "Data faults",
    "input": "Input",
    "score": "Scores",
    "relation": "Score–KPI relation",
    "kpi": "KPI level",
}
STATES = {  # from the one that says least to the worst: a test that lacks data does not hide one that has it
    "not enough data": "#c3c8d4",
    "all well": "#3f9e6f",
    "watch": "#e0a100",
    "major, retrain": "#c8372d",
    "data fault": "#7b2d8b",
}
VERDICT_WORDS = {
    "ok": "all well",
    "stable": "all well",
    "insufficient_data": "not enough data",
    "watch": "watch",
    "major": "major, retrain",
    "retrain": "major, retrain",
    "fault": "data fault",
    "fix_data": "data fault",
}


def drift_timeline(
    findings: Sequence[DriftResult],
    decisions: Sequence[Decision],
    correlations: Sequence[CorrelationResult] = (),
    width: int = 620,
) -> Any:
    """Draw what each drift check found: the relation with its interval and ceiling, one lane per layer, the decision.

    Args:
        findings: Results of all checks; a lane shows the worst verdict of its layer on a day.
        decisions: Decisions of all checks.
        correlations: Estimates over time; the within-campaign SRCC for CTR is drawn, and dashed the noise ceiling: more
            than that no score can reach, because the clicks of a creative are few.
        width: Width of the plot in pixels.
    """
    if not decisions and not findings:
        return empty_chart("Drift timeline", "No drift check has been made yet: abkit drift check")
    lanes, order = _lane_rows(findings, decisions)
    days = sorted({row["day"] for row in lanes})
    span = (date.fromisoformat(days[-1]) - date.fromisoformat(days[0])).days + 2
    cell = max(2.5, min(20.0, 0.8 * width / max(span / _smallest_step(days), 1)))
    present = [words for words in STATES if any(row["says"] == words for row in lanes)]
    x = alt.X(
        "day:T",
        title=None,
        axis=alt.Axis(format="%Y-%m-%d", grid=False, labelOverlap=True),
        scale=alt.Scale(type="utc", padding=cell),
    )
    bars = (
        alt.Chart(alt.Data(values=lanes))
        .mark_tick(orient="vertical", thickness=cell, opacity=1)
        .encode(
            x=x,
            y=alt.Y("lane:N", sort=order, title=None, axis=alt.Axis(grid=False, ticks=False, domain=False)),
            # What needs somebody is taller, not only redder.
            size=alt.Size("height:Q", scale=None, legend=None),
            color=alt.Color(
                "says:N",
                title=None,
                sort=present,
                scale=alt.Scale(domain=present, range=[STATES[words] for words in present]),
                legend=alt.Legend(orient="bottom", symbolType="square"),
            ),
        )
        .properties(width=width, height=30 * len(order))
    )
    title = alt.TitleParams("Drift timeline", subtitle=timeline_sentence(decisions))
    history = relation_history(correlations)
    if len({row["day"] for row in history}) < 2:
        return themed(bars.properties(title=title))
    base = alt.Chart(alt.Data(values=history))
    y = alt.Y("srcc:Q", title="Within-campaign SRCC", scale=alt.Scale(nice=True))
    relation = alt.layer(
        alt.Chart(alt.Data(values=[{"zero": 0}])).mark_rule(color="#aab0bf").encode(y="zero:Q"),
        base.mark_area(opacity=0.16, color=SERIES[0]).encode(x=x, y=alt.Y("low:Q"), y2="high:Q"),
        base.mark_line(color=SERIES[0], strokeWidth=2.2, point=alt.OverlayMarkDef(size=26)).encode(x=x, y=y),
        base.mark_line(color=SERIES[1], strokeWidth=1.6, strokeDash=[6, 3]).encode(x=x, y=alt.Y("ceiling:Q")),
    ).properties(width=width, height=150)
    return themed(alt.vconcat(relation, bars, spacing=12).resolve_scale(x="shared").properties(title=title))


def relation_history(correlations: Sequence[CorrelationResult]) -> list[dict[str, Any]]:
    """Return the within-campaign SRCC for CTR with interval and noise ceiling, one row per estimate, oldest first.

    The ceiling is that of appeal, the correlation of the true appeal with the measured one; None where it is not known.
    """
    return [
        {
            "day": row.as_of.isoformat(),
            "srcc": row.estimate,
            "low": row.ci_low,
            "high": row.ci_high,
            "ceiling": ((row.filters or {}).get("appeal") or {}).get("ceiling"),
            "creatives": row.n,
        }
        for row in sorted(correlations, key=lambda row: row.as_of)
        if (row.scope, row.statistic, row.metric) == ("within_campaign", "srcc", "ctr") and row.estimate is not None
    ]


def _smallest_step(days: Sequence[str]) -> int:
    """Days between the two checks that are closest to each other."""
    dates = [date.fromisoformat(day) for day in days]
    return min(((b - a).days for a, b in itertools.pairwise(dates)), default=1)


def _lane_rows(
    findings: Sequence[DriftResult], decisions: Sequence[Decision]
) -> tuple[list[dict[str, Any]], list[str]]:
    """One row per lane and day, with the worst that was found by what decides; and the lanes from top to bottom."""
    severity = list(STATES)
    worst: dict[tuple[str, str], str] = {}
    for finding in findings:
        if (finding.detail or {}).get("explains"):
            continue  # it says what moved, and the layer's own test decides
        key = (LAYER_NAMES.get(finding.layer, finding.layer), finding.as_of.isoformat())
        words = VERDICT_WORDS.get(finding.verdict, "watch")
        worst[key] = max(worst.get(key, words), words, key=severity.index)
    found = {lane for lane, _ in worst}
    order = [name for name in LAYER_NAMES.values() if name in found]
    order += sorted(found - set(order))
    for decision in decisions:
        worst["Decision", decision.as_of.isoformat()] = VERDICT_WORDS.get(decision.decision, "watch")
    rows = [
        {"lane": lane, "day": day, "says": words, "height": 12 if words in ("all well", "not enough data") else 22}
        for (lane, day), words in worst.items()
    ]
    return rows, [*order, "Decision"]


def timeline_sentence(decisions: Sequence[Decision]) -> str:
    """Return the present decision, since when it has held, and how many checks there were."""
    if not decisions:
        return "No decision has been recorded yet"
    ordered = sorted(decisions, key=lambda d: (d.as_of, d.run_id))
    last = ordered[-1]
    since = last
    for decision in reversed(ordered):
        if decision.decision != last.decision:
            break
        since = decision
    cause = f" ({last.cause.replace('_', ' ')})" if last.cause else ""
    checks = f"{len(ordered):,} check{'' if len(ordered) == 1 else 's'}"
    words = headline(last.decision, last.layers_judged, last.coarse)
    return f"{words}{cause} since {since.as_of:%Y-%m-%d}, after {checks}"
