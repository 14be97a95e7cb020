"""What the statistics commands understand: choices, arms, lists of numbers."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from abkit.stats.counts import Counts
    from abkit.stats.moments import Moments, PairMoments


class Alternative(StrEnum):
    """Which difference counts."""

    TWO_SIDED = "two-sided"
    GREATER = "greater"
    LESS = "less"


class Correction(StrEnum):
    """How p-values are adjusted for their number."""

    HOLM = "holm"
    HOCHBERG = "hochberg"
    BH = "bh"
    BY = "by"
    NONE = "none"


class Monitoring(StrEnum):
    """How often the test is looked at."""

    FIXED = "fixed"
    ANYTIME = "anytime"
    GROUP = "group"


class Spending(StrEnum):
    """How planned looks spend the error."""

    OBRIEN_FLEMING = "obrien-fleming"
    POCOCK = "pocock"


LevelOption = Annotated[float, typer.Option("--level", help="Of the intervals.")]
AlternativeOption = Annotated[Alternative, typer.Option("--alternative", help="Of the treatment against the control.")]


def arm_of(text: str) -> Counts | Moments | PairMoments:
    """An arm: SUCCESSES/TRIALS, N,MEAN,SD or the six sums N,ΣY,ΣX,ΣY²,ΣX²,ΣXY.

    >>> arm_of("480/10000")
    Counts(successes=480, trials=10000)
    >>> arm_of("100,5.5,2").variance
    4.0
    """
    from abkit.errors import InvalidInput
    from abkit.stats.counts import Counts
    from abkit.stats.moments import Moments, PairMoments

    if "," not in text:
        return Counts.parse(text)
    values = numbers(text, "an arm")
    if len(values) == 6:
        n, y, x, yy, xx, xy = values
        return PairMoments.from_sums(n=n, y=y, x=x, yy=yy, xx=xx, xy=xy)
    if len(values) != 3 or values[2] < 0:
        raise InvalidInput(
            f"{text!r} is neither a mean nor a pair; expected N,MEAN,SD such as 1000,12.5,3.1, or N,ΣY,ΣX,ΣY²,ΣX²,ΣXY"
        )
    return Moments(values[0], values[1], values[2] * values[2])


def numbers(text: str, what: str) -> list[float]:
    """Numbers with commas between them.

    >>> numbers("5000, 5300", "--observed")
    [5000.0, 5300.0]
    """
    from abkit.errors import InvalidInput

    try:
        return [float(part.strip().replace("_", "")) for part in text.split(",")]
    except ValueError:
        raise InvalidInput(
            f"{what} is {text!r}; expected numbers with commas between them, such as 5000,5300"
        ) from None


def prior_of(text: str) -> tuple[float, float]:
    """The Beta prior of rates, SUCCESSES,FAILURES; or MEAN,SD of a difference of means.

    >>> prior_of("0.5,0.5")
    (0.5, 0.5)
    """
    from abkit.errors import InvalidInput

    values = numbers(text, "--prior")
    if len(values) != 2:
        raise InvalidInput(f"--prior is {text!r}; expected two numbers, such as 1,1")
    return values[0], values[1]
