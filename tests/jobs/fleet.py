"""Real daemons in real processes, and what they left in the store."""

import json
import os
import select
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from sqlalchemy import text

from abkit.jobs.cron import Cron
from abkit.store.database import migrate
from abkit.store.database.engine import Store
from abkit.store.jobs import schedules

SCRIPT = Path(__file__).parent / "ledger_daemon.py"


def add_schedule(store: Store, key: str, *, first: datetime, cron: str = "* * * * * *", **values: Any) -> None:
    """A schedule whose first tick is the one that is given."""
    definition = {
        "job": "ledger",
        "arguments": {},
        "cron": cron,
        "jitter_s": 0,
        "grace_s": 3600,
        "time_limit_s": 60,
        "missed": "run_all",
        "source": "store",
    } | values
    Cron(cron)
    with store.write() as session:
        schedules.save(session, key, definition, next_run_at=first, now=first)


class Forked:
    """A daemon that is no child of this process, held so that no other process can be taken for it."""

    def __init__(self, pid: int) -> None:
        self.pid = pid
        self._held = os.pidfd_open(pid)

    def poll(self) -> int | None:
        """Return 0 once it has ended, None before."""
        return 0 if self._held < 0 or select.select([self._held], [], [], 0)[0] else None

    def wait(self, timeout: float | None = None) -> int:
        """Wait for its end."""
        if self._held >= 0:
            if not select.select([self._held], [], [], timeout)[0]:
                raise subprocess.TimeoutExpired(str(self.pid), timeout or 0)
            os.close(self._held)
            self._held = -1
        return 0

    def kill(self) -> None:
        """Kill it."""
        if self.poll() is None:
            signal.pidfd_send_signal(self._held, signal.SIGKILL)

    def terminate(self) -> None:
        """Ask it to stop."""
        if self.poll() is None:
            signal.pidfd_send_signal(self._held, signal.SIGTERM)


class Source:
    """One process that has everything imported, from which daemons are forked: their imports would cost the most."""

    def __init__(self, prefix: tuple[str, ...] = (), environment: Mapping[str, str] | None = None) -> None:
        self.prefix, self.environment = prefix, dict(environment or {})
        self._process: subprocess.Popen[str] | None = None

    def fork(self, settings: Mapping[str, Any], log: Path) -> Forked:
        """Fork a daemon, in the environment that is there now."""
        environment = {**os.environ, **self.environment}
        if self._process is None:
            command = [*self.prefix, sys.executable, str(SCRIPT)]
            pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
            self._process = subprocess.Popen(command, text=True, env=environment, **pipes)
        assert self._process.stdin
        assert self._process.stdout
        asked = {"log": str(log), "settings": settings, "environment": environment}
        print(json.dumps(asked), file=self._process.stdin, flush=True)
        return Forked(int(self._process.stdout.readline()))

    def close(self) -> None:
        """End it; the daemons go on."""
        if self._process is not None:
            self._process.communicate()
            self._process = None


@dataclass
class Fleet:
    """Daemons on one store; they are forked where there is a source with their prefix and environment."""

    url: str
    log_folder: Path
    workspace: Path
    daemon: Mapping[str, Any] = field(default_factory=dict)
    processes: list[subprocess.Popen[bytes] | Forked] = field(default_factory=list)
    environment: dict[str, str] = field(default_factory=dict)
    alerts: Mapping[str, Any] = field(default_factory=dict)
    prefix: tuple[str, ...] = ()
    started: int = 0
    source: Source | None = None

    def start(self) -> subprocess.Popen[bytes] | Forked:
        """Start one more."""
        settings = {
            "workspace": str(self.workspace),
            "database_url": self.url,
            "alerts": dict(self.alerts),
            "daemon": {"poll_seconds": 0.2, "workers": 4, "lease_seconds": 3, "port": 0} | dict(self.daemon),
        }
        path = self.log_folder / f"daemon-{self.started}.log"
        self.started += 1
        source = self.source
        fits = source is not None and (source.prefix, source.environment) == (self.prefix, self.environment)
        process = source.fork(settings, path) if source and fits else self._begin(settings, path)
        self.processes.append(process)
        return process

    def _begin(self, settings: Mapping[str, Any], path: Path) -> subprocess.Popen[bytes]:
        command = [*self.prefix, sys.executable, str(SCRIPT), json.dumps(settings)]
        with path.open("wb") as log:
            return subprocess.Popen(command, stderr=log, stdout=log, env={**os.environ, **self.environment})

    def kill(self, process: subprocess.Popen[bytes] | Forked) -> None:
        """As a power cut would."""
        process.kill()
        process.wait()
        self.processes.remove(process)

    def stop(self) -> None:
        """Ask all to stop, and wait."""
        for process in self.processes:
            process.terminate()
        for process in self.processes:
            process.wait(timeout=180)
        self.processes.clear()

    def logs(self) -> str:
        """What all of them said."""
        return "\n".join(path.read_text() for path in sorted(self.log_folder.glob("daemon-*.log")))


@contextmanager
def ledger_store(url: str) -> Iterator[Store]:
    """A store with the tables of the test jobs beside those of abkit."""
    store = Store(url)
    migrate.upgrade(store)
    with store.write() as session:
        session.execute(text("CREATE TABLE execution (schedule TEXT, tick TEXT, attempt INTEGER)"))
        session.execute(text("CREATE TABLE effect (schedule TEXT, tick TEXT)"))
    yield store
    store.close()


def wait_until(condition: Callable[[], bool], seconds: float, what: str) -> None:
    """Look again and again."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"not within {seconds} s: {what}"
        time.sleep(0.1)


def rows(store: Store, table: str) -> list[tuple[str, str]]:
    """All rows of a table of the test jobs."""
    with store.read() as session:
        return [tuple(row) for row in session.execute(text(f"SELECT schedule, tick FROM {table}"))]


def expected(keys: list[str], first: datetime, ticks: int) -> set[tuple[str, str]]:
    """The ticks that must have had their effect."""
    return {(key, (first + timedelta(seconds=second)).isoformat()) for key in keys for second in range(ticks)}
