"""The rules: what needs a person. Each turns one finding into an observation of an episode.

A message says what happened, how certain that is, the cause, what to do, and the command that shows the evidence.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy.orm import Session

from abkit.alerts.episodes import calm_down, observe, open_episode
from abkit.config import AlertSettings
from abkit.records import percent
from abkit.stats.monitoring.decisions import headline, meaning, windows_in_words
from abkit.store.jobs.schedules import Lease
from abkit.store.schema import Alert, Decision, KpiImport
from abkit.vocabulary import DriftDecision, Severity

_DECISIONS: dict[str, tuple[Severity, str, str]] = {
    DriftDecision.RETRAIN: (
        Severity.CRITICAL,
        "the scorer needs retraining",
        "Let it learn from the clicks since then: `abkit retrain` trains a challenger and promotes it only if it does "
        "better on later launches. Or have people rate recent creatives and train on these ratings "
        "(`abkit model train RATINGS --images FOLDER --parent active`).",
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
_IN_FAILED = "It is in failed/ with the reason beside it; fix it and put it back into the folder."
_LEFT_OUT = "It stays where it is and is not opened again; replace it or take it out of the folder."
_ENDINGS = {
    "raised": "it stopped with an error",
    "exited": "its process exited without a result",
    "killed": "its process was killed from outside; often the machine has run out of memory",
    "out_of_memory": "it ran out of memory",
    "disk_full": "a disk is full",
    "locked": "another process kept the store locked",
    "store": "the store did not answer",
    "timed_out": "it exceeded its time limit and was ended",
    "abandoned": "every daemon that took it died or lost it",
}


@dataclass(frozen=True)
class Rules:
    """The rules, as one run applies them at one instant.

    Attributes:
        session: A writing session; the caller commits.
        settings: `[alerts]`: what opens an alert, and how long it must be calm to resolve.
        now: Instant of the observation; the tick of a job.
        run_id: Run that looked.
    """

    session: Session
    settings: AlertSettings
    now: datetime
    run_id: int

    def decision_made(self, decision: Decision, *, lingers: bool = False) -> Alert | None:
        """Observe the decision of a drift check; `decisions` open an alert.

        Args:
            decision: What was decided.
            lingers: Whether a shift is not clearly gone: then an open alert neither ends nor begins to.
        """
        if lingers and decision.decision not in self.settings.decisions:
            return None
        scope = decision.scope or "all"
        severity, happened, to_do = _DECISIONS.get(decision.decision, (Severity.WARNING, decision.decision, ""))
        cause = _CAUSES.get(decision.cause, decision.cause or "unknown")
        words = headline(decision.decision, decision.layers_judged, decision.coarse)
        # The sentences of the check have the figures, their intervals, and n.
        found = " ".join(str(sentence) for sentence in decision.reasons.get("reasons", [])[:5])
        return self._observe(
            "decision",
            scope,
            labels={"scope": scope, "decision": decision.decision, "cause": decision.cause},
            severity=severity,
            title=f"Drift check of {windows_in_words(scope) or scope}: {words}: {happened}",
            message=f"{meaning(decision.decision)} Cause: {cause}. {f'Findings: {found} ' if found else ''}"
            f"As of {decision.as_of}. {to_do}".strip(),
            evidence={
                "decision": decision.id,
                # Without the windows, which may hold thousands of ids.
                "reasons": {name: value for name, value in decision.reasons.items() if name != "windows"},
                "command": f"abkit drift explain {decision.run_id}",
            },
            kind=f"{decision.decision} {decision.cause}".strip(),
            firing=decision.decision in self.settings.decisions,
            calm_hours=self.settings.calm_hours,
        )

    def file_imported(self, done: KpiImport, feed: str) -> Alert | None:
        """Observe the rejected rows of an imported KPI file; a share above `reject_share` opens an alert.

        Rows that were set aside (totals, ads that rested) count for nothing here.

        Args:
            done: Row of the import.
            feed: Where the file came from: the schedule, or the folder.
        """
        rows = done.rows - done.set_aside
        share = done.rejected / rows if rows else 0.0
        limit = self.settings.reject_share
        return self._observe(
            "import_rejects",
            feed,
            labels={"feed": feed},
            severity=Severity.WARNING,
            title=f"Import {feed}: {done.rejected:,} of {rows:,} rows rejected ({percent(share, 1)})",
            message=f"The file {done.name} has more rejected rows than the limit of {percent(limit, 1)}. "
            "The other rows were imported. Look at the reasons, fix the export or the mapping, and import it again.",
            evidence={"import": done.id, "command": f"abkit kpi rejects --import {done.id}"},
            firing=share > limit,
            calm_hours=self.settings.calm_hours,
            event=True,
        )

    def file_failed(self, failed: Mapping[str, str], feed: str) -> Alert | None:
        """Observe the files of a watched folder that could not be read at all; with none, the feed works again.

        A refusal is an event: it is observed before the file is moved away, and never ignored. Those that an earlier
        attempt of the same tick observed stay in the alert.

        Args:
            failed: Reason by file name.
            feed: The schedule.
        """
        what_now = f"Nothing of it was imported. {_IN_FAILED}"
        return self._data_fault(failed, feed, f"Import {feed}", "could not be imported", what_now)

    def files_left_out(self, deadly: Mapping[str, str], schedule: str) -> Alert | None:
        """Observe the images that a job leaves out where they are, because they ended it too often; none: all is well.

        Args:
            deadly: Reason by name.
            schedule: The schedule, or the request.
        """
        return self._data_fault(deadly, schedule, f"Job {schedule}", "left out", _LEFT_OUT)

    def request_died(self, key: str, job: str, deaths: int, cause: str, file: str) -> Alert | None:
        """Observe that what people asked for has ended its process again and again; with no deaths, that it ended well.

        Args:
            key: What tells this request from others of its kind, the same each time that it is asked for.
            job: What was asked for.
            deaths: How often it died, one after the other.
            cause: Why, the last time.
            file: What it was reading then; "" where nothing was noted.
        """
        reading = f" It was reading {file}." if file else ""
        return self._observe(
            "request_died",
            key,
            labels={"job": job},
            severity=Severity.CRITICAL,
            title=f"What was asked for, {job}, died {deaths} times{': ' + file if file else ''}",
            message=f"Cause: {cause}.{reading} Replace what it reads, or give jobs more memory with memory_limit_mb "
            "under [daemon], then ask for it again.",
            evidence={"deaths": deaths, "job": job, "file": file},
            firing=deaths > 0,
        )

    def _data_fault(self, failed: Mapping[str, str], feed: str, what: str, became: str, what_now: str) -> Alert | None:
        earlier = open_episode(self.session, f"data_fault:{feed}")
        if failed and earlier is not None and earlier.last_seen_at >= self.now and earlier.clear_since is None:
            failed = {**earlier.evidence.get("failed", {}), **failed}
        name, why = next(iter(failed.items()), ("", ""))
        more = f" and {len(failed) - 1} more" if len(failed) > 1 else ""
        return self._observe(
            "data_fault",
            feed,
            labels={"feed": feed},
            severity=Severity.CRITICAL,
            title=f"{what}: {name}{more} {became}",
            message=f"Cause: {why}. {what_now}",
            evidence={"failed": dict(list(failed.items())[:20]), "command": f"abkit schedule status {feed}"},
            firing=bool(failed),
            event=True,
        )

    def job_ended(self, lease: Lease, outcome: Mapping[str, Any], failures: int, *, what_now: str) -> Alert | None:
        """Observe the end of a scheduled job.

        Args:
            lease: The run.
            outcome: How it ended.
            failures: Failures in a row; 0 if it succeeded.
            what_now: When it runs again, as a sentence.
        """
        how = str(outcome.get("how", "raised"))
        said = [str(outcome[name]) for name in ("error", "hint") if outcome.get(name)]
        cause = ": ".join([_ENDINGS.get(how, how), *said[:1]]) + "".join(f". Hint: {hint}" for hint in said[1:])
        times = f" ({failures} times in a row)" if failures > 1 else ""
        cause += f". It was reading {outcome['file']}" if "file" in outcome else ""
        return self._observe(
            "job_failed",
            lease.schedule,
            labels={"schedule": lease.schedule, "job": lease.job, "how": how},
            severity=Severity.CRITICAL if failures >= self.settings.failures_until_critical else Severity.WARNING,
            title=f"Job {lease.schedule} failed{times}",
            message=f"Cause: {cause}. {what_now} "
            f"Fix the cause, then run it at once with `abkit schedule trigger {lease.schedule}`.",
            evidence={"failures": failures, "command": f"abkit schedule status {lease.schedule}"},
            firing=failures > 0,
        )

    def daemon_seen(self, gone: str) -> Alert | None:
        """Observe whether a daemon runs; `gone` is the sentence that says why it seems that none does, or ""."""
        return self._observe(
            "no_daemon",
            "all",
            labels={},
            severity=Severity.CRITICAL,
            title="No daemon runs: jobs and alerts wait",
            message=f"Cause: {gone}. Start `abkit schedule run` where the service runs, and look at its log for why it "
            "ended. Missed ticks follow the policy of each schedule.",
            evidence={"command": "abkit schedule status"},
            firing=bool(gone),
            calm_hours=0.0,
        )

    def job_started(self, schedule: str, job: str, tick: datetime, *, late: bool, what_now: str) -> Alert | None:
        """Observe that a tick was claimed or is overdue: in time, or later than its grace period allows."""
        return self._observe(
            "job_late",
            schedule,
            labels={"schedule": schedule, "job": job},
            severity=Severity.WARNING,
            title=f"Job {schedule} did not run in time: it was due at {tick:%Y-%m-%d %H:%M:%S} UTC",
            message=f"Cause: the daemon was down, the machine asleep, or its workers busy. {what_now} "
            "Look at the daemon; if it is always busy, give it more workers, or the job a longer grace period.",
            evidence={"due": tick.isoformat(), "command": f"abkit schedule status {schedule}"},
            firing=late,
        )

    def _observe(
        self, rule: str, about: str, *, evidence: Mapping[str, Any], calm_hours: float | None = None, **seen: Any
    ) -> Alert | None:
        hours = self.settings.job_calm_hours if calm_hours is None else calm_hours
        return observe(
            self.session,
            fingerprint=f"{rule}:{about}",
            rule=rule,
            evidence={"run": self.run_id, **evidence},
            now=self.now,
            run_id=self.run_id,
            calm=timedelta(hours=hours),
            **seen,
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
    for rule in ("job_failed", "job_late", *(("data_fault", "import_rejects") if feed_too else ())):
        calm_down(session, f"{rule}:{schedule}", now=now, calm=timedelta(hours=settings.job_calm_hours))
