"""What the statistics commands read: options that they share, arms, priors.

A text that could be two figures (`1.000/20.000`, `10,000,12.5`) is refused with both readings.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Annotated

import typer

from abkit.commands.figures import figures, number, numbers
from abkit.vocabulary import Alternative

if TYPE_CHECKING:
    from abkit.stats.arms import Counts, Moments, PairMoments


LevelOption = Annotated[
    float, typer.Option("--level", parser=number, metavar="LEVEL", help="Confidence level of the intervals.")
]
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
    values = numbers(text, "an arm", decimal, lengths=(3, 4, 6))
    if len(values) == 6:
        n, y, x, yy, xx, xy = values
        return PairMoments.from_sums(n=n, y=y, x=x, yy=yy, xx=xx, xy=xy)
    if len(values) not in (3, 4) or values[2] < 0:
        raise InvalidInput(
            f"{text!r} is neither a mean nor a pair; expected N,MEAN,SD[,SKEWNESS] such as 1000,12.5,3.1, or "
            "N,ΣY,ΣX,ΣY²,ΣX²,ΣXY"
        )
    return Moments(values[0], values[1], values[2] * values[2], values[3] if len(values) == 4 else None)


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
    successes, trials = figures(parts, text, decimal)
    return Counts(successes, trials)  # type: ignore[arg-type]


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
