"""What a job is, and what it is given."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from pydantic import BaseModel, ConfigDict

from abkit.config import Settings
from abkit.store.engine import Store
from abkit.store.runs import RunRecord

Clock = Callable[[], datetime]


def wall_clock() -> datetime:
    """The present instant, in UTC. The daemon reads it; jobs do not."""
    return datetime.now(UTC)


@dataclass(frozen=True)
class Tick:
    """What a job is told about the tick it runs for.

    Attributes:
        schedule: the name of its schedule.
        at: the instant the tick stands for. "Now" to the job is this one, however late it starts.
        started_at: when this attempt was started: for what is about real time only, as how old a file is.
        attempt: 1, or more if the run was taken over.
        run: the run to which every figure points.
    """

    schedule: str
    at: datetime
    started_at: datetime
    attempt: int
    run: RunRecord


class Arguments(BaseModel):
    """What a schedule may say to a job; each job has its own."""

    model_config = ConfigDict(extra="forbid", frozen=True)


JobFunction = Callable[[Store, Settings, Tick, Any], Mapping[str, Any]]


@dataclass(frozen=True)
class Job:
    """A job that schedules can name.

    Attributes:
        name: what schedules call it.
        summary: what it does, in a line.
        run: called in a process of its own; gives the outcome that is kept with the run. It is idempotent for its
            tick: run again after a crash, its effect is there once.
        arguments: what it takes.
        quick: whether it takes moments and must not wait behind jobs that take an hour; it has a worker apart.
    """

    name: str
    summary: str
    run: JobFunction
    arguments: type[Arguments] = Arguments
    quick: bool = False


Catalogue = Mapping[str, Job]
