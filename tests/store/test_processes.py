"""Several real processes on one store: nothing is lost, whoever waits gets its turn."""

import multiprocessing
import os
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from sqlalchemy import func, select, update

from abkit.store.catalog.creatives import ensure_campaign
from abkit.store.database import migrate
from abkit.store.database.engine import Store
from abkit.store.database.statements import insert_missing
from abkit.store.runs import begin_run, recorded_run
from abkit.store.schema import Campaign, Run

PROCESSES, EACH = 4, 25
ROUNDS, ROWS = 8, 1000

#: Processes that have nothing open of this one, and need not import anything anew.
FRESH = multiprocessing.get_context("forkserver")
FRESH.set_forkserver_preload([__name__])


def work_in_processes(folder: Path, work: Callable[..., None], arguments: list[tuple[Any, ...]]) -> None:
    """Call a function in one process for each tuple of arguments, all at once; none may fail or complain."""
    complaints = [folder / f"stderr-{number}" for number in range(len(arguments))]
    processes = [
        FRESH.Process(target=quietly, args=(path, work, *own)) for path, own in zip(complaints, arguments, strict=True)
    ]
    for process in processes:
        process.start()
    for process in processes:
        process.join(timeout=180)
    assert [(path.read_text(), process.exitcode) for path, process in zip(complaints, processes, strict=True)] == [
        ("", 0)
    ] * len(arguments)


def quietly(complaints: Path, work: Callable[..., None], *arguments: Any) -> None:
    with complaints.open("w") as file:
        os.dup2(file.fileno(), 2)
    work(*arguments)


def url_of(store: Store) -> str:
    return store.engine.url.render_as_string(hide_password=False)


def write_campaigns(url: str, name: str) -> None:
    store = Store(url)
    for number in range(EACH):
        with recorded_run(store, "test", {"number": number}) as run, store.write() as session:
            ensure_campaign(session, run, f"{name}-{number}")
            ensure_campaign(session, run, f"shared-{number}")


def test_several_writing_processes_lose_nothing(store: Store, tmp_path: Path) -> None:
    work_in_processes(tmp_path, write_campaigns, [(url_of(store), f"p{index}") for index in range(PROCESSES)])
    with store.read() as session:
        own = session.scalars(select(func.count()).where(Campaign.key.like("p%"))).one()
        shared = session.scalars(select(func.count()).where(Campaign.key.like("shared%"))).one()
        done = session.scalars(select(func.count()).where(Run.state == "done")).one()
    assert (own, shared, done) == (PROCESSES * EACH, EACH, PROCESSES * EACH)


def write_in_order(url: str, step: int) -> None:
    store = Store(url)
    for number in range(ROUNDS):
        with recorded_run(store, "test", {}) as run, store.write() as session:
            row = {"name": "", "created_at": datetime.now(UTC), "run_id": run.id}
            rows = [{**row, "key": f"{number:02}-{index:04}"} for index in range(ROWS)]
            insert_missing(session, Campaign, rows[::step], key=["key"])


def test_processes_that_write_the_same_rows_in_opposite_orders_do_not_block_each_other(
    store: Store, tmp_path: Path
) -> None:
    work_in_processes(tmp_path, write_in_order, [(url_of(store), step) for step in (1, -1, 1, -1)])
    with store.read() as session:
        assert session.scalars(select(func.count()).select_from(Campaign)).one() == ROUNDS * ROWS


def upgrade_store(url: str) -> None:
    migrate.upgrade(Store(url))


def test_several_processes_may_upgrade_an_empty_store_at_once(database_url: str, tmp_path: Path) -> None:
    work_in_processes(tmp_path, upgrade_store, [(database_url,)] * 3)
    store = Store(database_url)
    assert migrate.differences(store) == []
    store.close()


def test_a_reader_is_not_stopped_by_a_writer(sqlite_store: Store) -> None:
    with sqlite_store.write() as writing:
        writing.execute(select(Run))
        with sqlite_store.read() as reading:
            assert reading.scalars(select(func.count()).select_from(Run)).one() == 0


def test_a_run_of_a_process_that_died_is_marked_abandoned_by_the_next(sqlite_store: Store) -> None:
    dead = begin_run(sqlite_store, "score", {})
    with sqlite_store.write() as session:
        session.execute(
            update(Run).where(Run.id == dead.id).values(lease_until=datetime.now(UTC) - timedelta(minutes=1))
        )
    begin_run(sqlite_store, "score", {})
    with sqlite_store.read() as session:
        assert session.get_one(Run, dead.id).state == "abandoned"
