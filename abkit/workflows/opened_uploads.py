"""Uploads that a server opens itself, each noted before: one that ended the server again and again is not opened again.

The note is a file beside the upload: a server that is killed cannot write into a store what killed it.
"""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from abkit.errors import AbkitError, InvalidInput

#: Deaths of a server after which an upload is not opened again.
MOST_DEATHS = 3
#: How often each is open in this process at the moment: two who read the same are no deaths.
_OPEN: Counter[Path] = Counter()
_LOCK = threading.Lock()


@contextmanager
def opened(path: Path, called: str = "") -> Iterator[None]:
    """Note that an upload is open until the block ends, however it ends but by the death of the process.

    Args:
        path: The upload; the note is beside it.
        called: What the message calls it; the name of the file by default.

    Raises:
        InvalidInput: It was open when the server ended, and that three times.
        AbkitError: The note cannot be written.
    """
    note = path.with_name(f".{path.name}.opened")
    with _LOCK:
        if not _OPEN[note]:
            _begin(note, called or path.name)
        _OPEN[note] += 1
    try:
        yield
    finally:
        with _LOCK:
            _OPEN[note] -= 1
            if not _OPEN[note]:
                del _OPEN[note]
                with suppress(OSError):
                    note.unlink()


def _begin(note: Path, called: str) -> None:
    deaths = _deaths(note)
    if deaths >= MOST_DEATHS:
        raise InvalidInput(
            f"{called}: reading it ended the server {deaths} times: it was killed or ran out of memory",
            hint="make the file smaller and upload it again, or give the server more memory",
        )
    try:
        note.write_text(str(deaths + 1))
    except OSError as error:
        raise AbkitError(
            f"the folder {note.parent} cannot be written: {error.strerror}",
            hint="free some space there, or get permission",
        ) from error


def _deaths(note: Path) -> int:
    try:
        return int(note.read_text())
    except (OSError, ValueError):
        return 0
