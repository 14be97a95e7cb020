"""The appeal of creatives as runs found it: written by one run, read as of a day."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import date
from typing import Any

from sqlalchemy import func, insert, select
from sqlalchemy.orm import Session

from abkit.store.schema import Appeal
from abkit.vocabulary import Metric


def write_appeals(session: Session, rows: Iterable[Mapping[str, Any]]) -> int:
    """Write what a run found, columns by name; return how many rows these are."""
    values = [dict(row) for row in rows]
    if values:
        session.execute(insert(Appeal), values)
    return len(values)


def appeals_of(session: Session, run_id: int) -> list[Appeal]:
    """Return what a run found, in the order in which it was written."""
    return list(session.scalars(select(Appeal).where(Appeal.run_id == run_id).order_by(Appeal.id)))


def latest_run(session: Session, metric: Metric, as_of: date, *, segment: str, definition: int) -> int | None:
    """Return the last run that found the appeal of all campaigns by this definition, up to a day; None without any."""
    return session.scalar(
        select(func.max(Appeal.run_id)).where(
            Appeal.metric == metric.value,
            Appeal.as_of <= as_of,
            Appeal.segment == segment,
            Appeal.definition == definition,
        )
    )
