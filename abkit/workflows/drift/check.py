"""Drift check: two windows, five layers, one decision; all of it logged."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection
from dataclasses import replace
from datetime import UTC, date, datetime, time, timedelta
from functools import partial

from sqlalchemy.orm import Session

from abkit.alerts.rules import Rules
from abkit.config import DriftSettings, Settings
from abkit.errors import UsageError
from abkit.intake.tables.rates import rates_of
from abkit.metrics import METRICS, MetricDefinition
from abkit.money import Exchange, Rates
from abkit.records import to_plain
from abkit.stats.monitoring.budget import Budget, checks_per_year
from abkit.stats.monitoring.score_sketch import ScoreSketch
from abkit.stats.monitoring.triage import coarse_layers, layers_judged, triage
from abkit.store import imports, models, results, runs
from abkit.store.catalog import creatives, ideas
from abkit.store.database.engine import Store
from abkit.store.kpis import delivery as kpi_delivery
from abkit.store.kpis.dimensions import segment_names
from abkit.store.kpis.portion import Portion, portion
from abkit.store.runs import RunRecord, recorded_run
from abkit.store.schema import Decision, DriftResult, ModelVersion
from abkit.vocabulary import DriftDecision, DriftVerdict, Layer, Metric, WindowKind, parse_choice
from abkit.workflows.creatives.unseen_scores import UnseenScores, unseen_scores
from abkit.workflows.drift.layers.calibration import judge_calibration
from abkit.workflows.drift.layers.delivery import Delivered, judge_level, judge_relation, sort_delivery
from abkit.workflows.drift.layers.experiments import judge_experiments
from abkit.workflows.drift.layers.feeds import judge_clock, judge_feed, judge_places, judge_share
from abkit.workflows.drift.layers.images import judge_input, judge_scores
from abkit.workflows.drift.layers.long_run import judge_long_run
from abkit.workflows.drift.layers.segments import judge_segments
from abkit.workflows.drift.layers.what_moved import judge_classifier, judge_properties, judge_queries
from abkit.workflows.drift.results import DriftReport, LayerResult
from abkit.workflows.drift.samples import NOTHING, Samples, one_of_each_idea, read_samples
from abkit.workflows.drift.windows.looks import budget_of
from abkit.workflows.drift.windows.recent import recent_start
from abkit.workflows.drift.windows.sketches import History, keep_history, read_history
from abkit.workflows.drift.windows.trace import traced
from abkit.workflows.drift.windows.windows import DriftWindows, WindowSpec, parse_window, resolve_windows


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
    4. Write tests and decision, and tell the alerts, in one transaction. Only the standing check does that: the one
       with the windows, the metric and the model of the configuration.

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
            history = read_history(session, version, as_of) if version else None
            part = _portion(session, settings, before, window, as_of)
            ads = part.ads if part else None
            windows = resolve_windows(
                session,
                before,
                window,
                as_of=as_of,
                settings=settings.drift,
                version=version,
                history=history,
                recent_start=lambda until: _recent_start(
                    session, settings.drift, until, version, definition, rates, ads
                ),
            )
            # Only the standing check owns headline and alert; anything else is somebody's question of the moment.
            written = settings.drift.reference, settings.drift.current, settings.drift.metric
            standing = written == (str(before), str(window), definition.metric)
            standing = standing and version is (models.active_model(session) if model else version)
            clock = _test_clock(session, as_of, now)
            checks = checks_per_year(results.standing_days(session, as_of), as_of)
            tests, money, notes = _test_layers(
                session, settings.drift, windows, definition, rates, history, checks, ads
            )
            notes = (*notes, *([f"of the delivery, {part}"] if part else ()))
            tests = [*clock, *tests]
            aside = kpi_delivery.set_aside_between(session, windows.first_delivery_day, as_of)
            fresh = kpi_delivery.provisional_between(session, windows.first_delivery_day, as_of)
        findings = [test.finding for test in tests if not test.explains]
        decided = triage(findings)
        report = DriftReport(
            decision=decided.decision,
            cause=decided.cause,
            reasons=decided.reasons,
            layers_judged=layers_judged(findings),
            coarse=coarse_layers(findings),
            standing=standing,
            results=tuple(tests),
            reference=str(before),
            current=str(window),
            windows=windows.in_words(),
            as_of=as_of,
            model_version=version.digest if version else None,
            run_id=run.id,
            set_aside=aside,
            provisional=fresh,
            metric=definition.metric,
            currency=money.currency if money else "",
            money=money.notes if money else (),
            notes=notes,
        )
        with store.write() as session:
            if history is not None:
                keep_history(session, run.id, history)
            _log(session, settings, report, windows, now)
        run.outcome.update(
            decision=report.decision.value,
            cause=report.cause,
            layers_judged=report.layers_judged,
            standing=report.standing,
        )
    return report


def _portion(
    session: Session, settings: Settings, reference: WindowSpec, current: WindowSpec, as_of: date
) -> Portion | None:
    """Return the part of the delivery that is looked at; None for all, which that of campaigns is always."""
    if WindowKind.CAMPAIGN in (reference.kind, current.kind):
        return None
    days = (reference.days or settings.drift.reference_days) + (current.days or 7 * settings.drift.recent_weeks)
    return portion(session, as_of - timedelta(days=days - 1), as_of, settings.kpi.analysis_rows)


def _recent_start(
    session: Session,
    settings: DriftSettings,
    as_of: date,
    version: ModelVersion | None,
    definition: MetricDefinition,
    rates: Rates | None,
    ads: Collection[int] | None,
) -> date:
    """Return the first day of as much recent delivery as a judgment needs."""
    first = as_of - timedelta(days=7 * settings.recent_weeks - 1)
    money = kpi_delivery.currency_between(session, first, as_of, rates, ads=ads) if definition.needs else None
    rows = kpi_delivery.delivery_rows(session, first, as_of, money, ads=ads)
    shown = {row.creative_id for row in rows}
    return recent_start(
        rows,
        as_of=as_of,
        first=kpi_delivery.first_day(session, as_of),
        scored=unseen_scores(session, version, shown).scores if version else {},
        ideas=ideas.ideas_of(session, shown),
        settings=settings,
        definition=definition,
    )


def _test_layers(
    session: Session,
    settings: DriftSettings,
    windows: DriftWindows,
    definition: MetricDefinition,
    rates: Rates | None,
    history: History | None,
    checks: float,
    ads: Collection[int] | None,
) -> tuple[list[LayerResult], Exchange | None, tuple[str, ...]]:
    version = windows.version
    days = windows.first_delivery_day, windows.judged_until
    money = kpi_delivery.currency_between(session, *days, rates, ads=ads) if definition.needs else None
    rows = kpi_delivery.delivery_rows(session, *days, money, ads=ads)
    counted = {*windows.current_creatives, *windows.reference_creatives, *(row.creative_id for row in rows)}
    labels = ideas.ideas_of(session, counted)
    seen = unseen_scores(session, version, counted) if version is not None else UnseenScores(scores={})
    samples = read_samples(session, windows, labels, seen, settings)
    delivered = sort_delivery(
        rows,
        windows,
        seen.scores,
        kpi_delivery.first_deliveries(session, {row.creative_id for row in rows}, ads),
        labels,
        definition,
    )
    if money and delivered.left_out:
        needs = " or ".join(definition.needs)
        said = f"{delivered.left_out:,} rows are left out of {definition.name}, as their {needs} is not known"
        money = replace(money, notes=(*money.notes, said))
    budget = budget_of(windows, settings, checks)
    campaigns = _campaigns(session, windows, samples)
    before = history.before(windows.since) if history and windows.since and windows.by_days else ScoreSketch()
    images = [
        *_test_images(settings, windows, samples, budget, campaigns),
        *judge_long_run(before, samples.reference, samples.current, settings),
    ]
    shifted = any(test.verdict in (DriftVerdict.WATCH, DriftVerdict.MAJOR) for test in images)
    relation = judge_relation(delivered, set(windows.current_creatives), settings, budget, shifted=shifted)
    level = judge_level(delivered, settings, budget)
    tests = [
        *_test_data(session, settings, budget, windows, samples),
        *_test_places(session, settings, delivered),
        *images,
        relation,
        *judge_calibration(relation, level, settings),
        *judge_experiments(session, windows, definition, settings),
        level,
        *judge_segments(session, delivered, settings),
        *_what_moved(session, windows, samples, settings, campaigns),
    ]
    return tests, money, samples.notes


def _campaigns(session: Session, windows: DriftWindows, samples: Samples) -> dict[int, int] | None:
    """Return the campaign of each creative; None where campaigns are what is compared, or the reference has none."""
    if windows.model_sample or WindowKind.CAMPAIGN in (windows.reference.kind, windows.current.kind):
        return None
    return creatives.campaigns_of(session, {*samples.reference.embedded, *samples.current.embedded})


def _what_moved(
    session: Session,
    windows: DriftWindows,
    samples: Samples,
    settings: DriftSettings,
    campaigns: dict[int, int] | None,
) -> list[LayerResult]:
    """Say what moved in the new images; these tests decide nothing."""
    version = windows.version
    if version is None:
        return []
    reference, current = samples.reference, samples.current
    pixels, before = reference, windows.earlier_creatives
    if before:
        pixels = replace(NOTHING, ids=tuple(one_of_each_idea(before, ideas.ideas_of(session, before))))
    properties = judge_properties(session, pixels, current, settings)
    if before:
        said = " Compared with earlier creatives: the model's own sample holds no properties."
        properties = [replace(row, sentence=row.sentence + said) for row in properties]
    return [
        *(judge_classifier(reference, current, settings, campaigns) if Layer.INPUT not in samples.missing else ()),
        *judge_queries(session, version, reference, current, settings),
        *properties,
    ]


def _test_clock(session: Session, as_of: date, now: datetime | None) -> list[LayerResult]:
    """Test the dates; an earlier day may be checked again at any time, but not by a check of today."""
    last = results.last_decision(session) if now is not None else None
    today = max(as_of, (now or datetime.now(UTC)).date())
    return judge_clock(as_of, last.as_of if last else None, kpi_delivery.impressions_after(session, today), today)


def _test_images(
    settings: DriftSettings,
    windows: DriftWindows,
    samples: Samples,
    budget: Budget,
    campaigns: dict[int, int] | None,
) -> list[LayerResult]:
    """Test input and scores; a layer that has nothing to compare says why in each of its rows."""
    tests = []
    by_campaign = partial(judge_input, campaigns=campaigns)
    for layer, judge in ((Layer.INPUT, by_campaign), (Layer.SCORE, judge_scores)):
        if why := samples.missing.get(layer):
            tests += [replace(test, sentence=why) for test in judge(NOTHING, NOTHING, settings, budget)]
        else:
            tests += judge(samples.reference, samples.current, settings, budget)
    return [replace(test, against_model=windows.model_sample) for test in tests]


def _test_places(session: Session, settings: DriftSettings, delivered: Delivered) -> list[LayerResult]:
    names = segment_names(session)
    shown: tuple[Counter[str], Counter[str]] = (Counter(), Counter())
    for row, current in zip(delivered.rows, delivered.current.tolist(), strict=True):
        for name in names.get(row.segment_id, ()):
            shown[current][name] += row.impressions
    return judge_places(*shown, settings)


def _test_data(
    session: Session, settings: DriftSettings, budget: Budget, windows: DriftWindows, samples: Samples
) -> list[LayerResult]:
    current = samples.current
    start, as_of = windows.feed_start, windows.as_of
    rejected, files = runs.rejected_files(session, campaign=windows.current.campaign or None, first=start, last=as_of)
    tests = [
        judge_share("decoding", "image files", rejected, files, settings),
        judge_share("formats", "images", current.small, len(current.ids), settings, fault="are under 16 pixels a side"),
        *samples.faults,
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
            "coarse": [layer.value for layer in report.coarse],
            "set_aside": to_plain(report.set_aside),
            "windows": traced(windows),
        },
        scope=f"{report.current} against {report.reference}",
        standing=report.standing,
        layers_judged=report.layers_judged,
        window_start=windows.start if windows.by_days else None,
        launched_since=None if windows.model_sample else windows.since,
        as_of=report.as_of,
        decided_at=datetime.now(UTC),
    )
    session.add(decision)
    session.flush()
    # Lack of data is no news: it neither opens an alert nor resolves an open one, unless one asked to be told.
    no_data = DriftDecision.INSUFFICIENT_DATA
    if report.standing and (report.decision is not no_data or no_data in settings.alerts.decisions):
        end_of_day = datetime.combine(report.as_of, time(23, 59, 59), UTC)
        rules = Rules(session, settings.alerts, now or end_of_day, report.run_id)
        rules.decision_made(decision, lingers=any(test.lingers for test in report.results))
