"""Where each experiment stands on a day: its plan, its last look, and what was decided."""

from __future__ import annotations

from collections import defaultdict
from contextlib import suppress
from dataclasses import dataclass
from datetime import date, datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from abkit.records import Record
from abkit.store import experiments as tables
from abkit.store.catalog.creatives import campaign_keys
from abkit.store.schema import Experiment, ExperimentResult
from abkit.vocabulary import Verdict
from abkit.workflows.experiments.formats import RecordedDecision, Unreadable, read_analysis, read_decision, read_plan
from abkit.workflows.experiments.looks.results import Analysis
from abkit.workflows.experiments.plan import ExperimentPlan


@dataclass(frozen=True, kw_only=True)
class Standing(Record):
    """One experiment as it stood at the end of a day.

    Attributes:
        experiment: Its key.
        plan: What was fixed before the first look; None where it cannot be read.
        created_at: When it was created.
        looks: Number of its analyses.
        look: The last one; None without any, or where it cannot be read.
        decision: The last decision; None without any, or where it cannot be read.
        decided_on: Day of that decision.
        decided_by: Who made it.
        reason: Why.
        archived: Whether it is archived.
        problem: Why something of it cannot be read; "" where all can.
    """

    experiment: str
    plan: ExperimentPlan | None
    created_at: datetime
    looks: int
    look: Analysis | None
    decision: RecordedDecision | None
    decided_on: date | None
    decided_by: str
    reason: str
    archived: bool
    problem: str

    def is_over(self, day: date) -> bool:
        """Return whether nothing more is expected of it: it was decided, has ended, or found something."""
        if self.decision is not None or (self.plan is not None and self.plan.has_ended(day)):
            return True
        found = self.look is not None and self.look.verdict in (Verdict.BETTER, Verdict.WORSE, Verdict.FUTILE)
        total = self.look.planned_share if self.look is not None else None
        return found or (total is not None and total >= 1)


def standings(session: Session, day: date, *, campaign: str | None = None) -> list[Standing]:
    """Return how all experiments stood at the end of a day, archived ones too, in the order of their creation.

    Args:
        session: A reading session.
        day: Looks and decisions after it do not count.
        campaign: Only experiments of the campaign with this key.
    """
    keys = campaign_keys(session)
    rows: dict[tuple[int, str], list[tuple[int, int]]] = defaultdict(list)
    columns = (ExperimentResult.experiment_id, ExperimentResult.kind, ExperimentResult.sequence, ExperimentResult.id)
    for of, kind, sequence, number in session.execute(
        select(*columns).where(ExperimentResult.as_of <= day).order_by(ExperimentResult.id)
    ):
        rows[of, kind].append((sequence, number))
    found = []
    for experiment in session.scalars(select(Experiment).order_by(Experiment.id)):
        key = keys.get(experiment.campaign_id) if experiment.campaign_id else None
        known = experiment.created_at.date() <= day or (experiment.id, "analysis") in rows
        if not known or (campaign is not None and key != campaign):
            continue
        found.append(_standing(session, experiment, key, rows))
    return found


def standing_of(session: Session, key: str, day: date) -> Standing:
    """Return how one experiment stood at the end of a day.

    Args:
        session: A reading session.
        key: Its key.
        day: Looks and decisions after it do not count.

    Raises:
        UsageError: There is no such experiment.
    """
    experiment = tables.find_experiment(session, key)
    rows: dict[tuple[int, str], list[tuple[int, int]]] = defaultdict(list)
    columns = (ExperimentResult.kind, ExperimentResult.sequence, ExperimentResult.id)
    made = ExperimentResult.experiment_id == experiment.id, ExperimentResult.as_of <= day
    for kind, sequence, number in session.execute(select(*columns).where(*made).order_by(ExperimentResult.id)):
        rows[experiment.id, kind].append((sequence, number))
    campaign = campaign_keys(session).get(experiment.campaign_id) if experiment.campaign_id else None
    return _standing(session, experiment, campaign, rows)


def _standing(
    session: Session, experiment: Experiment, campaign: str | None, rows: dict[tuple[int, str], list[tuple[int, int]]]
) -> Standing:
    looks, decisions = (rows.get((experiment.id, kind), []) for kind in ("analysis", "decision"))
    plan: ExperimentPlan | None = None
    look: Analysis | None = None
    decision: RecordedDecision | None = None
    problem = ""
    decided = session.get_one(ExperimentResult, decisions[-1][1]) if decisions else None
    try:
        plan = read_plan(experiment, tables.variants_of(session, experiment), campaign)
        if looks:
            look = read_analysis(session.get_one(ExperimentResult, looks[-1][1]))
    except Unreadable as error:
        problem = error.message
    if decided is not None:
        with suppress(Unreadable):
            decision = read_decision(decided)
    return Standing(
        experiment=experiment.key,
        plan=plan,
        created_at=experiment.created_at,
        looks=len(looks),
        look=look,
        decision=decision,
        decided_on=decided.as_of if decided else None,
        decided_by=decided.decided_by if decided else "",
        reason=decided.reason if decided else "",
        archived=experiment.archived_at is not None,
        problem=problem,
    )
