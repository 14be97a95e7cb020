"""The rules about experiments: a verdict that changed, a guard that blocks, an end that came; each is told once."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from sqlalchemy.orm import Session

from abkit.alerts.episodes import calm_down, open_episode
from abkit.alerts.rules import Rules
from abkit.config import ExperimentSettings
from abkit.store.schema import Alert
from abkit.vocabulary import Severity, Verdict

VERDICT, GUARD, END, DIGEST = "experiment_verdict", "experiment_guard", "experiment_end", "digest"
CONCLUSIVE = (Verdict.BETTER, Verdict.WORSE, Verdict.FUTILE)
_AT_ONCE = timedelta(0)
_DIGEST_LASTS = timedelta(days=6)


@dataclass(frozen=True, kw_only=True)
class Look:
    """What a look at an experiment found, as far as alerts are concerned.

    Attributes:
        experiment: Id of the experiment; its key may change.
        key: Its key.
        as_of: The last day that counted.
        result: Id of the stored analysis.
        verdicts: Treatment → verdict.
        headline: The verdicts in a few words.
        story: The verdicts and what came in, in plain sentences.
        blocking: Guard → what it found and what to do, of the guards that need somebody.
        days: The days with delivery.
        ended: Why the test is over; "" while it runs.
    """

    experiment: int
    key: str
    as_of: date
    result: int
    verdicts: Mapping[str, Verdict]
    headline: str
    story: str
    blocking: Mapping[str, str]
    days: frozenset[date]
    ended: str


class ExperimentRules(Rules):
    """The rules about experiments."""

    def verdict_changed(self, look: Look, settings: ExperimentSettings) -> Alert | None:
        """Observe the verdict of a look. A conclusive one opens an alert, and each other verdict after it is news.

        It is not observed before `min_days` and, unless the configuration says otherwise, a full week.
        """
        early = len(look.days) < settings.min_days
        partial = settings.full_week and len({day.weekday() for day in look.days}) < 7
        if early or partial or Verdict.BLOCKED in look.verdicts.values():
            return None
        conclusive = any(verdict in CONCLUSIVE for verdict in look.verdicts.values())
        told = open_episode(self.session, f"{VERDICT}:{look.experiment}") is not None
        return self._observe_look(
            VERDICT,
            look,
            title=f"Experiment {look.key}: {look.headline}",
            message=f"{look.story} To do: decide with `abkit experiment decide`, or let it run on.",
            kind=", ".join(f"{name} {verdict}" for name, verdict in look.verdicts.items()),
            firing=conclusive or told,
        )

    def guards_checked(self, look: Look) -> Alert | None:
        """Observe the guards of a look; one that needs somebody opens a critical alert: the test runs for nothing."""
        found = "; ".join(look.blocking.values())
        return self._observe_look(
            GUARD,
            look,
            title=f"Experiment {look.key}: no verdict can be given ({', '.join(look.blocking)})",
            message=f"{found}. Until then its figures do not count, as of {look.as_of}.",
            severity=Severity.CRITICAL,
            kind=", ".join(sorted(look.blocking)),
            firing=bool(look.blocking),
        )

    def end_came(self, look: Look) -> Alert | None:
        """Observe that a test is over; it waits for a person to decide."""
        return self._observe_look(
            END,
            look,
            title=f"Experiment {look.key} has ended and waits for a decision",
            message=f"It ended because {look.ended}. {look.story} To do: decide with `abkit experiment decide`.",
            firing=bool(look.ended),
        )

    def week_told(self, first: date, last: date, text: str) -> Alert | None:
        """Tell the digest of a week, once; nothing has to become calm, so that it resolves after the next one."""
        told = self._observe(
            DIGEST,
            str(last),
            labels={"week": str(last)},
            severity=Severity.WARNING,
            title=f"Digest of {first} to {last}",
            message=text,
            evidence={"command": f"abkit digest --as-of {last}"},
            firing=True,
        )
        calm_down(self.session, f"{DIGEST}:{last}", now=self.now, calm=_DIGEST_LASTS)
        return told

    def _observe_look(
        self,
        rule: str,
        look: Look,
        *,
        title: str,
        message: str,
        firing: bool,
        kind: str = "",
        severity: Severity = Severity.WARNING,
    ) -> Alert | None:
        return self._observe(
            rule,
            str(look.experiment),
            labels={"experiment": look.key},
            severity=severity,
            title=title,
            message=message,
            evidence={"analysis": look.result, "command": f"abkit experiment list {look.key}"},
            firing=firing,
            calm_hours=self.settings.calm_hours,
            kind=kind,
        )


def experiment_closed(session: Session, experiment: int, *, now: datetime) -> None:
    """Resolve the alerts of an experiment at once: it was decided, archived or deleted, and nobody looks again.

    Args:
        session: A writing session; the caller commits.
        experiment: Its id.
        now: The clock.
    """
    for rule in (VERDICT, GUARD, END):
        calm_down(session, f"{rule}:{experiment}", now=now, calm=_AT_ONCE)
