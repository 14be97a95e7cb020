"""The text of messages: one for all alerts that are pending for a channel, so that twenty segments make one."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any

from abkit.store.schema import Alert
from abkit.vocabulary import Severity

_SHOWN = 10
_KIND = {"opened": "NEW", "repeated": "STILL OPEN", "escalated": "CHANGED", "resolved": "RESOLVED"}


class Tone(StrEnum):
    """How a message is colored by channels that have colors; the names are those of Apprise."""

    FAILURE = "failure"
    WARNING = "warning"
    SUCCESS = "success"


ONCE = ("experiment_verdict", "experiment_guard", "experiment_end", "digest")
"""Rules whose alerts are told once, without reminders: they report an event."""

NEVER_RESOLVED = ("experiment_verdict", "experiment_end", "digest")
"""Of those, the ones whose end is no news: somebody decided, or read it."""


@dataclass(frozen=True)
class Message:
    """A message to a channel.

    Attributes:
        title: One line.
        body: Plain text.
        tone: Color of the message.
        charts: Images and pages, for channels that take files.
        events: The same as data, for webhooks.
    """

    title: str
    body: str
    tone: Tone
    charts: tuple[Path, ...] = ()
    events: tuple[Mapping[str, Any], ...] = ()


def compose(pending: Sequence[tuple[str, Alert]], *, unsent: int = 0) -> Message:
    """Return one message about all alerts that are pending for a channel, the most severe first.

    Args:
        pending: Kind (opened, repeated, escalated, resolved) and alert; not empty.
        unsent: How many more are open than are sent one by one.
    """
    ordered = sorted(
        pending, key=lambda item: (item[0] == "resolved", item[1].severity != Severity.CRITICAL, item[1].id)
    )
    paragraphs = [_paragraph(kind, alert) for kind, alert in ordered[:_SHOWN]]
    if len(ordered) > _SHOWN:
        paragraphs.append(_rest(ordered[_SHOWN:]))
    if unsent > 0:
        paragraphs.append(f"{unsent:,} more alerts are open, too many to send one by one: abkit alerts list")
    kind, alert = ordered[0]
    title = f"{_KIND[kind]}: {alert.title}" if len(ordered) == 1 else _summary(ordered)
    events = tuple(_event(kind, alert) for kind, alert in sorted(pending, key=lambda item: item[1].id))
    return Message(f"[abkit] {_printable(title)}", "\n\n".join(paragraphs), _tone(ordered), events=events)


_OF_EVENT = ("rule", "severity", "title", "message", "labels", "evidence", "opened_at", "resolved_at")


def _event(kind: str, alert: Alert) -> Mapping[str, Any]:
    return {"event": kind, "alert": alert.id} | {name: getattr(alert, name) for name in _OF_EVENT}


def example() -> Message:
    """Return the message that `abkit alerts test` sends."""
    return Message(
        "[abkit] Test message",
        "This is a test of the channel, sent by `abkit alerts test`. Nothing is wrong; you need not do anything.",
        Tone.SUCCESS,
    )


def _paragraph(kind: str, alert: Alert) -> str:
    if kind == "resolved" or alert.resolved_at is not None:
        lasted = f"Open from {alert.opened_at:%Y-%m-%d %H:%M} to {alert.resolved_at:%Y-%m-%d %H:%M} UTC"
        text = f"{_KIND['resolved']} · {alert.title}\n{lasted}, seen {_times(alert)}."
    else:
        seen = f"Since {alert.opened_at:%Y-%m-%d %H:%M} UTC, seen {_times(alert)}."
        command = alert.evidence.get("command")
        evidence = f"\nEvidence: {command}" if command else ""
        text = f"{_KIND[kind]} · {alert.severity} · {alert.title}\n{alert.message}\n{seen}{evidence}"
        if alert.rule not in ONCE:
            text += f"\nTo stop reminders: abkit alerts ack {alert.id}"
    return "\n".join(_printable(line) for line in text.splitlines())


def _times(alert: Alert) -> str:
    times = "once" if alert.times_seen == 1 else f"{alert.times_seen:,} times"
    returned = f", and returned {alert.times_returned:,} times" if alert.times_returned else ""
    return times + returned


def _rest(rest: Sequence[tuple[str, Alert]]) -> str:
    titles = "\n".join(f"- {_KIND[kind]} · {_printable(alert.title)}" for kind, alert in rest[:40])
    more = f"\n- and {len(rest) - 40} more" if len(rest) > 40 else ""
    return f"And:\n{titles}{more}\nAll of them: abkit alerts list"


def _summary(ordered: Sequence[tuple[str, Alert]]) -> str:
    counts = {kind: sum(one == kind for one, _ in ordered) for kind in _KIND}
    told = ", ".join(f"{count} {_KIND[kind].lower()}" for kind, count in counts.items() if count)
    return f"{len(ordered)} alerts: {told}; first: {ordered[0][1].title}"


def _tone(ordered: Sequence[tuple[str, Alert]]) -> Tone:
    open_ones = [alert for kind, alert in ordered if kind != "resolved"]
    if not open_ones:
        return Tone.SUCCESS
    return Tone.FAILURE if any(alert.severity == Severity.CRITICAL for alert in open_ones) else Tone.WARNING


def _printable(text: str) -> str:
    # File names and error messages come from outside.
    return "".join(char if char.isprintable() else " " for char in text)
