"""What the process of a job writes to stderr by itself (a panic in Rust, a C library) becomes lines of the log."""

import logging
import os
from collections.abc import Mapping
from multiprocessing import connection
from typing import Any

log = logging.getLogger("abkit.jobs")

_CHUNK = 1 << 16
_LONGEST = 2000
_MOST = 200


class Overheard:
    """The lines that a process writes to a pipe, logged with its run.

    Args:
        pipe: The end to read from.
        fields: What each line of the log says about the run.
    """

    def __init__(self, pipe: "connection.Connection[bytes, bytes]", fields: Mapping[str, Any]) -> None:
        self.pipe = pipe
        self._fields = dict(fields)
        self._rest = b""
        self._lines = 0
        self.ended = False
        os.set_blocking(pipe.fileno(), False)

    def read(self) -> None:
        """Log what is there by now."""
        while not self.ended:
            try:
                chunk = os.read(self.pipe.fileno(), _CHUNK)
            except BlockingIOError:
                return
            except OSError:
                chunk = b""
            self.ended = not chunk
            *lines, self._rest = (self._rest + chunk).split(b"\n")
            if self.ended or len(self._rest) > _LONGEST:
                lines, self._rest = [*lines, self._rest], b""
            for line in lines:
                self._log(line.decode("utf-8", "replace").strip())

    def close(self) -> None:
        """Log the rest, and close the pipe."""
        self.read()
        if self._rest:
            self._log(self._rest.decode("utf-8", "replace").strip())
        if self._lines > _MOST:
            log.warning("stderr: %d more lines", self._lines - _MOST, extra=self._fields)
        self.pipe.close()

    def _log(self, line: str) -> None:
        if line:
            self._lines += 1
            if self._lines <= _MOST:
                log.warning("stderr: %s", line[:_LONGEST], extra=self._fields)
