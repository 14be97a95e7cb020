"""What was found: correlations, the appeal of creatives, the tests of drift checks, and decisions that follow.

Everything is read as of a day: what was found for a later day does not count.
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import date, timedelta
from typing import Any

from sqlalchemy import ColumnElement, func, insert, select
from sqlalchemy.orm import Session

from abkit.store.schema import Appeal, CorrelationResult, Decision, DriftResult, ModelVersion


def write_results(
    session: Session, table: type[CorrelationResult] | type[DriftResult], rows: Iterable[Mapping[str, Any]]
) -> None:
    """Write correlations or the tests of a drift check, columns by name."""
    values = [dict(row) for row in rows]
    if values:
        session.execute(insert(table), values)


# --- correlations -------------------------------------------------------------------------------------------------


def correlations(session: Session, version_id: int, since: date, as_of: date) -> list[CorrelationResult]:
    """Return the correlations of a version over all delivery between two days, oldest first."""
    return list(
        session.scalars(
            select(CorrelationResult)
            .where(
                CorrelationResult.model_version_id == version_id,
                CorrelationResult.as_of.between(since, as_of),
                CorrelationResult.segment == "",
            )
            .order_by(CorrelationResult.as_of, CorrelationResult.id)
        )
    )


def last_correlations(session: Session, version_id: int) -> list[CorrelationResult]:
    """Return the latest SRCC of each metric over all delivery: within campaigns where there is such an estimate."""
    mine = (CorrelationResult.model_version_id == version_id, CorrelationResult.segment == "")
    last = (
        select(func.max(CorrelationResult.run_id).label("run_id"), CorrelationResult.metric)
        .where(*mine)
        .group_by(CorrelationResult.metric)
        .subquery()
    )
    rows = session.scalars(
        select(CorrelationResult)
        .join(last, (CorrelationResult.run_id == last.c.run_id) & (CorrelationResult.metric == last.c.metric))
        .where(*mine, CorrelationResult.statistic == "srcc")
        .order_by(CorrelationResult.metric, CorrelationResult.id)
    )
    chosen: dict[str, CorrelationResult] = {}
    for row in rows:
        former = chosen.get(row.metric)
        if former is None or (row.scope == "within_campaign" and row.estimate is not None):
            chosen[row.metric] = row
    return list(chosen.values())


# --- drift --------------------------------------------------------------------------------------------------------


def drift_results(session: Session, run_ids: Sequence[int]) -> list[DriftResult]:
    """Return what the drift checks of these runs found, oldest first."""
    return list(
        session.scalars(
            select(DriftResult).where(DriftResult.run_id.in_(run_ids)).order_by(DriftResult.as_of, DriftResult.id)
        )
    )


def decisions(session: Session, since: date, as_of: date) -> list[Decision]:
    """Return what the standing check decided between two days, oldest first, also within a day."""
    return list(
        session.scalars(
            select(Decision)
            .where(Decision.standing, Decision.as_of.between(since, as_of))
            .order_by(Decision.as_of, Decision.id)
        )
    )


def standing_days(session: Session, last: date) -> list[date]:
    """Return the days of the standing checks of the year up to a day."""
    first = last - timedelta(days=365)
    made = select(Decision.as_of).where(Decision.standing, Decision.as_of > first, Decision.as_of <= last)
    return list(session.scalars(made.distinct().order_by(Decision.as_of)))


def last_decisions(session: Session, limit: int) -> list[Decision]:
    """Return the last decisions, of ad-hoc comparisons too, newest first."""
    return list(session.scalars(select(Decision).order_by(Decision.as_of.desc(), Decision.id.desc()).limit(limit)))


def decisions_before(session: Session, before: int | None, limit: int) -> list[Decision]:
    """Return decisions in the order in which they were made, the latest first.

    Args:
        session: A reading session.
        before: Only those with a smaller number.
        limit: At most so many.
    """
    made = select(Decision).order_by(Decision.id.desc()).limit(limit)
    return list(session.scalars(made if before is None else made.where(Decision.id < before)))


def last_decision(session: Session, as_of: date | None = None) -> Decision | None:
    """Return the last decision of the standing check up to a day: the headline."""
    made = select(Decision).where(Decision.standing)
    if as_of is not None:
        made = made.where(Decision.as_of <= as_of)
    return session.scalars(made.order_by(Decision.as_of.desc(), Decision.id.desc()).limit(1)).first()


def last_check(session: Session, as_of: date) -> date | None:
    """Return the day of the last standing check up to a day."""
    return session.scalar(select(func.max(Decision.as_of)).where(Decision.standing, Decision.as_of <= as_of))


def first_break(session: Session, version_id: int, before: date) -> date | None:
    """Return the first day on which the standing check found that this version's scores no longer go with the KPIs."""
    return session.scalar(select(func.min(Decision.as_of)).where(*_breaks(version_id, "concept_shift", before)))


def broken_window(session: Session, version_id: int, before: date) -> date | None:
    """Return the first day of delivery in which the standing check first found the relation lost; None if never."""
    row = _first(session, _breaks(version_id, "concept_shift", before))
    # Earlier releases did not note it: their windows had seven days.
    return (row.window_start or row.as_of - timedelta(days=6)) if row else None


def strange_since(session: Session, version_id: int, before: date) -> date | None:
    """Return the launch from which on creatives were first found to be of another kind than those before."""
    known = Decision.launched_since.is_not(None)
    row = _first(session, [*_breaks(version_id, "input_shift", before), Decision.decision == "retrain", known])
    return row.launched_since if row else None


def _breaks(version_id: int, cause: str, before: date) -> list[ColumnElement[bool]]:
    of_version = Decision.model_version_id == version_id
    return [Decision.standing.is_(True), of_version, Decision.cause == cause, Decision.as_of < before]


def _first(session: Session, conditions: list[ColumnElement[bool]]) -> Decision | None:
    return session.scalars(select(Decision).where(*conditions).order_by(Decision.as_of, Decision.id).limit(1)).first()


def last_version(session: Session, as_of: date) -> ModelVersion | None:
    """Return the version that the last standing check, or else the last correlation, up to a day was about."""
    for table, conditions in ((Decision, [Decision.standing.is_(True)]), (CorrelationResult, [])):
        version = session.scalars(
            select(ModelVersion)
            .join(table, table.model_version_id == ModelVersion.id)
            .where(table.as_of <= as_of, *conditions)
            .order_by(table.id.desc())
            .limit(1)
        ).first()
        if version is not None:
            return version
    return None


def write_appeals(session: Session, rows: Iterable[Mapping[str, Any]]) -> int:
    """Write what a run found, columns by name; return how many rows these are."""
    values = [dict(row) for row in rows]
    if values:
        session.execute(insert(Appeal), values)
    return len(values)


def appeals_of(session: Session, run_id: int) -> list[Appeal]:
    """Return what a run found, in the order in which it was written."""
    return list(session.scalars(select(Appeal).where(Appeal.run_id == run_id).order_by(Appeal.id)))
