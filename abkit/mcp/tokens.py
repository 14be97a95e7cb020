"""Whose token a request has, and what they may do."""

from __future__ import annotations

from datetime import UTC, datetime

from abkit.store import people
from abkit.store.database.engine import Store
from abkit.vocabulary import Permission, Role
from abkit.workflows.upkeep.people import GRANTED


def holder(store: Store, authorization: str) -> people.Known | None:
    """Return for whom a token acts, or None where it is none, or not valid.

    Args:
        store: A store at the current migration.
        authorization: The header of the request.
    """
    kind, _, secret = authorization.partition(" ")
    if kind.lower() != "bearer" or not secret.strip():
        return None
    with store.read() as session:
        found = people.holder_of(session, people.digest_of(secret.strip()), datetime.now(UTC))
    return found[0] if found else None


def may(known: people.Known, permission: Permission) -> bool:
    """Return whether the holder of a token may do something: it has the scope, and their role still grants it."""
    return permission in (known.scopes or ()) and permission in GRANTED[Role(known.role)]
