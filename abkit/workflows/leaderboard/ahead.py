"""Make leaderboards before somebody opens their pages: those that something has changed for, one after the other."""

from __future__ import annotations

import time
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING

from abkit.store import leaderboards
from abkit.workflows.leaderboard.read import AT_MOST_EVERY

if TYPE_CHECKING:
    from abkit.config import Settings
    from abkit.store.database.engine import Store
    from abkit.store.runs import RunRecord

#: A campaign that delivered nothing for so long does not change from day to day.
STILL_RUNS = timedelta(days=60)
#: Seconds after which no further one is begun: other jobs wait for the worker.
SECONDS = 300.0


def due_campaigns(store: Store, *, today: date | None = None) -> list[int]:
    """Return the campaigns whose leaderboards are to be made now, the latest first; see `outdated_campaigns`."""
    return outdated_campaigns(store, today=today)[0]


def outdated_campaigns(store: Store, *, today: date | None = None) -> tuple[list[int], list[int]]:
    """Return the campaigns whose leaderboards are to be made, the latest first: now, and after a while.

    It is due where none was made, where members, scores, imports, links, ideas or the active model have changed, and
    once a day where the campaign still runs. What was made just now has to wait.

    Args:
        store: A store at the current migration.
        today: The day; today (UTC) by default.
    """
    now = datetime.now(UTC)
    day = today or now.date()
    with store.read() as session:
        stamps, made = leaderboards.stamps(session), leaderboards.made_boards(session)
    due: list[int] = []
    later: list[int] = []
    for campaign, stamp in sorted(stamps.items(), reverse=True):
        board = made.get(campaign)
        if board is None:
            due.append(campaign)
            continue
        runs = board.last_day is not None and day - board.last_day <= STILL_RUNS
        if board.stamp != stamp or (runs and board.as_of < day):
            (due if abs(now - board.made_at) > AT_MOST_EVERY else later).append(campaign)
    return due, later


def refresh_due(
    store: Store,
    settings: Settings,
    *,
    campaign: int | None = None,
    today: date | None = None,
    run: RunRecord | None = None,
    seconds: float = SECONDS,
) -> tuple[int, int]:
    """Make the leaderboards that are due; return how many were made, and how many are left for the next time.

    Args:
        store: A store at the current migration.
        settings: `[money]` has the currency of amounts.
        campaign: Only this one, whether it is due or not.
        today: The last day of delivery that counts; today (UTC) by default.
        run: A run that has its row already; each leaderboard has one of its own when None.
        seconds: No further one is begun after so long.
    """
    from abkit.workflows.leaderboard.refresh import refresh_leaderboard

    wanted = due_campaigns(store, today=today) if campaign is None else [campaign]
    until = time.monotonic() + seconds
    made = 0
    for one in wanted:
        if made and time.monotonic() > until:
            break
        refresh_leaderboard(store, settings, one, as_of=today, run=run)
        made += 1
        if run is not None:
            run.still_alive()
    return made, len(wanted) - made
