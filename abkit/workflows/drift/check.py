"""Drift check: two windows, five layers, one decision; all of it logged."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from datetime import UTC, date, datetime, time, timedelta

import numpy as np
from sqlalchemy.orm import Session

from abkit.alerts.rules import Rules
from abkit.config import DriftSettings, Settings
from abkit.errors import UsageError
from abkit.intake.tables.rates import rates_of
from abkit.metrics import METRICS, MetricDefinition
from abkit.money import Exchange, Rates
from abkit.records import to_plain
from abkit.stats.monitoring.budget import Budget
from abkit.stats.monitoring.triage import triage
from abkit.store import imports, models, results, runs, scores
from abkit.store.catalog import ideas
from abkit.store.database.engine import Store
from abkit.store.kpis import delivery as kpi_delivery
from abkit.store.models import ReferenceSample
from abkit.store.runs import RunRecord, recorded_run
from abkit.store.schema import Decision, DriftResult, ModelVersion
from abkit.store.scores import CreativeSample
from abkit.vocabulary import DriftDecision, Metric, WindowKind, parse_choice
from abkit.workflows.drift.delivery import judge_level, judge_relation, sort_delivery
from abkit.workflows.drift.feeds import judge_feed, judge_share
from abkit.workflows.drift.images import judge_input, judge_scores
from abkit.workflows.drift.looks import budget_of
from abkit.workflows.drift.recent import recent_start
from abkit.workflows.drift.results import DriftReport, LayerResult
from abkit.workflows.drift.segments import judge_segments
from abkit.workflows.drift.trace import traced
from abkit.workflows.drift.what_moved import judge_classifier, judge_properties, judge_queries
from abkit.workflows.drift.windows import DriftWindows, parse_window, resolve_windows
from abkit.workflows.unseen_scores import UnseenScores, unseen_scores

_NO_CREATIVES = CreativeSample((), np.zeros(0), np.zeros((0, 1), np.float32))


def check_drift(
    store: Store,
    settings: Settings,
    *,
    reference: str | None = None,
    current: str | None = None,
    as_of: date,
    model: str | None = None,
    metric: Metric | str | None = None,
    rates: Rates | None = None,
    now: datetime | None = None,
    run: RunRecord | None = None,
) -> DriftReport:
    """Compare two windows in every layer, decide, log, and open or close the alert.

    1. Find the active version, and the creatives and deliveries of both windows, up to `as_of`.
    2. Test each layer; one that lacks data says so in its own row.
    3. Decide by the first row of the table that holds.
    4. Write tests and decision, and tell the alerts, in one transaction.

    Args:
        store: Where everything is.
        settings: `[drift]` has the floors and minimum samples, `[alerts]` says who is told about what.
        reference: "model", "creatives", "creatives:N", "campaign:KEY" or "days:N" (the N days before the current
            window); that of `[drift]` when None.
        current: "creatives", "creatives:N", "campaign:KEY" or "days:N" (up to and including `as_of`); that of `[drift]`
            when None.
        as_of: The last day that counts.
        model: Name or digest of a version; the active model when None.
        metric: The KPI of the relation and the level; that of `[drift]` when None. The margin has no ratio to another
            one, and is refused.
        rates: The currency of amounts, and what others are worth in it; that of `[money]` by default.
        now: The instant of the check, for the alert; the end of `as_of` by default.
        run: The run of a scheduled tick; a run is recorded when None.

    Raises:
        UsageError: A window, campaign or version that does not exist, or twice the same window.
        AbkitError: Amounts are in several currencies, and nothing says how to convert them.
    """
    reference, current = reference or settings.drift.reference, current or settings.drift.current
    definition = METRICS[parse_choice(Metric, metric or settings.drift.metric, name="metric")]
    if definition.metric is Metric.MARGIN:
        raise UsageError(
            "the margin may be zero or less, and then has no ratio to that of another window",
            hint="check roas, or revenue_per_impression and cpm",
        )
    before, window = parse_window(reference, current=False), parse_window(current, current=True)
    if before == window and window.kind is WindowKind.CAMPAIGN:
        raise UsageError(
            f"both windows are {reference}; a window compared with itself never drifts",
            hint="name another campaign, or days:N",
        )
    arguments = {"reference": reference, "current": current, "as_of": as_of.isoformat(), "model": model}
    arguments |= {"metric": definition.metric.value}
    if definition.needs:
        rates = rates or rates_of(settings)
    with recorded_run(store, "drift check", arguments, run=run) as run:
        with store.read() as session:
            version = models.find_by_prefix(session, model) if model else models.active_model(session)
            windows = resolve_windows(
                session,
                before,
                window,
                as_of=as_of,
                settings=settings.drift,
                version=version,
                recent_start=lambda until: _recent_start(session, settings.drift, until, version, definition, rates),
            )
            tests, money = _test_layers(session, settings.drift, windows, definition, rates)
            aside = kpi_delivery.set_aside_between(session, windows.first_delivery_day, as_of)
            fresh = kpi_delivery.provisional_between(session, windows.first_delivery_day, as_of)
        decided = triage([test.finding for test in tests if not test.explains])
        report = DriftReport(
            decision=decided.decision,
            cause=decided.cause,
            reasons=decided.reasons,
            results=tuple(tests),
            reference=str(before),
            current=str(window),
            as_of=as_of,
            model_version=version.digest if version else None,
            run_id=run.id,
            set_aside=aside,
            provisional=fresh,
            metric=definition.metric,
            currency=money.currency if money else "",
            money=money.notes if money else (),
        )
        with store.write() as session:
            _log(session, settings, report, windows, now)
        run.outcome.update(decision=report.decision.value, cause=report.cause)
    return report


def _recent_start(
    session: Session,
    settings: DriftSettings,
    as_of: date,
    version: ModelVersion | None,
    definition: MetricDefinition,
    rates: Rates | None,
) -> date:
    """Return the first day of as much recent delivery as a judgment needs."""
    first = as_of - timedelta(days=7 * settings.recent_weeks - 1)
    money = kpi_delivery.currency_between(session, first, as_of, rates) if definition.needs else None
    return recent_start(
        kpi_delivery.delivery_rows(session, first, as_of, money),
        as_of=as_of,
        first=kpi_delivery.first_day(session, as_of),
        scored=unseen_scores(session, version).scores if version else {},
        ideas=ideas.ideas_of(session),
        settings=settings,
        definition=definition,
    )


def _test_layers(
    session: Session,
    settings: DriftSettings,
    windows: DriftWindows,
    definition: MetricDefinition,
    rates: Rates | None,
) -> tuple[list[LayerResult], Exchange | None]:
    version = windows.version
    labels = ideas.ideas_of(session)
    seen = unseen_scores(session, version) if version is not None else UnseenScores(scores={})
    reference, current = _samples(session, windows, labels, seen)
    days = windows.first_delivery_day, windows.judged_until
    money = kpi_delivery.currency_between(session, *days, rates) if definition.needs else None
    rows = kpi_delivery.delivery_rows(session, *days, money)
    delivered = sort_delivery(
        rows,
        windows,
        seen.scores,
        kpi_delivery.first_deliveries(session, {row.creative_id for row in rows}),
        labels,
        definition,
    )
    if money and delivered.left_out:
        needs = " or ".join(definition.needs)
        said = f"{delivered.left_out:,} rows are left out of {definition.name}, as their {needs} is not known"
        money = replace(money, notes=(*money.notes, said))
    budget = budget_of(windows, settings)
    tests = [
        *_test_data(session, settings, budget, windows, current),
        *judge_input(reference, current, settings, budget),
        *judge_scores(reference, current, settings, budget),
        judge_relation(delivered, set(windows.current_creatives), settings, budget),
        judge_level(delivered, settings, budget),
        *judge_segments(session, delivered, settings),
        *_what_moved(session, version, reference, current, settings),
    ]
    return tests, money


def _what_moved(
    session: Session,
    version: ModelVersion | None,
    reference: CreativeSample,
    current: CreativeSample,
    settings: DriftSettings,
) -> list[LayerResult]:
    """Say what moved in the new images; these tests decide nothing."""
    if version is None:
        return []
    return [
        *judge_classifier(reference, current, settings),
        *judge_queries(session, version, reference, current, settings),
        *judge_properties(session, reference, current, settings),
    ]


def _samples(
    session: Session, windows: DriftWindows, labels: Mapping[int, int], known: UnseenScores
) -> tuple[CreativeSample, CreativeSample]:
    """Return scores and embeddings of reference and current window, one creative of each idea.

    Creatives whose delivery the version learned from are in neither: it knows them too well. Nor does the model's own
    sample hold a creative of the window.
    """
    version = windows.version
    if version is None:
        return _NO_CREATIVES, _NO_CREATIVES

    def sample(creatives: Iterable[int]) -> CreativeSample:
        unseen = [one for one in creatives if one not in known.seen]
        return scores.creative_sample(session, version, _one_of_each_idea(unseen, labels))

    current = sample(windows.current_creatives)
    if not windows.model_sample:
        return sample(windows.reference_creatives), current
    if not version.reference:
        return _NO_CREATIVES, current
    return _without(ReferenceSample.from_bytes(version.reference), current), current


def _without(sample: ReferenceSample, current: CreativeSample) -> CreativeSample:
    """Return the model's own sample without the images that are in the window."""
    held = {row.tobytes() for row in current.embeddings.astype("<f2")}
    vectors = np.asarray(sample.embeddings, "<f2")
    keep = np.array([row.tobytes() not in held for row in vectors], bool)
    return CreativeSample((), np.asarray(sample.scores, np.float64)[keep], vectors[keep].astype(np.float32))


def _one_of_each_idea(creatives: Iterable[int], labels: Mapping[int, int]) -> list[int]:
    """Return the first creative of each idea: several sizes of one are no independent observations."""
    first: dict[int, int] = {}
    for creative in creatives:
        first.setdefault(labels.get(creative, -creative), creative)
    return list(first.values())


def _test_data(
    session: Session, settings: DriftSettings, budget: Budget, windows: DriftWindows, current: CreativeSample
) -> list[LayerResult]:
    start, as_of = windows.start, windows.as_of
    rejected, files = runs.rejected_files(session, campaign=windows.current.campaign or None, first=start, last=as_of)
    tests = [
        judge_share("decoding", "image files", rejected, files, settings),
        judge_share("formats", "images (those under 16 pixels a side)", current.small, len(current.ids), settings),
    ]
    if windows.by_days:
        daily = kpi_delivery.daily_impressions(session, windows.reference_start, as_of)
        refused, rows = imports.reject_counts(session, start, as_of)
        tests.append(judge_share("rejected_rows", "imported KPI rows", refused, rows, settings))
        tests += judge_feed(daily, windows, settings, budget)
    return tests


def _log(
    session: Session, settings: Settings, report: DriftReport, windows: DriftWindows, now: datetime | None
) -> None:
    version_id = windows.version.id if windows.version else None
    shared = {
        "run_id": report.run_id,
        "model_version_id": version_id,
        "q_value": None,
        "reference_window": report.reference,
        "current_window": report.current,
        "as_of": report.as_of,
    }
    columns = DriftResult.__table__.columns
    results.write_results(
        session,
        DriftResult,
        [
            {name: value for name, value in vars(test).items() if name in columns}
            | {"detail": {**test.detail, "sentence": test.sentence}}
            | shared
            for test in report.results
        ],
    )
    decision = Decision(
        run_id=report.run_id,
        model_version_id=version_id,
        decision=report.decision.value,
        cause=report.cause,
        reasons={
            "reasons": list(report.reasons),
            "set_aside": to_plain(report.set_aside),
            "windows": traced(windows),
        },
        scope=f"{report.current} against {report.reference}",
        as_of=report.as_of,
        decided_at=datetime.now(UTC),
    )
    session.add(decision)
    session.flush()
    # Lack of data is no news: it neither opens an alert nor resolves an open one, unless one asked to be told.
    no_data = DriftDecision.INSUFFICIENT_DATA
    if report.decision is not no_data or no_data in settings.alerts.decisions:
        end_of_day = datetime.combine(report.as_of, time(23, 59, 59), UTC)
        rules = Rules(session, settings.alerts, now or end_of_day, report.run_id)
        rules.decision_made(decision, lingers=any(test.lingers for test in report.results))
