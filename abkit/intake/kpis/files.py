"""Which files a person means who names a folder of exports."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from abkit.intake.kpis.reading import SIZE_HINT, KpiOptions
from abkit.intake.remote.fetch import Fetched, Limits, Progress, fetched
from abkit_model.data.tables import SUFFIXES, readable


@dataclass(frozen=True)
class FoundExports:
    """The files behind some paths.

    Attributes:
        files: The files, those of a folder sorted by name; a folder without any stands for itself.
        left_alone: By folder, what else is in it.
    """

    files: Sequence[Path]
    left_alone: dict[Path, list[str]]


def find_exports(paths: Sequence[Path]) -> FoundExports:
    """Return the files behind paths: a folder stands for the tables directly in it, and what is left alone is named.

    Raises:
        TableError: A folder cannot be read.
    """
    files: list[Path] = []
    left_alone: dict[Path, list[str]] = {}
    for path in paths:
        if not path.is_dir():
            files.append(path)
            continue
        with readable():
            entries = sorted(path.iterdir(), key=lambda entry: entry.name)
        # Spreadsheet programs leave a lock beside an open file, systems leave hidden ones.
        seen = [entry for entry in entries if not entry.name.startswith((".", "~$"))]
        tables = [entry for entry in seen if entry.name.lower().endswith(SUFFIXES) and entry.is_file()]
        files += tables or [path]
        if others := [entry.name for entry in seen if entry not in set(tables)]:
            left_alone[path] = others
    return FoundExports(files, left_alone)


@contextmanager
def fetched_exports(
    paths: Sequence[str | Path], options: KpiOptions, *, progress: Progress = lambda done, total: None
) -> Iterator[Fetched]:
    """Yield the exports behind paths and addresses (`s3://…`, `https://…`); what was fetched is gone afterwards.

    Raises:
        UsageError: An address is not of a kind that is read, or holds credentials.
    """
    limits = Limits(file_bytes=options.max_bytes, size_hint=SIZE_HINT)
    wanted = lambda name: name.lower().endswith(SUFFIXES)  # noqa: E731
    with fetched(paths, wanted=wanted, deep=False, limits=limits, progress=progress) as found:
        yield found
