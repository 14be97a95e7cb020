"""A daemon with the jobs of the tests; the daemon itself is the product's.

`python ledger_daemon.py SETTINGS_JSON` is one. Without settings it forks one for each line that it reads, with `log`,
`settings` and `environment`, and answers with the number of its process: the imports would cost the most.
"""

import contextlib
import errno
import gc
import itertools
import json
import os
import signal
import subprocess
import sys
import threading
import time
import warnings
from collections.abc import Mapping, Sequence
from multiprocessing import util
from typing import Any

from sqlalchemy import text

from abkit.config import Settings
from abkit.errors import StoreLocked
from abkit.jobs.daemon import logs
from abkit.jobs.daemon.loop import Daemon
from abkit.jobs.job import Arguments, Job, Tick
from abkit.jobs.work.folders import ImportKpis, ScoreFolder, import_kpis, score_folder
from abkit.jobs.work.upkeep import deliver_alerts
from abkit.store.database.engine import Store


class Behavior(Arguments):
    """How a job of the tests behaves."""

    seconds: float = 0.0
    how: str = ""


def ledger(store: Store, _settings: Settings, tick: Tick, arguments: Behavior) -> Mapping[str, Any]:
    """The effect is a row in a table without a unique key, so that a second one would show."""
    key = {"schedule": tick.schedule, "tick": tick.at.isoformat()}
    with store.write() as session:
        row = text("INSERT INTO execution (schedule, tick, attempt) VALUES (:schedule, :tick, :attempt)")
        session.execute(row, key | {"attempt": tick.attempt})
    time.sleep(arguments.seconds)
    with store.write() as session:
        same = text("SELECT 1 FROM effect WHERE schedule = :schedule AND tick = :tick")
        if session.execute(same, key).first() is None:
            session.execute(text("INSERT INTO effect (schedule, tick) VALUES (:schedule, :tick)"), key)
    return {"written": 1}


def misbehave(_store: Store, _settings: Settings, _tick: Tick, arguments: Behavior) -> Mapping[str, Any]:
    """End in the way that is asked for."""
    if arguments.how.startswith("start "):
        subprocess.run(arguments.how.split()[1:], check=False)
    match arguments.how:
        case "raise":
            raise RuntimeError("the feed answered\nwith nonsense")
        case "exit":
            sys.exit(3)
        case "die":
            os._exit(7)
        case "killed":
            os.kill(os.getpid(), signal.SIGKILL)
        case "out_of_memory":
            return {"size": len(bytearray(1 << 60))}
        case "takes_memory":
            taken = []
            while True:
                taken.append(b"x" * (40 << 20))
                time.sleep(0.05)
        case "panics":
            # As Rust does.
            os.write(2, b"\nthread '<unnamed>' panicked at src/lib.rs:7:\nindex out of bounds\nnote: run with")
            os.abort()
        case "disk_full":
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), "/srv/exports/a.csv")
        case "locked":
            raise StoreLocked("another process has been writing to the store", hint="wait for it to end")
        case "says_too_much":
            return {"lines": ["a line"] * 200_000}
        case "warns":
            warnings.warn("this will go\naway", stacklevel=1)
            threading.Thread(target=int, args=["not a number"]).start()
        case "never_ends":
            signal.signal(signal.SIGTERM, signal.SIG_IGN)
            while True:
                time.sleep(60)
    return {}


CATALOG = {
    "ledger": Job("ledger", "write a row", ledger, Behavior),
    "quick": Job("quick", "write a row at once", ledger, Behavior, quick=True),
    "misbehave": Job("misbehave", "end badly", misbehave, Behavior),
    "score_folder": Job("score_folder", "the product's", score_folder, ScoreFolder),
    "import_kpis": Job("import_kpis", "the product's", import_kpis, ImportKpis),
    "deliver_alerts": Job("deliver_alerts", "the product's", deliver_alerts, quick=True),
}


def run(given: Mapping[str, Any]) -> None:
    """Run a daemon until it is told to stop."""
    settings = Settings(**given)
    logs.set_up(settings.daemon.log_format)
    daemon = Daemon(
        Store(settings.store_url), settings, CATALOG, preload=["abkit.jobs.daemon.loop", "abkit.jobs.work.folders"]
    )
    signal.signal(signal.SIGTERM, daemon.stop)
    daemon.run()


def fork_daemons() -> None:
    """Fork a daemon for each line, until there is none."""
    import abkit.jobs.daemon.warm  # noqa: F401

    gc.freeze()
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    util.spawnv_passfds = _fork_instead  # type: ignore[attr-defined]
    while line := sys.stdin.readline():
        asked = json.loads(line)
        pid = os.fork()
        if pid:
            print(pid, flush=True)
            continue
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        log = os.open(asked["log"], os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        nothing = os.open(os.devnull, os.O_RDONLY)
        for opened, number in ((nothing, 0), (log, 1), (log, 2)):
            os.dup2(opened, number)
        os.environ.clear()
        os.environ.update(asked["environment"])
        run(asked["settings"])
        sys.exit()


def _fork_instead(_program: str, arguments: Sequence[str], passed: Sequence[int]) -> int:
    """Do what `python -c` would, in a fork of this process before it has any thread: nothing is imported again."""
    pid = os.fork()
    if pid:
        return pid
    kept = [2, *sorted(passed), os.sysconf("SC_OPEN_MAX")]
    for before, after in itertools.pairwise(kept):
        os.closerange(before + 1, after)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    with contextlib.suppress(SystemExit):
        exec(arguments[-1], {})  # noqa: S102  # what multiprocessing would run
    os._exit(0)


if __name__ == "__main__":
    run(json.loads(sys.argv[1])) if sys.argv[1:] else fork_daemons()
