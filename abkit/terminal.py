"""Text from outside on its way to a terminal: without what could move its cursor, change its title or hide a line.

File names, titles, cards of foreign models and the errors of libraries come from anywhere. All that commands print as
text passes through here; only tables in color and progress bars, whose texts are cleaned before, and data for programs
(JSON, and CSV that is not shown on a terminal) do not.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, TextIO, cast
from unicodedata import category

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
    sys.stdout, sys.stderr = (cast("TextIO", HarmlessStream(unguarded(stream))) for stream in former)
    try:
        yield
    finally:
        sys.stdout, sys.stderr = former


def unguarded(stream: TextIO) -> TextIO:
    """Return the stream itself, for what is made to move the cursor, and for data that programs read."""
    return stream.stream if isinstance(stream, HarmlessStream) else stream


def for_programs(stream: TextIO) -> TextIO:
    """Return the stream itself where a program reads it, and the guarded one where a terminal shows it."""
    return stream if stream.isatty() else unguarded(stream)
