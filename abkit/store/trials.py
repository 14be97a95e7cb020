"""Challengers held against champions: every judgment once, and every creative in one judgment per champion."""

from __future__ import annotations

from collections.abc import Collection
from datetime import date

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from abkit.store.schema import ModelVersion, RetrainJudged, RetrainTrial
from abkit.vocabulary import TrialDecision


def write_trial(session: Session, trial: RetrainTrial, judged: Collection[int] = ()) -> RetrainTrial:
    """Write what became of a challenger, with the creatives that its judgment used.

    The store refuses a judgment number that is there, and a creative that was used against this champion before.
    """
    session.add(trial)
    session.flush()
    session.add_all(
        RetrainJudged(champion_id=trial.champion_id, creative_id=creative, retrain_trial_id=trial.id)
        for creative in sorted(judged)
    )
    session.flush()
    return trial


def attempts(session: Session, champion_id: int) -> int:
    """Return how many judgments were made against a champion."""
    return session.scalar(select(func.max(RetrainTrial.attempt)).where(RetrainTrial.champion_id == champion_id)) or 0


def used_creatives(session: Session, champion_id: int) -> set[int]:
    """Return the creatives that judgments against a champion have used, and those by which it became the champion."""
    its_own = select(RetrainTrial.id).where(RetrainTrial.challenger_id == champion_id)
    return set(
        session.scalars(
            select(RetrainJudged.creative_id).where(
                (RetrainJudged.champion_id == champion_id) | RetrainJudged.retrain_trial_id.in_(its_own)
            )
        )
    )


def judged_until(session: Session, champion_id: int) -> date | None:
    """Return the day of the last launch that was judged against a champion, or by which it became the champion."""
    return session.scalar(
        select(func.max(RetrainTrial.judged_last)).where(
            RetrainTrial.attempt > 0,
            (RetrainTrial.champion_id == champion_id) | (RetrainTrial.challenger_id == champion_id),
        )
    )


def trial_of_run(session: Session, run_id: int) -> RetrainTrial | None:
    """Return what a run found."""
    return session.scalars(select(RetrainTrial).where(RetrainTrial.run_id == run_id)).first()


def candidate(session: Session, champion_id: int) -> RetrainTrial | None:
    """Return the challenger that is held beside a champion until it is judged; None where there is none."""
    last = (
        select(func.max(RetrainTrial.id))
        .where(RetrainTrial.champion_id == champion_id, RetrainTrial.challenger_id.is_not(None))
        .group_by(RetrainTrial.challenger_id)
    )
    return session.scalars(
        select(RetrainTrial)
        .where(RetrainTrial.id.in_(last), RetrainTrial.attempt == 0)
        .where(RetrainTrial.decision == TrialDecision.CANDIDATE.value)
        .order_by(RetrainTrial.id.desc())
        .limit(1)
    ).first()


def learned_until(session: Session, version_id: int) -> date | None:
    """Return the last day of delivery that a version learned from; None where it did not learn from delivery."""
    return session.scalar(select(func.max(RetrainTrial.learned_until)).where(RetrainTrial.challenger_id == version_id))


def last_trials(session: Session, limit: int) -> list[tuple[RetrainTrial, ModelVersion, ModelVersion | None]]:
    """Return the last trials with champion and challenger, newest first."""
    versions = {one.id: one for one in session.scalars(select(ModelVersion))}
    rows = session.scalars(select(RetrainTrial).order_by(RetrainTrial.id.desc()).limit(limit))
    return [(row, versions[row.champion_id], versions.get(row.challenger_id or 0)) for row in rows]
