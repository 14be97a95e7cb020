"""Files that are written for a user: each appears whole or not at all, and one sentence says which could not be."""

from __future__ import annotations

import os
import stat
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from abkit.errors import AbkitError


@contextmanager
def whole_file(
    path: Path, *, what: str = "", hint: str = "name another file, or free some space", folders: bool = False
) -> Iterator[Path]:
    """Yield a file beside `path` that gets its name when the block ends, and is gone when it raises.

    A file that is there is replaced and keeps its rights; a link keeps pointing to it. What is no regular file, such as
    a pipe, is written as it is.

    Args:
        path: The file.
        what: What it is, for the message, such as "the report".
        hint: What to do when it cannot be written.
        folders: Whether folders that are missing are made.

    Raises:
        AbkitError: It cannot be written; what was there before is still there.

    >>> from tempfile import TemporaryDirectory
    >>> with TemporaryDirectory() as folder:
    ...     with whole_file(Path(folder) / "new" / "rows.csv", folders=True) as file:
    ...         length = file.write_text("a,b")
    ...     [one.name for one in (Path(folder) / "new").iterdir()]
    ['rows.csv']
    """
    try:
        target = Path(os.path.realpath(path))
        former = target.stat() if target.exists() else None
        if former is not None and not stat.S_ISREG(former.st_mode):
            yield target
            return
        if folders:
            target.parent.mkdir(parents=True, exist_ok=True)
        # The ending stays: some writers choose the format by it.
        descriptor, name = tempfile.mkstemp(dir=target.parent, prefix=".unfinished-", suffix=target.suffix)
        os.close(descriptor)
        unfinished = Path(name)
        try:
            yield unfinished
            with unfinished.open("rb+") as written:
                os.fsync(written.fileno())  # some disks say only now that they are full
            if former is not None:
                unfinished.chmod(stat.S_IMODE(former.st_mode))
            unfinished.replace(target)
        except BaseException:
            with suppress(OSError):
                unfinished.unlink()
            raise
    except OSError as error:
        why = os.strerror(error.errno).lower() if error.errno else str(error)
        message = f"{what} cannot be written to {path}: {why}" if what else f"{path} cannot be written: {why}"
        raise AbkitError(message, hint=hint) from error
