"""What abkit says when something is wrong: one sentence, and what to do about it."""


class AbkitError(Exception):
    """Something a reader can act on.

    Args:
        message: what was wrong and where, with the value, in one sentence.
        hint: what to do about it.

    >>> str(AbkitError("no workspace in /srv/ads", hint="run `abkit init` there"))
    'no workspace in /srv/ads'
    """

    exit_code = 1

    def __init__(self, message: str, hint: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint


class UsageError(AbkitError):
    """The command line or the configuration asks for something that does not exist (exit code 2)."""

    exit_code = 2


class InvalidInput(AbkitError, ValueError):
    """A value that cannot be: the message has the value and what was expected."""


class StoreError(AbkitError):
    """The store cannot be opened, is of another version, or cannot be written."""
