"""Successes out of trials, checked once, so that no analysis meets counts that cannot be."""

from __future__ import annotations

import math
from dataclasses import dataclass

from abkit.errors import InvalidInput


@dataclass(frozen=True, slots=True)
class Counts:
    """Successes out of trials in one arm.

    Attributes:
        successes: clicks, conversions, …; 0 … trials.
        trials: impressions, users, …; at least 1.

    Raises:
        InvalidInput: negative, missing, fractional, or more successes than trials.

    >>> Counts(480, 10_000).rate
    0.048
    """

    successes: int
    trials: int

    def __post_init__(self) -> None:
        successes, trials = _whole(self.successes, "successes"), _whole(self.trials, "trials")
        if trials < 1:
            raise InvalidInput(f"an arm has {trials} trials; it needs at least 1")
        if successes > trials:
            raise InvalidInput(
                f"an arm has {successes} successes out of {trials} trials; a proportion cannot exceed 1",
                hint="what may exceed the trials (revenue, view-through conversions) is a mean or a ratio",
            )
        object.__setattr__(self, "successes", successes)
        object.__setattr__(self, "trials", trials)

    @property
    def rate(self) -> float:
        """Successes ÷ trials."""
        return self.successes / self.trials

    @classmethod
    def parse(cls, text: str) -> Counts:
        """Read `480/10000`.

        >>> Counts.parse("480/10000")
        Counts(successes=480, trials=10000)
        """
        parts = text.replace(" ", "").replace("_", "").split("/")
        try:
            successes, trials = (float(part) for part in parts)
        except ValueError:
            raise InvalidInput(f"{text!r} is not an arm; expected SUCCESSES/TRIALS such as 480/10000") from None
        return cls(successes, trials)  # type: ignore[arg-type]


def _whole(value: float, what: str) -> int:
    if type(value) is int:
        whole = value
    else:
        if not math.isfinite(value) or value != int(value):
            raise InvalidInput(f"an arm has {value} {what}; expected a whole number of 0 or more")
        whole = int(value)
    if whole < 0:
        raise InvalidInput(f"an arm has {whole} {what}; expected a whole number of 0 or more")
    return whole
