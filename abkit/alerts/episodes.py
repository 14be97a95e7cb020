"""Episodes: each is a problem that needs a person, from when it is first seen until it has been gone long enough.

Every rule calls `observe` each time it looks, whether the condition holds or not. One fingerprint has at most one
open episode, however many processes there are; a condition that comes and goes stays in one episode and is counted.
"""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from abkit.store.database.failures import is_duplicate
from abkit.store.schema import Alert
from abkit.vocabulary import Severity, parse_choice

SEVERITIES = tuple(Severity)  # from the least to the most severe
CALM = timedelta(hours=36)


def observe(
    session: Session,
    *,
    fingerprint: str,
    rule: str,
    labels: Mapping[str, Any],
    severity: str,
    title: str,
    message: str,
    evidence: Mapping[str, Any],
    firing: bool,
    now: datetime,
    run_id: int,
    calm: timedelta = CALM,
    kind: str = "",
    event: bool = False,
) -> Alert | None:
    """Record what a rule saw at an instant.

    1. Ignore an observation that is not newer than the last one: a tick that is run again, a backfill. Only an event
       is never ignored: it takes the instant of the last word.
    2. Not firing, and no open episode: do nothing.
    3. Firing, and no open episode: open one.
    4. Firing: update the open one. If it had been clear for a while, it has returned: count that, and forget the
       clear time. A severity or kind that is new in this episode is news unless it is less severe; coming back to an
       earlier one is not, or a flapping decision would send a message each time.
    5. Not firing: begin the calm period, or resolve the episode once the calm period is over.

    Args:
        session: A writing session; the caller commits.
        fingerprint: What makes two observations the same problem ("decision:all", "job_failed:score-inbox").
        rule: Name of the rule ("decision", "job_failed", "job_late", "import_rejects", …).
        labels: What it is about (campaign, segment, schedule, …).
        severity: How urgent it is.
        title: One line: what happened.
        message: How certain it is, the cause, what to do.
        evidence: Figures, run ids, and under "command" the command line that shows them. No secrets. The episode
            adds "seen": each severity and kind it has had.
        firing: Whether the condition holds.
        now: Instant of the observation, with a time zone; a job passes its tick.
        run_id: Run that looked.
        calm: How long the condition must be gone before the episode is resolved.
        kind: What the problem is now, where one episode may see several ("retrain concept_shift", "fix_data …").
        event: Whether it happened once and cannot be seen again (a file was refused and moved away), unlike a state,
            which the next look finds as it is.

    Returns:
        The episode that was opened, updated or resolved; None if there is none.

    Raises:
        InvalidInput: The severity does not exist.
    """
    severity = parse_choice(Severity, severity, name="severity")
    face = f"{severity} {kind}".strip()
    last = _latest(session, fingerprint)
    if last is not None and now <= _last_word(last):
        if not (event and firing):
            return last
        now = _last_word(last)
    if last is None or last.resolved_at is not None:
        if not firing:
            return None
        row = Alert(
            fingerprint=fingerprint,
            rule=rule,
            labels=dict(labels),
            severity=severity,
            title=title,
            message=message,
            evidence={**evidence, "seen": [face]},
            opened_at=now,
            last_seen_at=now,
            news_at=now,
            run_id=run_id,
        )
        if last is not None and last.silenced_until is not None and last.silenced_until > now:
            # The silence was meant for the problem, not for the episode.
            row.silenced_until, row.silence_reason = last.silenced_until, last.silence_reason
        if _opened(session, row):
            return row
        # Another process was first: its episode is the one to update.
        last = _latest(session, fingerprint)
        if last is None or (now <= _last_word(last) and not event):
            return last
        now = max(now, _last_word(last))
    if not firing:
        _calm(last, now, calm)
        return last
    if last.clear_since is not None:
        last.times_returned += 1
        last.clear_since = last.resolves_at = None
    seen = last.evidence.get("seen", [last.severity])
    if face not in seen:
        if SEVERITIES.index(severity) >= SEVERITIES.index(Severity(last.severity)):
            last.news_at = now
        seen = [*seen, face]
    last.severity = severity
    last.labels, last.title, last.message = dict(labels), title, message
    last.evidence = {**evidence, "seen": seen}
    # Several events of one tick are seen once.
    last.times_seen += now > last.last_seen_at
    last.last_seen_at = now
    return last


def open_episode(session: Session, fingerprint: str) -> Alert | None:
    """Return the open episode of a problem, if there is one."""
    last = _latest(session, fingerprint)
    return last if last is not None and last.resolved_at is None else None


def calm_down(session: Session, fingerprint: str, *, now: datetime, calm: timedelta = CALM) -> None:
    """Begin the calm period of an open episode, if there is one, because its rule will not look at it again.

    Args:
        session: A writing session; the caller commits.
        fingerprint: Which problem.
        now: An instant with a time zone.
        calm: How long until it is resolved.
    """
    last = _latest(session, fingerprint)
    if last is not None and last.resolved_at is None:
        _calm(last, now, calm)


def resolve_calm(session: Session, now: datetime) -> list[Alert]:
    """Resolve the episodes whose calm period is over, and return them; the rule need not look again for that.

    Args:
        session: A writing session; the caller commits.
        now: An instant with a time zone.
    """
    due = session.scalars(
        select(Alert).where(Alert.resolved_at.is_(None), Alert.resolves_at <= now).with_for_update().order_by(Alert.id)
    ).all()
    for alert in due:
        alert.resolved_at = now
    return list(due)


def _calm(alert: Alert, now: datetime, calm: timedelta) -> None:
    if alert.clear_since is None:
        alert.clear_since, alert.resolves_at = now, now + calm
    if alert.resolves_at is not None and now >= alert.resolves_at:
        alert.resolved_at = now


def _latest(session: Session, fingerprint: str) -> Alert | None:
    return session.scalars(
        select(Alert)
        .where(Alert.fingerprint == fingerprint)
        .order_by(Alert.opened_at.desc(), Alert.id.desc())
        .limit(1)
        .with_for_update()
        .execution_options(populate_existing=True)
    ).first()


def _last_word(alert: Alert) -> datetime:
    return max(at for at in (alert.last_seen_at, alert.clear_since, alert.resolved_at) if at is not None)


def _opened(session: Session, row: Alert) -> bool:
    try:
        with session.begin_nested():
            session.add(row)
            session.flush()
    except IntegrityError as error:
        if not is_duplicate(error):
            raise
        return False
    return True
