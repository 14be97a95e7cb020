"""Leaderboards are made by a job of their own: the daemon asks for it after what changes them, and their pages do."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from pydantic import Field

from abkit.config import Settings
from abkit.jobs.job import Arguments, Tick
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
