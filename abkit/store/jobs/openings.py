"""Files that a run opens, noted in its row beforehand: a process that dies cannot say afterwards what killed it."""

from collections.abc import Iterator, Mapping
from typing import Any

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from abkit.store.database.statements import count_changed
from abkit.store.jobs.requests import is_request, runs_of_requests
from abkit.store.schema import Run
from abkit.vocabulary import RunState

# How a process ends that could not speak for itself.
_DEADLY = ("killed", "exited", "timed_out", "out_of_memory")
_OPENED = ("file", "opening")
# Former requests of a job that are looked through for the same one.
_LOOKED_AT = 200


def note(session: Session, run_id: int, attempt: int, noted: Mapping[str, Any]) -> bool:
    """Put a note into the outcome of a run that is under way; return whether this attempt still has the run."""
    ours = update(Run).where(Run.id == run_id, Run.attempt == attempt, Run.state == RunState.RUNNING)
    return count_changed(session, ours.values(outcome=dict(noted))) == 1


def is_ours(session: Session, run_id: int, attempt: int) -> bool:
    """Return whether this attempt still has the run; until the transaction ends, nobody takes it over."""
    ours = update(Run).where(Run.id == run_id, Run.attempt == attempt, Run.state == RunState.RUNNING)
    return count_changed(session, ours.values(attempt=attempt)) == 1


def noted(session: Session, run_id: int) -> dict[str, Any]:
    """Return what a run has noted."""
    return dict(session.scalar(select(Run.outcome).where(Run.id == run_id)) or {})


def nothing_open(session: Session, run_id: int, why: str = "") -> None:
    """Take the open file out of the note of a run that is given back in order: no file is to blame.

    Args:
        session: A writing session.
        run_id: The run.
        why: Why it is given back, for the case that it is given up in the end.
    """
    kept = {name: value for name, value in noted(session, run_id).items() if name not in _OPENED}
    kept |= {"given_back": why} if why else {}
    session.execute(update(Run).where(Run.id == run_id).values(outcome=kept or None))


def begin_again(session: Session, run_id: int) -> None:
    """Leave of the outcome of a run that is tried again only how often each file has ended its job."""
    left = noted(session, run_id)
    counted = {"deaths": deaths(left)} if _OPENED[1] in left or "deaths" in left else None
    session.execute(update(Run).where(Run.id == run_id).values(outcome=counted))


def left_behind(session: Session, run_id: int, schedule: str) -> dict[str, Any]:
    """Return the note of this run's former attempt, or else of the schedule's run before it.

    Before what somebody asked for came the run of the same request: the same job with the same arguments.
    """
    if own := noted(session, run_id):
        return own
    if is_request(schedule):
        return dict(next((run.outcome or {} for run in _same_requests(session, run_id)), {}))
    before = (
        select(Run.outcome)
        .where(Run.schedule == schedule, Run.schedule != "", Run.id < run_id, Run.state != RunState.SKIPPED)
        .order_by(Run.id.desc())
        .limit(1)
    )
    return dict(session.scalar(before) or {})


def _same_requests(session: Session, run_id: int) -> Iterator[Run]:
    """Yield the earlier runs of the same request, the latest first."""
    asked = session.get_one(Run, run_id)
    for run in runs_of_requests(session, asked.what, before=run_id, limit=_LOOKED_AT):
        if run.arguments == asked.arguments:
            yield run


def request_deaths(session: Session, run_id: int, attempt: int, outcome: Mapping[str, Any]) -> int:
    """Return how often in a row the same request has ended its process, this time included; 0 where it did not."""
    counted = 0
    ended = [(attempt, outcome), *((run.attempt, run.outcome or {}) for run in _same_requests(session, run_id))]
    for attempts, how in ended:
        if not _died(how):
            break
        counted += attempts  # each attempt after the first took over from a daemon that died
    return counted


def _died(outcome: Mapping[str, Any]) -> bool:
    return outcome.get("how") in (*_DEADLY, "abandoned")


def with_note(noted: Mapping[str, Any], outcome: Mapping[str, Any]) -> dict[str, Any]:
    """Return the outcome of a run that failed, with what its note says about the files.

    The file that was open stays named only if the process died over it.

    >>> with_note({"file": "a.csv", "opening": "a.csv 9", "deaths": {}}, {"how": "raised", "error": "no disk"})
    {'deaths': {}, 'how': 'raised', 'error': 'no disk'}
    """
    names = (*(_OPENED if _died(outcome) else ()), "deaths")
    return {name: noted[name] for name in names if name in noted} | dict(outcome)


def deaths(left: Mapping[str, Any]) -> dict[str, float]:
    """Return how often each file has ended its job, from the note that was left behind.

    A job that died alone counts once; one that died with its daemon counts half, because a power cut or a restart is
    rarely the file's fault.

    >>> deaths({"opening": "a.csv 9", "deaths": {"a.csv 9": 1.0, "b.csv 7": 0.5}, "how": "killed"})
    {'a.csv 9': 2.0, 'b.csv 7': 0.5}
    """
    counted = {str(mark): float(number) for mark, number in left.get("deaths", {}).items()}
    marks = left.get("opening") or []
    for mark in [marks] if isinstance(marks, str) else marks:
        counted[mark] = counted.get(mark, 0.0) + (1.0 if left.get("how") in _DEADLY else 0.5)
    return counted
