"""The daemon's log: one line per event on stderr, as text or JSON, with the run on every line of a job."""

import json
import logging
import sys
import threading
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, TextIO

from abkit.redaction import redacted, redacted_values
from abkit.store.jobs.schedules import Lease
from abkit.vocabulary import LogFormat

_FIELDS = ("run", "schedule", "tick", "attempt")


class _JsonLines(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        line: dict[str, Any] = {
            "at": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
        }
        line |= {name: getattr(record, name) for name in _FIELDS if hasattr(record, name)}
        if record.exc_info:
            line["traceback"] = self.formatException(record.exc_info)
        return json.dumps(redacted_values(line), ensure_ascii=False, default=str)


class _TextLines(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        at = datetime.fromtimestamp(record.created, UTC).strftime("%Y-%m-%d %H:%M:%SZ")
        about = " ".join(f"{name}={getattr(record, name)}" for name in _FIELDS if hasattr(record, name))
        line = f"{at} {record.levelname.lower():<7} {record.getMessage()}{'  ' + about if about else ''}"
        # One event, one line: what comes from outside may hold line breaks.
        line = line.replace("\r", "\\r").replace("\n", "\\n")
        return redacted(f"{line}\n{self.formatException(record.exc_info)}" if record.exc_info else line)


def _log_uncaught(failed: threading.ExceptHookArgs) -> None:
    name = failed.thread.name if failed.thread else "unknown"
    trace = (failed.exc_type, failed.exc_value or failed.exc_type(), failed.exc_traceback)
    logging.getLogger("abkit.jobs").error("thread %s failed", name, exc_info=trace)


def set_up(form: LogFormat, fields: Mapping[str, Any] | None = None, stream: TextIO | None = None) -> None:
    """Log to stderr from now on.

    Args:
        form: Text or JSON lines.
        fields: Run, schedule, tick and attempt, to put on every line of this process, whichever library logs it.
        stream: Where the lines go instead of stderr.
    """
    handler = logging.StreamHandler(stream or sys.stderr)
    handler.setFormatter(_JsonLines() if form is LogFormat.JSON else _TextLines())
    if fields:

        def add_fields(record: logging.LogRecord) -> bool:
            record.__dict__.update(fields)
            return True

        handler.addFilter(add_fields)
    logging.basicConfig(level=logging.INFO, handlers=[handler], force=True)
    # What Python would write to stderr by itself becomes lines of the log too.
    logging.captureWarnings(True)
    threading.excepthook = _log_uncaught
    # APScheduler logs each poll, which is of no use to a reader.
    logging.getLogger("apscheduler").setLevel(logging.ERROR)
    logging.getLogger("alembic").setLevel(logging.WARNING)


def about(lease: Lease) -> dict[str, Any]:
    """Return the fields that a log line about a run has."""
    return {"run": lease.run_id, "schedule": lease.schedule, "tick": lease.tick.isoformat(), "attempt": lease.attempt}
