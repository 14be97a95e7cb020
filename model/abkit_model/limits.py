"""What a file from outside may cost: every limit that holds for its size, its content and the time it takes.

Most files come from other programs and other people. A limit is far above what real files need, and a file beyond one
is refused in one sentence that names the limit and what to do. What a workspace may need to raise is a setting
(`[scoring]` and `[kpi]` in abkit.toml); the others are fixed.
"""

from __future__ import annotations

import os
import stat
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

# Images

#: Smaller images carry too little to be judged.
MIN_SIDE = 32
#: 64 megapixels take 256 MB once decoded. Refused from the header, before anything is decoded.
MAX_PIXELS = 64_000_000
#: The decoder of WebP takes more than 16 bytes per pixel.
MAX_WEBP_PIXELS = 40_000_000
MAX_IMAGE_BYTES = 256 * 2**20
#: Each scan of a progressive JPEG passes over all of its pixels. Programs write about ten.
MAX_SCANS = 100
MAX_SCANNED_PIXELS = 1_500_000_000
#: Frames of an animation, pages of a TIFF, images of a HEIC.
MAX_FRAMES = 10_000

# Folders

#: Levels of folders below the one that is named.
MAX_FOLDER_LEVELS = 64
#: Files and folders below the one that is named, links followed.
MAX_ENTRIES = 1_000_000
#: Times that folders are read once more, all together, because links lead to them.
MAX_READ_AGAIN = 1_000

# Tables

#: A packed table (gzip, ZIP, a spreadsheet, Parquet) may unpack to this size, or to so many times its own.
FREE_UNPACKED_BYTES = 32 * 2**20
MAX_UNPACKED_RATIO = 100
#: Rows that cannot be divided into the cells of the header are kept with their reason; beyond this it is no table.
MAX_BROKEN_ROWS = 100_000
#: A table with more of them than that is refused as a whole where they are this share of its rows.
MOST_BROKEN_SHARE = 0.9
#: Columns that a table may have.
MAX_COLUMNS = 16_384
#: Processor time that reading one table may take, in seconds.
MAX_TABLE_SECONDS = 900.0
#: A spreadsheet has cells between the first and the last one, filled or not: so many, or so many times the filled ones.
MAX_CELLS = 30_000_000
FREE_CELLS = 3_000_000
MAX_CELLS_RATIO = 20

# Checkpoints

#: A card, in bytes; those that are trained here have some kilobytes.
MAX_CARD_BYTES = 4 * 2**20
#: Weights of a scorer, in bytes; those that are trained here have some megabytes.
MAX_WEIGHTS_BYTES = 2 * 2**30
#: Parameters of a network, in all of its members together.
MAX_PARAMETERS = 500_000_000

# Configuration and other texts

#: A file of settings, of recipes, of a query, or of a secret.
MAX_TEXT_BYTES = 4 * 2**20


class NotRegular(OSError):
    """What has the name of a file is a pipe, a device or a socket: to open it could wait for ever."""


def require_regular(path: str | os.PathLike[str]) -> os.stat_result:
    """Return the status of a file, and refuse what is not one before it is opened.

    Raises:
        NotRegular: A pipe, a device or a socket.
        OSError: It is not there, or out of reach.
    """
    status = os.stat(path)
    if not (stat.S_ISREG(status.st_mode) or stat.S_ISDIR(status.st_mode)):
        raise NotRegular(f"{os.fspath(path)} is not a regular file")
    return status


def read_limited(path: Path, most: int) -> bytes:
    """Return the bytes of a regular file.

    Raises:
        NotRegular: It is a pipe, a device or a socket.
        ValueError: It is larger.
        OSError: It cannot be read.
    """
    size = require_regular(path).st_size
    with path.open("rb") as file:
        data = file.read(min(size, most) + 1)  # room is made for all that is asked for
    if len(data) > most:
        raise ValueError(f"it is larger than {most / 2**20:g} MB")
    return data


class Room:
    """A number of units, such as pixels, that several threads share: who needs more than is free waits for the others.

    What needs more than there is in all takes all of it: it is never refused, only alone.

    >>> room = Room(10)
    >>> with room.for_use_of(25):
    ...     room.free
    0
    """

    def __init__(self, units: int) -> None:
        self.free = self._all = units
        self._changed = threading.Condition()

    @contextmanager
    def for_use_of(self, units: int) -> Iterator[None]:
        """Wait until so many units are free, and hold them."""
        taken = max(0, min(units, self._all))
        with self._changed:
            self._changed.wait_for(lambda: self.free >= taken)
            self.free -= taken
        try:
            yield
        finally:
            with self._changed:
                self.free += taken
                self._changed.notify_all()
