"""Score against KPI: one dot per creative, lines within campaigns, and the estimates in words."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import altair as alt
import numpy as np

from abkit.metrics import METRICS, MetricDefinition
from abkit.reporting.charts.theme import INK, MAX_COLORS, SERIES, campaign_color, empty_chart, readable, themed
from abkit.stats.proportions.intervals import wilson
from abkit.stats.student_t import t_quantile
from abkit.store.schema import CorrelationResult
from abkit.vocabulary import Metric
from abkit.workflows.correlate import CorrelationReport

MAX_POINTS = 500
SCOPE_NAMES = {"all": "all creatives", "within_campaign": "within campaign"}


@dataclass(frozen=True)
class ScorePoint:
    """One creative in the scatter: its score, and a rate with the counts behind it.

    Attributes:
        campaign: Key of the campaign.
        score: Predicted mean opinion, on the model's scale.
        events: The numerator: clicks for CTR, conversions for CVR, an amount for a metric of money.
        trials: The denominator: impressions for CTR, clicks for CVR; above 0.
        standard_error: Sampling error of the metric where it is no share of counts.
    """

    campaign: str
    score: float
    events: float
    trials: float
    standard_error: float | None = None

    @property
    def rate(self) -> float:
        """Events per trial."""
        return self.events / self.trials


def correlation_sentence(result: CorrelationResult) -> str:
    """Return a stored estimate in words, with its interval and n, or why there is none."""
    return estimate_sentence(
        result.statistic,
        result.scope,
        estimate=result.estimate,
        interval=None if result.ci_low is None or result.ci_high is None else (result.ci_low, result.ci_high),
        level=result.ci_level,
        n=result.n,
        note=result.note,
    )


def estimate_sentence(
    statistic: str,
    scope: str,
    *,
    estimate: float | None,
    interval: tuple[float, float] | None,
    level: float,
    n: int,
    note: str = "",
) -> str:
    """Return an estimate in words.

    >>> estimate_sentence("srcc", "all", estimate=0.412, interval=(0.2, 0.6), level=0.95, n=48)
    'SRCC all creatives 0.41 (95 % interval 0.20 to 0.60, n = 48)'
    """
    name = f"{statistic.upper()} {SCOPE_NAMES.get(scope, scope)}"
    if estimate is None:
        return f"{name}: no estimate, {note or 'not enough data'} (n = {n})"
    if interval is None:
        return f"{name} {figure(estimate)} (no interval{': ' + note if note else ''}, n = {n})"
    return (
        f"{name} {figure(estimate)} "
        f"({100 * level:.0f} % interval {figure(interval[0])} to {figure(interval[1])}, n = {n})"
    )


def pairs_of(result: CorrelationResult) -> str:
    """Return what a rank correlation means for two creatives, with the days that it is of; "" without an interval."""
    if result.estimate is None or result.ci_low is None or result.ci_high is None:
        return ""
    share, low, high = (10 * pairs_right_at(value) for value in (result.estimate, result.ci_low, result.ci_high))
    days = f"From {result.window_start} to {result.window_end}" if result.window_start else "So far"
    interval = f"({low:.1f} to {high:.1f}); 5 of 10 is chance"
    return f"{days}, the higher-scored ad wins in about {share:.1f} of 10 pairs {interval}."


def pairs_right_at(srcc: float) -> float:
    """Return the share of pairs in which the higher score wins, for normal values with this rank correlation.

    Source: Kendall (1949), doi 10.1093/biomet/36.1-2.177: r = 2 sin(πρ/6), and ½ + arcsin(r)/π of pairs agree.

    >>> round(pairs_right_at(0.0), 3), round(pairs_right_at(1.0), 3), round(pairs_right_at(0.5), 3)
    (0.5, 1.0, 0.673)
    """
    return 0.5 + math.asin(max(-1.0, min(1.0, 2 * math.sin(math.pi * srcc / 6)))) / math.pi


def figure(value: float) -> str:
    """Two decimals with a real minus sign.

    >>> figure(-0.051)
    '−0.05'
    """
    return f"{value:.2f}".replace("-", "−")


def score_kpi_scatter(
    points: Sequence[ScorePoint],
    sentences: Sequence[str] = (),
    metric: str = "ctr",
    width: int = 620,
    currency: str = "",
) -> Any:
    """Draw score against KPI: one dot per creative, and per campaign a straight line with its 95 % band.

    More than twelve campaigns get one line together: the common slope inside campaigns, through the overall mean.

    The vertical line of a dot is the 95 % Wilson interval of its rate; for a metric that is no share it is ± 1.96
    standard errors between days. Where conversions are modeled there is none, and the subtitle says so. The area
    of a dot is the number of trials. More than 500 creatives are thinned to a fixed sample of 500, and the subtitle
    says so.

    Args:
        points: The creatives that were correlated.
        sentences: Lines of the subtitle: the estimates in words.
        metric: One of `abkit.vocabulary.Metric`.
        width: Width of the plot in pixels.
        currency: Currency of amounts, for the axis.
    """
    definition = METRICS[Metric(metric)]
    title = f"Score against {metric_title(metric)}"
    if not points:
        return empty_chart(title, "No creative has both a score and enough delivery yet.")
    shown = list(points)
    if len(shown) > MAX_POINTS:
        keep = np.sort(np.random.default_rng(0).choice(len(shown), MAX_POINTS, replace=False))
        shown = [points[i] for i in keep]
    subtitle = [*sentences, *notes_on(points, metric)]
    campaigns = sorted({readable(point.campaign) for point in points})
    many = len(campaigns) > MAX_COLORS
    color = alt.value(SERIES[0]) if many else campaign_color(campaigns)
    x = alt.X("score:Q", title="Score", axis=alt.Axis(tickCount=8), scale=alt.Scale(zero=False, nice=True))
    y = alt.Y(
        "rate:Q",
        title=f"{definition.name}, {unit}" if (unit := definition.unit(currency)) else definition.name,
        axis=alt.Axis(format=".1%" if definition.share else ",.4~g", tickCount=7),
        scale=alt.Scale(zero=False, nice=True),
    )
    dots = alt.Chart(alt.Data(values=_dot_rows(shown, definition)))
    layers = [
        dots.mark_rule(opacity=0.28).encode(x=x, y=alt.Y("low:Q"), y2="high:Q", color=color),
        dots.mark_circle(opacity=0.5 if many else 0.85, stroke="white", strokeWidth=0.6).encode(
            x=x,
            y=y,
            color=color,
            size=alt.Size("trials:Q", title=None, scale=alt.Scale(range=[30, 260]), legend=None),
        ),
    ]
    groups = [points] if many else [[p for p in points if readable(p.campaign) == one] for one in campaigns]
    lines = [row for group in groups for row in _fitted(group)]
    if lines:
        fit = alt.Chart(alt.Data(values=lines))
        of_line = alt.value(INK) if many else color
        layers.insert(0, fit.mark_area(opacity=0.13).encode(x=x, y=alt.Y("low:Q"), y2="high:Q", color=of_line))
        layers.append(fit.mark_line(strokeWidth=2.2).encode(x=x, y=alt.Y("rate:Q"), color=of_line))
    head = alt.TitleParams(title, subtitle=subtitle) if subtitle else title
    return themed(alt.layer(*layers).properties(width=width, height=round(0.56 * width), title=head))


def notes_on(points: Sequence[ScorePoint], metric: str) -> list[str]:
    """Return what a reader of the scatter has to know: what is not drawn, what has no interval, what the line is."""
    notes = []
    if len(points) > MAX_POINTS:
        notes.append(f"{MAX_POINTS:,} of {len(points):,} creatives are drawn")
    if METRICS[Metric(metric)].share and any(not float(point.events).is_integer() for point in points):
        notes.append("conversions are modeled by the platform: dots have no intervals of counts")
    campaigns = {readable(point.campaign) for point in points}
    if len(campaigns) > MAX_COLORS:
        notes.append(f"the line: the common slope inside {len(campaigns):,} campaigns, with its 95 % band")
    return notes


def metric_title(metric: str) -> str:
    """Return the name of a metric with what it is.

    >>> metric_title("cpa"), metric_title("conversions_per_impression")
    ('CPA (cost per conversion)', 'Conversions per impression')
    """
    definition = METRICS[Metric(metric)]
    same = definition.label == definition.name.lower()
    return definition.name if same else f"{definition.name} ({definition.label})"


def correlation_chart(report: CorrelationReport) -> Any:
    """Draw a correlation report: score against KPI for the active model, else for the last version that scored."""
    version = report.shown_version
    if version is None:
        return score_kpi_scatter([], metric=report.metric)
    points = [
        ScorePoint(
            campaign=one.campaign or "without a campaign",
            score=one.score,
            events=one.events,
            trials=one.trials,
            standard_error=one.standard_error,
        )
        for one in version.measured
    ]
    sentences = [
        estimate_sentence(
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
    return score_kpi_scatter(points, sentences, report.metric, currency=report.currency)


def _dot_rows(points: Sequence[ScorePoint], definition: MetricDefinition) -> list[dict[str, Any]]:
    low, high = _limits(points, definition)
    return [
        {
            "campaign": readable(point.campaign),
            "score": point.score,
            "rate": point.rate,
            "low": float(low[i]),
            "high": float(high[i]),
            "trials": point.trials,
        }
        for i, point in enumerate(points)
    ]


def _limits(points: Sequence[ScorePoint], definition: MetricDefinition) -> tuple[Any, Any]:
    """Return the ends of the interval of each point; both are its value where there is none."""
    if not definition.share:
        half = np.array([1.96 * (point.standard_error or 0.0) for point in points])
        values = np.array([point.rate for point in points])
        return values - half, values + half
    events = np.array([point.events for point in points])
    trials = np.array([point.trials for point in points])
    low, high = wilson(np.minimum(events, trials), trials, 0.05)
    if (events % 1).any():
        # A modeled numerator has no binomial interval, and a whole one among them is modeled too.
        low = high = events / trials
    return low, high


def _fitted(points: Sequence[ScorePoint]) -> list[dict[str, Any]]:
    """The common least-squares slope inside the campaigns of these points, through their mean, with its 95 % band.

    Of one campaign it is the ordinary line. Nothing where it would mean nothing: fewer than five points, equal scores.
    """
    _, index, size = np.unique([point.campaign for point in points], return_inverse=True, return_counts=True)
    score = np.array([point.score for point in points])
    rate = np.array([point.rate for point in points])
    x, y = (values - (np.bincount(index, values) / size)[index] for values in (score, rate))
    freedom = len(points) - len(size) - 1
    if len(points) < 5 or freedom < 1 or not np.ptp(score) > 0 or not np.abs(x).max() > 1e-12:
        return []
    slope = float(x @ y) / float(x @ x)
    left = y - slope * x
    variance = float(left @ left) / freedom
    away = np.linspace(score.min(), score.max(), 25) - score.mean()
    half = t_quantile(0.975, freedom) * np.sqrt(variance * (1 / len(points) + away**2 / float(x @ x)))
    line = rate.mean() + slope * away
    campaign = readable(points[0].campaign)
    return [
        {"campaign": campaign, "score": float(s), "rate": float(r), "low": float(r - h), "high": float(r + h)}
        for s, r, h in zip(away + score.mean(), line, half, strict=True)
    ]
