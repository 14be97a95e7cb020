"""People and what they may do: four roles, each may what the one before it may."""

from __future__ import annotations

from dataclasses import dataclass

from abkit.vocabulary import Permission, Role
from abkit.workflows.upkeep.people import GRANTED

#: What each role may do, in words.
MEANINGS = {
    Role.VIEWER: "looks at all pages",
    Role.RATER: "also labels creatives",
    Role.REVIEWER: "also approves and rejects variants, decides experiments, takes on and silences alerts",
    Role.ADMIN: "also uploads, imports, links, promotes models, runs jobs, and manages people and raters",
}


@dataclass(frozen=True, kw_only=True)
class Person:
    """Who makes a request.

    Attributes:
        name: As the audit log and reviews have it.
        role: What they may do.
        only: The only permissions that count, of a rater's link or of a token; None where all of the role do.
        rater: The pseudonym under which votes are kept, where it is not the name.
    """

    name: str
    role: Role
    only: frozenset[Permission] | None = None
    rater: str | None = None

    def can(self, permission: Permission) -> bool:
        """Whether they may do this.

        >>> Person(name="ada", role=Role.REVIEWER).can(Permission.OPERATE)
        False
        """
        return permission in GRANTED[self.role] and (self.only is None or permission in self.only)


__all__ = ["MEANINGS", "Permission", "Person"]
