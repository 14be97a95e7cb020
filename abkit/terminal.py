"""Text from outside on its way to a terminal: without what could move its cursor, change its title or hide a line.

File names, titles, cards of foreign models and the errors of libraries come from anywhere. All that commands print as
text passes through here; only tables in color and progress bars, whose texts are cleaned before, and data for programs
(JSON, and CSV that is not shown on a terminal) do not.
"""

from __future__ import annotations

import errno
import io
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any, TextIO, cast
from unicodedata import category

from abkit.errors import AbkitError

_KEPT = frozenset("\n\t")
_STAND_IN = "\ufffd"


def harmless(text: str) -> str:
    r"""Return a text of one or more lines with a stand-in for what is no letter, sign, tab or end of a line.

    >>> harmless("spring\x1b[2J\rsale\n") == "spring\ufffd[2J\ufffdsale\n"
    True
    """
    if text.isascii() and text.replace("\n", "").isprintable():
        return text
    plain = text.encode("utf-8", "backslashreplace").decode().replace("\r\n", "\n")
    return "".join(char if _is_shown(char) else _STAND_IN for char in plain)


def _is_shown(char: str) -> bool:
    return char.isprintable() or char in _KEPT or category(char) == "Zs"


class OutputLost(AbkitError):
    """The result cannot be written to standard output."""


class PrintedStream:
    """Standard output or standard error: what keeps it from being written is told as what it is, or is not told.

    A full disk and an output that is closed are no bug. Nobody reads notes that cannot be written: they stop nothing.
    """

    def __init__(self, stream: TextIO | None, *, is_result: bool) -> None:
        self.stream = stream if stream is not None else cast("TextIO", _Closed())
        self.is_result = is_result
        self._lost: OutputLost | None = None

    def write(self, text: str) -> int:
        """Write a text, and return its length.

        Raises:
            OutputLost: It is a result, and cannot be written.
        """
        self._require_whole()
        try:
            # Libraries try what a stream takes by writing nothing, and catch whatever that raises.
            if text:
                self.stream.write(text)
        except OSError as error:
            self._fail(error)
        return len(text)

    def writelines(self, lines: Iterator[str]) -> None:
        """Write several texts."""
        for line in lines:
            self.write(line)

    def flush(self) -> None:
        """Write what waits.

        Raises:
            OutputLost: It is a result, and cannot be written.
        """
        self._require_whole()
        try:
            self.stream.flush()
        except OSError as error:
            self._fail(error)

    def _require_whole(self) -> None:
        if self._lost is not None:
            raise self._lost  # somebody caught it: what is missing is missing all the same

    def _fail(self, error: OSError) -> None:
        if not self.is_result:
            return
        # Python would try once more when it ends, and fail with a code of its own.
        with suppress(OSError, ValueError):
            os.dup2(os.open(os.devnull, os.O_WRONLY), self.stream.fileno())
        if isinstance(error, BrokenPipeError):
            raise error  # the reader has had enough
        why = "it is closed" if error.errno == errno.EBADF else os.strerror(error.errno or 0).lower()
        self._lost = OutputLost(
            f"the output cannot be written: {why}",
            hint="send it elsewhere, or free some space; what the command has changed in the store stays changed",
        )
        raise self._lost from error

    def __getattr__(self, name: str) -> Any:
        return getattr(self.stream, name)


class _Closed(io.StringIO):
    """Stands for an output that was closed before the command began."""

    def write(self, _text: str) -> int:
        """Fail, as the system would."""
        raise OSError(errno.EBADF, os.strerror(errno.EBADF))


def hold_standard_numbers() -> None:
    """Have something lie at the numbers 0, 1 and 2 where the shell closed them, before a file takes one of them.

    What a library prints would go into that file: the store, for example.
    """
    for number in (0, 1, 2):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # it takes the lowest number that is free


class HarmlessStream:
    """A text stream that writes harmless text; everything else is as it was."""

    def __init__(self, stream: TextIO) -> None:
        self.stream = stream

    def write(self, text: str) -> int:
        """Write a text, and return its length."""
        self.stream.write(harmless(text))
        return len(text)

    def writelines(self, lines: Iterator[str]) -> None:
        """Write several texts."""
        for line in lines:
            self.write(line)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.stream, name)


@contextmanager
def harmless_streams() -> Iterator[None]:
    """Let standard output and standard error write harmless text."""
    former = sys.stdout, sys.stderr
    for name, is_result in (("stdout", True), ("stderr", False)):
        plain = PrintedStream(unguarded(getattr(sys, name)), is_result=is_result)
        setattr(sys, name, cast("TextIO", HarmlessStream(cast("TextIO", plain))))
    try:
        yield
    finally:
        sys.stdout, sys.stderr = former


def unguarded(stream: TextIO) -> TextIO:
    """Return the stream itself, for what is made to move the cursor, and for data that programs read."""
    return stream.stream if isinstance(stream, HarmlessStream | PrintedStream) else stream


def for_programs(stream: TextIO) -> TextIO:
    """Return the stream itself where a program reads it, and the guarded one where a terminal shows it."""
    return stream if stream.isatty() else unguarded(stream)
