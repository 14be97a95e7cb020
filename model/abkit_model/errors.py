"""The errors of abkit and of its scorer: one sentence about what was wrong, and what to do about it."""

from __future__ import annotations

_LONGEST = 3_000
_SHOWN_OF_THE_END = 500


class AbkitError(Exception):
    """Something that the reader can fix.

    Attributes:
        message: What was wrong and where, with the value, in one sentence; of a very long one the middle is left out.
        hint: What to do about it, or an empty string.
        exit_code: How a command that fails with this error exits.

    >>> str(AbkitError("no workspace in /srv/ads", hint="run `abkit init` there"))
    'no workspace in /srv/ads'
    """

    exit_code = 1

    def __init__(self, message: str, hint: str = "") -> None:
        # A value that came from outside may hold line breaks, and have any length.
        message = " ".join(message.splitlines())
        if len(message) > _LONGEST:
            message = f"{message[: _LONGEST - _SHOWN_OF_THE_END]} … {message[-_SHOWN_OF_THE_END:]}"
        super().__init__(message)
        self.message = message
        self.hint = hint


class ModelError(AbkitError):
    """The scorer cannot do what it was asked."""


class ImageRejected(ModelError):
    """An image that cannot be scored. The rest of its batch can.

    Attributes:
        reason: Why, in words that fit in a table cell.
        item: Which image, where there are several, or an empty string.

    >>> str(ImageRejected("the file is empty", "images[2] (ads/sale.png)"))
    'images[2] (ads/sale.png): the file is empty'
    """

    def __init__(self, reason: str, item: str = "") -> None:
        super().__init__(f"{item}: {reason}" if item else reason)
        self.reason = reason
        self.item = item


class KindNotRead(ImageRejected):
    """A file of a kind that is not read, such as a PDF: nothing is wrong with it, and the reason says what to do."""


class EncoderUnavailable(ModelError):
    """The frozen encoder cannot be built: its name is unknown, or its weights or libraries are not on this machine."""


class DeviceUnavailable(ModelError):
    """The encoder cannot compute where it was asked to: there is no such device here, or it has too little memory."""


class TextRejected(ModelError):
    """A brief that cannot be compared with images: empty, unreadable, or longer than the text tower reads."""


class CheckpointError(ModelError):
    """A checkpoint that must not be used: damaged, altered, too new, or made for another encoder."""


class TableError(AbkitError):
    """A table file that cannot be read. The message does not name the file: the caller does."""


class LabelError(ModelError):
    """A rating table that cannot be read, or that nothing can be learned from."""


class RequestError(ModelError):
    """A request for training that contradicts itself or is out of range."""

    exit_code = 2


class TrainingError(ModelError):
    """Training that did not lead to a usable scorer. Nothing was written."""


class ReadingNote(UserWarning):
    """What a reader of tables did not read, or guessed: a warning that the command line prints as a note."""
