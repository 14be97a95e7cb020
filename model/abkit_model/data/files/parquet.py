"""Parquet from outside: looked through in a process of its own before the library that reads it sees it here.

A file of some kilobytes can hold gigabytes of text, and a damaged one can end a process. What this has looked through
is whole, and of a size that fits.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from abkit_model.data.files import parquet_worker
from abkit_model.data.files.packing import most_unpacked, refuse_ratio
from abkit_model.errors import TableError
from abkit_model.limits import MAX_COLUMNS, require_regular

#: To look through a file may take so many seconds.
MAX_SECONDS = 900
#: What is larger is not decoded twice: it does not hide what it costs.
_HONEST_BYTES = 4 * 2**30
_EXPORT_AGAIN = "export it again"


def is_parquet(path: Path) -> bool:
    """Return whether a file begins as Parquet does.

    Raises:
        OSError: It cannot be read, or is a pipe or a device.
    """
    require_regular(path)
    with path.open("rb") as file:
        return file.read(4) == b"PAR1"


@dataclass(frozen=True)
class Examined:
    """Parquet that was looked through: a file, or several that are one table.

    Attributes:
        size: Bytes of the files.
        names: What its columns are called, in order.
        rows: How many rows it has.
    """

    size: int
    names: Sequence[str]
    rows: int
    _ask: Any

    def require(self, columns: Collection[str], *, max_bytes: float, hint: str = "split the file") -> None:
        """Refuse the file where columns of it are damaged, or hold too much; what is read of it are these only.

        Raises:
            TableError: The values of the columns take more than `max_bytes`, or a great many times the file.
        """
        if self.size > _HONEST_BYTES:
            return
        most = min(max_bytes, most_unpacked(self.size))
        found = self._ask([list(columns), most])["bytes"]
        if found > max_bytes:
            raise TableError(f"the table unpacks to more than {max_bytes / 1e6:,.4g} MB", hint=hint)
        refuse_ratio(self.size, found)


@contextmanager
def examined(*paths: Path, max_rows: float, hint: str = "split the file") -> Iterator[Examined]:
    """Look through Parquet, one file or several that are one table, and yield what it holds.

    Raises:
        TableError: It is damaged, takes too long or too much memory to read, or has too many rows or columns.
    """
    # Isolated, so that nothing in the folder of the user is imported; one thread, because each has memory of its own.
    command = [sys.executable, "-I", str(Path(parquet_worker.__file__))]
    environment = {**os.environ, "POLARS_MAX_THREADS": "1", "RUST_BACKTRACE": "0"}
    with subprocess.Popen(  # noqa: S603  # our own file, with nothing from outside
        command,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        encoding="utf-8",
        env=environment,
    ) as process:
        late = threading.Timer(MAX_SECONDS, process.kill)
        late.daemon = True
        late.start()

        def ask(question: Any) -> dict[str, Any]:
            assert process.stdin is not None  # noqa: S101  # both are pipes
            assert process.stdout is not None  # noqa: S101
            try:
                process.stdin.write(json.dumps(question) + "\n")
                process.stdin.flush()
                answer = json.loads(process.stdout.readline())
            except (OSError, ValueError) as error:
                raise TableError(
                    "the content is damaged, or takes too much memory or time to read", hint=_EXPORT_AGAIN
                ) from error
            if reason := answer.get("refused"):
                raise TableError(f"the content is damaged: {reason}", hint=_EXPORT_AGAIN)
            found: dict[str, Any] = answer
            return found

        try:
            seen = ask([os.path.abspath(path) for path in paths])
            names, rows = seen["names"], seen["rows"]
            if len(names) > MAX_COLUMNS:
                many = f"it has {len(names):,} columns, more than {MAX_COLUMNS:,}"
                raise TableError(many, hint="export fewer columns")
            if rows > max_rows:
                raise TableError(f"{rows:,} rows are more than the {max_rows:,} that one file may have", hint=hint)
            yield Examined(sum(path.stat().st_size for path in paths), names, rows, ask)
        finally:
            late.cancel()
            process.kill()
