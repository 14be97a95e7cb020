"""What the engines really answer when something is wrong, and what a person is told."""

import threading
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest
from sqlalchemy import create_engine, make_url, select, text
from sqlalchemy.exc import IntegrityError, OperationalError, ProgrammingError
from sqlalchemy.orm import Session

from abkit.errors import StoreError
from abkit.store.database import migrate
from abkit.store.database.engine import Store
from abkit.store.database.failures import is_duplicate
from abkit.store.database.patience import Patience
from abkit.store.runs import begin_run
from abkit.store.schema import Campaign, Run
from tests.conftest import MakeDatabase


def add_campaign(session: Session, run_id: int, key: str) -> None:
    session.add(Campaign(key=key, created_at=datetime.now(UTC), run_id=run_id))
    session.flush()


def refusal(store: Store, act: Callable[[Session], object], *, write: bool = False) -> StoreError:
    with pytest.raises(StoreError) as refused, store.write() if write else store.read() as session:
        act(session)
    return refused.value


# --- both engines -------------------------------------------------------------------------------------------------


def test_a_second_row_with_the_same_key_is_a_duplicate_and_one_without_its_run_is_not(store: Store) -> None:
    run = begin_run(store, "test", {})
    with store.write() as session:
        add_campaign(session, run.id, "spring")
    for key, run_id, duplicate in (("spring", run.id, True), ("summer", 10_000, False)):
        with pytest.raises(IntegrityError) as refused, store.write() as session:
            add_campaign(session, run_id, key)
        assert is_duplicate(refused.value) is duplicate


@pytest.mark.parametrize("break_it", ["ALTER TABLE run DROP COLUMN outcome", "ALTER TABLE run RENAME TO runs"])
def test_a_missing_table_or_column_asks_for_an_upgrade(store: Store, break_it: str) -> None:
    with store.write() as session:
        session.execute(text(break_it))

    said = refusal(store, lambda session: session.execute(select(Run)).all())

    assert "lacks tables or columns" in said.message
    assert said.hint == "run `abkit db upgrade`"


def test_a_statement_that_is_wrong_in_itself_stays_a_bug(sqlite_store: Store, new_database: MakeDatabase) -> None:
    postgresql = Store(new_database("postgresql"))
    for store, error in ((sqlite_store, OperationalError), (postgresql, ProgrammingError)):
        with pytest.raises(error), store.read() as session:
            session.execute(text("SELEKT 1"))
    postgresql.close()


def test_nothing_is_half_written_when_a_transaction_fails(store: Store) -> None:
    run = begin_run(store, "test", {})
    with pytest.raises(IntegrityError), store.write() as session:
        session.add_all(Campaign(key="spring", created_at=datetime.now(UTC), run_id=run.id) for _ in range(2))
    with store.read() as session:
        assert session.scalars(select(Campaign)).all() == []


# --- SQLite -------------------------------------------------------------------------------------------------------


def test_a_writer_that_waited_too_long_is_told_who_was_in_the_way(
    sqlite_store: Store,
) -> None:
    second = Store(str(sqlite_store.engine.url), patience=Patience(statement_s=1, lock_s=0.05))
    with sqlite_store.write() as session:
        session.execute(select(Run))
        said = refusal(second, lambda session: session.execute(select(Run)), write=True)
    second.close()

    assert "for more than 0.05 seconds" in said.message
    assert "PostgreSQL" in said.hint


def test_a_file_that_may_only_be_read_is_read_and_refuses_writing(sqlite_store: Store) -> None:
    sqlite_store.close()
    only_reading = Store(f"sqlite:///file:{sqlite_store.engine.url.database}?mode=ro&uri=true")
    with only_reading.read() as session:
        assert session.scalars(select(Run)).all() == []

    with pytest.raises(StoreError, match="may not be written") as refused:
        begin_run(only_reading, "test", {})
    only_reading.close()

    assert "get permission" in refused.value.hint


def test_a_full_disk_writes_nothing_in_part(sqlite_store: Store) -> None:
    run = begin_run(sqlite_store, "test", {})

    def fill(session: Session) -> None:
        session.execute(text("PRAGMA max_page_count = 1"))  # SQLite takes the number of pages that are there
        for number in range(10_000):
            add_campaign(session, run.id, f"{number:0200}")

    said = refusal(sqlite_store, fill, write=True)

    assert "full or failing; nothing was half-written" in said.message
    with sqlite_store.read() as session:
        assert session.scalars(select(Campaign)).all() == []


def test_a_damaged_file_is_told_from_one_that_is_no_database(sqlite_store: Store, tmp_path: Path) -> None:
    whole = Path(str(sqlite_store.engine.url.database)).read_bytes()
    for name, content in (("none", b"no database" * 1000), ("damaged", whole[:4096] + b"\xff" * (len(whole) - 4096))):
        path = tmp_path / name
        path.write_bytes(content)
        store = Store(f"sqlite:///{path}")
        with pytest.raises(StoreError, match="is not an SQLite database, or it is damaged"):
            begin_run(store, "test", {})
        store.close()


def test_a_file_that_is_not_there_is_not_made(tmp_path: Path) -> None:
    store = Store(f"sqlite:///{tmp_path / 'mistyped.db'}")
    with pytest.raises(StoreError, match="no such file") as refused:
        migrate.require_current(store)
    assert "abkit init" in refused.value.hint
    assert not list(tmp_path.iterdir())


def test_a_folder_that_is_not_there_is_named(tmp_path: Path) -> None:
    store = Store(f"sqlite:///{tmp_path / 'none' / 'abkit.db'}")
    with pytest.raises(StoreError, match="no such file") as refused:
        migrate.require_current(store)
    assert "abkit init" in refused.value.hint


# --- PostgreSQL ---------------------------------------------------------------------------------------------------


@pytest.fixture
def url(new_database: MakeDatabase) -> str:
    return new_database("postgresql", migrated=True)


def of(url: str, **changes: object) -> Store:
    """A store at another place than this URL."""
    parsed = make_url(url).set(**changes)  # type: ignore[arg-type]
    return Store(parsed.render_as_string(hide_password=False))


def administrate(url: str, *statements: str) -> list[object]:
    engine = create_engine(url.replace("postgresql://", "postgresql+psycopg://"), isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        results = [connection.execute(text(statement)) for statement in statements]
        found = [result.scalar() for result in results if result.returns_rows]
    engine.dispose()
    return found


def test_a_server_that_does_not_run_is_told_from_one_that_refuses(url: str) -> None:
    nobody = of(url, host="127.0.0.1", port=1, query={})
    no_database = of(url, database="nobody_made_this")
    no_role = of(url, username="nobody")
    hints = {}
    for store in (nobody, no_database, no_role):
        hints[store] = refusal(store, lambda session: session.execute(select(Run)))
        store.close()

    assert hints[nobody].hint == "is it running?"
    for store, said in ((no_database, "nobody_made_this"), (no_role, "nobody")):
        assert said in hints[store].message.splitlines()[0]
        assert hints[store].hint == "check the URL, the user and the database's name"


def test_a_wrong_password_is_refused_and_not_shown(url: str) -> None:
    (rules,) = administrate(url, "DROP ROLE IF EXISTS ann", "CREATE ROLE ann LOGIN PASSWORD 'right'", "SHOW hba_file")
    path = Path(str(rules))
    before = path.read_text()
    try:
        path.write_text(f"local all ann scram-sha-256\nhost all ann all scram-sha-256\n{before}")
        administrate(url, "SELECT pg_reload_conf()", "SELECT pg_sleep(0.3)")
        right, wrong = (of(url, username="ann", password=password) for password in ("right", "wr0ng"))
        with right.read() as session:
            assert session.scalar(text("SELECT current_user")) == "ann"
        said = refusal(wrong, lambda session: session.execute(select(Run)))
        for store in (right, wrong):
            store.close()
    finally:
        path.write_text(before)
        administrate(url, "SELECT pg_reload_conf()", "DROP ROLE ann")

    assert "wr0ng" not in said.message
    assert said.hint == "check the URL, the user and the database's name"


def test_a_role_without_the_right_and_a_read_only_database_may_not_write(url: str) -> None:
    administrate(url, "DROP ROLE IF EXISTS guest", "CREATE ROLE guest LOGIN")
    guest = of(url, username="guest")
    said = refusal(guest, lambda session: session.execute(select(Run)))
    guest.close()
    administrate(url, "DROP ROLE guest")
    assert "may not be written: the database refuses it (permission denied for table run)" in said.message

    administrate(url, f'ALTER DATABASE "{make_url(url).database}" SET default_transaction_read_only = on')
    store = Store(url)
    with pytest.raises(StoreError, match="may not be written"):
        begin_run(store, "test", {})
    store.close()


def test_of_two_that_wait_for_each_other_one_is_told_to_run_again(url: str) -> None:
    store = Store(url)
    run = begin_run(store, "test", {})
    with store.write() as session:
        for key in ("a", "b"):
            add_campaign(session, run.id, key)
    both_hold_one = threading.Barrier(2, timeout=30)
    said: list[StoreError] = []

    def rename(first: str, second: str) -> None:
        try:
            with store.write() as session:
                for key in (first, second):
                    session.execute(text("UPDATE campaign SET name = 'new' WHERE key = :key"), {"key": key})
                    if key == first:
                        both_hold_one.wait()
        except StoreError as error:
            said.append(error)

    threads = [threading.Thread(target=rename, args=keys) for keys in (("a", "b"), ("b", "a"))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    store.close()

    assert [error.hint for error in said] == ["run the same command again: it goes on where it stopped"]
