"""Idempotent inserts and counted updates mean the same on both engines."""

from datetime import UTC, datetime

from sqlalchemy import func, insert, literal, select, update

from abkit.store.database.engine import Store
from abkit.store.database.statements import count_changed, count_inserted, in_parts, insert_missing, wait_for_turn
from abkit.store.runs import begin_run
from abkit.store.schema import Campaign
from tests.conftest import MakeDatabase
from tests.store.rows import count


def row(key: str, run_id: int, name: str = "") -> dict[str, object]:
    return {"key": key, "name": name, "created_at": datetime.now(UTC), "run_id": run_id}


def test_a_row_whose_key_is_there_stays_as_it_is(store: Store) -> None:
    run = begin_run(store, "test", {})
    for name in ("first", "second"):
        with store.write() as session:
            insert_missing(session, Campaign, [row(key, run.id, name) for key in ("b", "a")], key=["key"])
    with store.read() as session:
        assert session.execute(select(Campaign.key, Campaign.name).order_by(Campaign.key)).all() == [
            ("a", "first"),
            ("b", "first"),
        ]


def test_the_same_key_twice_in_one_batch_makes_one_row_and_no_rows_make_none(store: Store) -> None:
    run = begin_run(store, "test", {})
    with store.write() as session:
        insert_missing(session, Campaign, [row("a", run.id), row("a", run.id)], key=["key"])
        insert_missing(session, Campaign, [], key=["key"])
    assert count(store, Campaign) == 1


def test_inserted_and_changed_rows_are_counted(store: Store) -> None:
    run = begin_run(store, "test", {})
    with store.write() as session:
        insert_missing(session, Campaign, [row(key, run.id) for key in "abc"], key=["key"])
        names = select(Campaign.key + "2", literal("copy"), Campaign.created_at, Campaign.run_id)
        copied = insert(Campaign).from_select(["key", "name", "created_at", "run_id"], names)
        assert count_inserted(session, copied) == 3
        renamed = update(Campaign).where(Campaign.name == "copy").values(name="new")
        assert [count_changed(session, renamed) for _ in range(2)] == [3, 0]


def test_waiting_for_a_turn_can_be_repeated_in_one_transaction(store: Store) -> None:
    with store.write() as session:
        wait_for_turn(session, 1)
        wait_for_turn(session, 1)


def test_parts_hold_every_value_once_in_order() -> None:
    assert [len(part) for part in in_parts(range(10_001))] == [5_000, 5_000, 1]
    assert [value for part in in_parts(range(10_001)) for value in part] == list(range(10_001))
    assert list(in_parts(())) == []


def test_the_day_of_an_instant_is_that_of_utc_wherever_the_server_stands(new_database: MakeDatabase) -> None:
    url = new_database("postgresql", migrated=True)
    store = Store(f"{url}{'&' if '?' in url else '?'}options=-c%20timezone%3DPacific%2FAuckland")
    run = begin_run(store, "test", {})
    evening = datetime(2026, 3, 4, 20, tzinfo=UTC)  # the next day in Auckland
    with store.write() as session:
        insert_missing(session, Campaign, [row("a", run.id) | {"created_at": evening}], key=["key"])
    with store.read() as session:
        assert session.scalar(select(func.date(Campaign.created_at))) == evening.date()
    store.close()
