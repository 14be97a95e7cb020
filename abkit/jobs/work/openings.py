"""The files of a watched folder, each noted before it is opened: one that kills its job does not do so forever."""

from dataclasses import dataclass
from pathlib import Path

from abkit.errors import AbkitError
from abkit.jobs.job import Tick
from abkit.store.database.engine import Store
from abkit.store.jobs import openings

#: Deaths after which a file is not opened again.
MOST_DEATHS = 3


@dataclass(frozen=True)
class Openings:
    """What this run opens, and how often that has ended its job before.

    Attributes:
        store: Where the notes are.
        tick: Run and attempt.
        deaths: Deaths by mark of the file (name, size, time of change): a file that is replaced starts anew.
    """

    store: Store
    tick: Tick
    deaths: dict[str, float]

    @classmethod
    def of(cls, store: Store, tick: Tick) -> "Openings":
        """Return the openings of a run, with what the attempt or the run before it left behind."""
        with store.read() as session:
            return cls(store, tick, openings.deaths(openings.left_behind(session, tick.run.id, tick.schedule)))

    def kills(self, path: Path) -> str:
        """Return why a file is not to be opened again; "" if it may be."""
        if self.deaths.get(_mark(path), 0) < MOST_DEATHS:
            return ""
        return (
            "its import ended the process again and again: it was killed, ran out of memory, or took longer than the "
            "time limit of the job"
        )

    def note(self, path: Path) -> None:
        """Note that a file is opened now.

        Raises:
            AbkitError: Another daemon has taken the run over.
        """
        opened = {"file": shown(path), "opening": _mark(path), "deaths": self.deaths}
        with self.store.write() as session:
            ours = openings.note(session, self.tick.run.id, self.tick.attempt, opened)
        if not ours:
            raise AbkitError("another daemon has taken this run over", hint="that one goes on with the files")

    def forget(self, path: Path) -> None:
        """Forget the deaths of a file that was dealt with."""
        self.deaths.pop(_mark(path), None)


def shown(path: Path) -> str:
    """Return the name of a file as text that the store accepts."""
    return path.name.encode("utf-8", "backslashreplace").decode()


def _mark(path: Path) -> str:
    try:
        status = path.stat()
    except OSError:
        return shown(path)  # it has disappeared in the meantime
    return f"{shown(path)} {status.st_size} {status.st_mtime_ns}"
