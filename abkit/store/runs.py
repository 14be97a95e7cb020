"""Runs: who did what, when, with which code, and with what outcome.

Every command that changes the store works inside `recorded_run`, and every figure that it writes points to that row.
"""

import os
import signal
import socket
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from typing import Any

from sqlalchemy import func, select, update
from sqlalchemy.orm import Session

from abkit.errors import AbkitError
from abkit.store.database.engine import Store
from abkit.store.schema import Base, Run
from abkit.version import __version__
from abkit.vocabulary import RunState

LEASE = timedelta(minutes=15)


@dataclass
class RunRecord:
    """A run that is under way: its id, and the counts that will be its outcome.

    `attempt` is the fence: once another process has taken the run over, this one extends its lease no more.
    """

    store: Store
    id: int
    outcome: dict[str, Any] = field(default_factory=dict)
    lease: timedelta = LEASE
    attempt: int = 1

    def still_alive(self, session: Session | None = None) -> None:
        """Extend the lease. Long work calls this with every batch that it commits, in the same transaction."""
        if session is None:
            with self.store.write() as session:
                return self.still_alive(session)
        ours = update(Run).where(Run.id == self.id, Run.attempt == self.attempt)
        session.execute(ours.values(lease_until=datetime.now(UTC) + self.lease))
        return None

    def tell(self, so_far: Mapping[str, Any]) -> None:
        """Say how far the run is; people who look at it see that instead of an outcome until it has one."""
        ours = update(Run).where(Run.id == self.id, Run.attempt == self.attempt, Run.state == RunState.RUNNING)
        with self.store.write() as session:
            session.execute(ours.values(outcome={"so_far": dict(so_far)}))


def this_process() -> str:
    """Return the owner of runs: host and process."""
    return f"{socket.gethostname()}:{os.getpid()}"


def begin_run(store: Store, what: str, arguments: Mapping[str, Any]) -> RunRecord:
    """Write the row of a run that begins now, and mark runs as abandoned whose process died."""
    now = datetime.now(UTC)
    with store.write() as session:
        close_left(session, now)
        row = Run(
            what=what,
            arguments=dict(arguments),
            code_version=__version__,
            schedule="",
            tick=now,
            state=RunState.RUNNING,
            attempt=1,
            owner=this_process(),
            lease_until=now + LEASE,
            started_at=now,
        )
        session.add(row)
        session.flush()
        return RunRecord(store, row.id)


def close_left(session: Session, now: datetime) -> int:
    """Mark the runs of commands as abandoned whose process is gone, and return how many there were.

    A process of this machine is looked for; of another one, the lease says that it is gone.
    """
    running = session.execute(
        select(Run.id, Run.owner, Run.lease_until).where(Run.state == RunState.RUNNING, Run.schedule == "")
    )
    left = [id_ for id_, owner, lease_until in running if lease_until < now or _is_gone(owner)]
    if left:
        said = {"error": "its process ended before it was done"}
        session.execute(
            update(Run)
            .where(Run.id.in_(left), Run.state == RunState.RUNNING)
            .values(state=RunState.ABANDONED, finished_at=now, outcome=said)
        )
    return len(left)


def _is_gone(owner: str) -> bool:
    host, _, pid = owner.rpartition(":")
    if host != socket.gethostname() or not pid.isdigit():
        return False
    try:
        os.kill(int(pid), 0)
    except ProcessLookupError:
        return True
    except (PermissionError, OverflowError):
        pass
    return False


def without_traces(session: Session, before: datetime) -> list[int]:
    """Return the ended runs of schedules before an instant that no row points to; the last of each schedule stays."""
    last = select(func.max(Run.id)).where(Run.schedule != "").group_by(Run.schedule)
    old = set(
        session.scalars(
            select(Run.id).where(
                Run.schedule != "", Run.state != RunState.RUNNING, Run.tick < before, Run.id.not_in(last)
            )
        )
    )
    for table in Base.metadata.tables.values():
        for column in table.columns:
            if old and any(key.column is Run.__table__.c.id for key in column.foreign_keys):
                # One pass over the table, whatever the number of runs.
                old -= set(session.scalars(select(column).where(column <= max(old)).distinct()))
    return sorted(old)


def end_run(run: RunRecord, state: RunState, outcome: Mapping[str, Any]) -> None:
    """Record how a run ended."""
    with run.store.write() as session:
        session.execute(
            update(Run)
            .where(Run.id == run.id)
            .values(state=state, outcome=dict(outcome), finished_at=datetime.now(UTC))
        )


@contextmanager
def recorded_run(
    store: Store, what: str, arguments: Mapping[str, Any], *, run: RunRecord | None = None
) -> Iterator[RunRecord]:
    """Record a run around a block: done when the block ends, failed or interrupted when it raises.

    Args:
        store: Where the row goes.
        what: The command ("score", "kpi import", …).
        arguments: What it was called with, as JSON can hold it; no secrets.
        run: A run that has its row already (a claimed tick); its owner ends it.
    """
    if run is not None:
        yield run
        return
    try:
        with _signals_held_back():
            run = begin_run(store, what, arguments)
        yield run
    except BaseException as error:
        if run is None:
            raise
        state = RunState.FAILED if isinstance(error, Exception) else RunState.INTERRUPTED
        # If the store itself fails, the first error is the one to report.
        with suppress(AbkitError), _signals_held_back():
            end_run(run, state, {**run.outcome, **explained(error)})
        raise
    with _signals_held_back():
        end_run(run, RunState.DONE, run.outcome)


@contextmanager
def _signals_held_back() -> Iterator[None]:
    """Deliver Ctrl-C and SIGTERM after the block: in between, a run would keep its row and never be ended."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    held: list[int] = []
    former = {
        number: signal.signal(number, lambda sent, _: held.append(sent)) for number in (signal.SIGINT, signal.SIGTERM)
    }
    try:
        yield
    finally:
        for number, handler in former.items():
            signal.signal(number, handler or signal.SIG_DFL)
    if held:
        signal.raise_signal(held[0])


def explained(error: BaseException) -> dict[str, str]:
    """Return what an outcome keeps of an error: `error`, one line, and `hint` if the error has one.

    >>> explained(AbkitError("the encoder is missing", hint="install abkit[model]"))
    {'error': 'the encoder is missing', 'hint': 'install abkit[model]'}
    """
    if not isinstance(error, AbkitError):
        return {"error": f"{type(error).__name__}: {(str(error).splitlines() or [''])[0]}".strip(": ")}
    return {"error": error.message} | ({"hint": error.hint} if error.hint else {})


# --- reading --------------------------------------------------------------------------------------------------------


def last_runs(session: Session, kinds: Sequence[str]) -> dict[str, int]:
    """Return the id of the last finished run of each kind, in the given order."""
    rows = session.execute(
        select(Run.what, func.max(Run.id)).where(Run.what.in_(kinds), Run.state == RunState.DONE).group_by(Run.what)
    )
    found = {what: id_ for what, id_ in rows}  # noqa: C416  # rows are not pairs to mypy
    return {what: found[what] for what in kinds if what in found}


def rejected_files(session: Session, *, campaign: str | None, first: date, last: date) -> tuple[int, int]:
    """Return how many files were rejected, and how many there were, in the scorings of a campaign.

    Without a campaign: in the scorings whose tick lies between two days.
    """
    rejected = files = 0
    for tick, arguments, outcome in session.execute(
        select(Run.tick, Run.arguments, Run.outcome).where(Run.what == "score", Run.outcome.is_not(None))
    ):
        mine = arguments.get("campaign") == campaign if campaign else first <= tick.date() <= last
        counts = [(outcome or {}).get(name, 0) for name in ("scored", "known", "rejected")]
        if mine and all(isinstance(count, int) for count in counts):
            rejected += counts[2]
            files += sum(counts)
    return rejected, files
