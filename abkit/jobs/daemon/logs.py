"""How the daemon logs: one line an event on stderr, as text or JSON, with the run on every line of a job."""

import json
import logging
import sys
import threading
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Literal

_FIELDS = ("run", "schedule", "tick", "attempt")
LogFormat = Literal["text", "json"]


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
        return json.dumps(line, ensure_ascii=False, default=str)


class _TextLines(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        at = datetime.fromtimestamp(record.created, UTC).strftime("%Y-%m-%d %H:%M:%SZ")
        about = " ".join(f"{name}={getattr(record, name)}" for name in _FIELDS if hasattr(record, name))
        line = f"{at} {record.levelname.lower():<7} {record.getMessage()}{'  ' + about if about else ''}"
        # One event, one line: what comes from outside may hold line breaks.
        line = line.replace("\r", "\\r").replace("\n", "\\n")
        return f"{line}\n{self.formatException(record.exc_info)}" if record.exc_info else line


def _log_uncaught(failed: threading.ExceptHookArgs) -> None:
    name = failed.thread.name if failed.thread else "unknown"
    trace = (failed.exc_type, failed.exc_value or failed.exc_type(), failed.exc_traceback)
    logging.getLogger("abkit.jobs").error("thread %s failed", name, exc_info=trace)


def set_up(form: LogFormat, fields: Mapping[str, Any] | None = None) -> None:
    """Log to stderr from now on.

    Args:
        form: text or JSON lines.
        fields: run, schedule, tick, attempt: put on every line of this process, whoever logs it.
    """
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(_JsonLines() if form == "json" else _TextLines())
    if fields:

        def add_fields(record: logging.LogRecord) -> bool:
            record.__dict__.update(fields)
            return True

        handler.addFilter(add_fields)
    logging.basicConfig(level=logging.INFO, handlers=[handler], force=True)
    # What Python would write to stderr by itself becomes lines of the log too.
    logging.captureWarnings(True)
    threading.excepthook = _log_uncaught
    # What the poller's library says each time it polls is of no use to a reader.
    logging.getLogger("apscheduler").setLevel(logging.ERROR)
    logging.getLogger("alembic").setLevel(logging.WARNING)
