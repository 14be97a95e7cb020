"""Leaderboards are made ahead: the daemon asks for them once anything has changed that they are made from.

It looks at the store, so it does not matter who has made the change: a command, the page, the API, Python, or a job.
"""

from __future__ import annotations

import logging
import time
from datetime import UTC, datetime

from sqlalchemy.exc import SQLAlchemyError

from abkit.errors import StoreError
from abkit.jobs.work.leaderboards import JOB, ask
from abkit.store import leaderboards
from abkit.store.database.engine import Store
from abkit.store.jobs import requests

log = logging.getLogger("abkit.jobs")
#: Seconds until it looks again at what was made only just now, and at a store that did not answer.
REST_S = 600.0


class Ahead:
    """What one daemon has seen of the changes in its store.

    Args:
        store: A store at the current migration.
    """

    def __init__(self, store: Store) -> None:
        self._store = store
        self._seen = ""
        self._rests_until = float("-inf")

    def look(self) -> None:
        """Ask for leaderboards where something has changed since the last time, and they are not asked for already.

        A change is asked for once: a leaderboard that cannot be made is not tried again and again. Where one
        was made only just now, it is looked at again after a while. A store that does not answer is asked again later.
        """
        if time.monotonic() < self._rests_until:
            return
        try:
            rests = self._look()
        except (StoreError, SQLAlchemyError) as error:
            log.warning("nothing was asked for ahead: %s", (str(error).splitlines() or [type(error).__name__])[0])
            rests = True
        if rests:
            self._rests_until = time.monotonic() + REST_S

    def _look(self) -> bool:
        """Ask where it is due; return whether the rest has to wait for a while."""
        from abkit.workflows.leaderboard.ahead import outdated_campaigns

        today = datetime.now(UTC).date()
        with self._store.read() as session:
            stamp = f"{today} {leaderboards.changes_stamp(session)}"
            if stamp == self._seen or requests.is_unfinished(session, JOB):
                return False
        due, later = outdated_campaigns(self._store, today=today)
        if due:
            ask(self._store, {}, by="daemon")
        self._seen = "" if later else stamp
        return bool(later)
