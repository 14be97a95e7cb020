"""Kill `abkit db upgrade` at random moments, and prove that nothing is half-done and that the next one goes through.

    python benchmarks/upgrade_kills.py --engine postgresql --kills 50 --seed 1
    python benchmarks/upgrade_kills.py --engine sqlite --kills 50 --seed 1

Protocol. A database is brought to a migration that is drawn from all earlier ones, with rows in every table that it
has. How long an upgrade from there takes is measured once per migration, on a copy. A process that has everything
imported then upgrades to the head, and is ended by SIGKILL after a time that is drawn from zero to that duration. On
PostgreSQL every fifth time the server is stopped at once (`-m immediate`) instead, and started again. Then

1. the store is at the migration that it was at, with the very rows, or at the head: an upgrade is one transaction;
2. another upgrade goes through, every row and figure is there, and the tables are those of the code.

Prints as JSON how often an upgrade was ended before it was done ("undone"), how often it had been done ("done"), and
how often the server was stopped ("restarts"). Exits with 1 where a sentence does not hold.
"""

import argparse
import json
import multiprocessing
import os
import random
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from multiprocessing.context import SpawnProcess
from pathlib import Path
from typing import Any, cast

import psycopg

sys.path.insert(0, str(Path(__file__).parent.parent))

from abkit.errors import AbkitError
from abkit.store.database import migrate
from abkit.store.database.engine import Store
from tests.postgres import postgres, restart
from tests.store.database.test_every_migration import REVISIONS, WORDS, check_kept
from tests.store.every_table import EveryTable, contents

RESTART_EVERY = 5
_PATIENCE_S = 60


class Broken(Exception):
    """A sentence of the protocol does not hold."""


@contextmanager
def databases(engine: str) -> Iterator[tuple[Callable[[], str], Any]]:
    """Yield what makes an empty database and returns its URL, and the server, None on SQLite."""
    number = 0
    with tempfile.TemporaryDirectory(prefix="abkit-upgrade-kills-", ignore_cleanup_errors=True) as folder:
        if engine == "sqlite":

            def file() -> str:
                nonlocal number
                number += 1
                return f"sqlite:///{folder}/{number}.db"

            yield file, None
            return
        with postgres() as server:

            def database() -> str:
                nonlocal number
                number += 1
                with psycopg.connect(server.get_uri(), autocommit=True) as connection:
                    connection.execute(f"CREATE DATABASE trial_{number}")
                return str(server.get_uri(f"trial_{number}"))

            yield database, server


def filled(url: str, revision: str) -> Store:
    """Return a store at an earlier migration, with rows in every table."""
    store = Store(url)
    migrate.upgrade(store, revision)
    EveryTable(store, WORDS).add_rows()
    return store


def upgrading(url: str) -> SpawnProcess:
    """Upgrade in a process of its own, and return it once it has begun."""
    context = multiprocessing.get_context("forkserver")
    here, there = context.Pipe()
    child = context.Process(target=_upgrade, args=(url, there))
    child.start()
    there.close()
    here.recv()
    return cast("SpawnProcess", child)


def _upgrade(url: str, begun: Any) -> None:
    devnull = os.open(os.devnull, os.O_WRONLY)
    os.dup2(devnull, 2)  # what a lost server makes a driver say is no news here
    begun.send(1)
    migrate.upgrade(Store(url))


def seconds_of(url: str) -> float:
    """Return how long an upgrade takes."""
    started = time.monotonic()
    child = upgrading(url)
    child.join()
    if child.exitcode:
        raise Broken(f"an upgrade that nobody disturbed ended with {child.exitcode}")
    return time.monotonic() - started


def when_it_answers(store: Store) -> str | None:
    """Return the migration of a store, once its server has started again and let go of what was cut."""
    until = time.monotonic() + _PATIENCE_S
    while True:
        try:
            return migrate.current(store)
        except AbkitError:
            if time.monotonic() > until:
                raise
            time.sleep(0.2)


def trial(make: Callable[[], str], server: Any, revision: str, after_s: float, *, stop_server: bool) -> str:
    """Kill one upgrade and check what it left; return "undone" or "done"."""
    url = make()
    with closing(filled(url, revision)) as store:
        before = contents(store)
        store.close()
        child = upgrading(url)
        time.sleep(after_s)
        if stop_server:
            restart(server)
        else:
            child.kill()
        child.join()
        store.close()
        at = when_it_answers(store)
        if at == revision:
            if contents(store) != before:
                raise Broken(f"an upgrade from {revision} was ended after {after_s:.2f} s and has changed rows")
        elif at != migrate.head():
            raise Broken(f"an upgrade from {revision} was ended after {after_s:.2f} s and left the store at {at}")
        migrate.upgrade(store)
        check_kept(before, contents(store))
        if wrong := migrate.differences(store):
            raise Broken(f"after an upgrade from {revision} that had been ended: {wrong[0]}")
    return "undone" if at == revision else "done"


def run(engine: str, kills: int, seed: int) -> dict[str, int]:
    """Kill so many upgrades; return the counts.

    Raises:
        Broken: A sentence of the protocol does not hold.
        AssertionError: A row or a figure is missing after an upgrade.
    """
    # Forked from a process without threads that has everything imported: each start would take seconds else.
    multiprocessing.set_forkserver_preload([__name__, "alembic.command", "psycopg"])
    chance, counts, lasts = random.Random(seed), Counter[str](), dict[str, float]()  # noqa: S311  # no secret
    with databases(engine) as (make, server):
        for number in range(1, kills + 1):
            revision = chance.choice(REVISIONS[:-1])
            if revision not in lasts:
                url = make()
                filled(url, revision).close()
                lasts[revision] = seconds_of(url)
            stop_server = server is not None and number % RESTART_EVERY == 0
            after = chance.uniform(0, lasts[revision])
            counts[trial(make, server, revision, after, stop_server=stop_server)] += 1
            counts["restarts"] += stop_server
            print(f"\r{number} of {kills}", end="", file=sys.stderr, flush=True)
    print(file=sys.stderr)
    return {"kills": kills, "undone": counts["undone"], "done": counts["done"], "restarts": counts["restarts"]}


def main(arguments: list[str] | None = None) -> int:
    """Run, print the counts, and return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--engine", choices=("sqlite", "postgresql"), default="postgresql")
    parser.add_argument("--kills", type=int, default=50)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args(arguments)
    try:
        counts = run(options.engine, options.kills, options.seed)
    except (Broken, AssertionError) as error:
        print(f"does not hold: {error}", file=sys.stderr)
        return 1
    print(json.dumps({"engine": options.engine, "seed": options.seed, **counts}))
    return 0


if __name__ == "__main__":
    sys.exit(main())
