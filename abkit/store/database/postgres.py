"""A connection to PostgreSQL that gives up: when the server is gone without a word, or a statement takes too long.

The server ends statements that take too long, and the kernel notices when a host is gone. Neither notices a proxy or a
firewall that takes bytes and passes none on. So while nothing comes, the server is asked over a second connection
whether it is still there.
"""

import contextlib
import socket
import time
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

import psycopg
from psycopg.abc import PQGen
from psycopg.waiting import Ready

from abkit.store.database.patience import USUAL

Result = TypeVar("Result")

ASK_AFTER_S = 5.0
ANSWER_S = 5.0
UNANSWERED = 2  # questions, until the server counts as gone
_GRACE_S = 15.0  # for the server to end a statement itself
# https://www.postgresql.org/docs/current/protocol-message-formats.html: SSLRequest; any server answers with one byte.
_ARE_YOU_THERE = b"\x00\x00\x00\x08\x04\xd2\x16\x2f"

CONNECT: Mapping[str, Any] = {
    "connect_timeout": 10,
    "keepalives": 1,
    "keepalives_idle": 30,
    "keepalives_interval": 10,
    "keepalives_count": 3,
    "tcp_user_timeout": 30_000,
}
"""Options of a connection, where the URL has none of its own."""


class NoAnswer(psycopg.OperationalError):
    """Nothing came from the server; what it did with the last statement is unknown."""

    sqlstate = "08006"  # connection_failure


class Connection(psycopg.Connection[Any]):
    """A connection whose statements end in time.

    Attributes:
        statement_s: Seconds that a statement may take now.
    """

    statement_s: float = USUAL.statement_s

    def wait(self, gen: PQGen[Result], *args: Any, **kwargs: Any) -> Result:
        """Wait for an answer as psycopg does, but not for ever.

        Raises:
            NoAnswer: The server is gone, or is far beyond the limit of the statement. The connection is closed.
        """
        return super().wait(self._watched(gen), *args, **kwargs)

    def _watched(self, gen: PQGen[Result]) -> PQGen[Result]:
        began = heard = time.monotonic()
        unanswered = 0
        try:
            state = next(gen)
            while True:
                ready = yield state
                now = time.monotonic()
                if ready is not Ready.NONE and ready != 0:
                    heard, unanswered = now, 0
                elif now - began > self.statement_s + _GRACE_S:
                    self._give_up(f"nothing came within {now - began:.0f} s")
                elif now - heard > ASK_AFTER_S:
                    unanswered = 0 if self._is_there() else unanswered + 1
                    if unanswered >= UNANSWERED:
                        self._give_up(f"nothing came for {time.monotonic() - began:.0f} s, and it takes no connection")
                    heard = time.monotonic()
                state = gen.send(ready)
        except StopIteration as end:
            result: Result = end.value
            return result

    def _give_up(self, why: str) -> None:
        self.pgconn.finish()
        raise NoAnswer(why)

    def _is_there(self) -> bool:
        """Return whether the server answers on another connection."""
        try:
            host, port = self.info.hostaddr or self.info.host, self.info.port
        except psycopg.Error:
            return False
        with contextlib.ExitStack() as stack:
            try:
                if host.startswith(("/", "@")):
                    asking = stack.enter_context(socket.socket(socket.AF_UNIX, socket.SOCK_STREAM))
                    asking.settimeout(ANSWER_S)
                    asking.connect(f"{host}/.s.PGSQL.{port}".replace("@", "\0", 1))
                else:
                    asking = stack.enter_context(socket.create_connection((host, port), timeout=ANSWER_S))
                asking.sendall(_ARE_YOU_THERE)
                asking.recv(1)
            except OSError:
                return False
        # Even one that hangs up is there.
        return True


def connector(url_options: Mapping[str, Any]) -> Callable[..., Connection]:
    """Return what connects for SQLAlchemy's `do_connect`, with our options where the URL has none.

    Args:
        url_options: The query of the store's URL.
    """
    ours = {name: value for name, value in CONNECT.items() if name not in url_options}

    def connect(_dialect: Any, _record: Any, cargs: Any, cparams: dict[str, Any]) -> Connection:
        return Connection.connect(*cargs, **{**ours, **cparams})

    return connect
