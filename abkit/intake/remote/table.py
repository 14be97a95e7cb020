"""One table, wherever it lies: a file of this machine, or one that is fetched first."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from abkit.errors import AbkitError, UsageError
from abkit.intake.remote.address import is_address, parse_address
from abkit.intake.remote.fetch import Fetched, Limits, Progress, fetched
from abkit_model.data.files.tables import SUFFIXES


@dataclass(frozen=True, kw_only=True)
class LocalTable:
    """A table to read.

    Attributes:
        path: The file on this machine.
        shown: What it is called in messages and in the store: the path, or the address without its secrets.
        name: The last part of that.
    """

    path: Path
    shown: str
    name: str


@contextmanager
def local_table(
    table: str | Path, *, max_bytes: float, progress: Progress = lambda done, total: None
) -> Iterator[LocalTable]:
    """Yield a table of this machine, or the one behind an address; what was fetched is gone afterwards.

    Errors that pass through name the address, not the file that it was fetched to.

    Args:
        table: A path, or an address as text (`s3://…`, `https://…`).
        max_bytes: A larger file is not fetched.
        progress: Called with (files fetched, files in all).

    Raises:
        UsageError: The address is not of a kind that is read, or stands for several files.
        AbkitError: It cannot be fetched.
    """
    limits = Limits(file_bytes=max_bytes, size_hint="split the table")
    wanted = lambda name: name.lower().endswith(SUFFIXES)  # noqa: E731
    with fetched([table], wanted=wanted, deep=False, limits=limits, progress=progress) as found:
        if found.refused:
            refusal = found.refused[0]
            raise AbkitError(f"{refusal.address}: {refusal.reason}", refusal.hint)
        if len(found.paths) > 1:
            first = found.origins[found.paths[0]].shown
            raise UsageError(
                f"{found.named[0]} stands for {len(found.paths):,} tables, and one is read",
                hint=f"name one of them, such as {first}",
            )
        path = found.paths[0]
        origin = found.origins.get(path)
        try:
            yield LocalTable(path=path, shown=found.named[0] if origin is None else origin.shown, name=path.name)
        except AbkitError as error:
            _name_the_address(error, found)
            raise


def shown_table(table: str | Path) -> str:
    """Return what a table is called in the store.

    >>> shown_table("https://example.com/votes.csv?signature=1f3a")
    'https://example.com/votes.csv'
    """
    return parse_address(table).shown if isinstance(table, str) and is_address(table) else str(table)


def _name_the_address(error: AbkitError, found: Fetched) -> None:
    error.message, error.hint = found.in_words(error.message), found.in_words(error.hint)
    error.args = (error.message,)
