"""What the errors say."""

from abkit_model.errors import AbkitError


def test_of_a_message_that_repeats_something_huge_both_ends_are_said() -> None:
    error = AbkitError(f"{'x' * 100_000} is not a number; expected one such as 20000")
    assert len(error.message) < 3_100
    assert error.message.startswith("xxx")
    assert error.message.endswith("is not a number; expected one such as 20000")
    assert str(error) == error.message


def test_line_breaks_of_a_value_do_not_break_the_sentence() -> None:
    assert AbkitError("variant 'A' has 5\r\n6 successes\u2028in 9").message == "variant 'A' has 5 6 successes in 9"
