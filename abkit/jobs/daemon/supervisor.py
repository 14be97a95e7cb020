"""One process a job: start it, watch it, end it when its time is up, and say how it ended.

Processes are forked from a clean server process that has the modules loaded: a start costs milliseconds, and no
thread or connection of the daemon comes along.
"""

import contextlib
import json
import multiprocessing
import os
import signal
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from multiprocessing import forkserver, resource_tracker
from multiprocessing.connection import Connection, wait
from multiprocessing.context import ForkServerProcess
from typing import Any

from abkit.jobs.daemon.child import REPORT_LIMIT, Assignment, work

_CONTEXT = multiprocessing.get_context("forkserver")
_LOOK_S = 0.25
_TERMINATE_S = 2.0


@dataclass(frozen=True)
class Ending:
    """How a job ended.

    Attributes:
        state: done, failed, timed_out, or cancelled.
        outcome: what it reported; for a failure `how` (raised, exited, killed, out_of_memory, timed_out, store)
            and `error`, one sentence.
    """

    state: str
    outcome: dict[str, Any] = field(default_factory=dict)


def prepare(modules: Sequence[str]) -> None:
    """Start the process from which those of the jobs are forked, with these modules loaded.

    It does not listen to SIGTERM: who stops a whole group of processes means the daemon, which stops the others.
    """
    _CONTEXT.set_forkserver_preload(["abkit.jobs.daemon.child", *modules])
    # Its start unblocks SIGTERM, so it comes first.
    resource_tracker.ensure_running()
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})
    try:
        forkserver.ensure_running()
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def supervise(assignment: Assignment, *, time_limit_s: float, cancelled: threading.Event) -> Ending:
    """Run a job in a process of its own, and wait for its end.

    Args:
        assignment: what to run.
        time_limit_s: after that it is ended: asked first, killed two seconds later, with all that it started.
        cancelled: set to end it early, because the run is no longer ours or the daemon stops.
    """
    reader, writer = _CONTEXT.Pipe(duplex=False)
    process = _CONTEXT.Process(target=work, args=(writer, assignment), name=f"abkit-{assignment.lease.schedule}")
    process.start()
    writer.close()
    deadline = time.monotonic() + time_limit_s
    try:
        report = _wait(process, reader, deadline, cancelled)
        if report is not None:
            process.join(_TERMINATE_S)
            return Ending(report["state"], report["outcome"])
        if cancelled.is_set():
            return Ending("cancelled")
        if process.is_alive():
            return Ending("timed_out", {"how": "timed_out", "error": f"it took longer than {time_limit_s:g} s"})
        return _without_report(process)
    finally:
        _end(process)
        reader.close()


def _wait(
    process: ForkServerProcess, reader: "Connection[bytes, bytes]", deadline: float, cancelled: threading.Event
) -> dict[str, Any] | None:
    """The report; None when the process ended without one, its time is up, or it was cancelled."""
    while not cancelled.is_set() and (left := deadline - time.monotonic()) > 0:
        ready = wait([reader, process.sentinel], timeout=min(left, _LOOK_S))
        if reader in ready:
            try:
                report: dict[str, Any] = json.loads(reader.recv_bytes(REPORT_LIMIT))
            except (EOFError, OSError, ValueError):
                process.join(_TERMINATE_S)
                return None
            return report
        if process.sentinel in ready:
            return None
    return None


def _without_report(process: ForkServerProcess) -> Ending:
    code = process.exitcode or 0
    if code < 0:
        name = signal.Signals(-code).name
        return Ending("failed", {"how": "killed", "error": f"its process was killed by {name}"})
    return Ending("failed", {"how": "exited", "error": f"its process exited with code {code} before it was done"})


def _end(process: ForkServerProcess) -> None:
    pid = process.pid
    if pid is None:
        return
    if not process.is_alive():
        # What it had started itself ends with it.
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(pid, signal.SIGKILL)
        return
    for number, patience in ((signal.SIGTERM, _TERMINATE_S), (signal.SIGKILL, None)):
        # The job leads a group of its own; in its first milliseconds it may not do so yet.
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.kill(pid, number)
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(pid, number)
        process.join(patience)
        if not process.is_alive():
            return
