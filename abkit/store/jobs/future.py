"""What a clock that ran ahead has left: leases, last words and waits from an impossible future do not count.

Such an instant would otherwise bind the store until the real time has caught up: a run that nobody takes over, an alert
that ignores what is seen now, a message that waits for tomorrow.
"""

from collections import defaultdict
from collections.abc import Sequence
from datetime import datetime, timedelta

from sqlalchemy import or_, select, update
from sqlalchemy.orm import Session

from abkit.store.database.statements import count_changed
from abkit.store.runs import LEASE
from abkit.store.schema import Alert, AlertDelivery, Run, Schedule
from abkit.vocabulary import RunState

# These rules look at the clock. Others may date an observation at the end of its day.
_BY_THE_CLOCK = ("job_failed", "job_late", "data_fault", "import_rejects", "request_died", "no_daemon")
_DAY = timedelta(days=1)
_SPOKEN = ("opened_at", "last_seen_at", "clear_since", "resolved_at")
_INSTANTS = ("opened_at", "last_seen_at", "news_at", "acknowledged_at", "clear_since", "resolves_at", "resolved_at")


def shorten_leases(session: Session, now: datetime, *, lease: timedelta, tolerance: timedelta) -> int:
    """Shorten the leases that end later than any lease taken now would; return how many.

    An owner that lives extends its lease soon; one that is dead is found out.

    Args:
        session: A writing session.
        now: The clock.
        lease: Length of the lease of a scheduled run.
        tolerance: How far the clocks of two machines may differ.
    """
    too_late = now + max(lease, LEASE) + tolerance
    return count_changed(
        session,
        update(Run).where(Run.state == RunState.RUNNING, Run.lease_until > too_late).values(lease_until=now + lease),
    )


def shorten_waits(session: Session, now: datetime, *, backoff: timedelta, retry: timedelta) -> int:
    """End the waits after a failure that are longer than the longest one; return how many.

    Args:
        session: A writing session.
        now: The clock.
        backoff: Longest wait of a schedule, with the tolerance.
        retry: Longest wait of a message, with the tolerance.
    """
    waits = update(Schedule).where(Schedule.backoff_until > now + backoff).values(backoff_until=now)
    ended = count_changed(session, waits)
    late = AlertDelivery.due_at > now + retry
    ended += count_changed(
        session, update(AlertDelivery).where(AlertDelivery.state == "pending", late).values(due_at=now)
    )
    for column in (AlertDelivery.started_at, AlertDelivery.finished_at):
        session.execute(update(AlertDelivery).where(column > now + retry).values({column.key: now}))
    return ended


def bring_back_alerts(session: Session, now: datetime, *, tolerance: timedelta) -> int:
    """Bring the episodes back whose last word comes from the future, in their order; return how many problems.

    Args:
        session: A writing session.
        now: The clock.
        tolerance: How far the clocks of two machines may differ.
    """
    ahead = now + tolerance
    # The index of open episodes does not help here, but alerts are few.
    spoken = or_(*(getattr(Alert, name) > ahead for name in _SPOKEN))
    found = session.scalars(select(Alert.fingerprint).where(spoken).distinct()).all()
    problems: dict[str, list[Alert]] = defaultdict(list)
    episodes = select(Alert).where(Alert.fingerprint.in_(found)).with_for_update()
    for alert in session.scalars(episodes.order_by(Alert.opened_at)):
        problems[alert.fingerprint].append(alert)
    moved = 0
    for alerts in problems.values():
        allowed = ahead if alerts[-1].rule in _BY_THE_CLOCK else ahead + _DAY
        last = max(_last_word(alert) for alert in alerts)
        if last > allowed:
            _shift(alerts, now, last - now)
            moved += 1
    return moved


def _shift(alerts: Sequence[Alert], now: datetime, by: timedelta) -> None:
    """Move what lies in the future into the past, all by the same time, so that episodes keep their order."""
    for alert in alerts:
        cleared_ahead = alert.clear_since is not None and alert.clear_since > now
        for name in _INSTANTS:
            at = getattr(alert, name)
            if at is not None and (cleared_ahead if name == "resolves_at" else at > now):
                setattr(alert, name, at - by)


def _last_word(alert: Alert) -> datetime:
    spoken = (alert.last_seen_at, alert.clear_since, alert.resolved_at)
    return max(alert.opened_at, *(at for at in spoken if at is not None))
