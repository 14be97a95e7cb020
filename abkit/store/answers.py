"""Answers to requests that must take effect once: kept for a day under the key that the client chose."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Delete, and_, delete, or_, select, update
from sqlalchemy.orm import Session

from abkit.store.clocks import CLOCK_TOLERANCE
from abkit.store.database.statements import count_inserted, insert_into
from abkit.store.schema import RequestAnswer

#: How long an answer is kept, and after which time a request without one counts as dead.
KEPT = timedelta(hours=24)
PATIENCE = timedelta(minutes=10)


def claim(session: Session, *, person: str, key: str, digest: str, now: datetime) -> RequestAnswer | None:
    """Claim a key for a request; return the row of the request that has it, None where the key is ours now.

    Args:
        session: A writing session.
        person: Who asks.
        key: The key that they chose.
        digest: Of the request.
        now: The clock.
    """
    late = and_(RequestAnswer.status.is_(None), RequestAnswer.made_at < now - PATIENCE)
    ahead = RequestAnswer.made_at > now + CLOCK_TOLERANCE  # made by a clock that ran ahead
    session.execute(delete(RequestAnswer).where(or_(RequestAnswer.made_at < now - KEPT, late, ahead)))
    row = {"person": person, "key": key, "digest": digest, "made_at": now, "headers": {}, "media_type": ""}
    ours = insert_into(session, RequestAnswer).values(row).on_conflict_do_nothing(index_elements=["person", "key"])
    if count_inserted(session, ours) == 1:
        return None
    return session.scalar(select(RequestAnswer).filter_by(person=person, key=key))


def keep(session: Session, *, person: str, key: str, **answer: Any) -> None:
    """Keep the answer to the request that has a key: status, media_type, headers and body."""
    headers: Mapping[str, str] = answer.pop("headers")
    kept = update(RequestAnswer).where(RequestAnswer.person == person, RequestAnswer.key == key)
    session.execute(kept.values(headers=dict(headers), **answer))


def forget(session: Session, *, person: str, key: str) -> None:
    """Give a key back, because its request failed."""
    session.execute(_of(person, key))


def _of(person: str, key: str) -> Delete:
    return delete(RequestAnswer).where(RequestAnswer.person == person, RequestAnswer.key == key)
