"""Numbers on the command line, read as in tables: one that could be two figures is refused with both readings."""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence


def number(text: str | float) -> float:
    """Return the figure of an option; refuse one such as 20.000, which is 20 or 20,000.

    >>> number("20000"), number("1500.5"), number("-0.05"), number("12.3450")
    (20000.0, 1500.5, -0.05, 12.345)
    """
    from abkit.errors import InvalidInput, UsageError

    text = str(text)  # a default is a number already
    try:
        return figures([text.replace("_", "")], text, None)[0]
    except InvalidInput as error:
        # As it is, Typer would take it for a value error of its own and drop the hint.
        raise UsageError(str(error), hint=error.hint) from None
    except ValueError:
        raise UsageError(f"{text!r} is not a number; expected one such as 20000 or 0.05") from None


def numbers(text: str, what: str, decimal: str | None = None, *, lengths: Collection[int] | None = None) -> list[float]:
    """Return numbers with commas between them, or semicolons.

    A comma between up to three digits and exactly three may also stand between thousands: where that would be a list of
    an expected length as well, the text is refused with both readings. A space after a comma makes it clear.

    Args:
        text: The list.
        what: What it is, for messages.
        decimal: The decimal sign; with a decimal comma, semicolons stand between the numbers.
        lengths: How many numbers are expected; two or more by default.

    >>> numbers("5000, 5300", "--observed")
    [5000.0, 5300.0]
    >>> numbers("1.000;12,5;3", "an arm")
    [1000.0, 12.5, 3.0]
    """
    from abkit.errors import InvalidInput

    parts = text.split(";") if ";" in text else text.split(",")
    if ";" not in text:
        _refuse_thousands(parts, text, what, lengths)
    try:
        return figures([part.replace("_", "") for part in parts], text, decimal)
    except InvalidInput:
        raise
    except ValueError:
        raise InvalidInput(
            f"{what} is {text!r}; expected numbers with commas between them, such as 5000,5300"
        ) from None


def figures(parts: Sequence[str], text: str, decimal: str | None) -> list[float]:
    """Return the figures of texts that were written together.

    Raises:
        ValueError: One is no number.
        InvalidInput: One could be two figures, and no other says which.
    """
    from abkit.errors import InvalidInput
    from abkit_model.data.numbers import decimal_sign, written

    try:
        sign = decimal or decimal_sign(parts) or "."
    except ValueError as reason:
        raise InvalidInput(
            f"{text!r} can be read in two ways: {reason}",
            hint="write thousands without a sign (20000) and decimals with one more digit (12.3450), or say the "
            "decimal sign where the command takes it: --decimal . or --decimal ,",
        ) from None
    found = [one.value(sign) if (one := written(part)) and not one.currency else None for part in parts]
    values = [value for value in found if value is not None]
    if len(values) < len(parts):
        return [float(part) for part in parts]  # nan and inf are refused where they are used, by name
    return values


def _refuse_thousands(parts: Sequence[str], text: str, what: str, lengths: Collection[int] | None) -> None:
    """Refuse a list whose commas may stand between thousands."""
    from abkit.errors import InvalidInput

    joined: list[str] = []
    zeros, open_group = False, False
    for part in parts:
        follows = open_group and re.fullmatch(r"\d{3}(\.\d+)?", part) is not None
        if follows:
            zeros = zeros or part.startswith("0")
            joined[-1] += part
        else:
            joined.append(part.strip())
        open_group = (follows and "." not in part) or re.fullmatch(r" *[+-]?[1-9]\d{0,2}", part) is not None
    others = range(len(joined), len(parts))
    if zeros or any(n in lengths if lengths else n > 1 for n in others):
        raise InvalidInput(
            f"{what} is {text!r}, which can be read in two ways: {len(parts)} numbers "
            f"({', '.join(part.strip() for part in parts)}) or {len(joined)} ({', '.join(joined)})",
            hint="write thousands without a sign, or a space after each comma between two numbers",
        )
