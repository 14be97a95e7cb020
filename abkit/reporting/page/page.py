"""The report: one HTML file that needs nothing else, for the person who decides and does not run commands."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any

from abkit.metrics import METRICS
from abkit.records import percent
from abkit.reporting.charts.drift_timeline import drift_timeline, timeline_sentence
from abkit.reporting.charts.listening import gain_chart, shares_chart
from abkit.reporting.charts.score_kpi import correlation_sentence, metric_title, notes_on, pairs_of, score_kpi_scatter
from abkit.reporting.charts.scores import score_distribution
from abkit.reporting.page.advice import advice
from abkit.reporting.page.answer import answer, extremes, money, reason
from abkit.reporting.page.html import drawing, render, write_page
from abkit.reporting.page.records import ReportData
from abkit.stats.monitoring import decisions
from abkit.store.schema import Alert, CorrelationResult
from abkit.vocabulary import Metric
from abkit.workflows.experiments.review.programme import ProgrammeRow, cumulative_in_words, rates_in_words
from abkit.workflows.experiments.review.words import interval_in_words
from abkit.workflows.learning.worth.action_words import TONES, WORDS
from abkit.workflows.learning.worth.worth_words import share_rows, worth_sentences
from abkit.workflows.scoring.results import UNLIKE

CONTENTS = (
    ("actions", "Launch, drop"),
    ("experiments", "Experiments"),
    ("tired", "Tired creatives"),
    ("trust", "Can the score be trusted?"),
    ("ranked", "All creatives"),
    ("relation", "The statistics"),
    ("coverage", "What the KPIs cover"),
)


def render_report(data: ReportData) -> str:
    """Return the page as HTML: names from outside are escaped, its only script is our own, and nothing is fetched."""
    headline = headline_correlation(data)
    metric = headline.metric if headline else "ctr"
    currency = str(headline.filters.get("currency", "")) if headline else ""
    worth = data.worth
    shared = {
        "data": data,
        "answer": answer(data),
        "contents": [(id_, name) for id_, name in CONTENTS if id_ != "experiments" or data.experiments],
        "words": WORDS,
        "tones": TONES,
        "reason": reason,
        "money": money,
        "currency": data.actions.value.currency if data.actions and data.actions.value else "",
        "unlike": UNLIKE,
        "signed": lambda value: percent(value, 0, sign=True),
        "extremes": extremes(data),
        "advice": advice(data.decision.decision, data.decision.cause) if data.decision else advice(None),
        "scatter_notes": notes_on(data.points, metric),
        "relation_words": correlation_sentence(headline) if headline else "No estimate yet.",
        "headline_kpi": metric_title(metric),
        "pairs_sentence": pairs_of(headline) if headline else "",
        "worth_words": worth_sentences(worth) if worth else [],
        "timeline_words": timeline_sentence(data.decision_history),
        "headline_of": lambda decision: decisions.headline(decision.decision, decision.layers_judged, decision.coarse),
        "reasons_of": lambda decision: decision.reasons.get("reasons", []),
        "kpi_of": _kpi,
        "state_of": lambda alert: _state(alert, data.made_at),
        "programme_words": _programme(data),
        "show_metric": lambda row: METRICS[row.metric].name,
        "show_lift": _lift,
    }
    charts: dict[str, Callable[[int], Any] | None] = {
        "scatter": lambda width: score_kpi_scatter(data.points, (), metric, width, currency),
        "timeline": lambda width: drift_timeline(
            data.drift_history, data.decision_history, data.correlation_history, width
        ),
        "distribution": lambda width: score_distribution(data.scores, data.scale, width),
        "shares": (lambda width: shares_chart(share_rows(worth), width=width)) if worth and worth.campaigns else None,
        "gains": (lambda width: gain_chart(worth.curve, width=width)) if worth and worth.curve else None,
    }
    wanted: dict[str, Any] = {"scatter": data.points, "timeline": data.decision_history, "distribution": data.scores}
    drawn = {
        name: drawing(make, name[0]) if make is not None and wanted.get(name, (None,)) else ""
        for name, make in charts.items()
    }
    experiment_charts = [
        [drawing(chart, f"e{number}-{place}") for place, chart in enumerate(one.charts)]
        for number, one in enumerate(data.experiments)
    ]
    return render("report.html.j2", data.creatives, **shared, **drawn, experiment_charts=experiment_charts)


def write_report(data: ReportData, path: Path) -> Path:
    """Write the page, whole or not at all.

    Raises:
        AbkitError: The file cannot be written.
    """
    return write_page(render_report(data), path)


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
