"""Leaderboards are made by a job of their own, which is asked for after what changes them, and by their pages."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from pydantic import Field

from abkit.config import Settings
from abkit.errors import StoreError
from abkit.jobs.job import Arguments, JobFunction, Tick
from abkit.store.database.engine import Store
from abkit.store.jobs import requests

JOB = "leaderboards"


class Leaderboards(Arguments):
    """Arguments of `leaderboards`."""

    campaign: int | None = Field(default=None, ge=1, description="number of the only campaign; else all that are due")


def leaderboards(store: Store, settings: Settings, tick: Tick, arguments: Leaderboards) -> Mapping[str, Any]:
    """Make the leaderboards that are due; what is left after some minutes is asked for again."""
    from abkit.workflows.leaderboard.ahead import refresh_due

    made, left = refresh_due(store, settings, campaign=arguments.campaign, today=tick.at.date(), run=tick.run)
    tick.run.outcome.clear()
    if left:
        ask(store, {}, by=tick.schedule)
    return {"made": made, "left": left}


def ask(store: Store, arguments: Mapping[str, Any], *, by: str) -> bool:
    """Ask for leaderboards unless the same wait already; return whether this made the request.

    Args:
        store: A store at the current migration.
        arguments: {"campaign": its number}, or {} for all that are due.
        by: Who asks.
    """
    with store.write() as session:
        if any(dict(one.arguments) == dict(arguments) for one in requests.waiting_of(session, JOB)):
            return False
        key, now = secrets.token_hex(16), datetime.now(UTC)
        requests.ask(session, key=key, job=JOB, arguments=arguments, asked_by=by, now=now)
    return True


def ask_if_due(store: Store, *, by: str) -> bool:
    """Ask for leaderboards where any is due; a store that does not answer now is asked by the next page instead."""
    from abkit.workflows.leaderboard.ahead import due_campaigns

    with suppress(StoreError):
        return bool(due_campaigns(store)) and ask(store, {}, by=by)
    return False


@dataclass(frozen=True)
class ThenLeaderboards:
    """A job that asks for leaderboards when it has ended well. A class, because it goes to another process."""

    work: JobFunction

    def __call__(self, store: Store, settings: Settings, tick: Tick, arguments: Any) -> Mapping[str, Any]:
        """Do the job, then ask."""
        outcome = self.work(store, settings, tick, arguments)
        ask_if_due(store, by=tick.schedule)
        return outcome
