"""How a job ended: each error, signal and limit named as what it was."""

import errno
import json
import logging
import os
import signal
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy.exc import DBAPIError

from abkit.errors import AbkitError, StoreFull, StoreLocked, StoreUnreachable
from abkit.store.runs import explained
from abkit.vocabulary import RunState

log = logging.getLogger("abkit.jobs")

REPORT_LIMIT = 1 << 20  # bytes
_FULL = (errno.ENOSPC, errno.EDQUOT)
_MORE_MEMORY = "give jobs more with memory_limit_mb under [daemon], or the job less to read"


@dataclass(frozen=True)
class Ending:
    """How a job ended.

    Attributes:
        state: done, failed, timed_out, abandoned; interrupted if it was cancelled, so that another daemon may run it.
        outcome: What it reported; for a failure `how` (raised, exited, killed, out_of_memory, disk_full, locked,
            timed_out, store), `error`, one sentence, and `hint` if there is one.
    """

    state: RunState
    outcome: dict[str, Any] = field(default_factory=dict)

    def encoded(self) -> bytes:
        """Return it as JSON; an outcome that is too long to keep is left out."""
        encoded = json.dumps({"state": self.state, "outcome": self.outcome}, default=str).encode()
        if len(encoded) <= REPORT_LIMIT:
            return encoded
        note = {"note": f"the outcome of {len(encoded):,} bytes is too long to keep; its figures are in the store"}
        return json.dumps({"state": self.state, "outcome": note}).encode()


INTERRUPTED = Ending(RunState.INTERRUPTED)


def by_error(error: Exception) -> Ending:
    """Return the ending of a job that raised an error."""
    if _any_of(error, _is_about_memory):
        return _failed("out_of_memory", {"error": "it asked for memory that is not there", "hint": _MORE_MEMORY})
    if isinstance(error, StoreUnreachable):
        return _failed("store", explained(error))
    if isinstance(error, StoreLocked):
        return _failed("locked", explained(error))
    if _any_of(error, _is_about_the_disk):
        return _failed("disk_full", _without_space(error))
    if isinstance(error, AbkitError):
        return _failed("raised", explained(error))
    if isinstance(error, DBAPIError):
        how = "store" if error.connection_invalidated else "raised"
        return _failed(how, {"error": (str(error.orig).splitlines() or [type(error).__name__])[0]})
    log.error("the job failed", exc_info=error)
    return _failed("raised", explained(error))


def by_memory_limit(limit_mb: int) -> Ending:
    """Return the ending of a job that was ended because it took more memory than a job may."""
    return _failed("out_of_memory", {"error": f"it took more than {limit_mb:,} MB of memory", "hint": _MORE_MEMORY})


def by_time_limit(seconds: float) -> Ending:
    """Return the ending of a job that was ended because its time was up."""
    return Ending(RunState.TIMED_OUT, {"how": "timed_out", "error": f"it took longer than {seconds:g} s"})


def by_exit(code: int, *, memory_ran_out: bool) -> Ending:
    """Return the ending of a process that ended without a word.

    Args:
        code: Its exit code; negative for a signal.
        memory_ran_out: Whether the system ended processes meanwhile because its memory, or the container's, ran out.
    """
    if code == -signal.SIGKILL and memory_ran_out:
        error = "the system ended its process because memory ran out"
        return _failed("out_of_memory", {"error": error, "hint": _MORE_MEMORY})
    if code < 0:
        return _failed("killed", {"error": f"its process was killed by {signal.Signals(-code).name}"})
    return _failed("exited", {"error": f"its process exited with code {code} before it was done"})


def _failed(how: str, said: Mapping[str, str]) -> Ending:
    return Ending(RunState.FAILED, {"how": how} | {name: text[:2000] for name, text in said.items()})


def _without_space(error: Exception) -> dict[str, str]:
    if isinstance(error, AbkitError):
        return explained(error)
    named = getattr(error, "filename", None)
    where = f" of {os.fsdecode(named)}" if isinstance(named, str | bytes) else ""
    return {"error": f"the disk{where} is full", "hint": "free some space: the job goes on by itself"}


def _any_of(error: BaseException, is_so: Callable[[BaseException], bool]) -> bool:
    return any(is_so(one) for one in _chain(error))


def _chain(error: BaseException) -> Iterator[BaseException]:
    one: BaseException | None = error
    for _ in range(10):
        if one is None:
            return
        yield one
        one = one.__cause__ or (None if one.__suppress_context__ else one.__context__)


def _is_about_memory(error: BaseException) -> bool:
    if isinstance(error, MemoryError) or (isinstance(error, OSError) and error.errno == errno.ENOMEM):
        return True
    # Torch says so in words only.
    return isinstance(error, RuntimeError) and "can't allocate memory" in str(error)


def _is_about_the_disk(error: BaseException) -> bool:
    return isinstance(error, StoreFull) or (isinstance(error, OSError) and error.errno in _FULL)
