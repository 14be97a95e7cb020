"""Alerts and their deliveries: which episodes there are, and which messages are still to be sent."""

from collections.abc import Sequence
from datetime import UTC, date, datetime, time, timedelta

from sqlalchemy import ColumnElement, and_, case, func, or_, select, update
from sqlalchemy.orm import Session

from abkit.store.database.statements import among, count_changed, count_rows
from abkit.store.schema import Alert, AlertDelivery
from abkit.vocabulary import Severity

MOST = 1_000
"""More alerts than these are counted, not listed, reported or sent one by one."""


def open_alerts(session: Session, as_of: date | None = None, limit: int | None = None) -> Sequence[Alert]:
    """Return the episodes that are not resolved, or were not at the end of a day; the latest first."""
    query = select(Alert).where(_open(as_of)).order_by(Alert.opened_at.desc(), Alert.id.desc())
    return session.scalars(query.limit(limit or MOST)).all()


def count_open(session: Session, as_of: date | None = None) -> int:
    """Return how many episodes are open, or were at the end of a day."""
    return count_rows(session, Alert, _open(as_of))


def count_by_state(session: Session, now: datetime) -> dict[tuple[str, str], int]:
    """Return the number of open episodes by severity and state."""
    state = case(
        (Alert.silenced_until > now, "silenced"),
        (Alert.acknowledged_at.is_not(None), "acknowledged"),
        (Alert.clear_since.is_(None), "firing"),
        else_="calming",
    )
    query = select(Alert.severity, state, func.count()).where(Alert.resolved_at.is_(None))
    counts = session.execute(query.group_by(Alert.severity, state))
    return {(severity, of): count for severity, of, count in counts}


def _open(as_of: date | None) -> ColumnElement[bool]:
    if as_of is None:
        return Alert.resolved_at.is_(None)
    end = datetime.combine(as_of + timedelta(days=1), time.min, UTC)
    return and_(Alert.opened_at < end, or_(Alert.resolved_at.is_(None), Alert.resolved_at >= end))


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
    """Return the episodes about which a message may be pending: open, or resolved since an instant.

    Of each at most `MOST`: of the open ones the most severe that opened first, of the others the last ones.
    """
    severe = case((Alert.severity == Severity.CRITICAL, 0), else_=1)
    still = session.scalars(select(Alert).where(Alert.resolved_at.is_(None)).order_by(severe, Alert.id).limit(MOST))
    ended = session.scalars(
        select(Alert).where(Alert.resolved_at >= since).order_by(Alert.resolved_at.desc(), Alert.id).limit(MOST)
    )
    return sorted([*still, *ended], key=lambda alert: alert.id)


def deliveries(session: Session, alert_ids: Sequence[int]) -> Sequence[AlertDelivery]:
    """Return all attempts to tell about these alerts, oldest first."""
    return session.scalars(
        select(AlertDelivery).where(among(session, AlertDelivery.alert_id, alert_ids)).order_by(AlertDelivery.id)
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
