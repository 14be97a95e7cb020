"""What happens inside the process of a job: run it, and report how it ended."""

import json
import logging
import multiprocessing
import os
import resource
import signal
import sys
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from multiprocessing import connection
from typing import Any

from sqlalchemy.exc import DBAPIError

from abkit.config import Settings
from abkit.errors import AbkitError, StoreError
from abkit.jobs.daemon import logs
from abkit.jobs.tick import Job, Tick
from abkit.store.engine import Store
from abkit.store.runs import RunRecord
from abkit.store.schedules import Lease

log = logging.getLogger("abkit.jobs")

REPORT_LIMIT = 1 << 20  # bytes


@dataclass(frozen=True)
class Assignment:
    """What the daemon hands to the process of a job."""

    job: Job
    lease: Lease
    settings: Mapping[str, Any]
    started_at: datetime


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
    lease = assignment.lease
    about = {"run": lease.run_id, "schedule": lease.schedule, "tick": lease.tick.isoformat(), "attempt": lease.attempt}
    logs.set_up(settings.daemon.log_format, about)
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


def _run(assignment: Assignment, settings: Settings) -> dict[str, Any]:
    lease = assignment.lease
    store = Store(settings.store_url)
    run = RunRecord(store, lease.run_id, lease=timedelta(seconds=settings.daemon.lease_seconds))
    tick = Tick(lease.schedule, lease.tick, assignment.started_at, lease.attempt, run)
    try:
        arguments = assignment.job.arguments.model_validate(dict(lease.arguments))
        outcome = {**run.outcome, **assignment.job.run(store, settings, tick, arguments)}
        return {"state": "done", "outcome": outcome}
    except MemoryError:
        return _failed("out_of_memory", "the memory limit of the job was reached")
    except StoreError as error:
        return _failed("store", error.message)
    except AbkitError as error:
        log.error("%s", error.message)
        return _failed("raised", error.message)
    except DBAPIError as error:
        return _failed("store" if error.connection_invalidated else "raised", str(error.orig).splitlines()[0])
    except Exception as error:
        log.exception("the job failed")
        first_line = (str(error).splitlines() or [""])[0]
        return _failed("raised", f"{type(error).__name__}: {first_line}")
    finally:
        store.close()


def _encoded(report: dict[str, Any]) -> bytes:
    encoded = json.dumps(report, default=str).encode()
    if len(encoded) <= REPORT_LIMIT:
        return encoded
    note = {"note": f"the outcome of {len(encoded):,} bytes is too long to be kept; its figures are in the store"}
    return json.dumps({"state": report["state"], "outcome": note}).encode()


def _failed(how: str, error: str) -> dict[str, Any]:
    return {"state": "failed", "outcome": {"how": how, "error": error[:2000]}}


def _end_with_daemon() -> None:
    daemon = multiprocessing.parent_process()
    if daemon is None:
        return

    def watch(sentinel: int) -> None:
        connection.wait([sentinel])
        os.killpg(os.getpid(), signal.SIGKILL)

    threading.Thread(target=watch, args=[daemon.sentinel], daemon=True).start()
