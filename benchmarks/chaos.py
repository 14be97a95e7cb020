"""Break daemons in every way that a machine can, and prove from a ledger that each tick took effect exactly once.

    python benchmarks/chaos.py --engine sqlite --daemons 5 --ticks 1000 --kills 125
    python benchmarks/chaos.py --engine postgresql --daemons 2 --ticks 1000 --kills 125

Protocol. Several real daemons share one store. Eight schedules tick every second, or as often as `--every` says (policy
run_all), and write a row into a table without a key; watched folders get KPI files, one of them unreadable in each;
alerts go to a channel that this process serves. Meanwhile one fault after the other is drawn:

    kill         a daemon ends by SIGKILL, as in a power cut, and another one starts
    sleep        a daemon is stopped (SIGSTOP) for longer than its lease, and its jobs go on; then it wakes
    sleep all    the same, with its jobs, as when a machine sleeps
    full disk    no process of the fleet can write to a file for two seconds: RLIMIT_FSIZE 0, so that each write fails
                 with EFBIG where a full disk says ENOSPC; with --folder on a file system below 256 MB, it is filled
    read-only    the watched folders and their archives refuse writing for two seconds (as root: on SQLite only, with
                 the daemons' right to write anywhere taken by setpriv)
    clock        the clock of all daemons is set forward or back by up to 25 seconds (needs a C compiler)
    restart      PostgreSQL is stopped at once (`-m immediate`) and started again

When all kills and ticks are over, no more ticks come, what was left is finished, and the ledger is checked
(tests/jobs/chaos_ledger.py): every tick until then has one effect, one run that is done, and no attempt started
twice; every file is in done/ or failed/ once, its rows are in the store once; each refused file has one alert, and the
channel was told. Prints the figures as JSON, and exits with 1 if the ledger does not hold.
"""

import argparse
import json
import os
import random
import resource
import shutil
import signal
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Collection, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import psutil
from sqlalchemy import func, select, table, update

sys.path.insert(0, str(Path(__file__).parent.parent))

from abkit.errors import StoreError
from abkit.jobs.cron import Cron
from abkit.store.database.engine import Store
from abkit.store.schema import Alert, Run, Schedule
from tests.jobs.chaos_ledger import Ledger
from tests.jobs.clock import MovedClock
from tests.jobs.fleet import Fleet, Source, add_schedule, ledger_store
from tests.postgres import postgres, restart

TICKING = 8
LEASE_S, FAULT_S = 3, 2.0
FAULTS = ("kill", "sleep", "sleep all", "full disk", "read-only", "clock", "restart")
SMALL = 256 << 20
HEADER = "day,ad,creative,campaign,impressions,clicks,conversions,spend,currency"
# Without it, root may write anywhere.
AS_ANYBODY = ("setpriv", "--bounding-set", "-dac_override,-dac_read_search")


@dataclass
class World:
    """The daemons, what is asked of them, and what is done to them."""

    folder: Path
    store: Store
    fleet: Fleet
    chance: random.Random
    daemons: int
    feeds: int
    clock: MovedClock | None
    server: Any
    told: list[str] = field(default_factory=list)
    ledger: Ledger = field(default_factory=Ledger)
    done: Counter[str] = field(default_factory=Counter)

    def prepare(self) -> None:
        """Add the schedules, the folders and a file that cannot be read in each."""
        now = datetime.now(UTC).replace(microsecond=0)
        every = self.ledger.every
        first = datetime.fromtimestamp(now.timestamp() // every * every + every, UTC)
        for number in range(TICKING):
            self.ledger.first[f"tick-{number}"] = first
            # Long enough for faults to meet it, short enough for all eight to be done before the next tick.
            arguments = {"seconds": 0.05 * every * number}
            add_schedule(self.store, f"tick-{number}", first=first, cron=f"*/{every} * * * * *", arguments=arguments)
        for folder in self.folders:
            (folder / "done").mkdir(parents=True)
            (folder / "failed").mkdir()
            arguments = {"folder": folder.name, "stable_seconds": 0}
            add_schedule(
                self.store, folder.name, first=now, job="import_kpis", cron="*/10 * * * * *", missed="run_last",
                arguments=arguments,
            )  # fmt: skip
        add_schedule(
            self.store, "deliver-alerts", first=now, job="deliver_alerts", cron="*/10 * * * * *", missed="run_last"
        )

    @property
    def folders(self) -> list[Path]:
        """The watched folders."""
        return [self.folder / f"feed-{number}" for number in range(self.feeds)]

    def put_file(self) -> None:
        """Put one more file into a watched folder, whole at once."""
        number = len(self.ledger.given)
        folder = self.folders[number % self.feeds]
        name = f"export{number:05}.csv"
        given = [(f"{number}-{ad}", 1000 + number, 10 + ad) for ad in range(3)]
        lines = [f"2026-01-01,{ad},,chaos,{shown},{clicks},1,5.0,EUR" for ad, shown, clicks in given]
        content = "\n".join([HEADER, *lines]) + "\n"
        # The second file of each folder is none.
        if number // self.feeds == 1:
            self.ledger.refused[folder], content = name, f"{number}: this is not a table\n"
        self.ledger.given[folder, name] = given
        written = self.folder / name
        written.write_text(content)
        with _writable(folder):
            written.rename(folder / name)

    def start(self) -> None:
        """Start daemons until there are as many as there should be."""
        self.fleet.processes[:] = [process for process in self.fleet.processes if process.poll() is None]
        while len(self.fleet.processes) < self.daemons:
            self.fleet.start()

    # --- faults ---------------------------------------------------------------------------------------------------

    def kill(self) -> None:
        """Cut the power of a daemon, and start another one."""
        self.fleet.kill(self.chance.choice(self.fleet.processes))
        self.start()

    def sleep(self) -> None:
        """Let a daemon sleep for longer than its lease; its jobs go on."""
        self._stopped([psutil.Process(self.chance.choice(self.fleet.processes).pid)])

    def sleep_all(self) -> None:
        """Let a daemon sleep with its jobs."""
        self._stopped(_tree(self.chance.choice(self.fleet.processes).pid))

    def _stopped(self, processes: list[psutil.Process]) -> None:
        for number in (signal.SIGSTOP, signal.SIGCONT):
            for process in processes:
                with suppress(psutil.NoSuchProcess):
                    process.send_signal(number)
            if number == signal.SIGSTOP:
                time.sleep(LEASE_S + self.chance.random())

    def full_disk(self) -> None:
        """Let no process of the fleet write to a file for a while."""
        if shutil.disk_usage(self.folder).total < SMALL:
            self._filled()
            return
        unlimited = resource.RLIM_INFINITY
        for limit in (0, unlimited):
            # A job that starts meanwhile has the limit of the process that it is forked from: look twice.
            for _ in range(2):
                for daemon in self.fleet.processes:
                    for process in _tree(daemon.pid):
                        with suppress(ProcessLookupError, psutil.NoSuchProcess):
                            resource.prlimit(process.pid, resource.RLIMIT_FSIZE, (limit, unlimited))
            if limit == 0:
                time.sleep(FAULT_S)

    def _filled(self) -> None:
        filler = self.folder / "filler"
        with suppress(OSError), filler.open("wb") as file:
            while True:
                file.write(bytes(1 << 16))
                file.flush()
        time.sleep(FAULT_S)
        filler.unlink()

    def read_only(self) -> None:
        """Let the watched folders refuse writing for a while."""
        places = [place for folder in self.folders for place in (folder, folder / "done", folder / "failed")]
        for mode in (0o555, 0o755):
            for place in places:
                place.chmod(mode)
            if mode == 0o555:
                time.sleep(FAULT_S)

    def set_clock(self) -> None:
        """Set the clock of all daemons."""
        if self.clock is not None:
            self.clock.set(self.chance.randint(-25, 25))

    def restart(self) -> None:
        """Stop PostgreSQL at once, and start it again."""
        restart(self.server)

    def faults(self) -> dict[str, tuple[Callable[[], None], int]]:
        """What can be tried here, and how often relative to each other."""
        found = {"kill": (self.kill, 20), "sleep": (self.sleep, 2), "sleep all": (self.sleep_all, 2)}
        found |= {"full disk": (self.full_disk, 2)}
        found |= {"read-only": (self.read_only, 2)} if self.fleet.prefix or os.geteuid() else {}
        found |= {"clock": (self.set_clock, 2)} if self.clock else {}
        return found | ({"restart": (self.restart, 1)} if self.server else {})

    # --- the run --------------------------------------------------------------------------------------------------

    def effects(self) -> int:
        """How many ticks have taken effect."""
        with suppress(StoreError), self.store.read() as session:
            return session.scalar(select(func.count()).select_from(table("effect"))) or 0
        return 0

    def break_everything(self, kills: int, ticks: int, only: Collection[str], until: float) -> None:
        """Draw faults until there were so many kills and ticks, or the time is up. At first, each kind comes once."""
        faults = {name: fault for name, fault in self.faults().items() if name in only}
        first = [name for name in faults if name != "kill"]
        self.start()
        before = 0
        while time.monotonic() < until:
            wait = time.monotonic() + 15
            while (now := self.effects()) < before + 3 and time.monotonic() < min(wait, until):
                time.sleep(0.1)
            before = now
            self.put_file()
            if self.done["kill"] >= kills and not first:
                if now >= ticks:
                    return
                time.sleep(0.5)
                continue
            time.sleep(self.chance.random() / 2)
            rare = first and (self.done["kill"] >= kills or self.chance.random() < 0.5)
            name = first.pop() if rare else self.chance.choices([*faults], [weight for _, weight in faults.values()])[0]
            faults[name][0]()
            self.done[name] += 1

    def settle(self, seconds: float) -> bool:
        """Let no more ticks come, let everything come to its end, and return whether it did."""
        if self.clock:
            self.clock.set(0)
        deadline = time.monotonic() + seconds
        self.start()
        yearly = {"cron": "0 0 1 1 *", "next_run_at": Cron("0 0 1 1 *").after(datetime.now(UTC))}
        with self.store.write() as session:
            # Not paused: what failed last is still tried again.
            ticking = select(Schedule).where(Schedule.key.in_(self.ledger.first)).with_for_update()
            self.ledger.until = {schedule.key: schedule.next_run_at for schedule in session.scalars(ticking)}
            session.execute(update(Schedule).where(Schedule.key.in_(self.ledger.first)).values(yearly))
        while not (calm := self._is_calm()) and time.monotonic() < deadline:
            time.sleep(0.3)
        self.fleet.stop()
        return calm

    def _is_calm(self) -> bool:
        with self.store.read() as session:
            ticking = Run.schedule.in_(self.ledger.first)
            running = session.scalar(select(func.count(Run.id)).where(Run.state != "done", ticking))
            alerts = session.scalar(select(func.count(Alert.id)).where(Alert.rule == "data_fault"))
        told = all(any(name in message for message in self.told) for name in self.ledger.refused.values())
        left = [path for folder in self.folders for path in folder.glob("*.csv")]
        return not running and not left and told and alerts is not None


def _tree(pid: int) -> list[psutil.Process]:
    with suppress(psutil.NoSuchProcess):
        daemon = psutil.Process(pid)
        return [daemon, *daemon.children(recursive=True)]
    return []


@contextmanager
def _writable(folder: Path) -> Iterator[None]:
    mode = folder.stat().st_mode
    folder.chmod(0o755)
    yield
    folder.chmod(mode)


@contextmanager
def _channel(told: list[str]) -> Iterator[str]:
    """Serve a channel that keeps what it is told, and yield its address."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            told.append(self.rfile.read(int(self.headers["Content-Length"])).decode())
            self.send_response(200)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"json://127.0.0.1:{server.server_port}/"
        server.shutdown()


def run(folder: Path, given: argparse.Namespace) -> dict[str, Any]:
    """Break a fleet, and return the figures; under "broken" what the ledger says."""
    with ExitStack() as stack:
        server = stack.enter_context(postgres()) if given.engine == "postgresql" else None
        url = server.get_uri() if server else f"sqlite:///{folder / 'abkit.db'}"
        told: list[str] = []
        address = stack.enter_context(_channel(told))
        store = stack.enter_context(ledger_store(url))
        logs = folder / "logs"
        logs.mkdir()
        settings = {"lease_seconds": LEASE_S, "attempts": 100, "retries": 1000}
        settings |= {"backoff_seconds": 1, "backoff_limit_seconds": 2}
        fleet = Fleet(url, logs, folder, settings | {"workers": 3, "stop_seconds": 20, "poll_seconds": 0.5})
        fleet.alerts = {"channel": [{"name": "here", "url_env": "CHAOS_CHANNEL"}], "retry_minutes": 0.05}
        # The socket of PostgreSQL, which refuses to run as root, is in a folder of another user.
        fleet.prefix = AS_ANYBODY if os.geteuid() == 0 and shutil.which("setpriv") and not server else ()
        clock = MovedClock(folder) if shutil.which("cc") else None
        fleet.environment = {"CHAOS_CHANNEL": address} | (clock.environment if clock else {})
        fleet.source = Source(fleet.prefix, fleet.environment)
        stack.callback(fleet.source.close)
        chance = random.Random(given.seed)  # noqa: S311
        ledger = Ledger(every=given.every)
        world = World(folder, store, fleet, chance, given.daemons, given.feeds, clock, server, told, ledger)
        begun = time.monotonic()
        try:
            world.prepare()
            world.break_everything(given.kills, given.ticks, given.faults, begun + 60 * given.minutes)
            calm = world.settle(60 + 30 * given.minutes)
            broken = world.ledger.broken(store, told)
        finally:
            for process in fleet.processes:
                process.kill()
        with store.read() as session:
            attempts = session.scalar(select(func.max(Run.attempt)))
            taken = session.scalar(select(func.count(Run.id)).where(Run.attempt > 1))
        return {
            "engine": given.engine,
            "daemons": given.daemons,
            "seed": given.seed,
            "seconds": round(time.monotonic() - begun),
            "faults": dict(world.done),
            "daemons started": fleet.started,
            "ticks": world.effects(),
            "runs taken over": taken,
            "most attempts": attempts,
            "files": len(world.ledger.given),
            "files refused": len(world.ledger.refused),
            "messages": len(told),
            "times that the store did not answer": fleet.logs().count("trying again"),
            "came to rest": calm,
            "broken": broken,
        }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--engine", choices=("sqlite", "postgresql"), default="sqlite")
    parser.add_argument("--daemons", type=int, default=5)
    parser.add_argument("--kills", type=int, default=125, help="least number of daemons to kill")
    parser.add_argument("--ticks", type=int, default=1000, help="least number of ticks")
    parser.add_argument("--every", type=int, choices=(1, 2, 3, 4, 5, 6), default=1, help="seconds between ticks")
    parser.add_argument("--faults", nargs="+", choices=FAULTS, default=FAULTS, help="all that this machine can")
    parser.add_argument("--feeds", type=int, default=6, help="watched folders")
    parser.add_argument("--minutes", type=float, default=60, help="longest time for the faults")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--folder", type=Path, help="a new folder that stays; a temporary one by default")
    given = parser.parse_args()
    with ExitStack() as stack:
        folder = given.folder or Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="abkit-chaos-")))
        folder.mkdir(parents=True, exist_ok=True)
        found = run(folder, given)
    print(json.dumps(found, indent=2))
    sys.exit(1 if found["broken"] or not found["came to rest"] else 0)


if __name__ == "__main__":
    main()
