"""The scatter chart of one correlation report: of the version that speaks now, else of the last that scored."""

from __future__ import annotations

from typing import Any

from abkit.reporting.charts import marks as charts
from abkit.reporting.page import records
from abkit.store import models
from abkit.store.creatives import campaign_keys
from abkit.store.engine import Store
from abkit.workflows.correlate import CorrelationReport, VersionReport


def correlation_chart(store: Store, report: CorrelationReport) -> Any:
    """Score against KPI, with the four estimates in the subtitle.

    Args:
        store: for the names of campaigns.
        report: what was correlated.
    """
    with store.read() as session:
        active = models.active_model(session)
        campaigns = campaign_keys(session)
    version = _shown(report, active.digest if active else "")
    if version is None:
        return charts.score_kpi_scatter([], metric=report.metric)
    points = [
        records.ScorePoint(
            campaign=campaigns.get(one.campaign_id or 0, "without a campaign"),
            score=one.score,
            events=one.events,
            trials=one.trials,
        )
        for one in version.measured
    ]
    sentences = [
        charts.estimate_sentence(
            result.statistic,
            result.scope,
            estimate=result.estimate,
            interval=None if result.ci_low is None or result.ci_high is None else (result.ci_low, result.ci_high),
            level=result.level,
            n=result.n,
            note=result.note,
        )
        for result in version.results
    ]
    return charts.score_kpi_scatter(points, sentences, report.metric)


def _shown(report: CorrelationReport, active: str) -> VersionReport | None:
    for version in report.versions:
        if version.model_version == active:
            return version
    return report.versions[-1] if report.versions else None
