"""Deliver alerts: what is pending for each channel goes into one message, and each attempt is a row.

At least once: a message is pending until a channel has accepted it. Never a flood: all that is due goes into one
message, an open alert is repeated no more often than configured, and a channel that is down is tried less and less
often.
"""

import logging
import time
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future, as_completed
from dataclasses import replace
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

from sqlalchemy import update
from sqlalchemy.orm import Session

from abkit.alerts.channels import Channel, error_of, in_background
from abkit.alerts.episodes import SEVERITIES, resolve_calm
from abkit.alerts.messages import NEVER_RESOLVED, ONCE, compose
from abkit.config import AlertSettings, ChannelSettings
from abkit.store.database.engine import Store
from abkit.store.database.statements import insert_missing
from abkit.store.jobs import alerts
from abkit.store.schema import Alert, AlertDelivery
from abkit.vocabulary import Severity

log = logging.getLogger("abkit.alerts")

_FIRST_RETRY = timedelta(minutes=1)
_KEY = ("alert_id", "channel", "kind", "sequence", "attempt")


def message_due(
    alert: Alert, history: Sequence[AlertDelivery], channel: ChannelSettings, settings: AlertSettings, now: datetime
) -> str | None:
    """Return the kind of message about an alert that a channel should get now, given all attempts; None for none.

    1. While one is on its way, or the alert is silenced, not severe enough for the channel or of a rule that it does
       not want: none.
    2. Never sent: opened, unless it is resolved already.
    3. Sent, and resolved since: resolved, once; nothing about an event whose end is no news.
    4. Sent, and more severe or of another kind since: escalated.
    5. Sent, still firing, not acknowledged, and the repeat interval is over: repeated, unless it is told once.
    """
    if any(row.state in ("pending", "sending") for row in history):
        return None
    if not channel.wants(alert.rule):
        return None
    if alert.silenced_until is not None and now < alert.silenced_until:
        return None
    tried = [row for row in history if row.state in ("delivered", "given_up")]
    if not tried:
        severe_enough = SEVERITIES.index(Severity(alert.severity)) >= SEVERITIES.index(channel.min_severity)
        return "opened" if severe_enough and alert.resolved_at is None else None
    last = max(row.started_at or row.due_at for row in tried)
    if alert.resolved_at is not None:
        if alert.rule in NEVER_RESOLVED:
            return None
        told = any(row.state == "delivered" for row in tried)
        said = any(row.kind == "resolved" for row in tried)
        return "resolved" if told and not said and last < alert.resolved_at else None
    if alert.clear_since is not None:
        return None
    # A check of a whole day is dated at its end, which may lie in the future.
    if alert.opened_at < alert.news_at and last < alert.news_at <= now:
        return "escalated"
    if alert.rule in ONCE:
        return None
    repeat = timedelta(hours=settings.repeat_hours)
    return "repeated" if alert.acknowledged_at is None and now - last >= repeat else None


def plan(session: Session, settings: AlertSettings, now: datetime) -> int:
    """Resolve what has been calm long enough, and record the pending messages of each channel.

    Returns:
        Number of messages added; `deliver` sends them.
    """
    resolve_calm(session, now)
    session.flush()
    candidates = alerts.to_be_told(session, since=now - timedelta(days=30))
    history: dict[tuple[int, str], list[AlertDelivery]] = defaultdict(list)
    for row in alerts.deliveries(session, [alert.id for alert in candidates]):
        history[row.alert_id, row.channel].append(row)
    rows = []
    for channel in settings.channels:
        # A new message joins those that wait: they go out as one once the channel answers again.
        pending = (row for past in history.values() for row in past if row.state == "pending")
        waiting = [row.due_at for row in pending if row.channel == channel.name]
        due_at = max(min(waiting), now) if waiting else now
        for alert in candidates:
            past = history[alert.id, channel.name]
            if kind := message_due(alert, past, channel, settings, now):
                sequence = 1 + max((row.sequence for row in past if row.kind == kind), default=0)
                rows.append(_pending((alert.id, channel.name, kind, sequence, 1), due_at))
    insert_missing(session, AlertDelivery, rows, key=_KEY)
    return len(rows)


Draw = Callable[[Sequence[Alert], Path], Sequence[Path]]
"""Draws the charts and pages of alerts into a folder, and returns the files."""


def deliver(
    store: Store, settings: AlertSettings, workspace: Path, *, now: datetime, run_id: int, draw: Draw | None = None
) -> dict[str, str]:
    """Plan, then send to all channels at once; a channel that hangs delays no other.

    Args:
        store: Alerts and attempts.
        settings: `[alerts]`.
        workspace: Folder of abkit.toml, for address files.
        now: The clock.
        run_id: Run that delivers; each attempt points to it.
        draw: Draws charts to attach; none by default.

    Returns:
        Why each channel that was tried failed, without secrets; "" if it accepted its message.
    """
    patience = timedelta(seconds=settings.attempt_seconds)
    with store.write() as session:
        for row in alerts.left_sending(session, before=now - patience - timedelta(seconds=60)):
            _record(session, settings, [row], "the sending process died; it may have arrived", now)
        plan(session, settings, now)
    with TemporaryDirectory(prefix="abkit-charts-", ignore_cleanup_errors=True) as folder:
        drawing = partial(_charts, draw, Path(folder)) if draw else None
        return _send_all(store, settings, workspace, now=now, run_id=run_id, drawing=drawing)


def _charts(draw: Draw, folder: Path, rows: Sequence[AlertDelivery], about: Mapping[int, Alert]) -> tuple[Path, ...]:
    # A channel may refuse a message because of its charts: every second attempt goes without.
    with_charts = [about[row.alert_id] for row in rows if row.attempt % 2]
    return tuple(draw(with_charts, folder)) if with_charts else ()


def _send_all(
    store: Store,
    settings: AlertSettings,
    workspace: Path,
    *,
    now: datetime,
    run_id: int,
    drawing: Callable[[Sequence[AlertDelivery], Mapping[int, Alert]], tuple[Path, ...]] | None,
) -> dict[str, str]:
    under_way: dict[str, tuple[list[AlertDelivery], Future[None]]] = {}
    for channel in settings.channels:
        with store.write() as session:
            rows = alerts.take_pending(session, channel.name, now, run_id)
            about = {row.alert_id: session.get_one(Alert, row.alert_id) for row in rows}
            unsent = alerts.count_open(session) - alerts.MOST if rows else 0
        if rows:
            message = compose([(row.kind, about[row.alert_id]) for row in rows], unsent=unsent)
            if drawing:
                message = replace(message, charts=drawing(rows, about))
            target = Channel(channel, workspace, settings.attempt_seconds)
            under_way[channel.name] = (rows, in_background(target, message))
    results = {}
    began = time.monotonic()
    names = {future: name for name, (_, future) in under_way.items()}
    # Each ends in its time.
    for done in as_completed(names):
        name = names[done]
        error = error_of(done)
        with store.write() as session:
            _record(session, settings, under_way[name][0], error, now + timedelta(seconds=time.monotonic() - began))
        if error:
            log.warning("channel %s: %s", name, error)
        results[name] = error
    return results


def _record(
    session: Session, settings: AlertSettings, rows: Sequence[AlertDelivery], error: str, now: datetime
) -> None:
    retries = []
    # All are tried again together, after the wait of the one that has failed most often.
    due_at = now + max((_retry_wait(settings, row.attempt) for row in rows), default=timedelta(0))
    for row in rows:
        # The waits between attempts double up to the limit; their sum is how long this message has been tried.
        waited = sum((_retry_wait(settings, attempt) for attempt in range(1, row.attempt)), timedelta(0))
        give_up = error and waited >= timedelta(hours=settings.give_up_hours)
        state = "given_up" if give_up else "failed" if error else "delivered"
        session.execute(
            update(AlertDelivery)
            .where(AlertDelivery.id == row.id, AlertDelivery.state == "sending")
            .values(state=state, finished_at=now, error=error)
        )
        if state == "failed":
            key = (row.alert_id, row.channel, row.kind, row.sequence, row.attempt + 1)
            retries.append(_pending(key, due_at))
    insert_missing(session, AlertDelivery, retries, key=_KEY)


def _retry_wait(settings: AlertSettings, attempt: int) -> timedelta:
    """Return how long to wait after that attempt: one minute, two, four, … up to the limit."""
    longest = timedelta(minutes=settings.retry_minutes)
    return min(_FIRST_RETRY * float(2 ** min(attempt - 1, 20)), longest)


def _pending(key: tuple[int, str, str, int, int], due_at: datetime) -> dict[str, object]:
    return {**dict(zip(_KEY, key, strict=True)), "state": "pending", "due_at": due_at, "error": ""}
