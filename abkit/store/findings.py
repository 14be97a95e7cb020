"""Writing what was found, and reading decisions back."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import date
from typing import Any

from sqlalchemy import func, insert, select
from sqlalchemy.orm import Session

from abkit.store import models
from abkit.store.schema import CorrelationResult, Decision, DriftResult, ModelVersion, Score


def write_correlations(session: Session, rows: Iterable[Mapping[str, Any]]) -> None:
    """Write correlation results, columns by name."""
    values = [dict(row) for row in rows]
    if values:
        session.execute(insert(CorrelationResult), values)


def write_drift(session: Session, rows: Iterable[Mapping[str, Any]]) -> None:
    """Write the tests of a drift check, columns by name."""
    values = [dict(row) for row in rows]
    if values:
        session.execute(insert(DriftResult), values)


def decisions(session: Session, limit: int) -> list[Decision]:
    """The last decisions, newest first."""
    return list(session.scalars(select(Decision).order_by(Decision.as_of.desc(), Decision.id.desc()).limit(limit)))


def first_break(session: Session, version_id: int, before: date) -> date | None:
    """The first day on which a check found that the relation of this version's scores to the KPIs was lost."""
    return session.scalars(
        select(func.min(Decision.as_of)).where(
            Decision.model_version_id == version_id, Decision.cause == "concept_shift", Decision.as_of < before
        )
    ).one()


def versions_with_scores(session: Session) -> list[ModelVersion]:
    """The versions that scored anything, oldest first."""
    scored = select(Score.model_version_id).distinct()
    return list(session.scalars(select(ModelVersion).where(ModelVersion.id.in_(scored)).order_by(ModelVersion.id)))


def speaking_version(session: Session) -> ModelVersion | None:
    """The champion; before any promotion the version that scored last; None where nothing was scored."""
    promoted = models.champion(session)
    if promoted is not None:
        return promoted
    return session.scalars(
        select(ModelVersion).join(Score, Score.model_version_id == ModelVersion.id).order_by(Score.id.desc()).limit(1)
    ).first()
