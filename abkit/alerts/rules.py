"""The rules: what needs a person. Each turns one finding into an observation of an episode.

A message says what happened, how sure that is, the cause, what to do, and the command that shows the evidence.
"""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy.orm import Session

from abkit.alerts.episodes import calm_down, observe
from abkit.config import AlertSettings
from abkit.store.schema import Alert, Decision, KpiImport

_DECISIONS = {
    "retrain": (
        "critical",
        "the scorer needs retraining",
        "Have people rate recent creatives, train on that "
        "(`abkit model train RATINGS --images FOLDER --parent active`), and promote the new version "
        "if it does better on ratings that it has not seen (`abkit model promote`).",
    ),
    "fix_data": (
        "critical",
        "the data are broken",
        "Repair the feed first; no other figure can be trusted until then.",
    ),
    "watch": ("warning", "something has shifted", "Nothing to do yet but to look; the next check decides."),
    "insufficient_data": ("warning", "drift cannot be judged", "Import more KPIs or score more creatives."),
}
_CAUSES = {
    "concept_shift": "scores have lost their relation to the KPI: taste has changed",
    "input_shift": "the new creatives look different from those the scorer was checked on",
    "kpi_shift": "only the level of the KPIs moved (season, budget, tracking)",
    "data_fault": "volume, formats or a feed are not as they were",
}
_ENDINGS = {
    "raised": "it stopped with an error",
    "exited": "its process ended by itself without a result",
    "killed": "its process was killed from outside; often that means that the machine ran out of memory",
    "out_of_memory": "it ran out of memory",
    "timed_out": "it took longer than its time limit and was ended",
    "abandoned": "each daemon that took it on died or lost it",
}


def decision_made(session: Session, settings: AlertSettings, decision: Decision, *, now: datetime) -> Alert | None:
    """A drift check has ended in a decision.

    Args:
        session: a writing session; the caller commits.
        settings: `[alerts]`; `decisions` says which of them a person is told about.
        decision: the row, with its id.
        now: the instant of the check: for a scheduled one its tick.
    """
    scope = decision.scope or "all"
    severity, happened, to_do = _DECISIONS.get(decision.decision, ("warning", decision.decision, ""))
    cause = _CAUSES.get(decision.cause, decision.cause or "not said")
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
    """The sentences of the check: they have the figures, their intervals, and n."""
    sentences = [str(sentence) for sentence in decision.reasons.get("reasons", [])][:5]
    return f"What was found: {' '.join(sentences)} " if sentences else ""


def file_imported(
    session: Session, settings: AlertSettings, done: KpiImport, *, feed: str, now: datetime
) -> Alert | None:
    """A KPI file was imported: does a larger share of its rows than agreed stand among the rejects?

    Args:
        session: a writing session; the caller commits.
        settings: `[alerts]`; `reject_share` is the largest share that is nobody's business.
        done: the import's row.
        feed: where it came from: the schedule, or the folder.
        now: the instant: for a scheduled import its tick.
    """
    share = done.rejected / done.rows if done.rows else 0.0
    return observe(
        session,
        fingerprint=f"import_rejects:{feed}",
        rule="import_rejects",
        labels={"feed": feed},
        severity="warning",
        title=f"Import {feed}: {done.rejected:,} of {done.rows:,} rows rejected ({share:.1%})",
        message=f"The file {done.name} has more rejects than the agreed {settings.reject_share:.1%}. "
        "The good rows were imported. Look at the reasons, mend the export or the mapping, and import it again.",
        evidence={"import": done.id, "run": done.run_id, "command": f"abkit kpi rejects --import {done.id}"},
        firing=share > settings.reject_share,
        now=now,
        run_id=done.run_id,
        calm=timedelta(hours=settings.calm_hours),
    )


def file_failed(
    session: Session, settings: AlertSettings, *, feed: str, failed: Mapping[str, str], now: datetime, run_id: int
) -> Alert | None:
    """Files of a watched folder could not be imported at all; none failed: the feed is well again.

    Args:
        session: a writing session; the caller commits.
        settings: `[alerts]`.
        feed: the schedule.
        failed: reason by file name.
        now: the tick.
        run_id: the run that tried.
    """
    first = next(iter(failed.items()), ("", ""))
    more = f" and {len(failed) - 1} more" if len(failed) > 1 else ""
    return observe(
        session,
        fingerprint=f"data_fault:{feed}",
        rule="data_fault",
        labels={"feed": feed},
        severity="critical",
        title=f"Import {feed}: {first[0]}{more} could not be imported",
        message=f"Cause: {first[1]}. Nothing of it was imported. It lies in failed/ with the reason beside it; "
        "mend it and put it back into the folder.",
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
    """A scheduled job has ended: `failures` in a row, 0 when it succeeded."""
    how = str(outcome.get("how", "raised"))
    error = str(outcome.get("error", ""))
    times = f" ({failures} times in a row)" if failures > 1 else ""
    return observe(
        session,
        fingerprint=f"job_failed:{schedule}",
        rule="job_failed",
        labels={"schedule": schedule, "job": job, "how": how},
        severity="critical" if failures >= settings.failures_until_critical else "warning",
        title=f"Job {schedule} failed{times}",
        message=f"Cause: {_ENDINGS.get(how, how)}{': ' + error if error else ''}. It is tried again, less and less "
        "often. Mend the cause, then run it at once with `abkit schedule trigger " + schedule + "`.",
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
    """A tick was claimed, or found to be overdue: in time, or later than its grace allows."""
    return observe(
        session,
        fingerprint=f"job_late:{schedule}",
        rule="job_late",
        labels={"schedule": schedule, "job": job},
        severity="warning",
        title=f"Job {schedule} did not run in time: it was due at {tick:%Y-%m-%d %H:%M:%S} UTC",
        message=f"Cause: the daemon was down, the machine asleep, or its workers busy. {what_now} "
        "Look at the daemon; if it is always busy, give it more workers or the job more grace.",
        evidence={"run": run_id, "due": tick.isoformat(), "command": f"abkit schedule status {schedule}"},
        firing=late,
        now=now,
        run_id=run_id,
        calm=timedelta(hours=settings.job_calm_hours),
    )


def job_put_away(
    session: Session, settings: AlertSettings, *, schedule: str, now: datetime, feed_too: bool = False
) -> None:
    """A schedule was paused or removed: nobody expects its job any more, so what was wrong with it comes to rest.

    Args:
        session: a writing session; the caller commits.
        settings: `[alerts]`.
        schedule: its name.
        now: the clock.
        feed_too: also what was wrong with the files it imported: nobody will look at them again.
    """
    troubles = ["job_failed", "job_late"] + (["data_fault", "import_rejects"] if feed_too else [])
    for trouble in troubles:
        calm_down(session, f"{trouble}:{schedule}", now=now, calm=timedelta(hours=settings.job_calm_hours))
