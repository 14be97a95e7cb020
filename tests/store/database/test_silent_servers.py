"""A PostgreSQL that neither answers nor closes, behind a proxy that swallows what it is sent."""

import contextlib
import socket
import threading
import time
from collections.abc import Iterator

import pytest
from sqlalchemy import make_url, select, text
from sqlalchemy.orm import Session

from abkit.errors import StoreError
from abkit.store.database import failures, postgres
from abkit.store.database.engine import Store
from abkit.store.database.patience import LONG, USUAL, Patience
from abkit.store.runs import begin_run
from abkit.store.schema import Run
from tests.conftest import Abkit, MakeDatabase

SECRET = "canary-8d1f"  # noqa: S105  # not one: what must not be told


class Proxy:
    """Passes bytes on to a server until it swallows them; it closes nothing."""

    def __init__(self, target: str) -> None:
        self.target = target
        self.swallows = threading.Event()
        self.new_ones_pass = threading.Event()
        self._sockets: list[socket.socket] = []
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                here, _ = self._listener.accept()
                there = socket.socket(socket.AF_UNIX)
                there.connect(self.target)
                self._sockets += [here, there]
                passes = self.swallows.is_set() and self.new_ones_pass.is_set()
                for ends in ((here, there), (there, here)):
                    threading.Thread(target=self._pump, args=[*ends, passes], daemon=True).start()

    def _pump(self, source: socket.socket, sink: socket.socket, always: bool) -> None:
        with contextlib.suppress(OSError):
            while chunk := source.recv(65536):
                if always or not self.swallows.is_set():
                    sink.sendall(chunk)

    def close(self) -> None:
        for one in [self._listener, *self._sockets]:
            with contextlib.suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)
            one.close()


@pytest.fixture
def direct(new_database: MakeDatabase) -> str:
    return new_database("postgresql", migrated=True)


@pytest.fixture
def proxy(direct: str) -> Iterator[Proxy]:
    made = Proxy(f"{make_url(direct).query['host']}/.s.PGSQL.5432")
    yield made
    made.close()


@pytest.fixture
def url(direct: str, proxy: Proxy) -> str:
    parsed = make_url(direct).set(host="127.0.0.1", port=proxy.port, password=SECRET, query={})
    return parsed.render_as_string(hide_password=False)


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(postgres, "ASK_AFTER_S", 0.3)
    monkeypatch.setattr(postgres, "ANSWER_S", 0.3)
    monkeypatch.setattr(postgres, "_GRACE_S", 0.3)
    monkeypatch.setattr(postgres, "CONNECT", {**postgres.CONNECT, "connect_timeout": 2})
    monkeypatch.setattr(failures, "_PING_S", 2)


def _read_and_cut(session: Session, proxy: Proxy) -> None:
    session.execute(select(Run)).all()
    proxy.swallows.set()
    session.execute(select(Run)).all()


def _write_and_cut(session: Session, proxy: Proxy) -> None:
    session.execute(text("CREATE TABLE gone (a int)"))
    proxy.swallows.set()


def test_a_statement_whose_answer_never_comes_ends_in_one_sentence(url: str, proxy: Proxy) -> None:
    store = Store(url)
    began = time.monotonic()
    with pytest.raises(StoreError) as error, store.read() as session:
        _read_and_cut(session, proxy)
    assert time.monotonic() - began < 5
    assert "does not answer any more: nothing came for" in error.value.message
    assert "whether the last step was kept is not known" in error.value.message
    assert error.value.hint.startswith("check the server and the network")
    assert SECRET not in error.value.message
    store.close()


def test_a_commit_whose_answer_never_comes_ends_and_the_store_works_once_it_answers(url: str, proxy: Proxy) -> None:
    store = Store(url)
    with pytest.raises(StoreError, match="does not answer any more"), store.write() as session:
        _write_and_cut(session, proxy)
    proxy.swallows.clear()
    begin_run(store, "test", {})
    with store.read() as session:
        assert session.scalar(text("SELECT to_regclass('gone')")) is None
    store.close()


def test_a_new_connection_to_a_server_that_does_not_answer_fails_in_time(url: str, proxy: Proxy) -> None:
    proxy.swallows.set()
    store = Store(url)
    began = time.monotonic()
    with pytest.raises(StoreError, match="does not answer") as error, store.read() as session:
        session.execute(select(Run)).all()
    assert time.monotonic() - began < 8
    assert SECRET not in error.value.message
    store.close()


def test_a_long_statement_of_a_server_that_is_there_is_waited_for(url: str) -> None:
    store = Store(url)
    with store.read() as session:
        assert session.scalar(text("SELECT 7 FROM pg_sleep(1.5)")) == 7
    store.close()


def test_one_connection_that_was_cut_silently_ends_soon_after_the_limit_of_its_statement(
    url: str, proxy: Proxy
) -> None:
    store = Store(url, patience=Patience(statement_s=0.7, lock_s=60))
    proxy.new_ones_pass.set()
    cut = "does not answer any more: nothing came within 1 s"
    with pytest.raises(StoreError, match=cut), store.read() as session:
        _read_and_cut(session, proxy)
    store.close()


@pytest.mark.parametrize("patience", [USUAL, LONG])
def test_the_server_ends_a_statement_by_the_kind_of_work(direct: str, patience: Patience) -> None:
    store = Store(direct, patience=Patience(statement_s=0.2, lock_s=60))
    with pytest.raises(StoreError, match=r"took longer than 0\.2 seconds"), store.read() as session:
        session.execute(text("SELECT pg_sleep(10)"))
    with store.write(patience) as session:
        session.execute(text("SELECT pg_sleep(0.4)"))
        limit = session.scalar(text("SELECT setting FROM pg_settings WHERE name = 'statement_timeout'"))
    assert limit == str(int(patience.statement_s * 1000))
    store.close()


def test_a_lock_of_another_process_is_named_as_what_it_is(direct: str) -> None:
    first, second = Store(direct), Store(direct, patience=Patience(statement_s=60, lock_s=0.2))
    with first.write() as session:
        session.execute(text("LOCK TABLE run"))
        with pytest.raises(StoreError, match=r"another process has been writing .* for more than 0\.2 seconds"):
            begin_run(second, "test", {})
    first.close()
    second.close()


def test_options_of_the_url_win_over_ours(url: str) -> None:
    store = Store(f"{url}?connect_timeout=7&keepalives_idle=11")
    with store.connect() as connection:
        driver = connection.connection.driver_connection
        assert isinstance(driver, postgres.Connection)
        options = driver.info.get_parameters()
    assert (options["connect_timeout"], options["keepalives_idle"]) == ("7", "11")
    assert options["tcp_user_timeout"] == "30000"
    store.close()


def test_a_command_says_so_and_ends(url: str, proxy: Proxy, abkit: Abkit) -> None:
    proxy.swallows.set()
    shown = abkit("alerts", "list", ABKIT_DATABASE_URL=f"{url}?connect_timeout=2", timeout=60)
    assert shown.returncode == 1
    assert shown.stderr.startswith("Error: the store postgresql+psycopg://")
    assert "Hint: is it running?" in shown.stderr
    assert len(shown.stderr.splitlines()) == 2
    assert SECRET not in shown.stderr
