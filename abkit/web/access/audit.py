"""The audit log: who did what, and when."""

from __future__ import annotations

import logging

from abkit.web.access.people import Person
from abkit.workspace import Workspace

_log = logging.getLogger(__name__)


def record(workspace: Workspace, person: Person, act: str, about: str = "") -> None:
    """Record that somebody changed something; call it after the change.

    Args:
        workspace: Where it was changed.
        person: Who did it.
        act: What was done, as a verb and its object: "promote model".
        about: To what, such as the name of the version; never a secret.
    """
    _log.info("%s: %s %s", person.name, act, about)
