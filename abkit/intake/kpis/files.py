"""Which files a person means who names a folder of exports."""

from __future__ import annotations

import os
import shlex
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from abkit.addresses import holds_password
from abkit.errors import AbkitError, UsageError
from abkit.intake.databases.warehouse import shown_url, write_query
from abkit.intake.kpis.reading import SIZE_HINT, KpiOptions
from abkit.intake.remote.address import Address
from abkit.intake.remote.fetch import Fetched, Limits, Progress, Refusal, fetched
from abkit_model.data.files.tables import SUFFIXES, readable
from abkit_model.limits import MAX_TEXT_BYTES, read_limited


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


def read_query(query: str | Path) -> tuple[str, str]:
    """Return the text of a query and what it is called in the store.

    Args:
        query: A file with one SELECT, or the SELECT itself: what has a space and is no file.

    Raises:
        UsageError: The file cannot be read as text.
    """
    if isinstance(query, str) and any(char.isspace() for char in query) and not os.path.isfile(query):
        return query, "query"
    try:
        return read_limited(Path(query), MAX_TEXT_BYTES).decode("utf-8"), Path(query).name
    except (OSError, ValueError):
        raise UsageError(f"{query} cannot be read as text", hint="name a file with one SELECT") from None


@contextmanager
def queried_export(
    url: str, query: str | Path, options: KpiOptions, *, variable: str | None = None
) -> Iterator[Fetched]:
    """Yield the rows of a query as an export; they are gone afterwards.

    Args:
        url: The database; its password is neither shown nor stored.
        query: One statement that reads, or a file with one.
        options: Limits of rows and size.
        variable: The environment variable that has the URL, for commands that hints show.

    Raises:
        UsageError: The database is of no engine that is read, or the file of the query cannot be read.
    """
    text, name = read_query(query)
    shown = f"{shown_url(url)}#{name}"
    said = variable is None and not holds_password(url)
    where = f"--sql {shlex.quote(url)}" if said else f"--sql-env {variable or 'URL'}"
    origin = Address(scheme="sql", full=shown, shown=shown, argument=f"{where} --query {shlex.quote(str(query))}")
    # Only this user can read the folder.
    with TemporaryDirectory(prefix="abkit-query-", ignore_cleanup_errors=True) as folder:
        path = Path(folder) / "result.parquet"
        try:
            write_query(url, text, path, seconds=_QUERY_S, max_rows=options.max_rows, max_bytes=options.max_bytes)
        except AbkitError as error:
            refusal = Refusal(address=shown, reason=error.message, hint=error.hint or "")
            yield Fetched(paths=(), refused=(refusal,), named=(shown,))
            return
        yield Fetched(paths=(path,), origins={path: origin}, named=(shown,))
