"""What the statistics commands read: options that they share, arms, lists of numbers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from abkit.vocabulary import Alternative

if TYPE_CHECKING:
    from abkit.stats.arms import Counts, Moments, PairMoments


LevelOption = Annotated[float, typer.Option("--level", help="Confidence level of the intervals.")]
AlternativeOption = Annotated[
    Alternative, typer.Option("--alternative", help="Which difference counts, treatment against control.")
]


def arm_of(text: str) -> Counts | Moments | PairMoments:
    """Return an arm from SUCCESSES/TRIALS, N,MEAN,SD or the six sums N,ΣY,ΣX,ΣY²,ΣX²,ΣXY.

    >>> arm_of("480/10000")
    Counts(successes=480, trials=10000)
    >>> arm_of("100,5.5,2").variance
    4.0
    """
    from abkit.errors import InvalidInput
    from abkit.stats.arms import Counts, Moments, PairMoments

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
    """Return numbers with commas between them.

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
    """Return the Beta prior of rates, SUCCESSES,FAILURES; or MEAN,SD of a difference of means.

    >>> prior_of("0.5,0.5")
    (0.5, 0.5)
    """
    from abkit.errors import InvalidInput

    values = numbers(text, "--prior")
    if len(values) != 2:
        raise InvalidInput(f"--prior is {text!r}; expected two numbers, such as 1,1")
    return values[0], values[1]
