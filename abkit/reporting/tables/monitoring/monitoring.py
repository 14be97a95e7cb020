"""How correlations and drift checks are shown."""

from __future__ import annotations

import math
from itertools import groupby
from typing import Any

from abkit.metrics import METRICS
from abkit.records import percent
from abkit.reporting.tables.show import View, view_of
from abkit.reporting.tables.table import Table
from abkit.stats.appeal.relation import Relation
from abkit.stats.monitoring.decisions import windows_in_words
from abkit.vocabulary import CorrelationScope, CorrelationStatistic
from abkit.workflows.correlate import CorrelationReport, VersionReport
from abkit.workflows.creatives.fatigue import CreativeFatigue, FatigueReport
from abkit.workflows.drift.results import DriftReport, LayerResult
from abkit.workflows.learning.appeals.appeals import StoredAppeals


@view_of.register
def _(report: CorrelationReport) -> View:
    tables, why_not = [], []
    for (name, digest), rows in groupby(report.rows(), lambda row: (row["model_name"], row["model_version"])):
        title = f"Score by {name} {digest[:12]} against" if digest else "Score against"
        listed = list(rows)
        shown_rows = [_correlation_row(row) for row in listed]
        tables.append(Table.of(shown_rows, title=f"{title} {_metric(report)}"))
        for row in listed:
            if row["note"] and (said := f"No estimate {_SCOPES[row['scope']]}: {row['note']}.") not in why_not:
                why_not.append(said)
        relation = next((one.appeal for one in report.versions if one.model_version == digest), None)
        if relation is not None:
            tables.append(Table.of(_appeal_rows(relation), title=f"{title} appeal, within campaign"))
            if relation.note and (said := f"No correlation with the true appeal: {relation.note}.") not in why_not:
                why_not.append(said)
    return View(
        tables=tuple(tables),
        sentences=tuple(why_not),
        notes=tuple(_correlation_notes(report)),
        chart=(lambda: _chart(report)) if report.versions else None,
    )


@view_of.register
def _(report: FatigueReport) -> View:
    rows = [_fatigue_row(one) for one in report.creatives]
    return View(tables=(Table.of(rows),) if rows else (), sentences=(report.sentence,), notes=report.notes)


def _fatigue_row(one: CreativeFatigue) -> dict[str, Any]:
    change, lost = one.change, one.lost_per_week
    return {
        "creative": one.creative,
        "state": str(one.state).replace("_", " "),
        "since": one.first_day,
        "days": one.days,
        "clicks": one.clicks,
        "CTR since": change and percent(change.estimate, 0, sign=True),
        "95 % interval": change and f"{percent(change.ci_low, 0, sign=True)} … {percent(change.ci_high, 0, sign=True)}",
        "worn out": one.worn_out,
        "lost a week": lost and f"{lost.estimate:,.2f} ({lost.ci_low:,.2f} … {lost.ci_high:,.2f}) {one.currency}",
    }


def _metric(report: CorrelationReport) -> str:
    definition = METRICS[report.metric]
    unit = definition.unit(report.currency)
    return f"{definition.name} ({unit})" if unit and report.currency else definition.name


_SCOPES = {CorrelationScope.ALL: "over all creatives", CorrelationScope.WITHIN_CAMPAIGN: "within campaign"}


def _chart(report: CorrelationReport) -> Any:
    from abkit.reporting.charts.score_kpi import correlation_chart

    return correlation_chart(report)


def _correlation_row(row: dict[str, Any]) -> dict[str, Any]:
    interval = None if row["estimate"] is None else f"{row['ci_low']:.3f} … {row['ci_high']:.3f}"
    return {
        "scope": str(row["scope"]).replace("_", " "),
        "statistic": str(row["statistic"]).upper(),
        "estimate": row["estimate"],
        f"{percent(row['ci_level'] or 0.95, 0)} interval": interval,
        "creatives": row["n"],
        "campaigns": row["campaigns"],
    }


def _appeal_rows(found: Relation) -> list[dict[str, Any]]:
    figures = {
        "as measured": (found.raw, found.raw_low, found.raw_high),
        "without noise": (found.disattenuated, found.disattenuated_low, found.disattenuated_high),
    }
    return [
        {
            "appeal": name,
            "estimate": estimate,
            f"{percent(found.level, 0)} interval": None if low is None else f"{low:.3f} … {high:.3f}",
            "noise ceiling": found.ceiling,
            "creatives": found.n,
            "ideas": found.clusters,
        }
        for name, (estimate, low, high) in figures.items()
    ]


def _correlation_notes(report: CorrelationReport) -> list[str]:
    run = f"(run {report.run_id})"
    if report.first and report.last:
        notes = [f"delivery from {report.first} to {report.last}, {report.impressions:,} impressions {run}"]
    else:
        notes = [f"no delivery of a single creative up to {report.as_of} {run}"]
    notes += [f"set aside: {one}" for one in report.set_aside]
    notes += [f"provisional: {report.provisional}"] if report.provisional else []
    notes += report.money
    for version in report.versions:
        notes += _ceiling(report, version)
        if accounts := max((one.accounts for one in version.results), default=0):
            notes.append(f"intervals count {accounts} accounts, with all of their campaigns, where that is wider")
        for reason, left in version.left_out.items():
            impressions = f", {left.impressions:,} impressions" if left.impressions else ""
            notes.append(f"left out: {left.count:,} {reason}{impressions}")
    return notes + ([f"Note: {report.note}"] if report.note else [])


def _ceiling(report: CorrelationReport, version: VersionReport) -> list[str]:
    """Say how much of the KPI is noise, and what the correlation is without it."""
    ceiling, name = version.noise_ceiling, METRICS[report.metric].name
    if ceiling is None or not version.measured:
        return []
    if ceiling == 0:
        return [f"noise ceiling 0: {name} varies no more between creatives than chance alone makes it"]
    said = f"noise ceiling {ceiling:.2f}: no score can correlate more with {name} as measured (PLCC, all creatives)"
    for result in version.results:
        plain = (result.scope, result.statistic) == (CorrelationScope.ALL, CorrelationStatistic.PLCC)
        if plain and result.estimate is not None and abs(result.estimate) < ceiling:
            said += f"; with the noise taken out {result.estimate:.2f} is about {result.estimate / ceiling:.2f}"
    return [said]


@view_of.register
def _(found: StoredAppeals) -> View:
    listed, where = found.rows(), f" in {found.segment}" if found.segment else ""
    title = f"Appeal by {METRICS[found.metric].name}{where}, as of {found.as_of}"
    spread, known = percent(math.sqrt(found.appeals.spread), 0), math.isfinite(found.appeals.spread_error)
    return View(
        tables=(Table.of([_creative_row(row) for row in listed], title=title),),
        sentences=tuple(f"No appeal: {why} ({number:,})." for why, number in _counted(listed, "why_not")),
        notes=(
            f"appeal: {found.events} over those expected where, when and at what age the creative was shown "
            f"(run {found.run_id})",
            *([f"creatives of a campaign differ by about {spread} beyond chance"] if known else []),
            *(f"{said} ({number:,})" for said, number in _counted(listed, "note")),
            *found.notes,
        ),
    )


def _counted(rows: list[dict[str, Any]], column: str) -> list[tuple[str, int]]:
    """Return what a column says, and of how many rows."""
    said = [row[column] for row in rows if row[column]]
    return [(text, said.count(text)) for text in dict.fromkeys(said)]


def _creative_row(row: dict[str, Any]) -> dict[str, Any]:
    def change(value: float | None) -> str:
        return "…" if value is None else f"{100 * math.expm1(min(value, 20)):+.0f} %".replace("-", "−")

    known = row["appeal"] is not None
    return {
        "campaign": row["campaign"],
        "creative": row["creative"] or row["creative_id"],
        "events": f"{row['events']:,.0f}",
        "expected": f"{row['expected']:,.1f}",
        "appeal": change(row["appeal"]) if known else None,
        "95 % interval": f"{change(row['ci_low'])} to {change(row['ci_high'])}" if known else None,
        "shrunk": change(row["shrunk"]) if row["shrunk"] is not None else None,
        "source": row["source"],
    }


@view_of.register
def _(report: DriftReport) -> View:
    title = f"{windows_in_words(f'{report.current} against {report.reference}')}, as of {report.as_of}"
    cause = f", cause {report.cause.replace('_', ' ')}" if report.cause else ""
    return View(
        tables=(Table.of([_layer_row(row) for row in report.results], title=title),),
        sentences=(
            f"Decision: {report.headline}{cause}",
            f"  {report.meaning}",
            *(f"  {reason}" for reason in report.reasons),
        ),
        notes=(
            report.windows,
            *([] if report.standing else ["ad-hoc comparison: headline and alert are those of the standing check"]),
            f"run {report.run_id}, model version {(report.model_version or 'none')[:12]}",
            *report.notes,
            *report.money,
            *(f"set aside: {one}" for one in report.set_aside),
            *([f"provisional: {report.provisional}"] if report.provisional else []),
        ),
    )


def _layer_row(row: LayerResult) -> dict[str, Any]:
    return {
        "layer": row.layer.value,
        "test": row.test.replace("_", " "),
        "statistic": row.statistic,
        "floor": row.threshold,
        "p": row.p_value,
        "before": row.n_reference,
        "now": row.n_current,
        "verdict": row.verdict.replace("_", " "),
    }
