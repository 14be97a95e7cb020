"""After a look: what of it needs a person, for the alert rules."""

from __future__ import annotations

from datetime import datetime, timedelta

from abkit.alerts.experiments import ExperimentRules, Look
from abkit.config import Settings
from abkit.store import experiments as tables
from abkit.store.database.engine import Store
from abkit.vocabulary import GuardStatus
from abkit.workflows.experiments.formats import read_plan
from abkit.workflows.experiments.looks.results import Analysis
from abkit.workflows.experiments.review.words import figures_of, headline_of, verdict_of

_WAITING = ("horizon", "data")
"""Guards that block until more has come: nobody has to do anything."""

_PATIENCE = timedelta(days=3)


def observe_look(store: Store, settings: Settings, analysis: Analysis, *, now: datetime, run_id: int) -> None:
    """Let the alert rules see a look that was just recorded.

    Args:
        store: The store.
        settings: `[experiments]` says when a verdict may be told, `[alerts]` how alerts resolve.
        analysis: The look.
        now: Instant of the observation; the tick of a job.
        run_id: The run that looked.
    """
    with store.write() as session:
        experiment = tables.find_experiment(session, analysis.experiment)
        plan = read_plan(experiment, tables.variants_of(session, experiment), None)
        ads = [ad for shown in plan.variants.values() for ad in tables.ads_named(session, shown)]
        days = tables.days_delivered(session, ads, plan.starts_on, analysis.as_of)
        blocking = {
            guard.name: f"{guard.message}; to do: {guard.action}"
            for guard in analysis.guards
            if guard.status is GuardStatus.BLOCK and guard.name not in _WAITING
        }
        for result in analysis.treatments:
            if "stability" in result.verdict.blocked_by:
                blocking["stability"] = verdict_of(analysis, result)
        starting = plan.starts_on is None or analysis.as_of < plan.starts_on + _PATIENCE
        if not days and starting:
            blocking.clear()  # nothing has been imported yet
        ended = ""
        if plan.has_ended(analysis.as_of):
            ended = f"its last day, {plan.ends_on}, is over"
        elif analysis.planned_share is not None and analysis.planned_share >= 1:
            ended = "the planned total is in"
        told = " ".join(verdict_of(analysis, result) for result in analysis.treatments)
        look = Look(
            experiment=experiment.id,
            key=experiment.key,
            as_of=analysis.as_of,
            result=tables.results_of(session, experiment, "analysis")[-1].id,
            verdicts={result.treatment: result.verdict.state for result in analysis.treatments},
            headline="; ".join(headline_of(analysis, result) for result in analysis.treatments),
            story=f"{told} {figures_of(analysis)} As of {analysis.as_of}, {len(days)} days with delivery.",
            blocking=blocking,
            days=days,
            ended=ended,
        )
        rules = ExperimentRules(session, settings.alerts, now, run_id)
        rules.verdict_changed(look, settings.experiments)
        rules.guards_checked(look)
        rules.end_came(look)
