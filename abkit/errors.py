"""The errors of abkit: one sentence about what was wrong, and what to do about it.

The family's root lies with the scorer, which imports nothing of abkit, so that one `except AbkitError` catches both.
"""

from abkit_model.errors import AbkitError


class UsageError(AbkitError):
    """The command line or the configuration asks for something that does not exist (exit code 2)."""

    exit_code = 2


class InvalidInput(AbkitError, ValueError):
    """A value that cannot be: the message has the value and what was expected."""


class StoreError(AbkitError):
    """The store cannot be opened, is of another version, or cannot be written."""


class StoreUnreachable(StoreError):
    """The store does not answer. What was begun can be done again once it does."""


class StoreLocked(StoreError):
    """Another process has kept the store locked for longer than anybody waits."""


class StoreFull(StoreError):
    """The disk that holds the store is full or failing."""


__all__ = [
    "AbkitError",
    "InvalidInput",
    "StoreError",
    "StoreFull",
    "StoreLocked",
    "StoreUnreachable",
    "UsageError",
]
