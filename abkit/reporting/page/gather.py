"""Gather what the report shows, from the store alone, and write the page."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from abkit.config import CorrelateSettings, Settings
from abkit.metrics import METRICS
from abkit.money import Rates
from abkit.reporting.charts.score_kpi import ScorePoint
from abkit.reporting.page.creatives import MOST_CREATIVES, chosen_campaigns, rankings_of
from abkit.reporting.page.experiments import experiment_sections
from abkit.reporting.page.page import headline_correlation, write_report
from abkit.reporting.page.records import Coverage, ReportData
from abkit.store import imports, models, results, runs
from abkit.store import scores as score_rows
from abkit.store.catalog import creatives
from abkit.store.jobs import alerts
from abkit.store.kpis.delivery import (
    NO_CREATIVE,
    Covered,
    Deliveries,
    Filters,
    ads_of_members,
    covered,
    deliveries,
    impressions_by_campaign,
)
from abkit.store.leaderboards import kpi_rows, last_day
from abkit.version import __version__
from abkit.vocabulary import Metric
from abkit.workflows.creatives.fatigue import find_fatigue
from abkit.workflows.creatives.per_creative import PerCreative, spread_of
from abkit.workflows.creatives.unseen_scores import unseen_scores
from abkit.workflows.experiments.review.programme import programme_of
from abkit.workflows.experiments.review.standing import standings
from abkit.workflows.learning.appeals.appeals import find_appeals
from abkit.workflows.learning.worth.actions import Actions, find_actions
from abkit.workflows.learning.worth.event_value import RECENT
from abkit.workflows.learning.worth.worth import WorthReport, find_worth

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

    from abkit.store.database.engine import Store
    from abkit.store.schema import CorrelationResult, ModelVersion

HISTORY = timedelta(days=180)  # of the timeline, up to the last check
# Commands and the daemon's jobs.
RUN_KINDS = ("score", "score_folder", "kpi import", "import_kpis", "correlate", "drift check", "drift_check")
DATABASES = {"sqlite": "SQLite", "postgresql": "PostgreSQL"}

_MOST_ALERTS = 50  # shown; the others are counted
_WEEK = timedelta(days=7)


def make_report(
    store: Store,
    out: Path,
    *,
    campaign: str | Sequence[str] | None = None,
    as_of: date | None = None,
    rates: Rates | None = None,
    settings: Settings | None = None,
) -> Path:
    """Write the report of a store as one HTML file.

    Args:
        store: what is reported on; nothing in it changes.
        out: the file; its folder is made if need be.
        campaign: key or keys of the only campaigns to show; all when None.
        as_of: the last day of delivery that counts; today (UTC) when None.
        rates: the currency of amounts, and what others are worth in it; that of the rows when None.
        settings: the configuration of the workspace; the defaults when None.

    Raises:
        UsageError: no such campaign.
        AbkitError: the file cannot be written.
    """
    return write_report(gather(store, campaign=campaign, as_of=as_of, rates=rates, settings=settings), out)


def gather(
    store: Store,
    *,
    campaign: str | Sequence[str] | None = None,
    as_of: date | None = None,
    rates: Rates | None = None,
    settings: Settings | None = None,
) -> ReportData:
    """Everything that the page shows. What is not in the store yet is None or empty.

    Raises:
        UsageError: no such campaign.
    """
    made_at = datetime.now(UTC)
    day = as_of or made_at.date()
    wanted = (campaign,) if isinstance(campaign, str) else tuple(dict.fromkeys(campaign or ()))
    alone = wanted[0] if len(wanted) == 1 else None
    with store.read() as session:
        since = (results.last_check(session, day) or day) - HISTORY
        version = results.last_version(session, day) or models.active_model(session)
        every = score_rows.campaigns_by_size(session, version.id) if version else []
        most_rows = (settings or Settings()).kpi.analysis_rows
        fits = every if wanted else campaigns_with_room(session, every, day, most_rows)
        others = len(every) - len(fits)
        if others:
            wanted = tuple(key for _, key, _ in fits)
        chosen = chosen_campaigns(every, wanted)
        # Of a large store, what the page does not show is added up and not read.
        ads = ads_of_members(session, [id_ for id_, *_ in chosen]) if others else None
        delivered = deliveries(session, Filters(end=day, ads=ads))
        made = results.decisions(session, since, day)
        # Checks of other windows answer other questions: the history is of the last one's.
        made = [one for one in made if one.scope == made[-1].scope]
        findings = results.drift_results(session, [one.run_id for one in made])
        history = _history(results.correlations(session, version.id, since, day), alone) if version else []
        worth, actions = _advice(
            session, settings or Settings(), day, wanted, rates, version.id if version else None,
            made[-1].decision if made else None, delivered, ads,
        )  # fmt: skip
        rankings, left_out, without_image = (
            rankings_of(session, chosen, version.id, delivered, actions) if version else ((), 0, 0)
        )
        ids = {id_ for id_, *_ in chosen}
        shown = {key for _, key, _ in chosen}
        data = ReportData(
            as_of=day,
            made_at=made_at,
            abkit_version=__version__,
            database=DATABASES.get(store.dialect, store.dialect),
            campaigns=wanted,
            others=others,
            model=version,
            decision=made[-1] if made else None,
            rankings=rankings,
            left_out=left_out,
            thumbnails_left_out=without_image,
            points=(),
            correlations=_latest_of_each(history),
            correlation_history=tuple(history),
            findings=tuple(row for row in findings if row.run_id == made[-1].run_id),
            drift_history=tuple(findings),
            decision_history=tuple(made),
            alerts=tuple(alerts.open_alerts(session, day, limit=_MOST_ALERTS)),
            alerts_open=alerts.count_open(session, day),
            scores=_scores(session, version.id, chosen, wanted) if version else (),
            coverage=_coverage(imports.imported(session, day), covered(session, day) if others else delivered),
            runs=runs.last_runs(session, RUN_KINDS),
            simulated=imports.is_simulated(session),
            worth=worth,
            actions=actions,
            tired=find_fatigue(session, day, campaigns=ids if wanted else None, rates=rates).tired,
        )
        standing = [
            one
            for one in standings(session, day, campaign=alone)
            if not wanted or (one.plan is not None and one.plan.campaign in wanted)
        ]
        points = _points(session, data, version, alone, rates, ads) if version else ()
    return replace(
        data,
        points=tuple(point for point in points if not wanted or point.campaign in shown),
        experiments=experiment_sections(standing, day),
        programme=programme_of(standing, day) if standing else None,
    )


def _advice(
    session: Session,
    settings: Settings,
    day: date,
    wanted: Sequence[str],
    rates: Rates | None,
    version_id: int | None,
    decision: str | None,
    delivered: Deliveries,
    ads: Collection[int] | None,
) -> tuple[WorthReport, Actions]:
    """Return what listening is worth, and what to launch and to drop; `delivered` is what ran at any time."""
    only = tuple(wanted) or None
    found = find_appeals(session, settings, metric=Metric.CTR, as_of=day, campaigns=only)
    # Where ads are named, they are those of these campaigns.
    one_by_one = only if ads is None else None
    worth = find_worth(session, settings, as_of=day, campaigns=one_by_one, rates=rates, found=found, ads=ads)
    last = delivered.last or day
    recent = find_appeals(
        session, settings, metric=Metric.CTR, as_of=day, first=last - RECENT + timedelta(days=1), campaigns=only
    )
    ran = {*(row.creative_id for row in delivered.rows), *map(int, found.appeals.creative)}
    return worth, find_actions(
        session, recent, worth, version_id=version_id, decision=decision, ran=ran, campaigns=only, ads=ads, last=last
    )  # fmt: skip


def _scores(
    session: Session, version_id: int, chosen: Sequence[tuple[int, str, int]], wanted: Sequence[str]
) -> tuple[tuple[str, float], ...]:
    if not wanted:
        return tuple(score_rows.scores_by_campaign(session, version_id, None))
    return tuple(row for id_, *_ in chosen for row in score_rows.scores_by_campaign(session, version_id, id_))


def _points(
    session: Session,
    data: ReportData,
    version: ModelVersion,
    campaign: str | None,
    rates: Rates | None,
    ads: Collection[int] | None,
) -> tuple[ScorePoint, ...]:
    """The creatives of the estimate on top: of its window, with at least its minimum sample."""
    headline = headline_correlation(data)
    if headline is None:
        return ()
    definition = METRICS[Metric(headline.metric)]
    kept = headline.filters
    limits = CorrelateSettings(**{name: kept[name] for name in CorrelateSettings.model_fields if kept.get(name)})
    margin_rate = float(kept.get("margin_rate", 1.0))
    window = Filters(headline.window_start, headline.window_end or data.as_of, campaign, ads=ads)
    delivered = deliveries(session, window, with_money=bool(definition.needs), rates=rates)
    spread = spread_of(session, window, delivered, definition, margin_rate)
    each = PerCreative(definition, limits, margin_rate, spread)
    shown = None if ads is None else {row.creative_id for row in delivered.rows}
    scores = unseen_scores(session, version, shown).scores
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


def _coverage(row: imports.Imported, delivered: Deliveries | Covered) -> Coverage:
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


def campaigns_with_room(
    session: Session, every: Sequence[tuple[int, str, int]], day: date, most_rows: int
) -> Sequence[tuple[int, str, int]]:
    """Return the campaigns that a page is made of where nobody named any: all of them, unless the store is large.

    Of a large store these are the campaigns with the most impressions in the last week of delivery, as many as have
    room with all their creatives, and one at least.

    Args:
        session: A reading session.
        every: Id, key and number of scored creatives of each campaign.
        day: The last day of delivery that counts.
        most_rows: KPI rows up to which a store is not large; 0 is any number.
    """
    last = last_day(session, day)
    if not most_rows or last is None or kpi_rows(session) <= most_rows:
        return every
    shown = impressions_by_campaign(session, last - _WEEK + timedelta(days=1), last)
    room, chosen = MOST_CREATIVES, list[tuple[int, str, int]]()
    for one in sorted(every, key=lambda one: (-shown.get(one[0], 0), one[1])):
        if not chosen or one[2] <= room:
            chosen.append(one)
            room -= one[2]
    return chosen
