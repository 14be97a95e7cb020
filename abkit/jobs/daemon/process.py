"""One process per job: start it, watch it, end it when its time is up, and report how it ended.

Processes are forked from a clean server process that has the modules loaded: a start costs milliseconds, and no
thread or connection of the daemon comes along.
"""

import contextlib
import json
import logging
import multiprocessing
import os
import signal
import sys
import threading
import time
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from multiprocessing import connection, forkserver, resource_tracker
from multiprocessing.context import ForkServerProcess
from pathlib import Path
from typing import Any

from abkit.config import Settings
from abkit.jobs.daemon import endings, logs
from abkit.jobs.daemon.endings import INTERRUPTED, REPORT_LIMIT, Ending
from abkit.jobs.job import Job, Tick
from abkit.store.database.engine import Store
from abkit.store.jobs.schedules import Lease
from abkit.store.runs import RunRecord
from abkit.vocabulary import RunState

log = logging.getLogger("abkit.jobs")

_CONTEXT = multiprocessing.get_context("forkserver")
_LOOK_S = 0.25
_TERMINATE_S = 2.0
# A process that reads from a dead network drive cannot even be killed.
_KILL_S = 10.0
# What a process holds for itself, as the system counts it; where there is no /proc, it is not watched.
_OWN = ("RssAnon:", "RssShmem:", "VmSwap:")
# Above the daemon's, so that a machine without memory ends the job and not the daemon.
_FIRST_TO_GO = "500"
_CHUNK = 1 << 16
# Characters of a line, and lines, that are logged of what a process writes to stderr.
_LONGEST = 2000
_MOST = 200


@dataclass(frozen=True)
class Assignment:
    """What the daemon hands to the process of a job.

    Attributes:
        job: What to run.
        lease: The claimed run.
        settings: The configuration as plain data.
        started_at: When this attempt started.
        jobs: Names of all jobs that schedules can name.
    """

    job: Job
    lease: Lease
    settings: Mapping[str, Any]
    started_at: datetime
    jobs: Collection[str]


def prepare(modules: Sequence[str]) -> None:
    """Start the process from which those of the jobs are forked, with these modules loaded.

    It ignores SIGTERM: a signal to the whole process group is meant for the daemon, which stops the others.
    """
    _CONTEXT.set_forkserver_preload([__name__, *modules])
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
        assignment: What to run.
        time_limit_s: Seconds after which it is ended: terminated first, killed two seconds later, with all that it
            started. One that takes more than `memory_limit_mb` is ended likewise.
        cancelled: Set to end it early, because the run is no longer ours or the daemon stops.
    """
    reader, writer = _CONTEXT.Pipe(duplex=False)
    listener, stderr = _CONTEXT.Pipe(duplex=False)
    name = f"abkit-{assignment.lease.schedule}"
    process = _CONTEXT.Process(target=work, args=(writer, stderr, assignment), name=name)
    before = ended_by_the_system()
    process.start()
    writer.close()
    stderr.close()
    overheard = Overheard(listener, logs.about(assignment.lease))
    deadline = time.monotonic() + time_limit_s
    limit_mb = int(assignment.settings["daemon"]["memory_limit_mb"])
    try:
        report = _wait(process, reader, overheard, deadline, limit_mb, cancelled)
        if isinstance(report, Ending):
            return report
        if report is not None:
            process.join(_TERMINATE_S)
            return Ending(RunState(report["state"]), report["outcome"])
        if cancelled.is_set():
            return INTERRUPTED
        if process.is_alive():
            return endings.by_time_limit(time_limit_s)
        return endings.by_exit(process.exitcode or 0, memory_ran_out=ended_by_the_system() > before)
    finally:
        _end(process)
        overheard.close()
        reader.close()


def _wait(
    process: ForkServerProcess,
    reader: "connection.Connection[bytes, bytes]",
    overheard: "Overheard",
    deadline: float,
    limit_mb: int,
    cancelled: threading.Event,
) -> dict[str, Any] | Ending | None:
    """Return the report, or the ending by the memory limit; None when the process ended without a word, its time is
    up, or it was cancelled."""
    while not cancelled.is_set() and (left := deadline - time.monotonic()) > 0:
        heard = [] if overheard.ended else [overheard.pipe]
        ready = connection.wait([reader, process.sentinel, *heard], timeout=min(left, _LOOK_S))
        overheard.read()
        if reader in ready:
            try:
                report: dict[str, Any] = json.loads(reader.recv_bytes(REPORT_LIMIT))
            except (EOFError, OSError, ValueError):
                process.join(_TERMINATE_S)
                return None
            return report
        if process.sentinel in ready:
            return None
        if limit_mb and process.pid and used_mb(process.pid) > limit_mb:
            return endings.by_memory_limit(limit_mb)
    return None


def _end(process: ForkServerProcess) -> None:
    pid = process.pid
    if pid is None:
        return
    if not process.is_alive():
        # What it had started itself ends with it.
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(pid, signal.SIGKILL)
        return
    for number, patience in ((signal.SIGTERM, _TERMINATE_S), (signal.SIGKILL, _KILL_S)):
        # The job leads a group of its own; in its first milliseconds it may not do so yet.
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.kill(pid, number)
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(pid, number)
        process.join(patience)
        if not process.is_alive():
            return
    log.error("process %d cannot be ended: it hangs in the system, perhaps on a dead network drive", pid)


def work(
    report: "connection.Connection[bytes, bytes]",
    stderr: "connection.Connection[bytes, bytes]",
    assignment: Assignment,
) -> None:
    """Run the job and report its outcome as JSON; called in a fresh process.

    1. Leave the daemon's process group, so that Ctrl-C is the daemon's and a kill reaches all that the job starts.
    2. End when the daemon ends: another one takes the run over.
    3. Log to the daemon's stderr; what libraries write to stderr by themselves goes to the daemon, which logs it.
    4. Run the job; whatever it raises becomes a report. A process that ends without one says so by its exit code.
    """
    os.setsid()
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGTERM})
    _end_with_daemon()
    go_first()
    settings = Settings(**assignment.settings)
    lines = os.fdopen(os.dup(sys.stderr.fileno()), "w", encoding="utf-8", errors="backslashreplace")
    for number in (sys.stdout.fileno(), sys.stderr.fileno()):
        os.dup2(stderr.fileno(), number)
    stderr.close()
    logs.set_up(settings.daemon.log_format, logs.about(assignment.lease), lines)
    report.send_bytes(_run(assignment, settings).encoded())
    report.close()
    # A thread that hangs in a network call must not keep the process.
    logging.shutdown()
    sys.stderr.flush()
    os._exit(0)


def _run(assignment: Assignment, settings: Settings) -> Ending:
    lease = assignment.lease
    store = Store(settings.store_url)
    duration = timedelta(seconds=settings.daemon.lease_seconds)
    run = RunRecord(store, lease.run_id, lease=duration, attempt=lease.attempt)
    tick = Tick(
        schedule=lease.schedule,
        at=lease.tick,
        started_at=assignment.started_at,
        attempt=lease.attempt,
        run=run,
        jobs=assignment.jobs,
    )
    try:
        arguments = assignment.job.arguments.model_validate(dict(lease.arguments))
        return Ending(RunState.DONE, {**run.outcome, **assignment.job.run(store, settings, tick, arguments)})
    except Exception as error:
        return endings.by_error(error)
    finally:
        store.close()


def _end_with_daemon() -> None:
    daemon = multiprocessing.parent_process()
    if daemon is None:
        return

    def watch(sentinel: int) -> None:
        connection.wait([sentinel])
        os.killpg(os.getpid(), signal.SIGKILL)

    threading.Thread(target=watch, args=[daemon.sentinel], daemon=True).start()


def used_mb(pid: int) -> float:
    """Return the megabytes that a process holds for itself; mapped files, which can be read again, do not count."""
    with contextlib.suppress(OSError, ValueError):
        lines = Path(f"/proc/{pid}/status").read_text(encoding="ascii", errors="replace").splitlines()
        return sum(int(line.split()[1]) for line in lines if line.startswith(_OWN)) / 1024
    return 0.0


def ended_by_the_system() -> int:
    """Return how many processes the system has ended since it started because memory ran out, in containers too."""
    with contextlib.suppress(OSError, ValueError):
        for line in Path("/proc/vmstat").read_text(encoding="ascii").splitlines():
            name, _, count = line.partition(" ")
            if name == "oom_kill":
                return int(count)
    return 0


def go_first() -> None:
    """Have the system end this process before others when memory runs out."""
    with contextlib.suppress(OSError):
        Path("/proc/self/oom_score_adj").write_text(_FIRST_TO_GO, encoding="ascii")


class Overheard:
    """What a process writes to stderr by itself (a panic in Rust, a C library): lines of the log, with its run.

    Args:
        pipe: The end to read from.
        fields: What each line of the log says about the run.
    """

    def __init__(self, pipe: "connection.Connection[bytes, bytes]", fields: Mapping[str, Any]) -> None:
        self.pipe = pipe
        self._fields = dict(fields)
        self._rest = b""
        self._lines = 0
        self.ended = False
        os.set_blocking(pipe.fileno(), False)

    def read(self) -> None:
        """Log what is there by now."""
        while not self.ended:
            try:
                chunk = os.read(self.pipe.fileno(), _CHUNK)
            except BlockingIOError:
                return
            except OSError:
                chunk = b""
            self.ended = not chunk
            *lines, self._rest = (self._rest + chunk).split(b"\n")
            if self.ended or len(self._rest) > _LONGEST:
                lines, self._rest = [*lines, self._rest], b""
            for line in lines:
                self._log(line.decode("utf-8", "replace").strip())

    def close(self) -> None:
        """Log the rest, and close the pipe."""
        self.read()
        if self._rest:
            self._log(self._rest.decode("utf-8", "replace").strip())
        if self._lines > _MOST:
            log.warning("stderr: %d more lines", self._lines - _MOST, extra=self._fields)
        self.pipe.close()

    def _log(self, line: str) -> None:
        if line:
            self._lines += 1
            if self._lines <= _MOST:
                log.warning("stderr: %s", line[:_LONGEST], extra=self._fields)
