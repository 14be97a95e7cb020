"""What people do about alerts: look at them, acknowledge one, silence one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from abkit.errors import UsageError
from abkit.records import Record
from abkit.store.database.engine import Store
from abkit.store.jobs import alerts
from abkit.store.schema import Alert


@dataclass(frozen=True, kw_only=True)
class AlertRecord(Record):
    """An episode of something that needs a person.

    Attributes:
        id: Its number.
        state: firing, calming (the condition is gone but may come back), acknowledged, silenced or resolved.
        severity: How urgent it is.
        title: What happened, in one line.
        message: How certain it is, the cause, what to do.
        rule: The rule that observed it.
        labels: What it is about.
        evidence: Run ids and figures, and under `command` the command that shows them.
        opened_at, last_seen_at, times_seen, times_returned: When and how often it was seen, UTC.
        clear_since, resolved_at: Since when the condition is gone, and when it counted as resolved; None before.
        acknowledged_at, acknowledged_by: Who took it on.
        silenced_until, silence_reason: Until when nothing is sent about it, and why.
        run_id: The run that observed it first.
    """

    id: int
    state: str
    severity: str
    title: str
    message: str
    rule: str
    labels: Mapping[str, Any]
    evidence: Mapping[str, Any]
    opened_at: datetime
    last_seen_at: datetime
    times_seen: int
    times_returned: int
    clear_since: datetime | None
    resolved_at: datetime | None
    acknowledged_at: datetime | None
    acknowledged_by: str
    silenced_until: datetime | None
    silence_reason: str
    run_id: int


def alert_records(
    store: Store, *, before: int | None = None, limit: int = 50, resolved: bool = False
) -> tuple[Sequence[AlertRecord], int | None]:
    """Return alerts, the latest first, and the number before which the next part begins; None at the end.

    Args:
        store: A store at the current migration.
        before: Only alerts with a smaller number.
        limit: At most so many.
        resolved: Whether those are there that are resolved.
    """
    query = select(Alert).order_by(Alert.id.desc()).limit(limit + 1)
    if not resolved:
        query = query.where(Alert.resolved_at.is_(None))
    if before is not None:
        query = query.where(Alert.id < before)
    with store.read() as session:
        found = [record_of(alert) for alert in session.scalars(query)]
    return found[:limit], found[limit - 1].id if len(found) > limit else None


def record_of(alert: Alert) -> AlertRecord:
    """Return an alert as a record, in the state that it has now."""
    state = alerts.state_of(alert, datetime.now(UTC))
    names = (name for name in AlertRecord.__dataclass_fields__ if name != "state")
    return AlertRecord(state=state, **{name: getattr(alert, name) for name in names})


def find_alert(session: Session, alert_id: int) -> Alert:
    """Return the alert with this number.

    Raises:
        UsageError: There is none.
    """
    found = alerts.find(session, alert_id)
    if found is None:
        raise UsageError(f"there is no alert {alert_id}", hint="`abkit alerts list --all` shows all alerts")
    return found


def acknowledge(store: Store, alert_id: int, *, by: str) -> AlertRecord:
    """Acknowledge an alert and stop its reminders. The message that it is resolved is still sent.

    Raises:
        UsageError: There is no such alert, or it is resolved.
    """
    with store.write() as session:
        found = _find_open(session, alert_id)
        found.acknowledged_at, found.acknowledged_by = datetime.now(UTC), by
        return record_of(found)


def silence(store: Store, alert_id: int, *, until: datetime, reason: str) -> AlertRecord:
    """Silence an alert until a date. It is still counted, and sent again if it is open then.

    Args:
        store: A store at the current migration.
        alert_id: Its number.
        until: Send nothing about it before; UTC where it has no time zone.
        reason: Why, for those who find it silenced.

    Raises:
        UsageError: There is no such alert, it is resolved, the date is in the past, or there is no reason.
    """
    ends = until if until.tzinfo else until.replace(tzinfo=UTC)
    if ends <= datetime.now(UTC):
        raise UsageError(f"{ends:%Y-%m-%d %H:%M} UTC is in the past", hint="give a future date")
    if not reason.strip():
        raise UsageError("a silence needs a reason", hint="give the reason for those who find it silenced")
    with store.write() as session:
        found = _find_open(session, alert_id)
        found.silenced_until, found.silence_reason = ends, reason.strip()
        return record_of(found)


def _find_open(session: Session, alert_id: int) -> Alert:
    found = find_alert(session, alert_id)
    if found.resolved_at is not None:
        raise UsageError(
            f"alert {alert_id} was resolved at {found.resolved_at:%Y-%m-%d %H:%M} UTC", hint="there is nothing to do"
        )
    return found
