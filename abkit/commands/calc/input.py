"""What the statistics commands read: options that they share, arms, lists of numbers.

Numbers are read as in tables: one that could be two figures (`1.000/20.000`, `10,000,12.5`) is refused with both.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from typing import TYPE_CHECKING, Annotated

import typer

from abkit.vocabulary import Alternative

if TYPE_CHECKING:
    from abkit.stats.arms import Counts, Moments, PairMoments


def units(text: str | float) -> float:
    """Return a number of units; refuse one such as 20.000, which is 20 or 20,000.

    >>> units("20000"), units("1500.5")
    (20000.0, 1500.5)
    """
    text = str(text)  # a default is a number already
    return _figures([text.replace("_", "")], text, None)[0]


LevelOption = Annotated[float, typer.Option("--level", help="Confidence level of the intervals.")]
AlternativeOption = Annotated[
    Alternative, typer.Option("--alternative", help="Which difference counts, treatment against control.")
]


def arm_of(text: str, decimal: str | None = None) -> Counts | Moments | PairMoments:
    """Return an arm from SUCCESSES/TRIALS, N,MEAN,SD or the six sums N,ΣY,ΣX,ΣY²,ΣX²,ΣXY.

    >>> arm_of("480/10000")
    Counts(successes=480, trials=10000)
    >>> arm_of("100,5.5,2").variance
    4.0
    >>> arm_of("1,480/10,000", decimal=".")
    Counts(successes=1480, trials=10000)
    """
    from abkit.errors import InvalidInput
    from abkit.stats.arms import Moments, PairMoments

    if "/" in text or not re.search("[,;]", text):
        return rate_of(text, decimal)
    values = numbers(text, "an arm", decimal, lengths=(3, 6))
    if len(values) == 6:
        n, y, x, yy, xx, xy = values
        return PairMoments.from_sums(n=n, y=y, x=x, yy=yy, xx=xx, xy=xy)
    if len(values) != 3 or values[2] < 0:
        raise InvalidInput(
            f"{text!r} is neither a mean nor a pair; expected N,MEAN,SD such as 1000,12.5,3.1, or N,ΣY,ΣX,ΣY²,ΣX²,ΣXY"
        )
    return Moments(values[0], values[1], values[2] * values[2])


def rate_of(text: str, decimal: str | None = None) -> Counts:
    """Return an arm from SUCCESSES/TRIALS.

    >>> rate_of("1,234,567/2 000 000")
    Counts(successes=1234567, trials=2000000)
    """
    from abkit.stats.arms import Counts
    from abkit_model.data.numbers import readings

    parts = [part.replace("_", "") for part in text.split("/")]
    if len(parts) != 2 or not all(map(readings, parts)):
        return Counts.parse(text)  # says what is wrong with it
    successes, trials = _figures(parts, text, decimal)
    return Counts(successes, trials)  # type: ignore[arg-type]


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
        return _figures([part.replace("_", "") for part in parts], text, decimal)
    except InvalidInput:
        raise
    except ValueError:
        raise InvalidInput(
            f"{what} is {text!r}; expected numbers with commas between them, such as 5000,5300"
        ) from None


def _figures(parts: Sequence[str], text: str, decimal: str | None) -> list[float]:
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
            hint="write thousands without a sign (20000), or say the decimal sign: --decimal . or --decimal ,",
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


def prior_of(text: str) -> tuple[float, float]:
    """Return the Beta prior of rates, SUCCESSES,FAILURES; or MEAN,SD of a difference of means.

    >>> prior_of("0.5,0.5")
    (0.5, 0.5)
    """
    from abkit.errors import InvalidInput

    values = numbers(text, "--prior", lengths=(2,))
    if len(values) != 2:
        raise InvalidInput(f"--prior is {text!r}; expected two numbers, such as 1,1")
    return values[0], values[1]
