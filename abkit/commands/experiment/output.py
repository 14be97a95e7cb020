"""How `abkit experiment` prints and draws what was found."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from abkit.commands.output import Format, note, print_json, print_rows
from abkit.reporting.tables.table import interval, percent

if TYPE_CHECKING:
    from abkit.workflows.experiments.analysis import Analysis
    from abkit.workflows.experiments.table import TableReport


def print_analysis(analysis: Analysis, form: Format) -> None:
    """Print one look as tables and sentences."""
    rows = []
    for result in analysis.treatments:
        row: dict[str, Any] = {"treatment": result.treatment, "verdict": result.verdict.state}
        for name, comparison in (("", result.deciding), ("fixed ", result.fixed)):
            lift = comparison.lift if comparison else None
            row[f"{name}lift"] = percent(lift.estimate, 1, sign=True) if lift else None
            row[f"{name}interval"] = interval(lift.ci_low, lift.ci_high, 1, sign=True) if lift else None
        row["adjusted p"] = f"{result.adjusted_p:.3g}"
        row["chance to win"] = percent(result.bayes.chance_to_win, 1) if result.bayes else None
        rows.append(row)
    print_rows(
        rows, form, title=f"{analysis.experiment}, {analysis.metric} against {analysis.control}: {analysis.rule}"
    )
    if form is Format.CSV:
        return
    checks = [{"guard": guard.name, "status": guard.status, "found": guard.message} for guard in analysis.guards]
    print_rows(checks, form, title="Guards")
    for result in analysis.treatments:
        typer.echo(result.verdict.sentence)
        if result.shrunken_lift:
            shrunken = result.shrunken_lift
            typer.echo(
                f"  lift shrunk towards past experiments: {percent(shrunken.estimate, 1, sign=True)} "
                f"{interval(shrunken.ci_low, shrunken.ci_high, 1, sign=True)}"
            )
        if result.exaggeration:
            curse = result.exaggeration
            typer.echo(
                f"  if that is the true lift, a significant one exaggerates it {curse.exaggeration:.1f} times on "
                f"average and has the wrong sign in {percent(curse.type_s, 1)} of cases"
            )
        if result.strata and result.strata.strata == 1:
            typer.echo("  all of it lies in one segment: nothing to stratify")
        elif result.strata:
            odds = result.strata.odds_ratio
            typer.echo(
                f"  within {result.strata.strata} segments: odds ratio {odds.estimate:.3f} "
                f"[{odds.ci_low:.3f}, {odds.ci_high:.3f}]; alike in all: p = {result.strata.interaction_p_value:.3g}"
            )
        for name, margin in result.guardrails.items():
            if margin is None:
                typer.echo(f"  guardrail {name}: not enough data")
            else:
                said = "not worse by more than" if margin.holds else "may be worse by more than"
                when = "valid at any look" if margin.anytime else "valid for one look"
                typer.echo(f"  guardrail {name}: {said} {margin.margin:.2g} (p = {margin.p_value:.3g}, {when})")


def draw_analysis(analysis: Analysis, path: Path) -> None:
    """Write the forest plot, and next to it the sequence of each treatment."""
    from abkit.reporting.charts.experiment import forest_plot, sequence_chart
    from abkit.reporting.charts.theme import save_chart

    lifts = [(result.treatment, result.deciding.lift) for result in analysis.treatments if result.deciding]
    title = f"{analysis.experiment}: {analysis.metric.upper()} against {analysis.control}"
    note(f"chart: {save_chart(forest_plot(lifts, title=title, subtitle=analysis.rule), path)}")
    for result in analysis.treatments:
        if result.sequence:
            there = path.with_name(f"{path.stem}-{_slug(result.treatment)}{path.suffix}")
            title = f"{analysis.experiment}: {result.treatment} against {analysis.control}"
            note(f"chart: {save_chart(sequence_chart(result.sequence, title=title, dates=result.days), there)}")


def _draw_table(report: TableReport, name: str, path: Path) -> None:
    """Write the forest plot of the clearest comparisons."""
    from abkit.reporting.charts.experiment import forest_plot
    from abkit.reporting.charts.theme import save_chart
    from abkit.stats.estimate import Estimate

    clearest = sorted((row for row in report.comparisons if not row.blocked), key=lambda row: row.p_value)
    lifts = [
        (f"{row.experiment}: {row.treatment} against {row.control}", Estimate(row.lift, row.lift_low, row.lift_high))
        for row in clearest
    ]
    found = report.summary
    said = f"intervals of single comparisons; {found.significant} significant by {found.correction}"
    note(f"chart: {save_chart(forest_plot(lifts, title=f'{name}: the clearest first', subtitle=said), path)}")


def _slug(name: str) -> str:
    return "".join(char if char.isalnum() else "-" for char in name)[:60]


def _said(value: Any) -> Any:
    if isinstance(value, dict):
        return ", ".join(f"{key} {percent(item, 1, sign=True)}" for key, item in value.items())
    if isinstance(value, list):
        return " ".join(map(str, value))
    return value


def print_table_report(report: TableReport, name: str, form: Format, plot: Path | None) -> None:
    """Print what thousands of tests say: a summary, or all comparisons as CSV or JSON."""
    if form is Format.JSON:
        print_json(report)
    elif form is Format.CSV:
        print_rows([row.to_dict() for row in report.comparisons], form)
    else:
        summary = report.summary.to_dict()
        prior = summary["effect_prior"]
        if prior is not None:
            summary["effect_prior"] = f"log lift {prior['mean']:+.3f}, sd {prior['sd']:.3f} ({prior['method']})"
        rows = [{"figure": name.replace("_", " "), "value": _said(value)} for name, value in summary.items()]
        print_rows(rows, form, title=name)
    if plot is not None:
        _draw_table(report, name, plot)
    for refused in report.refused[:5]:
        note(f"refused {refused.experiment}: {refused.reason}")
    if len(report.refused) > 5:
        note(f"… and {len(report.refused) - 5} more; --format json lists all")
