"""How long the store is waited for: chosen by the kind of work, on both engines."""

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Patience:
    """How long one kind of work waits.

    Attributes:
        statement_s: Seconds that a statement may take; SQLite has no such limit, and nobody to wait for.
        lock_s: Seconds to wait for what another process holds.
    """

    statement_s: float
    lock_s: float


BRIEF = Patience(statement_s=30, lock_s=15)
"""The bookkeeping of the daemon: leases end, and it is told to stop."""

USUAL = Patience(statement_s=600, lock_s=60)
"""Commands and jobs."""

LONG = Patience(statement_s=6 * 3600, lock_s=3600)
"""Migrations, and what moves millions of rows."""
