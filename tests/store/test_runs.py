"""Runs: every command leaves one row that says how it ended."""

import signal
import socket
import subprocess
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import select

from abkit.errors import UsageError
from abkit.store import runs
from abkit.store.database.engine import Store
from abkit.store.runs import begin_run, end_run, last_runs, recorded_run, rejected_files, this_process
from abkit.store.schema import Run
from abkit.version import __version__
from abkit.vocabulary import RunState


def only_run(store: Store) -> Run:
    with store.read() as session:
        return session.scalars(select(Run)).one()


def test_a_run_says_who_did_what_with_which_code_and_its_outcome(sqlite_store: Store) -> None:
    with recorded_run(sqlite_store, "kpi link", {"ad": "1"}) as run:
        assert only_run(sqlite_store).state == "running"
        run.outcome.update(linked=3)
    row = only_run(sqlite_store)
    assert (row.what, row.arguments, row.state, row.outcome) == ("kpi link", {"ad": "1"}, "done", {"linked": 3})
    assert (row.owner, row.code_version, row.attempt, row.schedule) == (this_process(), __version__, 1, "")
    assert row.finished_at is not None
    assert row.started_at <= row.finished_at


@pytest.mark.parametrize(
    ("error", "state", "said"),
    [
        (UsageError("no such thing", hint="look"), "failed", {"error": "no such thing", "hint": "look"}),
        (ZeroDivisionError("division by zero"), "failed", {"error": "ZeroDivisionError: division by zero"}),
        (KeyboardInterrupt(), "interrupted", {"error": "KeyboardInterrupt"}),
    ],
)
def test_a_run_that_raises_keeps_its_counts_the_error_and_its_hint(
    sqlite_store: Store, error: BaseException, state: str, said: dict[str, str]
) -> None:
    def fail() -> None:
        with recorded_run(sqlite_store, "score", {}) as run:
            run.outcome["scored"] = 2
            raise error

    with pytest.raises(type(error)):
        fail()
    row = only_run(sqlite_store)
    assert (row.state, row.outcome) == (state, {"scored": 2, **said})


def test_a_run_that_has_its_row_is_used_as_it_is_and_its_owner_ends_it(sqlite_store: Store) -> None:
    claimed = begin_run(sqlite_store, "score", {})
    with recorded_run(sqlite_store, "other", {}, run=claimed) as run:
        assert run is claimed
    assert only_run(sqlite_store).state == "running"
    end_run(claimed, RunState.TIMED_OUT, {"error": "too slow"})
    assert (only_run(sqlite_store).state, only_run(sqlite_store).outcome) == ("timed_out", {"error": "too slow"})


def test_long_work_extends_its_lease_on_its_own_or_within_its_transaction(sqlite_store: Store) -> None:
    run = begin_run(sqlite_store, "score", {})
    run.lease = timedelta(days=1)
    run.still_alive()
    tomorrow = only_run(sqlite_store).lease_until
    assert tomorrow > datetime.now(UTC) + timedelta(hours=23)
    run.lease = timedelta(days=2)
    with sqlite_store.write() as session:
        run.still_alive(session)
    assert only_run(sqlite_store).lease_until > tomorrow


def test_the_last_finished_run_of_each_kind_is_found(sqlite_store: Store) -> None:
    for what, state in (("a", "done"), ("b", "done"), ("a", "done"), ("a", "failed"), ("c", "failed")):
        end_run(begin_run(sqlite_store, what, {}), RunState(state), {})
    with sqlite_store.read() as session:
        assert last_runs(session, ["b", "a", "c"]) == {"b": 2, "a": 3}


def test_rejected_files_are_those_of_the_campaign_or_of_the_days(sqlite_store: Store) -> None:
    for campaign, outcome in (
        ("spring", {"scored": 3, "known": 1, "rejected": 2}),
        ("summer", {"scored": 1, "known": 0, "rejected": 1}),
        ("spring", {"error": "the disk is full"}),
        ("spring", {"scored": "three", "rejected": 1}),
    ):
        end_run(begin_run(sqlite_store, "score", {"campaign": campaign}), RunState.DONE, outcome)
    begin_run(sqlite_store, "score", {"campaign": "spring"})
    today, past = datetime.now(UTC).date(), date(2020, 1, 1)
    with sqlite_store.read() as session:
        assert rejected_files(session, campaign="spring", first=past, last=past) == (2, 6)
        assert rejected_files(session, campaign=None, first=today - timedelta(days=1), last=today) == (3, 8)
        assert rejected_files(session, campaign=None, first=past, last=past) == (0, 0)


@pytest.mark.parametrize("moment", ["begin_run", "end_run"])
def test_a_stop_while_the_row_is_written_still_ends_the_run(
    sqlite_store: Store, monkeypatch: pytest.MonkeyPatch, moment: str
) -> None:
    real = getattr(runs, moment)

    def interrupted(*arguments: Any) -> Any:
        signal.raise_signal(signal.SIGINT)
        return real(*arguments)

    monkeypatch.setattr(runs, moment, interrupted)
    before = signal.getsignal(signal.SIGINT)
    with pytest.raises(KeyboardInterrupt), recorded_run(sqlite_store, "score", {}):
        raise KeyboardInterrupt
    assert only_run(sqlite_store).state == "interrupted"
    assert signal.getsignal(signal.SIGINT) is before


def test_a_stop_while_a_finished_run_is_ended_comes_after_it_is_done(
    sqlite_store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = runs.end_run

    def interrupted(*arguments: Any) -> None:
        signal.raise_signal(signal.SIGINT)
        real(*arguments)

    monkeypatch.setattr(runs, "end_run", interrupted)
    with pytest.raises(KeyboardInterrupt), recorded_run(sqlite_store, "score", {}):
        pass
    assert only_run(sqlite_store).state == "done"


def test_the_run_of_a_command_that_was_killed_is_closed_and_one_that_lives_is_left_alone(sqlite_store: Store) -> None:
    gone = subprocess.Popen(["true"])
    gone.wait()
    host = socket.gethostname()
    owners = {"killed": f"{host}:{gone.pid}", "here": this_process(), "elsewhere": f"another-{host}:{gone.pid}"}
    made = {name: begin_run(sqlite_store, name, {}).id for name in owners}
    now = datetime.now(UTC)
    with sqlite_store.write() as session:
        for name, owner in owners.items():
            session.get_one(Run, made[name]).owner = owner
    with sqlite_store.write() as session:
        assert runs.close_left(session, now) == 1
        killed = session.get_one(Run, made["killed"])
        assert (killed.state, killed.finished_at, killed.outcome) == (
            "abandoned",
            now,
            {"error": "its process ended before it was done"},
        )
        assert runs.close_left(session, now + timedelta(hours=1)) == 2, "their leases have ended"
