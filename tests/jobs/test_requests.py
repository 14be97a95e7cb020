"""Jobs that somebody asks for once: kept in the store, claimed like ticks, run once."""

from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import select, update

from abkit.config import Settings
from abkit.errors import UsageError
from abkit.jobs.daemon.claims import Claims
from abkit.jobs.daemon.endings import Ending
from abkit.jobs.requests import ask_for, requested, requested_jobs
from abkit.jobs.schedules import CATALOG
from abkit.store.database.engine import Store
from abkit.store.jobs import requests
from abkit.store.schema import JobRequest, Run
from abkit.vocabulary import RunState


def claims(store: Store, owner: str = "daemon") -> Claims:
    return Claims(store, Settings(), CATALOG.keys(), owner)


def test_a_request_waits_is_claimed_once_and_has_its_result(store: Store) -> None:
    asked = ask_for(store, "correlate", {"metric": "cvr"}, by="ada")
    assert (asked.state, asked.asked_by, asked.run_id) == ("waiting", "ada", None)
    now = datetime.now(UTC)
    (claimed,) = claims(store).next(now, 2)
    assert claims(store, "another").next(now, 2) == []
    assert (claimed.lease.job, dict(claimed.lease.arguments)) == ("correlate", {"metric": "cvr"})
    assert requested(store, asked.key).state == "running"
    claims(store).finish(claimed.lease, Ending(RunState.DONE, {"srcc": 0.4}), now + timedelta(seconds=1))
    done = requested(store, asked.key)
    assert (done.state, done.result, done.error) == ("done", {"srcc": 0.4}, "")
    assert claims(store).next(now + timedelta(days=1), 2) == []


def test_two_daemons_that_read_a_request_at_once_claim_it_once(store: Store) -> None:
    ask_for(store, "correlate", {}, by="ada")
    now = datetime.now(UTC)
    with store.read() as session:
        (seen,) = requests.waiting(session)
    leases = []
    for owner in ("one", "other"):
        with store.write() as session:
            leases.append(requests.claim(session, seen, owner=owner, now=now, lease_until=now + timedelta(minutes=1)))
    assert [lease is not None for lease in leases] == [True, False]
    with store.read() as session:
        assert len(session.scalars(select(Run)).all()) == 1


def test_a_request_outlives_its_daemon_and_is_given_up_after_some_attempts(store: Store) -> None:
    asked = ask_for(store, "correlate", {}, by="ada")
    now = datetime.now(UTC)
    attempts = Settings().daemon.attempts
    for attempt in range(1, attempts + 1):
        (claimed,) = claims(store, f"daemon {attempt}").next(now, 2)
        assert claimed.lease.attempt == attempt
        now += timedelta(hours=1)
    assert claims(store).next(now, 2) == []
    gone = requested(store, asked.key)
    assert (gone.state, gone.result) == ("abandoned", None)
    assert "tried" in gone.error


def test_why_a_request_failed_is_told(store: Store) -> None:
    asked = ask_for(store, "correlate", {}, by="ada")
    now = datetime.now(UTC)
    (claimed,) = claims(store).next(now, 1)
    claims(store).finish(claimed.lease, Ending(RunState.FAILED, {"error": "no campaign", "hint": "score first"}), now)
    failed = requested(store, asked.key)
    assert (failed.state, failed.error, failed.hint, failed.result) == ("failed", "no campaign", "score first", None)


@pytest.mark.parametrize(
    ("job", "arguments"),
    [
        ("nothing", {}),
        ("score_folder", {"folder": "/etc"}),
        ("prune", {}),
        ("correlate", {"nothing": 1}),
        ("correlate", {"metric": "nothing"}),
        ("score_addresses", {"campaign": "c"}),
        ("score_addresses", {"campaign": "c", "addresses": ["http://example.com/a.png"]}),
        ("score_addresses", {"campaign": "c", "addresses": ["https://example.com/a.png?sig=1"]}),
        ("score_addresses", {"campaign": "c", "addresses": ["https://me:hunter2@example.com/a.png"]}),
        ("score_addresses", {"campaign": "c", "addresses": ["https://[x/a.png"]}),
        ("score_addresses", {"campaign": "", "addresses": ["https://example.com/a.png"]}),
    ],
)
def test_what_cannot_be_asked_for_is_not_written(sqlite_store: Store, job: str, arguments: dict[str, object]) -> None:
    with pytest.raises(UsageError) as refused:
        ask_for(sqlite_store, job, arguments, by="ada")
    assert "hunter2" not in str(refused.value)
    assert requested_jobs(sqlite_store) == ((), None)


def test_requests_that_ended_long_ago_are_forgotten_and_others_are_not(sqlite_store: Store) -> None:
    ended, waits = (ask_for(sqlite_store, "correlate", {}, by="ada") for _ in range(2))
    now = datetime.now(UTC)
    (claimed,) = claims(sqlite_store).next(now, 1)
    claims(sqlite_store).finish(claimed.lease, Ending(RunState.DONE, {}), now)
    with sqlite_store.write() as session:
        requests.remove_finished(session, now + timedelta(seconds=1))
        assert session.scalars(select(JobRequest.key)).all() == [waits.key]
        assert session.scalar(select(Run.id).where(Run.id == claimed.lease.run_id))
        session.execute(update(JobRequest).values(run_id=claimed.lease.run_id))
    with pytest.raises(UsageError):
        requested(sqlite_store, ended.key)
