"""Many daemons on one store: every tick takes effect exactly once, whatever dies in between."""

import random
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import select

from abkit.errors import StoreError
from abkit.store.database.engine import Store
from abkit.store.schema import Run
from tests.jobs.fleet import Fleet, add_schedule, expected, ledger_store, rows, wait_until
from tests.postgres import postgres, restart

KEYS = [f"feed-{number}" for number in range(10)]
# Of each of ten schedules, one per second: enough to meet, and a number that makes rare meetings likely.
FEW, MANY = 10, pytest.param(50, marks=pytest.mark.long)
MakeFleet = Callable[..., Fleet]


def _add_schedules(store: Store, ticks: int) -> set[tuple[str, str]]:
    """Ten schedules, and the ticks that must have their effect."""
    # Most ticks have been missed when the daemons start, and the policy runs them all: time is compressed.
    first = datetime.now(UTC).replace(microsecond=0) - timedelta(seconds=ticks - 5)
    for key in KEYS:
        add_schedule(store, key, first=first)
    return expected(KEYS, first, ticks)


def _all_there(store: Store, wanted: set[tuple[str, str]]) -> bool:
    try:
        return wanted <= set(rows(store, "effect"))
    except StoreError:
        return False


def _owners(store: Store) -> set[str]:
    with store.read() as session:
        return set(session.scalars(select(Run.owner)))


def _check_effects(store: Store) -> None:
    effects = rows(store, "effect")
    assert len(effects) == len(set(effects)), "an effect came twice"
    with store.read() as session:
        runs = {(run.schedule, run.tick.isoformat()): run.state for run in session.scalars(select(Run))}
    assert set(runs) == set(effects)
    assert set(runs.values()) == {"done"}


@pytest.mark.slow
@pytest.mark.parametrize("ticks", [FEW, MANY])
@pytest.mark.parametrize("daemons", [pytest.param(2, marks=pytest.mark.long), 5])
def test_ticks_take_effect_exactly_once_with_several_daemons(
    ledger_url: str, fleet: MakeFleet, daemons: int, ticks: int
) -> None:
    with ledger_store(ledger_url) as store:
        wanted = _add_schedules(store, ticks)
        several = fleet(ledger_url, lease_seconds=30)
        for _ in range(daemons):
            several.start()
        wait_until(lambda: _all_there(store, wanted), 450, "all effects")
        wait_until(lambda: len(_owners(store)) == daemons, 180, "each daemon to run a tick")
        several.stop()

        _check_effects(store)
        executions = rows(store, "execution")
        assert len(executions) == len(set(executions)), "a tick was run twice although no daemon died"
        assert len(_owners(store)) == daemons, "all of them worked"


# The short version of this test and of the next one is tests/jobs/test_chaos.py.
@pytest.mark.long
@pytest.mark.parametrize(("kills", "ticks"), [(20, 50)])
def test_ticks_take_effect_exactly_once_though_daemons_are_killed_again_and_again(
    ledger_url: str, fleet: MakeFleet, kills: int, ticks: int
) -> None:
    chance = random.Random(20261123)
    with ledger_store(ledger_url) as store:
        wanted = _add_schedules(store, ticks)
        several = fleet(ledger_url, attempts=30)
        for _ in range(3):
            several.start()
        for _ in range(kills):
            done = len(rows(store, "effect"))
            wait_until(lambda done=done: len(rows(store, "effect")) >= done + 5, 180, "five more effects")
            time.sleep(chance.random() / 2)
            several.kill(chance.choice(several.processes))
            several.start()
        wait_until(lambda: _all_there(store, wanted), 300, "all effects")
        several.stop()
        _finish_what_was_left(store, several)
        _check_effects(store)


def _finish_what_was_left(store: Store, several: Fleet) -> None:
    def nothing_runs() -> bool:
        with store.read() as session:
            return session.scalar(select(Run.id).where(Run.state == "running")) is None

    if not nothing_runs():
        several.start()
        wait_until(nothing_runs, 180, "the last runs to be taken over")
        several.stop()


@pytest.mark.long
@pytest.mark.parametrize("ticks", [50])
def test_ticks_take_effect_exactly_once_though_postgresql_is_restarted(fleet: MakeFleet, ticks: int) -> None:
    with postgres() as server, ledger_store(server.get_uri()) as store:
        wanted = _add_schedules(store, ticks)
        several = fleet(server.get_uri(), lease_seconds=10, attempts=30)
        for _ in range(2):
            several.start()
        for share in (0.2, 0.5):
            some = len(wanted) * share
            wait_until(lambda some=some: len(rows(store, "effect")) > some, 120, "a share of the effects")
            restart(server)
        wait_until(lambda: _all_there(store, wanted), 300, "all effects")
        several.stop()
        _finish_what_was_left(store, several)
        _check_effects(store)
        assert "trying again" in several.logs(), "the restart was felt"
