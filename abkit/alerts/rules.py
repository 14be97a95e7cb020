"""The rules: what needs a person. Each turns one finding into an observation of an episode.

A message says what happened, how certain that is, the cause, what to do, and the command that shows the evidence.
"""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy.orm import Session

from abkit.alerts.episodes import calm_down, observe
from abkit.config import AlertSettings
from abkit.records import percent
from abkit.store.schema import Alert, Decision, KpiImport
from abkit.vocabulary import DriftDecision, Severity

_DECISIONS: dict[str, tuple[Severity, str, str]] = {
    DriftDecision.RETRAIN: (
        Severity.CRITICAL,
        "the scorer needs retraining",
        "Have people rate recent creatives, train on these ratings "
        "(`abkit model train RATINGS --images FOLDER --parent active`), and promote the new version "
        "if it does better on ratings that it has not seen (`abkit model promote`).",
    ),
    DriftDecision.FIX_DATA: (
        Severity.CRITICAL,
        "the data are broken",
        "Fix the feed first; no other figure can be trusted until then.",
    ),
    DriftDecision.WATCH: (
        Severity.WARNING,
        "something has shifted",
        "Look at the drift page and wait for the next check.",
    ),
    DriftDecision.INSUFFICIENT_DATA: (
        Severity.WARNING,
        "drift cannot be judged",
        "Import more KPIs, or score more creatives.",
    ),
}
_CAUSES = {
    "concept_shift": "scores have lost their relation to the KPI: taste has changed",
    "input_shift": "the new creatives look different from those the scorer was checked on",
    "kpi_shift": "only the level of the KPIs moved (season, budget, tracking)",
    "data_fault": "volume, formats or a feed have changed",
}
_ENDINGS = {
    "raised": "it stopped with an error",
    "exited": "its process exited without a result",
    "killed": "its process was killed from outside; often the machine has run out of memory",
    "out_of_memory": "it ran out of memory",
    "timed_out": "it exceeded its time limit and was ended",
    "abandoned": "every daemon that took it died or lost it",
}


def decision_made(session: Session, settings: AlertSettings, decision: Decision, *, now: datetime) -> Alert | None:
    """Observe the decision of a drift check.

    Args:
        session: A writing session; the caller commits.
        settings: `[alerts]`; its `decisions` open an alert.
        decision: The row, with its id.
        now: Instant of the check; its tick if it was scheduled.
    """
    scope = decision.scope or "all"
    severity, happened, to_do = _DECISIONS.get(decision.decision, (Severity.WARNING, decision.decision, ""))
    cause = _CAUSES.get(decision.cause, decision.cause or "unknown")
    return observe(
        session,
        fingerprint=f"decision:{scope}",
        rule="decision",
        labels={"scope": scope, "decision": decision.decision, "cause": decision.cause},
        severity=severity,
        title=f"Drift check {scope}: {decision.decision}: {happened}",
        message=f"Cause: {cause}. {_found(decision)}As of {decision.as_of}. {to_do}",
        evidence={
            "run": decision.run_id,
            "decision": decision.id,
            "reasons": decision.reasons,
            "command": "abkit drift list",
        },
        kind=f"{decision.decision} {decision.cause}".strip(),
        firing=decision.decision in settings.decisions,
        now=now,
        run_id=decision.run_id,
        calm=timedelta(hours=settings.calm_hours),
    )


def _found(decision: Decision) -> str:
    """Return the sentences of the check, which have the figures, their intervals, and n."""
    sentences = [str(sentence) for sentence in decision.reasons.get("reasons", [])][:5]
    return f"Findings: {' '.join(sentences)} " if sentences else ""


def file_imported(
    session: Session, settings: AlertSettings, done: KpiImport, *, feed: str, now: datetime
) -> Alert | None:
    """Observe the share of rejected rows of an imported KPI file.

    Args:
        session: A writing session; the caller commits.
        settings: `[alerts]`; a share above `reject_share` opens an alert.
        done: Row of the import.
        feed: Where the file came from: the schedule, or the folder.
        now: Instant of the import; its tick if it was scheduled.
    """
    share = done.rejected / done.rows if done.rows else 0.0
    return observe(
        session,
        fingerprint=f"import_rejects:{feed}",
        rule="import_rejects",
        labels={"feed": feed},
        severity=Severity.WARNING,
        title=f"Import {feed}: {done.rejected:,} of {done.rows:,} rows rejected ({percent(share, 1)})",
        message=f"The file {done.name} has more rejected rows than the limit of {percent(settings.reject_share, 1)}. "
        "The other rows were imported. Look at the reasons, fix the export or the mapping, and import it again.",
        evidence={"import": done.id, "run": done.run_id, "command": f"abkit kpi rejects --import {done.id}"},
        firing=share > settings.reject_share,
        now=now,
        run_id=done.run_id,
        calm=timedelta(hours=settings.calm_hours),
    )


def file_failed(
    session: Session, settings: AlertSettings, *, feed: str, failed: Mapping[str, str], now: datetime, run_id: int
) -> Alert | None:
    """Observe the files of a watched folder that could not be imported at all; with none, the feed works again.

    Args:
        session: A writing session; the caller commits.
        settings: `[alerts]`.
        feed: The schedule.
        failed: Reason by file name.
        now: The tick.
        run_id: Run that tried.
    """
    first = next(iter(failed.items()), ("", ""))
    more = f" and {len(failed) - 1} more" if len(failed) > 1 else ""
    return observe(
        session,
        fingerprint=f"data_fault:{feed}",
        rule="data_fault",
        labels={"feed": feed},
        severity=Severity.CRITICAL,
        title=f"Import {feed}: {first[0]}{more} could not be imported",
        message=f"Cause: {first[1]}. Nothing of it was imported. It is in failed/ with the reason beside it; "
        "fix it and put it back into the folder.",
        evidence={"run": run_id, "failed": dict(list(failed.items())[:20]), "command": f"abkit schedule status {feed}"},
        firing=bool(failed),
        now=now,
        run_id=run_id,
        calm=timedelta(hours=settings.job_calm_hours),
    )


def job_ended(
    session: Session,
    settings: AlertSettings,
    *,
    schedule: str,
    job: str,
    outcome: Mapping[str, Any],
    failures: int,
    now: datetime,
    run_id: int,
) -> Alert | None:
    """Observe the end of a scheduled job: `failures` in a row, 0 if it succeeded."""
    how = str(outcome.get("how", "raised"))
    said = [str(outcome[name]) for name in ("error", "hint") if outcome.get(name)]
    cause = ": ".join([_ENDINGS.get(how, how), *said[:1]]) + "".join(f". Hint: {hint}" for hint in said[1:])
    times = f" ({failures} times in a row)" if failures > 1 else ""
    return observe(
        session,
        fingerprint=f"job_failed:{schedule}",
        rule="job_failed",
        labels={"schedule": schedule, "job": job, "how": how},
        severity=Severity.CRITICAL if failures >= settings.failures_until_critical else Severity.WARNING,
        title=f"Job {schedule} failed{times}",
        message=f"Cause: {cause}. It is tried again, less and less often. "
        f"Fix the cause, then run it at once with `abkit schedule trigger {schedule}`.",
        evidence={"run": run_id, "failures": failures, "command": f"abkit schedule status {schedule}"},
        firing=failures > 0,
        now=now,
        run_id=run_id,
        calm=timedelta(hours=settings.job_calm_hours),
    )


def job_started(
    session: Session,
    settings: AlertSettings,
    *,
    schedule: str,
    job: str,
    tick: datetime,
    late: bool,
    what_now: str,
    now: datetime,
    run_id: int,
) -> Alert | None:
    """Observe that a tick was claimed or is overdue: in time, or later than its grace period allows."""
    return observe(
        session,
        fingerprint=f"job_late:{schedule}",
        rule="job_late",
        labels={"schedule": schedule, "job": job},
        severity=Severity.WARNING,
        title=f"Job {schedule} did not run in time: it was due at {tick:%Y-%m-%d %H:%M:%S} UTC",
        message=f"Cause: the daemon was down, the machine asleep, or its workers busy. {what_now} "
        "Look at the daemon; if it is always busy, give it more workers, or the job a longer grace period.",
        evidence={"run": run_id, "due": tick.isoformat(), "command": f"abkit schedule status {schedule}"},
        firing=late,
        now=now,
        run_id=run_id,
        calm=timedelta(hours=settings.job_calm_hours),
    )


def schedule_retired(
    session: Session, settings: AlertSettings, *, schedule: str, now: datetime, feed_too: bool = False
) -> None:
    """Begin the calm period of a schedule's alerts: it was paused or removed, so no run will find that all is well.

    Args:
        session: A writing session; the caller commits.
        settings: `[alerts]`.
        schedule: Its name.
        now: The clock.
        feed_too: Whether the alerts about the files it imported end too, because nobody will look at them again.
    """
    rules = ["job_failed", "job_late"] + (["data_fault", "import_rejects"] if feed_too else [])
    for rule in rules:
        calm_down(session, f"{rule}:{schedule}", now=now, calm=timedelta(hours=settings.job_calm_hours))
