"""How correlations and drift checks are shown."""

from __future__ import annotations

from typing import Any

from abkit.reporting.tables.show import View, view_of
from abkit.reporting.tables.table import Table
from abkit.workflows.correlate import CorrelationReport
from abkit.workflows.drift.results import DriftReport, LayerResult


@view_of.register
def _(report: CorrelationReport) -> View:
    rows = [_correlation_row(row) for row in report.rows()]
    if not any(row["why not"] for row in rows):
        rows = [{name: value for name, value in row.items() if name != "why not"} for row in rows]
    return View(
        tables=(Table.of(rows, title=f"Score against {report.metric.upper()}"),),
        notes=tuple(_correlation_notes(report)),
    )


def _correlation_row(row: dict[str, Any]) -> dict[str, Any]:
    interval = None if row["estimate"] is None else f"{row['ci_low']:.3f} … {row['ci_high']:.3f}"
    return {
        "model": f"{row['model_name']} {str(row['model_version'])[:12]}" if row["model_version"] else None,
        "scope": str(row["scope"]).replace("_", " "),
        "statistic": str(row["statistic"]).upper(),
        "estimate": row["estimate"],
        f"{row['ci_level'] or 0.95:.0%} interval": interval,
        "creatives": row["n"],
        "campaigns": row["campaigns"],
        "why not": row["note"],
    }


def _correlation_notes(report: CorrelationReport) -> list[str]:
    run = f"(run {report.run_id})"
    if report.first and report.last:
        notes = [f"delivery from {report.first} to {report.last}, {report.impressions:,} impressions {run}"]
    else:
        notes = [f"no delivery of a single creative up to {report.as_of} {run}"]
    for version in report.versions:
        for reason, left in version.left_out.items():
            impressions = f", {left.impressions:,} impressions" if left.impressions else ""
            notes.append(f"left out: {left.count:,} {reason}{impressions}")
    return notes + ([f"Note: {report.note}"] if report.note else [])


@view_of.register
def _(report: DriftReport) -> View:
    title = f"{report.current} against {report.reference}, as of {report.as_of}"
    cause = f" ({report.cause})" if report.cause else ""
    return View(
        tables=(Table.of([_layer_row(row) for row in report.results], title=title),),
        sentences=(f"Decision: {report.decision}{cause}", *(f"  {reason}" for reason in report.reasons)),
        notes=(f"run {report.run_id}, model version {(report.model_version or 'none')[:12]}",),
    )


def _layer_row(row: LayerResult) -> dict[str, Any]:
    return {
        "layer": row.layer.value,
        "test": row.test.replace("_", " "),
        "statistic": row.statistic,
        "floor": row.threshold,
        "p value": row.p_value,
        "n before": row.n_reference,
        "n now": row.n_current,
        "verdict": row.verdict.replace("_", " "),
    }
