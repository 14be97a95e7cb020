"""What the errors say."""

from abkit_model.errors import AbkitError


def test_of_a_message_that_repeats_something_huge_both_ends_are_said() -> None:
    error = AbkitError(f"{'x' * 100_000} is not a number; expected one such as 20000")
    assert len(error.message) < 3_100
    assert error.message.startswith("xxx")
    assert error.message.endswith("is not a number; expected one such as 20000")
    assert str(error) == error.message
