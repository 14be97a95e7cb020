"""The report: one HTML file that needs nothing else, for the person who decides and does not run commands."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any

from abkit.errors import AbkitError
from abkit.metrics import METRICS
from abkit.records import percent
from abkit.reporting.charts.drift_timeline import drift_timeline, timeline_sentence
from abkit.reporting.charts.score_kpi import correlation_sentence, score_kpi_scatter
from abkit.reporting.charts.scores import score_distribution
from abkit.reporting.charts.theme import chart_svg, readable
from abkit.reporting.page.advice import advice
from abkit.reporting.page.records import ReportData
from abkit.store.schema import Alert, CorrelationResult
from abkit.vocabulary import Metric
from abkit.workflows.experiments.review.programme import ProgrammeRow, cumulative_in_words, rates_in_words
from abkit.workflows.experiments.review.words import interval_in_words

CHART_WIDTH = 880


def render_report(data: ReportData) -> str:
    """Return the page as HTML: names from outside are escaped, there is no script in it, and nothing is fetched."""
    from jinja2 import Environment, PackageLoader, StrictUndefined
    from markupsafe import Markup

    environment = Environment(
        loader=PackageLoader("abkit.reporting"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=_readable_text,
    )
    css = environment.loader.get_source(environment, "report.css")[0] if environment.loader else ""

    # What follows was made here, and chart_svg escapes the names in charts; everything else is escaped by Jinja.
    def drawn(chart: Any, prefix: str) -> Markup:
        return Markup(chart_svg(chart, prefix))  # noqa: S704

    headline = headline_correlation(data)
    metric = headline.metric if headline else "ctr"
    return environment.get_template("report.html.j2").render(
        data=data,
        css=Markup(css),  # noqa: S704
        advice=advice(data.decision.decision, data.decision.cause) if data.decision else advice(None),
        headline=headline,
        relation_words=correlation_sentence(headline) if headline else "No estimate yet.",
        timeline_words=timeline_sentence(data.decision_history),
        position=_position_on_scale(data),
        reasons_of=lambda decision: decision.reasons.get("reasons", []),
        kpi_of=_kpi,
        state_of=lambda alert: _state(alert, data.made_at),
        experiment_charts=[
            [drawn(chart, f"e{number}-{place}") for place, chart in enumerate(one.charts)]
            for number, one in enumerate(data.experiments)
        ],
        programme_words=_programme(data),
        show_metric=lambda row: METRICS[row.metric].name,
        show_lift=_lift,
        scatter=drawn(
            score_kpi_scatter(
                data.points,
                [correlation_sentence(row) for row in data.correlations if row.metric == metric],
                metric,
                CHART_WIDTH,
                str(headline.filters.get("currency", "")) if headline else "",
            ),
            "s",
        ),
        timeline=drawn(
            drift_timeline(data.drift_history, data.decision_history, data.correlation_history, CHART_WIDTH - 40), "t"
        ),
        distribution=drawn(
            score_distribution(data.scores, data.scale, CHART_WIDTH),
            "d",
        ),
    )


def write_report(data: ReportData, path: Path) -> Path:
    """Write the page, whole or not at all.

    Raises:
        AbkitError: The file cannot be written.
    """
    page = render_report(data)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        descriptor, unfinished = tempfile.mkstemp(dir=path.parent, prefix=".report-", suffix=".html")
        try:
            with os.fdopen(descriptor, "w", encoding="utf-8") as file:
                file.write(page)
            Path(unfinished).chmod(0o644)
            Path(unfinished).replace(path)
        except BaseException:
            Path(unfinished).unlink(missing_ok=True)
            raise
    except OSError as error:
        raise AbkitError(
            f"the report cannot be written to {path}: {(error.strerror or str(error)).lower()}",
            hint="name another file with --out",
        ) from error
    return path


def headline_correlation(data: ReportData) -> CorrelationResult | None:
    """Return the estimate that stands on top: SRCC within campaign, for CTR if there is one."""
    wanted = [c for c in data.correlations if (c.scope, c.statistic) == ("within_campaign", "srcc")]
    return next((c for c in wanted if c.metric == "ctr"), wanted[0] if wanted else None)


def _programme(data: ReportData) -> tuple[str, ...]:
    if data.programme is None:
        return ()
    sentences = (*rates_in_words(data.programme), *map(cumulative_in_words, data.programme.cumulative))
    return tuple(f"{sentence[:1].upper()}{sentence[1:]}." for sentence in (*sentences, *data.programme.notes))


def _lift(row: ProgrammeRow) -> str:
    if row.lift is None:
        return "–"
    return f"{percent(row.lift.estimate, 1, sign=True)} {interval_in_words(row.lift)}"


def _kpi(row: CorrelationResult) -> str:
    definition = METRICS[Metric(row.metric)]
    currency = str(row.filters.get("currency", ""))
    return f"{definition.name}, {definition.unit(currency)}" if definition.unit() and currency else definition.name


def _state(alert: Alert, now: datetime) -> str:
    if alert.silenced_until is not None and alert.silenced_until > now:
        return f"silenced until {alert.silenced_until:%Y-%m-%d} ({alert.silence_reason or 'no reason given'})"
    if alert.acknowledged_at is not None:
        return f"acknowledged by {alert.acknowledged_by or 'somebody'}"
    return "open"


def _readable_text(value: Any) -> Any:
    # Markup is a str too, and is ours; only plain text may hold what cannot be read.
    return readable(value) if type(value) is str else value


def _position_on_scale(data: ReportData) -> Callable[[float], float]:
    low, high = data.scale

    def position(score: float) -> float:
        return round(min(100.0, max(0.0, 100 * (score - low) / (high - low))), 1)

    return position
