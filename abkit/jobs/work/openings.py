"""What a job opens, each noted before: the files of a folder, what a source gave, the images of creatives.

One that kills its job does not do so forever.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from abkit.alerts.rules import Rules
from abkit.config import Settings
from abkit.errors import AbkitError
from abkit.jobs.job import Tick
from abkit.store.database.engine import Store
from abkit.store.jobs import openings
from abkit.workflows.uploads import MOST_DEATHS

__all__ = ["MOST_DEATHS", "Openings"]


@dataclass(frozen=True)
class Openings:
    """What this run opens, and how often that has ended its job before.

    Attributes:
        store: Where the notes are.
        tick: Run and attempt.
        deaths: Deaths by mark of the file (name, size, time of change): a file that is replaced starts anew. What has
            no place of its own has a mark that the job makes of its content.
    """

    store: Store
    tick: Tick
    deaths: dict[str, float]

    @classmethod
    def of(cls, store: Store, tick: Tick) -> "Openings":
        """Return the openings of a run, with what the attempt or the run before it left behind."""
        with store.read() as session:
            return cls(store, tick, openings.deaths(openings.left_behind(session, tick.run.id, tick.schedule)))

    def kills(self, path: Path | str) -> str:
        """Return why a file is not to be opened again; "" if it may be."""
        if self.deaths.get(_mark(path), 0) < MOST_DEATHS:
            return ""
        return (
            "reading it ended the process again and again: it was killed, ran out of memory, or took longer than the "
            "time limit of the job"
        )

    def is_suspect(self, path: Path | str) -> bool:
        """Return whether a job has died while this file was open, perhaps among others."""
        return _mark(path) in self.deaths

    def note(self, paths: Sequence[Path | str]) -> None:
        """Note that files are opened now; with none, that nothing is open any more.

        Raises:
            AbkitError: Another daemon has taken the run over.
        """
        more = f" and {len(paths) - 1} more" if len(paths) > 1 else ""
        opened = {"file": shown(paths[0]) + more, "opening": [_mark(path) for path in paths]} if paths else {}
        self._write(opened | {"deaths": self.deaths}, durable=False)

    def tell(self, so_far: Mapping[str, Any]) -> None:
        """Say how far the run is, beside what was noted of files; none of them is open now.

        Raises:
            AbkitError: Another daemon has taken the run over.
        """
        self._write({"so_far": dict(so_far), "deaths": self.deaths}, durable=False)

    def of_files(self, paths: Iterable[Path]) -> dict[str, float]:
        """Return how often each of these files has ended its job, as a run keeps it."""
        return {mark: self.deaths[mark] for mark in map(_mark, paths) if mark in self.deaths}

    def deadly(self) -> dict[str, float]:
        """Return what has ended its job too often, and how often."""
        return {mark: times for mark, times in self.deaths.items() if times >= MOST_DEATHS}

    def forget(self, path: Path | str) -> None:
        """Forget the deaths of a file that was dealt with."""
        self.deaths.pop(_mark(path), None)

    def keep(self) -> None:
        """Have the disk keep all that the store was told so far, before a file is moved that could tell it again.

        Raises:
            AbkitError: Another daemon has taken the run over.
        """
        self._write({"deaths": self.deaths}, durable=True)

    def _write(self, noted: Mapping[str, Any], *, durable: bool) -> None:
        with self.store.write(durable=durable) as session:
            ours = openings.note(session, self.tick.run.id, self.tick.attempt, noted)
        if not ours:
            raise overtaken()


@dataclass
class WatchedImages:
    """Images of creatives, as a job opens them that finds them itself: training, or scoring by another version.

    Those over which a job died too often are left out, and an alert names them at once: this job may die as well.

    Attributes:
        settings: `[alerts]`.
        opened: What the run opens.
        left_out: Reason by name of an image that was left out.
    """

    settings: Settings
    opened: Openings
    left_out: dict[str, str] = field(default_factory=dict)

    def kills(self, path: Path | str) -> str:
        """Return why an image is not to be opened again; "" if it may be."""
        why = self.opened.kills(path)
        if why and shown(path) not in self.left_out:
            self.left_out[shown(path)] = why
            self.observe()
        return why

    def is_suspect(self, path: Path | str) -> bool:
        """Return whether a job has died while this image was open, perhaps among others."""
        return self.opened.is_suspect(path)

    def note(self, paths: Sequence[Path | str]) -> None:
        """Note that images are opened now; with none, that nothing is open any more."""
        self.opened.note(paths)

    def observe(self) -> None:
        """Open the alert about what was left out; with nothing left out, let it resolve."""
        opened = self.opened
        with opened.store.write() as session:
            rules = Rules(session, self.settings.alerts, opened.tick.at, opened.tick.run.id)
            rules.files_left_out(self.left_out, opened.tick.schedule)

    def outcome(self) -> dict[str, Any]:
        """Return what the outcome of the run says about them; the next tick must know their deaths."""
        self.observe()
        return {"not_read": self.left_out, "deaths": self.opened.deadly()} if self.left_out else {}


def overtaken() -> AbkitError:
    """Return the error of an attempt whose run has another owner now."""
    return AbkitError("another daemon has taken this run over", hint="that one goes on with the files")


def shown(path: Path | str) -> str:
    """Return the name of a file, or a mark, as text that the store accepts."""
    return (path if isinstance(path, str) else path.name).encode("utf-8", "backslashreplace").decode()


def _mark(path: Path | str) -> str:
    if isinstance(path, str):
        return shown(path)
    try:
        status = path.stat()
    except OSError:
        return shown(path)  # it has disappeared in the meantime
    return f"{shown(path)} {status.st_size} {status.st_mtime_ns}"
