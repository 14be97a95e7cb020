"""One process per job: start it, watch it, end it when its time is up, and report how it ended.

Processes are forked from a clean server process that has the modules loaded: a start costs milliseconds, and no
thread or connection of the daemon comes along.
"""

import contextlib
import json
import logging
import multiprocessing
import os
import resource
import signal
import sys
import threading
import time
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from multiprocessing import connection, forkserver, resource_tracker
from multiprocessing.context import ForkServerProcess
from typing import Any

from sqlalchemy.exc import DBAPIError

from abkit.config import Settings
from abkit.errors import AbkitError, StoreError
from abkit.jobs.daemon import logs
from abkit.jobs.job import Job, Tick
from abkit.store.database.engine import Store
from abkit.store.jobs.schedules import Lease
from abkit.store.runs import RunRecord, explained
from abkit.vocabulary import RunState

log = logging.getLogger("abkit.jobs")

REPORT_LIMIT = 1 << 20  # bytes
_CONTEXT = multiprocessing.get_context("forkserver")
_LOOK_S = 0.25
_TERMINATE_S = 2.0


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


@dataclass(frozen=True)
class Ending:
    """How a job ended.

    Attributes:
        state: done, failed, timed_out, abandoned; interrupted if it was cancelled, so that another daemon may run it.
        outcome: What it reported; for a failure `how` (raised, exited, killed, out_of_memory, timed_out, store),
            `error`, one sentence, and `hint` if there is one.
    """

    state: RunState
    outcome: dict[str, Any] = field(default_factory=dict)


INTERRUPTED = Ending(RunState.INTERRUPTED)


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
            started.
        cancelled: Set to end it early, because the run is no longer ours or the daemon stops.
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
            return Ending(RunState(report["state"]), report["outcome"])
        if cancelled.is_set():
            return INTERRUPTED
        if process.is_alive():
            return Ending(RunState.TIMED_OUT, {"how": "timed_out", "error": f"it took longer than {time_limit_s:g} s"})
        return _without_report(process)
    finally:
        _end(process)
        reader.close()


def _wait(
    process: ForkServerProcess,
    reader: "connection.Connection[bytes, bytes]",
    deadline: float,
    cancelled: threading.Event,
) -> dict[str, Any] | None:
    """Return the report; None when the process ended without one, its time is up, or it was cancelled."""
    while not cancelled.is_set() and (left := deadline - time.monotonic()) > 0:
        ready = connection.wait([reader, process.sentinel], timeout=min(left, _LOOK_S))
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
        return Ending(RunState.FAILED, {"how": "killed", "error": f"its process was killed by {name}"})
    error = f"its process exited with code {code} before it was done"
    return Ending(RunState.FAILED, {"how": "exited", "error": error})


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


def work(report: "connection.Connection[bytes, bytes]", assignment: Assignment) -> None:
    """Run the job and report its outcome as JSON; called in a fresh process.

    1. Leave the daemon's process group, so that Ctrl-C is the daemon's and a kill reaches all that the job starts.
    2. End when the daemon ends: another one takes the run over.
    3. Run the job; whatever it raises becomes a report. A process that ends without one says so by its exit code.
    """
    os.setsid()
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGTERM})
    _end_with_daemon()
    settings = Settings(**assignment.settings)
    logs.set_up(settings.daemon.log_format, logs.about(assignment.lease))
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    if settings.daemon.memory_limit_mb is not None:
        limit = settings.daemon.memory_limit_mb * 1024 * 1024
        resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
    report.send_bytes(_encoded(_run(assignment, settings)))
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
    except MemoryError:
        return _failed("out_of_memory", {"error": "the memory limit of the job was reached"})
    except StoreError as error:
        return _failed("store", explained(error))
    except AbkitError as error:
        return _failed("raised", explained(error))
    except DBAPIError as error:
        how = "store" if error.connection_invalidated else "raised"
        return _failed(how, {"error": str(error.orig).splitlines()[0]})
    except Exception as error:
        log.exception("the job failed")
        return _failed("raised", explained(error))
    finally:
        store.close()


def _encoded(ending: Ending) -> bytes:
    encoded = json.dumps({"state": ending.state, "outcome": ending.outcome}, default=str).encode()
    if len(encoded) <= REPORT_LIMIT:
        return encoded
    note = {"note": f"the outcome of {len(encoded):,} bytes is too long to keep; its figures are in the store"}
    return json.dumps({"state": ending.state, "outcome": note}).encode()


def _failed(how: str, said: Mapping[str, str]) -> Ending:
    return Ending(RunState.FAILED, {"how": how} | {name: text[:2000] for name, text in said.items()})


def _end_with_daemon() -> None:
    daemon = multiprocessing.parent_process()
    if daemon is None:
        return

    def watch(sentinel: int) -> None:
        connection.wait([sentinel])
        os.killpg(os.getpid(), signal.SIGKILL)

    threading.Thread(target=watch, args=[daemon.sentinel], daemon=True).start()
