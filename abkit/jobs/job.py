"""A job, its arguments, and the tick that it runs for."""

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from pydantic import BaseModel, ConfigDict, ValidationError

from abkit.config import Settings, in_words
from abkit.errors import UsageError
from abkit.redaction import redacted_values
from abkit.store.database.engine import Store
from abkit.store.runs import RunRecord

Clock = Callable[[], datetime]


def wall_clock() -> datetime:
    """Return the present instant in UTC. The daemon reads it; jobs do not."""
    return datetime.now(UTC)


@dataclass(frozen=True, kw_only=True)
class Tick:
    """What a job is told about the tick that it runs for.

    Attributes:
        schedule: Name of its schedule.
        at: Instant that the tick stands for. This is "now" to the job, however late it starts.
        started_at: When this attempt started; only for what is about real time, such as the age of a file.
        attempt: 1, or more if the run was taken over.
        run: Run to which every figure points.
        jobs: Names of all jobs that schedules can name.
    """

    schedule: str
    at: datetime
    started_at: datetime
    attempt: int
    run: RunRecord
    jobs: Collection[str] = ()


class Arguments(BaseModel):
    """What a schedule can say to a job; each job has its own."""

    model_config = ConfigDict(extra="forbid", frozen=True)


JobFunction = Callable[[Store, Settings, Tick, Any], Mapping[str, Any]]


@dataclass(frozen=True)
class Job:
    """A job that schedules can name.

    Attributes:
        name: What schedules call it.
        summary: What it does, in one line.
        run: Function that is called in a process of its own and returns the outcome, which is kept with the run. It is
            idempotent for its tick: run again after a crash, it takes effect once.
        arguments: Its arguments.
        quick: Whether it takes moments and must not wait behind jobs that take an hour; it has a worker of its own.
    """

    name: str
    summary: str
    run: JobFunction
    arguments: type[Arguments] = Arguments
    quick: bool = False

    def check(self, arguments: Mapping[str, Any], where: str) -> dict[str, Any]:
        """Return the arguments as the store keeps them.

        Args:
            arguments: As the configuration or the command line has them.
            where: Which schedule, for messages.

        Raises:
            UsageError: An argument is unknown, missing or invalid.
        """
        try:
            checked = self.arguments.model_validate(dict(arguments))
        except ValidationError as error:
            first = error.errors()[0]
            about = ".".join(str(part) for part in first["loc"])
            problem = "there is no such argument" if first["type"] == "extra_forbidden" else in_words(first["msg"])
            takes = ", ".join(self.arguments.model_fields) or "none"
            # Values are not shown: an address may stand where a reference belongs.
            raise UsageError(
                f"{where}: job {self.name}: {about + ': ' if about else ''}{problem}", hint=f"its arguments are {takes}"
            ) from None
        kept = checked.model_dump(mode="json", exclude_defaults=True)
        if redacted_values(kept) != kept:
            raise UsageError(
                f"{where}: job {self.name}: an argument holds an address with a secret, or a password",
                hint="the store keeps arguments: put the secret into an environment variable or a file, and name that",
            )
        return kept


Catalog = Mapping[str, Job]
