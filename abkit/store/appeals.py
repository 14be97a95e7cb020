"""The appeal of creatives as runs found it: written by one run, read back by run."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from sqlalchemy import insert, select
from sqlalchemy.orm import Session

from abkit.store.schema import Appeal


def write_appeals(session: Session, rows: Iterable[Mapping[str, Any]]) -> int:
    """Write what a run found, columns by name; return how many rows these are."""
    values = [dict(row) for row in rows]
    if values:
        session.execute(insert(Appeal), values)
    return len(values)


def appeals_of(session: Session, run_id: int) -> list[Appeal]:
    """Return what a run found, in the order in which it was written."""
    return list(session.scalars(select(Appeal).where(Appeal.run_id == run_id).order_by(Appeal.id)))
