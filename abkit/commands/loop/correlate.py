"""`abkit correlate`: is the scorer still worth listening to?"""

from __future__ import annotations

from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from abkit.commands.context import CommandContext
from abkit.commands.output import Format, FormatOption, note, print_rows

if TYPE_CHECKING:
    from abkit.store.engine import Store
    from abkit.workflows.correlate import CorrelationReport

app = typer.Typer()


class MetricName(StrEnum):
    """What scores are held against."""

    CTR = "ctr"
    CVR = "cvr"


@app.command("correlate")
def correlate(
    ctx: typer.Context,
    metric: Annotated[
        MetricName, typer.Option("--metric", "-m", help="ctr: clicks per impression; cvr: conversions per click.")
    ] = MetricName.CTR,
    campaign: Annotated[str | None, typer.Option("--campaign", "-c", help="Only this campaign.")] = None,
    segment: Annotated[
        str | None, typer.Option("--segment", help="Only this delivery, e.g. placement=feed,country=DE.")
    ] = None,
    start: Annotated[
        datetime | None, typer.Option("--from", formats=["%Y-%m-%d"], help="First day of delivery that counts.")
    ] = None,
    end: Annotated[datetime | None, typer.Option("--to", formats=["%Y-%m-%d"], help="Last day that counts.")] = None,
    as_of: Annotated[
        datetime | None, typer.Option("--as-of", formats=["%Y-%m-%d"], help="As it was on this day; today by default.")
    ] = None,
    min_impressions: Annotated[
        int | None, typer.Option("--min-impressions", min=1, help="Leave out creatives with fewer; for ctr.")
    ] = None,
    model: Annotated[
        str | None, typer.Option("--model", help="Only this version (name or digest); all that scored by default.")
    ] = None,
    plot: Annotated[
        Path | None, typer.Option("--plot", help="Write the scatter chart: .png, .svg, .html or .json.")
    ] = None,
    form: FormatOption = Format.TABLE,
) -> None:
    """Correlate scores with clicks or conversions: over all creatives and within campaign, with 95 % intervals."""
    from abkit.workflows import correlate as workflow

    context: CommandContext = ctx.obj
    with context.store() as store:
        report = workflow.correlate(
            store,
            context.settings,
            metric=metric.value,
            as_of=as_of.date() if as_of else datetime.now(UTC).date(),
            campaign=campaign,
            segment=segment,
            start=start.date() if start else None,
            end=end.date() if end else None,
            model=model,
            min_impressions=min_impressions,
        )
        _print(report, form)
        if plot:
            _draw(store, report, plot)


def _print(report: CorrelationReport, form: Format) -> None:
    rows = [
        {
            "metric": report.metric,
            "scope": result.scope,
            "statistic": result.statistic,
            "estimate": result.estimate,
            "ci_low": result.ci_low,
            "ci_high": result.ci_high,
            "ci_level": result.level,
            "n": result.n,
            "campaigns": result.groups,
            "model_version": version.model_version,
            "model_name": version.model_name,
            "segment": report.segment,
            "method": result.method,
            "note": result.note,
            "as_of": report.as_of,
            "run_id": report.run_id,
        }
        for version in report.versions
        for result in version.results
    ] or _nothing(report)
    shown: list[dict[str, Any]] = rows
    if form is Format.TABLE:
        shown = [
            {
                "model": f"{row['model_name']} {str(row['model_version'])[:12]}" if row["model_version"] else None,
                "scope": str(row["scope"]).replace("_", " "),
                "statistic": str(row["statistic"]).upper(),
                "estimate": row["estimate"],
                "95 % interval": _interval(row),
                "creatives": row["n"],
                "campaigns": row["campaigns"],
                "why not": row["note"],
            }
            for row in rows
        ]
        if not any(row["why not"] for row in shown):
            shown = [{key: value for key, value in row.items() if key != "why not"} for row in shown]
    print_rows(shown, form, title=f"Score against {report.metric.upper()}")
    _notes(report)


def _nothing(report: CorrelationReport) -> list[dict[str, Any]]:
    empty = dict.fromkeys(("estimate", "ci_low", "ci_high", "ci_level", "model_version", "model_name"))
    return [
        {
            "metric": report.metric, "scope": scope, "statistic": statistic, **empty, "n": 0, "campaigns": 0,
            "segment": report.segment, "method": "", "note": report.note, "as_of": report.as_of,
            "run_id": report.run_id,
        }
        for scope in ("all", "within_campaign")
        for statistic in ("srcc", "plcc")
    ]  # fmt: skip


def _interval(row: dict[str, Any]) -> str | None:
    return None if row["estimate"] is None else f"{row['ci_low']:.3f} … {row['ci_high']:.3f}"


def _notes(report: CorrelationReport) -> None:
    if report.first and report.last:
        note(f"delivery from {report.first} to {report.last}, {report.impressions:,} impressions (run {report.run_id})")
    else:
        note(f"no delivery of a single picture up to {report.as_of} (run {report.run_id})")
    for version in report.versions:
        for reason, left in version.left_out.items():
            impressions = f", {left.impressions:,} impressions" if left.impressions else ""
            note(f"left out: {left.count:,} {reason}{impressions}")
    if report.note:
        note(f"Note: {report.note}")


def _draw(store: Store, report: CorrelationReport, path: Path) -> None:
    from abkit.reporting.charts.score_kpi import correlation_chart
    from abkit.reporting.charts.theme import save_chart

    note(f"chart: {save_chart(correlation_chart(store, report), path)}")
