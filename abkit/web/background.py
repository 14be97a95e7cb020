"""Work that a page asks for and does not wait for: one thing at a time, each once."""

from __future__ import annotations

import logging
import os
import threading
from collections.abc import Callable, Hashable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress

from abkit.errors import AbkitError

_log = logging.getLogger(__name__)
#: Things that may wait; more are asked for again by the next visit.
MOST_WAITING = 100


class Background:
    """A thread that makes what pages show, beside the requests."""

    def __init__(self) -> None:
        self._pool = ThreadPoolExecutor(max_workers=1, thread_name_prefix="abkit-pages", initializer=_low_priority)
        self._lock = threading.Lock()
        self._waiting: set[Hashable] = set()
        self._failed: dict[Hashable, str] = {}

    def ask(self, key: Hashable, work: Callable[[], object]) -> bool:
        """Let some work be done, unless it waits already; return whether it is going to be done.

        Args:
            key: What is made: work with the same key is done once.
            work: What to do; an error goes to the log.
        """
        with self._lock:
            if key in self._waiting:
                return True
            if len(self._waiting) >= MOST_WAITING:
                return False
            self._waiting.add(key)
            self._failed.pop(key, None)

        def done() -> None:
            try:
                work()
            except AbkitError as error:
                self._note(key, error.message)
            except Exception:  # whatever one thing does, the others go on
                _log.exception("what a page shows could not be made: %s", key)
                self._note(key, "this looks like a bug in abkit: the server's log has its traceback")
            finally:
                with self._lock:
                    self._waiting.discard(key)

        try:
            self._pool.submit(done)
        except RuntimeError:  # the server stops
            with self._lock:
                self._waiting.discard(key)
            return False
        return True

    def _note(self, key: Hashable, why: str) -> None:
        with self._lock:
            while len(self._failed) >= MOST_WAITING:
                self._failed.pop(next(iter(self._failed)))
            self._failed[key] = why

    def why_failed(self, key: Hashable) -> str:
        """Return why this work came to nothing the last time; "" where it did not."""
        with self._lock:
            return self._failed.get(key, "")

    def is_making(self, key: Hashable) -> bool:
        """Return whether this work waits or is done now."""
        with self._lock:
            return key in self._waiting

    def close(self) -> None:
        """Take nothing more; what is under way ends."""
        self._pool.shutdown(wait=True, cancel_futures=True)


def _low_priority() -> None:
    """Let requests come first: on Linux a thread has a priority of its own."""
    with suppress(AttributeError, OSError):
        os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), 10)
