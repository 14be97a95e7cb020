"""Which files a person means who names a folder of exports."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from abkit.errors import AbkitError
from abkit.intake.kpis.reading import SIZE_HINT, KpiOptions
from abkit.intake.remote.address import Address
from abkit.intake.remote.fetch import Fetched, Limits, Progress, Refusal, fetched
from abkit.intake.warehouse import shown_url, write_query
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


_QUERY_S = 1800


@contextmanager
def queried_export(url: str, query: str, name: str, options: KpiOptions) -> Iterator[Fetched]:
    """Yield the rows of a query as an export; they are gone afterwards.

    Args:
        url: The database; its password is neither shown nor stored.
        query: One statement that reads.
        name: What the query is called in the store.
        options: Limits of rows and size.

    Raises:
        UsageError: The database is of no engine that is read.
    """
    shown = f"{shown_url(url)}#{name}"
    # Only this user can read the folder.
    with TemporaryDirectory(prefix="abkit-query-", ignore_cleanup_errors=True) as folder:
        path = Path(folder) / "result.parquet"
        try:
            write_query(url, query, path, seconds=_QUERY_S, max_rows=options.max_rows, max_bytes=options.max_bytes)
        except AbkitError as error:
            refusal = Refusal(address=shown, reason=error.message, hint=error.hint or "")
            yield Fetched(paths=(), refused=(refusal,), named=(shown,))
            return
        yield Fetched(paths=(path,), origins={path: Address(scheme="sql", full=shown, shown=shown)}, named=(shown,))
