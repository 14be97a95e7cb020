"""Keep what a panic inside a library prints off the terminal: the reader is told in one sentence."""

from __future__ import annotations

import contextlib
import os
import re
import tempfile
import threading
from collections.abc import Iterator

_ONE_AT_A_TIME = threading.RLock()
_STDERR = 2
# "thread 'main' panicked at …" to the advice about RUST_BACKTRACE, as Rust prints it by itself.
_PANIC = re.compile(rb"\n?thread '[^'\n]*'[^\n]* panicked at .*?(?:note: run with [^\n]*\n?|\Z)", re.DOTALL)


@contextlib.contextmanager
def unprinted_panics() -> Iterator[None]:
    """Hold back what is written to stderr meanwhile, whatever writes it, and let it out afterwards without panics.

    For calls into a library that are over in a moment. Where there is no stderr, or no room for a file, nothing is
    held back.
    """
    with _ONE_AT_A_TIME:
        try:
            kept = tempfile.TemporaryFile()  # noqa: SIM115  # closed below
            before = os.dup(_STDERR)
        except OSError:
            yield
            return
        with kept:
            os.dup2(kept.fileno(), _STDERR)
            try:
                yield
            finally:
                os.dup2(before, _STDERR)
                os.close(before)
                kept.seek(0)
                if said := _PANIC.sub(b"", kept.read()):
                    with contextlib.suppress(OSError):
                        os.write(_STDERR, said)
