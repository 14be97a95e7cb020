"""The figures of campaigns: the daemon makes them; where none runs, this process does it beside its requests."""

from __future__ import annotations

import threading
import time
from collections.abc import Collection
from contextlib import suppress

from abkit.errors import StoreError
from abkit.web.background import Background
from abkit.workspace import Workspace

#: Seconds until the same campaigns are looked at again.
LOOK_EVERY_S = 60.0
#: Campaigns that one look makes at most.
MOST = 50


class CampaignFigures:
    """Lets figures be made that pages show.

    Args:
        served: The workspace.
        background: Does what no daemon does.
    """

    def __init__(self, served: Workspace, background: Background) -> None:
        self._served = served
        self._background = background
        self._looked: dict[tuple[int, ...], float] = {}
        self._lock = threading.Lock()

    def ask(self, campaign: int) -> bool:
        """Let the figures of one campaign be made; return whether they are going to be."""
        from abkit.jobs.requests import ask_for_leaderboard

        with suppress(StoreError):  # a store that is busy now can be asked later
            if ask_for_leaderboard(self._served.store, campaign, by="page"):
                return True
        return self._background.ask(_key(campaign), lambda: self._make(campaign))

    def look_after(self, campaigns: Collection[int] = ()) -> None:
        """Let figures be made that are due, one campaign after the other; it costs the request nothing.

        A page that asks for its own campaign meanwhile waits for one of each look at most. What has failed is left to
        those who open the campaign, and what is no longer due is not made again.

        Args:
            campaigns: The only ones; the latest of all where it is empty.
        """
        wanted, now = tuple(campaigns), time.monotonic()
        with self._lock:  # requests come in several threads
            self._looked = {key: then for key, then in self._looked.items() if now - then < LOOK_EVERY_S}
            known = wanted in self._looked
            self._looked.setdefault(wanted, now)
        if not known:
            self._background.ask(("due figures", wanted), lambda: self._look(wanted))

    def are_made(self, campaigns: Collection[int]) -> bool:
        """Return whether the figures of any of these campaigns are being made, as far as this process knows."""
        keys = [("due figures", tuple(campaigns)), *map(_key, campaigns)]
        return any(self._background.is_making(key) for key in keys)

    def _look(self, wanted: tuple[int, ...]) -> None:
        from abkit.web.daemon import absent
        from abkit.workflows.leaderboard.ahead import due_campaigns

        if absent(self._served):
            due = due_campaigns(self._served.store)
            self._make_each([one for one in due if not wanted or one in wanted][:MOST])

    def _make_each(self, due: list[int]) -> None:
        while due:
            first, *due = due
            if self._background.is_making(_key(first)) or self._background.why_failed(_key(first)):
                continue

            def make_it_and_go_on(first: int = first, rest: list[int] = due) -> None:
                from abkit.workflows.leaderboard.ahead import due_campaigns

                try:
                    if first in due_campaigns(self._served.store):
                        self._make(first)
                finally:
                    self._make_each(rest)

            self._background.ask(_key(first), make_it_and_go_on)
            return

    def _make(self, campaign: int) -> None:
        from abkit.workflows.leaderboard.refresh import refresh_leaderboard

        refresh_leaderboard(self._served.store, self._served.settings, campaign)


def _key(campaign: int) -> tuple[str, int]:
    return ("leaderboard", campaign)
