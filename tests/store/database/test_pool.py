"""Connections to PostgreSQL: those that a burst of requests has opened are there for the next one."""

from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

from sqlalchemy import event, text

from abkit.store.database.engine import Store
from tests.conftest import MakeDatabase

AT_ONCE = 12


def test_connections_of_a_burst_serve_the_next_one(new_database: MakeDatabase) -> None:
    store, opened = Store(new_database("postgresql")), []
    event.listen(store.engine, "connect", lambda *told: opened.append(told))
    together = Barrier(AT_ONCE)

    def ask(_: int) -> None:
        with store.read() as session:
            session.execute(text("SELECT 1"))
            together.wait(60)

    with ThreadPoolExecutor(AT_ONCE) as people:
        for _ in range(3):
            list(people.map(ask, range(AT_ONCE)))
    store.close()
    assert len(opened) == AT_ONCE
