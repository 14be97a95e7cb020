"""Correlate: the scores of each model version against what the platforms delivered, over all and within campaigns."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import date
from typing import Any

import numpy as np
from sqlalchemy.orm import Session

from abkit.config import CorrelateSettings, Settings
from abkit.errors import InvalidInput
from abkit.records import Record, RecordList, to_plain
from abkit.stats.monitoring import correlation
from abkit.stats.monitoring.correlation import Correlation
from abkit.store import models
from abkit.store import results as found
from abkit.store import scores as score_rows
from abkit.store.catalog import creatives, ideas
from abkit.store.database.engine import Store
from abkit.store.kpis.counting import SetAside
from abkit.store.kpis.delivery import Delivered, Deliveries, Filters, LeftOut, deliveries, parse_segment
from abkit.store.kpis.provisional import Provisional
from abkit.store.runs import RunRecord, recorded_run
from abkit.store.schema import CorrelationResult, ModelVersion
from abkit.vocabulary import CorrelationScope, CorrelationStatistic, Metric, parse_choice

_NO_SCORES = "nothing has been scored yet: `abkit score IMAGES --campaign KEY`"
_NO_KPIS = "no scored creative has enough delivery in this window: `abkit kpi import FILE`, then `abkit kpi link`"
_MODELED = "conversions are fractions: the platform models them; CVR is their mean per click, and not a share of clicks"


@dataclass(frozen=True, kw_only=True)
class Measured:
    """A creative with its score and what it delivered.

    Attributes:
        campaign: Key of the campaign; "" for delivery outside of any.
        events, trials: `events` per `trials` is the metric; events are fractions where conversions are modeled.
    """

    creative_id: int
    campaign: str
    score: float
    events: float
    trials: int


@dataclass(frozen=True, kw_only=True)
class VersionReport(Record):
    """One model version against the KPI.

    Attributes:
        model_version: Its digest.
        active: Whether it is the active model.
        results: SRCC and PLCC, over all creatives and within campaign.
        measured: The creatives they rest on, one row per creative and campaign.
        left_out: What is not in them, by reason.
    """

    model_version: str
    model_name: str
    version_id: int
    active: bool
    results: tuple[Correlation, ...]
    measured: tuple[Measured, ...]
    left_out: dict[str, LeftOut]


@dataclass(frozen=True, kw_only=True)
class CorrelationReport(RecordList):
    """All versions against one KPI, with the window and the filters.

    Attributes:
        first, last: First and last day of delivery that counted; None without any.
        segment, campaign: The filters; "" and None for all.
        impressions: How many counted.
        note: What is missing, or that conversions are modeled; "" otherwise.
        set_aside: Rows that do not count because others hold the same delivery.
        provisional: Rows of days that the platform may still change; None without any.
    """

    metric: Metric
    versions: tuple[VersionReport, ...]
    as_of: date
    first: date | None
    last: date | None
    segment: str
    campaign: str | None
    impressions: int
    note: str
    run_id: int
    set_aside: tuple[SetAside, ...] = ()
    provisional: Provisional | None = None

    @property
    def shown_version(self) -> VersionReport | None:
        """The version that a chart shows: the active model, else the last one that scored."""
        chosen = [version for version in self.versions if version.active] or self.versions
        return chosen[-1] if chosen else None

    def rows(self) -> list[dict[str, Any]]:
        """Return one row per version, scope and statistic; rows without figures where nothing was scored."""
        shared = {"segment": self.segment, "as_of": self.as_of, "run_id": self.run_id}
        if self.versions:
            return [
                {"metric": self.metric.value, **_figures(result), "ideas": result.ideas, "campaigns": result.groups}
                | {"model_version": version.model_version, "model_name": version.model_name}
                | {"method": result.method, "note": result.note}
                | shared
                for version in self.versions
                for result in version.results
            ]
        unknown = dict.fromkeys(("estimate", "ci_low", "ci_high", "ci_level"))
        nothing: dict[str, Any] = dict.fromkeys(("n", "ideas", "campaigns"), 0)
        nothing |= {"model_version": None, "model_name": None, "method": "", "note": self.note}
        return [
            {"metric": self.metric.value, "scope": scope.value, "statistic": statistic.value}
            | unknown
            | nothing
            | shared
            for scope in CorrelationScope
            for statistic in CorrelationStatistic
        ]


def _figures(result: Correlation) -> dict[str, Any]:
    """Return what table and store call by the same name."""
    same = ("scope", "statistic", "estimate", "ci_low", "ci_high")
    return {name: getattr(result, name) for name in same} | {"ci_level": result.level, "n": result.n}


def correlate(
    store: Store,
    settings: Settings,
    *,
    metric: Metric | str,
    as_of: date,
    campaign: str | None = None,
    segment: str | None = None,
    start: date | None = None,
    end: date | None = None,
    model: str | None = None,
    min_impressions: int | None = None,
    run: RunRecord | None = None,
) -> CorrelationReport:
    """Correlate scores with a KPI and log every figure.

    Args:
        store: Where scores and KPIs are, and where the results go.
        settings: `[correlate]` has the minimum samples.
        metric: "ctr" (clicks per impression) or "cvr" (conversions per click).
        as_of: The last day of delivery that counts.
        campaign: Key of the only campaign to look at.
        segment: Delivery to look at, such as "placement=feed,country=DE".
        start, end: First and last day between which the period of a KPI row has to lie.
        model: Name or digest of the only version to look at.
        min_impressions: Instead of the configured minimum.
        run: The run of a scheduled tick; a run is recorded when None.

    Raises:
        UsageError: No such campaign, version or segment.
    """
    kpi = parse_choice(Metric, metric, name="metric")
    if kpi not in (Metric.CTR, Metric.CVR):
        raise InvalidInput(f"scores are correlated with ctr and cvr, and not with {kpi} yet")
    wanted = parse_segment(segment)
    limits = settings.correlate
    if min_impressions is not None:
        limits = limits.model_copy(update={"min_impressions": min_impressions})
    filters = Filters(start, min(end, as_of) if end else as_of, campaign, wanted)
    shown = ",".join(f"{name}={value}" for name, value in sorted(wanted.items()))
    arguments = {"metric": kpi, "campaign": campaign, "segment": shown, "from": start, "to": end}
    arguments = to_plain(arguments | {"as_of": as_of, "model": model})
    with recorded_run(store, "correlate", arguments, run=run) as run:
        with store.read() as session:
            if campaign is not None:
                creatives.find_campaign(session, campaign)
            versions = [models.find_by_prefix(session, model)] if model else models.versions_with_scores(session)
            delivered = deliveries(session, filters)
            active, keys = models.active_model(session), creatives.campaign_keys(session)
            reports = [_version_report(session, version, delivered, kpi, limits, keys, active) for version in versions]
        measured = [row for one in reports for row in one.measured]
        note = _NO_SCORES if not versions else "" if measured else _NO_KPIS
        if measured and kpi is Metric.CVR and delivered.modeled:
            note = _MODELED
        report = CorrelationReport(
            metric=kpi,
            versions=tuple(reports),
            as_of=as_of,
            first=delivered.first,
            last=delivered.last,
            segment=shown,
            campaign=campaign,
            impressions=delivered.impressions,
            note=note,
            run_id=run.id,
            set_aside=delivered.set_aside,
            provisional=delivered.provisional,
        )
        with store.write() as session:
            found.write_results(session, CorrelationResult, _rows(report, filters, limits))
        run.outcome.update(versions=len(reports), creatives=max((len(one.measured) for one in reports), default=0))
        if note:
            run.outcome["note"] = note
    return report


def _version_report(
    session: Session,
    version: ModelVersion,
    delivered: Deliveries,
    metric: Metric,
    limits: CorrelateSettings,
    campaigns: Mapping[int, str],
    active: ModelVersion | None,
) -> VersionReport:
    scores = score_rows.mean_scores(session, version.id)
    labels = ideas.ideas_of(session)
    left_out = {reason: LeftOut(one.count, one.impressions) for reason, one in delivered.left_out.items()}
    scored = [row for row in delivered.rows if row.creative_id in scores]
    unscored = [row for row in delivered.rows if row.creative_id not in scores]
    _say(left_out, "creatives without a score by this version", unscored)
    silent = set(scores) - {row.creative_id for row in delivered.rows}
    if silent:
        left_out["scored creatives without delivery"] = LeftOut(len(silent))

    everywhere, few = _enough(_by_creative(scored), metric, limits)
    limit = f"{limits.min_impressions:,} impressions" if metric is Metric.CTR else f"{limits.min_clicks:,} clicks"
    _say(left_out, f"creatives with fewer than {limit}", few)
    placed = [row for row in scored if row.campaign_id is not None]
    inside, _ = _enough(placed, metric, limits)
    outside = [row for row in scored if row.campaign_id is None]
    _say(left_out, "creatives of ads without a campaign (left out within campaign)", outside)

    results = [
        correlation.correlate(
            [scores[row.creative_id] for row in rows],
            [events / trials for events, trials in (_counts(row, metric) for row in rows)],
            statistic=statistic,
            campaign=(
                None if scope is CorrelationScope.ALL else np.array([row.campaign_id for row in rows], dtype=np.int64)
            ),
            creative=np.array([row.creative_id for row in rows], dtype=np.int64),
            idea=np.array([labels.get(row.creative_id, -row.creative_id) for row in rows], dtype=np.int64),
            min_creatives=limits.min_creatives,
        )
        for scope, rows in ((CorrelationScope.ALL, everywhere), (CorrelationScope.WITHIN_CAMPAIGN, inside))
        for statistic in CorrelationStatistic
    ]
    measured = [
        Measured(
            creative_id=row.creative_id,
            campaign=campaigns.get(row.campaign_id or 0, ""),
            score=scores[row.creative_id],
            events=_counts(row, metric)[0],
            trials=_counts(row, metric)[1],
        )
        for row in _enough(scored, metric, limits)[0]
    ]
    return VersionReport(
        model_version=version.digest,
        model_name=version.name,
        version_id=version.id,
        active=active is not None and version.id == active.id,
        results=tuple(results),
        measured=tuple(measured),
        left_out=left_out,
    )


def _by_creative(rows: Sequence[Delivered]) -> list[Delivered]:
    sums: dict[int, list[Any]] = {}
    for row in rows:
        total = sums.get(row.creative_id, (0, 0, 0))
        sums[row.creative_id] = [*map(sum, zip(total, (row.impressions, row.clicks, row.conversions), strict=True))]
    return [Delivered(creative, None, *total) for creative, total in sums.items()]


def _counts(row: Delivered, metric: Metric) -> tuple[float, int]:
    return (row.clicks, row.impressions) if metric is Metric.CTR else (row.conversions, row.clicks)


def _enough(
    rows: Sequence[Delivered], metric: Metric, limits: CorrelateSettings
) -> tuple[list[Delivered], list[Delivered]]:
    needed = limits.min_impressions if metric is Metric.CTR else limits.min_clicks
    enough = [row for row in rows if _counts(row, metric)[1] >= needed]
    return enough, [row for row in rows if _counts(row, metric)[1] < needed]


def _say(left_out: dict[str, LeftOut], reason: str, rows: Sequence[Delivered]) -> None:
    if rows:
        left_out[reason] = LeftOut(len({row.creative_id for row in rows}), sum(row.impressions for row in rows))


def _rows(report: CorrelationReport, filters: Filters, limits: CorrelateSettings) -> list[dict[str, object]]:
    return [
        {
            "run_id": report.run_id,
            "model_version_id": version.version_id,
            "metric": report.metric.value,
            "segment": report.segment,
            **_figures(result),
            "method": result.method,
            "note": result.note,
            "window_start": filters.start or report.first,
            "window_end": filters.end,
            "as_of": report.as_of,
            "filters": {
                **limits.model_dump(),
                "campaign": report.campaign,
                "segment": report.segment,
                "ideas": result.ideas,
                "campaigns": result.groups,
                "set_aside": to_plain(report.set_aside),
                "left_out": {reason: asdict(one) for reason, one in version.left_out.items()},
            },
        }
        for version in report.versions
        for result in version.results
    ]
