"""Gather what the report shows, from the store alone, and write the page."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from abkit.config import CorrelateSettings
from abkit.errors import UsageError
from abkit.metrics import METRICS
from abkit.money import Rates
from abkit.reporting.charts.score_kpi import ScorePoint
from abkit.reporting.charts.scores import RankedCreative
from abkit.reporting.page.experiments import experiment_sections
from abkit.reporting.page.page import headline_correlation, write_report
from abkit.reporting.page.records import CampaignRanking, Coverage, ReportData
from abkit.reporting.page.thumbnails import thumbnail
from abkit.stats.proportions.intervals import wilson
from abkit.store import imports, models, results, runs
from abkit.store import scores as score_rows
from abkit.store.catalog import creatives
from abkit.store.jobs import alerts
from abkit.store.kpis.delivery import NO_CREATIVE, Deliveries, Filters, deliveries
from abkit.store.scores import RankedScore, ranking
from abkit.version import __version__
from abkit.vocabulary import Metric
from abkit.workflows.experiments.review.programme import programme_of
from abkit.workflows.experiments.review.standing import standings
from abkit.workflows.per_creative import PerCreative, spread_of

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

    from abkit.store.database.engine import Store
    from abkit.store.schema import CorrelationResult

CAMPAIGNS_SHOWN = 6
CREATIVES_EACH = 10
CREATIVES_ALONE = 60
LAST_SHOWN = 5
HISTORY = timedelta(days=180)  # of the timeline, up to the last check
# Commands and the daemon's jobs.
RUN_KINDS = ("score", "score_folder", "kpi import", "import_kpis", "correlate", "drift check", "drift_check")
DATABASES = {"sqlite": "SQLite", "postgresql": "PostgreSQL"}


def make_report(
    store: Store, out: Path, *, campaign: str | None = None, as_of: date | None = None, rates: Rates | None = None
) -> Path:
    """Write the report of a store as one HTML file.

    Args:
        store: what is reported on; nothing in it changes.
        out: the file; its folder is made if need be.
        campaign: key of the only campaign to show creatives and dots of; all when None.
        as_of: the last day of delivery that counts; today (UTC) when None.
        rates: the currency of amounts, and what others are worth in it; that of the rows when None.

    Raises:
        UsageError: no such campaign.
        AbkitError: the file cannot be written.
    """
    return write_report(gather(store, campaign=campaign, as_of=as_of, rates=rates), out)


def gather(
    store: Store, *, campaign: str | None = None, as_of: date | None = None, rates: Rates | None = None
) -> ReportData:
    """Everything that the page shows. What is not in the store yet is None or empty.

    Raises:
        UsageError: no such campaign.
    """
    made_at = datetime.now(UTC)
    day = as_of or made_at.date()
    with store.read() as session:
        since = (results.last_check(session, day) or day) - HISTORY
        version = results.last_version(session, day) or models.active_model(session)
        every = score_rows.campaigns_by_size(session, version.id) if version else []
        chosen = _chosen(every, campaign)
        only = chosen[0][0] if campaign else None
        delivered = deliveries(session, Filters(end=day))
        made = results.decisions(session, since, day)
        # Checks of other windows answer other questions: the history is of the last one's.
        made = [one for one in made if one.scope == made[-1].scope]
        findings = results.drift_results(session, [one.run_id for one in made])
        history = _history(results.correlations(session, version.id, since, day), campaign) if version else []
        data = ReportData(
            as_of=day,
            made_at=made_at,
            abkit_version=__version__,
            database=DATABASES.get(store.dialect, store.dialect),
            campaign=campaign,
            model=version,
            decision=made[-1] if made else None,
            rankings=tuple(
                _ranking(session, id_, key, version.id, delivered, CREATIVES_ALONE if campaign else CREATIVES_EACH)
                for id_, key, _ in chosen
                if version
            ),
            campaigns_in_all=len(every),
            points=(),
            correlations=_latest_of_each(history),
            correlation_history=tuple(history),
            findings=tuple(row for row in findings if row.run_id == made[-1].run_id),
            drift_history=tuple(findings),
            decision_history=tuple(made),
            alerts=tuple(alerts.open_alerts(session, day)),
            scores=tuple(score_rows.scores_by_campaign(session, version.id, only)) if version else (),
            coverage=_coverage(imports.imported(session, day), delivered),
            runs=runs.last_runs(session, RUN_KINDS),
            simulated=imports.is_simulated(session),
        )
        standing = standings(session, day, campaign=campaign)
        points = _points(session, data, version.id, campaign, rates) if version else ()
    return replace(
        data,
        points=points,
        experiments=experiment_sections(standing, day),
        programme=programme_of(standing, day) if standing else None,
    )


def _chosen(every: Sequence[tuple[int, str, int]], campaign: str | None) -> Sequence[tuple[int, str, int]]:
    if campaign is None:
        return every[:CAMPAIGNS_SHOWN]
    chosen = [row for row in every if row[1] == campaign]
    if not chosen:
        known = ", ".join(key for _, key, _ in every[:10]) or "none yet"
        raise UsageError(f"no creative of a campaign {campaign!r} has been scored", hint=f"scored campaigns: {known}")
    return chosen


def _ranking(
    session: Session,
    campaign_id: int,
    key: str,
    version_id: int,
    delivered: Deliveries,
    shown: int,
) -> CampaignRanking:
    places = ranking(session, campaign_id, version_id)
    best, last = places, list[RankedScore]()
    if len(places) > shown + LAST_SHOWN:
        best, last = places[:shown], places[-LAST_SHOWN:]
    shown_here = [place.creative_id for place in (*best, *last)]
    names = creatives.creative_names(session, shown_here, campaign=campaign_id)
    here, anywhere = _delivery(delivered, campaign_id), _delivery(delivered, None)

    def creative(place: RankedScore) -> RankedCreative:
        aliases = names.get(place.creative_id, [])
        found = (thumbnail(Path(name), place.sha256) for name, _ in aliases[:5])
        elsewhere = place.creative_id not in here and place.creative_id in anywhere
        impressions, clicks = (anywhere if elsewhere else here).get(place.creative_id, (0, 0))
        low, high = map(float, wilson(min(clicks, impressions), impressions, 0.05)) if impressions else (None, None)
        return RankedCreative(
            rank=place.rank,
            name=Path(aliases[0][0]).name if aliases else place.sha256[:12],
            sha256=place.sha256,
            campaign=key,
            score=place.score.mean,
            ci_low=place.score.ci_low,
            ci_high=place.score.ci_high,
            ci_level=place.score.ci_level,
            percentile=place.percentile,
            thumbnail=next((uri for uri in found if uri), ""),
            impressions=impressions,
            clicks=clicks,
            ctr_low=low,
            ctr_high=high,
            elsewhere=elsewhere,
        )

    return CampaignRanking(key, len(places), tuple(map(creative, best)), tuple(map(creative, last)))


def _delivery(delivered: Deliveries, campaign_id: int | None) -> dict[int, tuple[int, int]]:
    """Impressions and clicks by creative: in this campaign or in none that is named, or in all of them (None)."""
    sums: dict[int, tuple[int, int]] = {}
    for row in delivered.rows:
        if campaign_id is None or row.campaign_id in (campaign_id, None):
            impressions, clicks = sums.get(row.creative_id, (0, 0))
            sums[row.creative_id] = impressions + row.impressions, clicks + row.clicks
    return sums


def _points(
    session: Session, data: ReportData, version_id: int, campaign: str | None, rates: Rates | None
) -> tuple[ScorePoint, ...]:
    """The creatives of the estimate on top: of its window, with at least its minimum sample."""
    headline = headline_correlation(data)
    if headline is None:
        return ()
    definition = METRICS[Metric(headline.metric)]
    kept = headline.filters
    limits = CorrelateSettings(**{name: kept[name] for name in CorrelateSettings.model_fields if kept.get(name)})
    margin_rate = float(kept.get("margin_rate", 1.0))
    window = Filters(headline.window_start, headline.window_end or data.as_of, campaign)
    delivered = deliveries(session, window, with_money=bool(definition.needs), rates=rates)
    spread = spread_of(session, window, delivered, definition, margin_rate)
    each = PerCreative(definition, limits, margin_rate, spread)
    scores = score_rows.mean_scores(session, version_id)
    keys = creatives.campaign_keys(session)
    points = []
    for row in each.sort([row for row in delivered.rows if row.creative_id in scores])[0]:
        below, above = each.terms(row)
        key = keys.get(row.campaign_id or 0, "without a campaign")
        points.append(ScorePoint(key, scores[row.creative_id], above, below, each.error(row)))
    return tuple(sorted(points, key=lambda point: (point.campaign, point.score, point.trials)))


def _history(rows: Sequence[CorrelationResult], campaign: str | None) -> list[CorrelationResult]:
    """The estimates of the campaign that is shown; those of all campaigns where it has none of its own."""
    for wanted in (campaign, None):
        chosen = [row for row in rows if row.filters.get("campaign") == wanted]
        if chosen:
            return chosen
    return []


def _latest_of_each(history: Sequence[CorrelationResult]) -> tuple[CorrelationResult, ...]:
    latest = {(row.metric, row.scope, row.statistic): row for row in history}
    order = {"ctr": 0, "within_campaign": 0, "srcc": 0}
    return tuple(latest[key] for key in sorted(latest, key=lambda key: [(order.get(part, 1), part) for part in key]))


def _coverage(row: imports.Imported, delivered: Deliveries) -> Coverage:
    unlinked = delivered.left_out.get(NO_CREATIVE)
    return Coverage(
        impressions=delivered.impressions,
        unlinked_impressions=unlinked.impressions if unlinked else 0,
        unlinked_ads=row.unlinked_ads,
        ads=row.ads,
        first_day=row.first_day,
        last_day=row.last_day,
        files=row.files,
        rejected_rows=row.rejected_rows,
        set_aside_rows=row.set_aside_rows,
        set_aside=delivered.set_aside,
        provisional=delivered.provisional,
        modeled=delivered.modeled,
    )
