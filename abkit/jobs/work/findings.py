"""The jobs that compute figures: correlate, check for drift, analyze experiments. "Now" to them is their tick."""

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from pydantic import Field
from sqlalchemy import select

from abkit.config import Settings
from abkit.errors import AbkitError, StoreError, UsageError
from abkit.jobs.job import Arguments, Tick
from abkit.store.database.engine import Store
from abkit.store.schema import CorrelationResult, Decision
from abkit.vocabulary import Metric


class Correlate(Arguments):
    """Arguments of `correlate`."""

    metric: Metric = Field(default=Metric.CTR, description="which KPI: ctr, cvr, cpa, roas, …")
    campaign: str | None = Field(default=None, description="only this campaign")
    days: int | None = Field(default=None, ge=1, le=3650, description="only the last so many days of delivery")


def correlate(store: Store, settings: Settings, tick: Tick, arguments: Correlate) -> Mapping[str, Any]:
    """Correlate scores with a KPI as of the day of the tick."""
    from abkit.workflows.correlate import correlate as correlate_scores

    if _has_rows(store, CorrelationResult, tick):
        return {"note": "an earlier attempt had already written its figures"}
    correlate_scores(
        store,
        settings,
        metric=arguments.metric,
        campaign=arguments.campaign,
        as_of=tick.at.date(),
        start=tick.at.date() - timedelta(days=arguments.days - 1) if arguments.days else None,
        run=tick.run,
    )
    return dict(tick.run.outcome)


class DriftCheck(Arguments):
    """Arguments of `drift_check`, as for `abkit drift check`."""

    reference: str | None = Field(default=None, description="what to compare with; that of [drift] by default")
    current: str | None = Field(default=None, description="what to check; that of [drift] by default")
    metric: Metric | None = Field(default=None, description="KPI of relation and level; that of [drift] by default")


def drift_check(store: Store, settings: Settings, tick: Tick, arguments: DriftCheck) -> Mapping[str, Any]:
    """Make the standing check as of the day of the tick; the decision opens its alert or lets it resolve."""
    from abkit.workflows.drift.check import check_drift

    standing = {name: getattr(settings.drift, name) for name in DriftCheck.model_fields}
    other = {name: value for name, value in arguments if value is not None and value != standing[name]}
    if other:
        written = ", ".join(f'{name} = "{value}"' for name, value in other.items())
        raise UsageError(
            "the scheduled check is the standing check, and this schedule asks for other windows than [drift]",
            hint=f"write {written} under [drift] of the configuration, and schedule the job without arguments",
        )

    if _has_rows(store, Decision, tick):
        return {"note": "an earlier attempt had already written its figures"}
    check_drift(
        store,
        settings,
        as_of=tick.at.date(),
        now=tick.at,
        run=tick.run,
    )
    return dict(tick.run.outcome)


def experiments(store: Store, settings: Settings, tick: Tick, _arguments: Arguments) -> Mapping[str, Any]:
    """Analyze each experiment that is running or has just ended, once for the day of the tick.

    An experiment that cannot be analyzed does not stop the others. What needs a person opens an alert.
    """
    from abkit.intake.tables.rates import rates_of
    from abkit.workflows.experiments.experiments import analyze_experiment, experiments_due
    from abkit.workflows.experiments.review.alerting import observe_look

    today, rates = tick.at.date(), rates_of(settings)
    verdicts: dict[str, str] = {}
    failed: dict[str, str] = {}
    for key in experiments_due(store, today):
        try:
            analysis = analyze_experiment(store, key, as_of=today, rates=rates)
            verdicts[key] = analysis.verdict.value
            observe_look(store, settings, analysis, now=tick.at, run_id=tick.run.id)
        except StoreError:
            raise
        except AbkitError as error:
            failed[key] = error.message
    if failed and not verdicts:
        key, error_text = next(iter(failed.items()))
        raise AbkitError(f"none of {len(failed)} experiments could be analyzed; {key}: {error_text}")
    return {"verdicts": verdicts} | ({"failed": failed} if failed else {})


def digest(store: Store, settings: Settings, tick: Tick, _arguments: Arguments) -> Mapping[str, Any]:
    """Send the digest of the seven days up to the day before the tick through the channels of alerts."""
    from abkit.alerts.experiments import ExperimentRules
    from abkit.workflows.experiments.review.digest import weekly_digest

    found = weekly_digest(store, tick.at.date() - timedelta(days=1))
    with store.write() as session:
        ExperimentRules(session, settings.alerts, tick.at, tick.run.id).week_told(found.first, found.last, found.text())
    return {part: len(sentences) for part, sentences in found.parts().items()}


def _has_rows(store: Store, table: type[CorrelationResult] | type[Decision], tick: Tick) -> bool:
    # The figures of a run are written in one transaction: they are all there, or none is.
    with store.read() as session:
        return session.scalar(select(table.id).where(table.run_id == tick.run.id).limit(1)) is not None
