"""Alerts and their deliveries: which episodes there are, and which messages are still to be sent."""

from collections.abc import Sequence
from datetime import UTC, date, datetime, time, timedelta

from sqlalchemy import or_, select, update
from sqlalchemy.orm import Session

from abkit.store.database.statements import count_changed
from abkit.store.schema import Alert, AlertDelivery


def open_alerts(session: Session, as_of: date | None = None) -> Sequence[Alert]:
    """Return the episodes that are not resolved, or were not at the end of a day; the latest first."""
    query = select(Alert).order_by(Alert.opened_at.desc(), Alert.id.desc())
    if as_of is None:
        return session.scalars(query.where(Alert.resolved_at.is_(None))).all()
    end = datetime.combine(as_of + timedelta(days=1), time.min, UTC)
    unresolved = or_(Alert.resolved_at.is_(None), Alert.resolved_at >= end)
    return session.scalars(query.where(Alert.opened_at < end, unresolved)).all()


def recent_alerts(session: Session, limit: int) -> Sequence[Alert]:
    """Return episodes in any state, newest first."""
    return session.scalars(select(Alert).order_by(Alert.id.desc()).limit(limit)).all()


def find(session: Session, alert_id: int) -> Alert | None:
    """Return the episode with this number, if there is one."""
    return session.get(Alert, alert_id)


def state_of(alert: Alert, now: datetime) -> str:
    """Return resolved, silenced, acknowledged, calming (the condition is gone but may come back) or firing."""
    if alert.resolved_at is not None:
        return "resolved"
    if alert.silenced_until is not None and now < alert.silenced_until:
        return "silenced"
    if alert.acknowledged_at is not None:
        return "acknowledged"
    return "firing" if alert.clear_since is None else "calming"


def to_be_told(session: Session, since: datetime) -> Sequence[Alert]:
    """Return the episodes about which a message may be pending: open, or resolved since an instant."""
    return session.scalars(
        select(Alert).where(or_(Alert.resolved_at.is_(None), Alert.resolved_at >= since)).order_by(Alert.id)
    ).all()


def deliveries(session: Session, alert_ids: Sequence[int]) -> Sequence[AlertDelivery]:
    """Return all attempts to tell about these alerts, oldest first."""
    return session.scalars(
        select(AlertDelivery).where(AlertDelivery.alert_id.in_(alert_ids)).order_by(AlertDelivery.id)
    ).all()


def take_pending(session: Session, channel: str, now: datetime, run_id: int) -> list[AlertDelivery]:
    """Claim all pending messages of a channel if one of them is due; skip those that another process claimed.

    A message is claimed by moving it from pending to sending where it is still pending.
    """
    pending = session.scalars(
        select(AlertDelivery)
        .where(AlertDelivery.channel == channel, AlertDelivery.state == "pending")
        .order_by(AlertDelivery.id)
    ).all()
    if not any(row.due_at <= now for row in pending):
        return []
    taken = []
    for row in pending:
        claim = (
            update(AlertDelivery)
            .where(AlertDelivery.id == row.id, AlertDelivery.state == "pending")
            .values(state="sending", started_at=now, run_id=run_id)
        )
        if count_changed(session, claim) == 1:
            taken.append(row)
    return taken


def stubborn_channels(session: Session, attempts: int) -> list[str]:
    """Return the channels that have refused a pending message at least so many times in a row."""
    refused = select(AlertDelivery.channel).where(AlertDelivery.state == "pending", AlertDelivery.attempt > attempts)
    return sorted(set(session.scalars(refused)))


def left_sending(session: Session, before: datetime) -> Sequence[AlertDelivery]:
    """Return the attempts whose process died before it could record how they ended."""
    return session.scalars(
        select(AlertDelivery).where(AlertDelivery.state == "sending", AlertDelivery.started_at < before)
    ).all()
