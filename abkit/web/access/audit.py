"""The audit log: who did what, and when."""

from __future__ import annotations

from datetime import UTC, datetime

from abkit.store import people
from abkit.web.access.people import Person
from abkit.workspace import Workspace


def record(workspace: Workspace, person: Person, act: str, about: str = "") -> None:
    """Record that somebody changed something; call it after the change.

    Args:
        workspace: Where it was changed.
        person: Who did it.
        act: What was done, as a verb and its object: "promote model".
        about: To what, such as the name of the version; never a secret.
    """
    with workspace.store.write() as session:
        people.add_audit(session, person.name, act, about, datetime.now(UTC))
