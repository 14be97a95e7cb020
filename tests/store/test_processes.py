"""Several real processes on one store: nothing is lost, whoever waits gets its turn."""

import subprocess
import sys
from datetime import UTC, datetime, timedelta

from sqlalchemy import func, select, update

from abkit.store import migrate
from abkit.store.engine import Store
from abkit.store.runs import begin_run
from abkit.store.schema import Campaign, Run

PROCESSES, EACH = 4, 40

WRITER = """
import sys
from abkit.store.engine import Store
from abkit.store.runs import recorded_run
from abkit.store.creatives import ensure_campaign
url, name, count = sys.argv[1], sys.argv[2], int(sys.argv[3])
store = Store(url)
for number in range(count):
    with recorded_run(store, "test", {"number": number}) as run:
        with store.write() as session:
            ensure_campaign(session, run, f"{name}-{number}")
            ensure_campaign(session, run, f"shared-{number}")
"""


def test_several_writing_processes_lose_nothing(database_url: str) -> None:
    store = Store(database_url)
    migrate.upgrade(store)
    processes = [
        subprocess.Popen([sys.executable, "-c", WRITER, database_url, f"p{index}", str(EACH)], stderr=subprocess.PIPE)
        for index in range(PROCESSES)
    ]
    assert [(process.communicate(timeout=180)[1], process.returncode) for process in processes] == [
        (b"", 0)
    ] * PROCESSES
    with store.read() as session:
        own = session.scalars(select(func.count()).where(Campaign.key.like("p%"))).one()
        shared = session.scalars(select(func.count()).where(Campaign.key.like("shared%"))).one()
        done = session.scalars(select(func.count()).where(Run.state == "done")).one()
    assert (own, shared, done) == (PROCESSES * EACH, EACH, PROCESSES * EACH)
    store.close()


CROSSING = """
import sys
from datetime import UTC, datetime
from abkit.store.engine import Store
from abkit.store.runs import recorded_run
from abkit.store.schema import Campaign
from abkit.store.statements import insert_missing
url, step = sys.argv[1], int(sys.argv[2])
store = Store(url)
for number in range(12):
    with recorded_run(store, "test", {}) as run, store.write() as session:
        row = {"name": "", "created_at": datetime.now(UTC), "run_id": run.id}
        rows = [{**row, "key": f"{number:02}-{index:04}"} for index in range(1500)]
        insert_missing(session, Campaign, rows[::step], key=["key"])
"""


def test_processes_that_write_the_same_rows_in_opposite_orders_do_not_block_each_other(database_url: str) -> None:
    store = Store(database_url)
    migrate.upgrade(store)
    processes = [
        subprocess.Popen([sys.executable, "-c", CROSSING, database_url, step], stderr=subprocess.PIPE)
        for step in ("1", "-1", "1", "-1")
    ]
    assert [(process.communicate(timeout=180)[1], process.returncode) for process in processes] == [(b"", 0)] * 4
    with store.read() as session:
        assert session.scalars(select(func.count()).select_from(Campaign)).one() == 12 * 1500
    store.close()


def test_several_processes_may_upgrade_an_empty_store_at_once(database_url: str) -> None:
    code = (
        "import sys; from abkit.store import migrate; from abkit.store.engine import Store\n"
        "migrate.upgrade(Store(sys.argv[1]))"
    )
    processes = [subprocess.Popen([sys.executable, "-c", code, database_url], stderr=subprocess.PIPE) for _ in range(3)]
    assert [(process.communicate(timeout=120)[1], process.returncode) for process in processes] == [(b"", 0)] * 3
    store = Store(database_url)
    assert migrate.differences(store) == []
    store.close()


def test_a_reader_is_not_stopped_by_a_writer(sqlite_store: Store) -> None:
    with sqlite_store.write() as writing:
        writing.execute(select(Run))
        with sqlite_store.read() as reading:
            assert reading.scalars(select(func.count()).select_from(Run)).one() == 0


def test_a_run_of_a_process_that_died_is_marked_abandoned_by_the_next(store: Store) -> None:
    dead = begin_run(store, "score", {})
    with store.write() as session:
        session.execute(
            update(Run).where(Run.id == dead.id).values(lease_until=datetime.now(UTC) - timedelta(minutes=1))
        )
    begin_run(store, "score", {})
    with store.read() as session:
        assert session.get_one(Run, dead.id).state == "abandoned"
