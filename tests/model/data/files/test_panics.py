"""What a library prints when it panics stays off the terminal; what others print arrives."""

import os

import pytest

from abkit_model.data.files.panics import unprinted_panics
from abkit_model.data.files.spreadsheets import sheets
from abkit_model.errors import TableError

PANIC = (
    b"\nthread '<unnamed>' (71) panicked at src/xls.rs:7:9:\nindex out of bounds: 3\n"
    b"note: run with `RUST_BACKTRACE=1`\n"
)


class PanicException(BaseException):  # as the library calls it
    """A panic, as it arrives in Python."""


def panic() -> None:
    os.write(2, b'{"message": "of another thread"}\n' + PANIC + b'{"message": "after it"}\n')
    raise PanicException("index out of bounds")


def test_a_spreadsheet_over_which_the_library_panics_is_refused_and_nothing_of_it_is_printed(
    capfd: pytest.CaptureFixture[str],
) -> None:
    with pytest.raises(TableError, match="the spreadsheet is damaged"):
        sheets._guarded(panic)
    assert capfd.readouterr().err == '{"message": "of another thread"}\n{"message": "after it"}\n'


def test_a_panic_that_tells_no_more_is_left_out_to_its_end(capfd: pytest.CaptureFixture[str]) -> None:
    with unprinted_panics(), unprinted_panics():
        os.write(2, b"before\nthread 'main' panicked at src/lib.rs:1:\nno advice")
    assert capfd.readouterr().err == "before"


def test_where_nothing_is_printed_nothing_comes(capfd: pytest.CaptureFixture[str]) -> None:
    with unprinted_panics():
        pass
    assert capfd.readouterr().err == ""


def test_without_stderr_the_file_is_still_read() -> None:
    kept = os.dup(2)
    try:
        os.close(2)
        with unprinted_panics():
            done = True
    finally:
        os.dup2(kept, 2)
        os.close(kept)
    assert done
