"""What is known of an arm: counts of successes, or moments of a metric. Never the rows.

They are checked when they are made, so that no analysis meets impossible figures.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from abkit.errors import InvalidInput
from abkit.records import Record

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import ArrayLike, NDArray

LARGEST = 1e150
"""Means and variances above it have no squares in double precision."""


@dataclass(frozen=True, slots=True)
class Counts(Record):
    """Successes out of trials in one arm.

    Attributes:
        successes: Clicks, conversions, …; 0 … trials.
        trials: Impressions, users, …; at least 1.

    Raises:
        InvalidInput: A count is negative, missing or fractional, or there are more successes than trials.

    >>> Counts(480, 10_000).rate
    0.048
    """

    successes: int
    trials: int

    def __post_init__(self) -> None:
        successes, trials = whole(self.successes, "successes"), whole(self.trials, "trials")
        if trials < 1:
            raise InvalidInput(f"an arm has {trials} trials; it needs at least 1")
        if successes > trials:
            raise InvalidInput(
                f"an arm has {successes} successes out of {trials} trials; a proportion cannot exceed 1",
                hint="compare what may exceed the trials (revenue, view-through conversions) as a mean or a ratio",
            )
        object.__setattr__(self, "successes", successes)
        object.__setattr__(self, "trials", trials)

    @property
    def rate(self) -> float:
        """Successes ÷ trials, in [0, 1]."""
        return self.successes / self.trials

    @classmethod
    def parse(cls, text: str) -> Counts:
        """Read `480/10000`; refuse `1.000/20.000`, which may be thousands.

        >>> Counts.parse("480/10000")
        Counts(successes=480, trials=10000)
        """
        parts = text.replace(" ", "").replace("_", "").split("/")
        if any(re.fullmatch(r"[1-9]\d{0,2}\.\d{3}", part) for part in parts):
            thousands = "/".join(part.replace(".", "") for part in parts)
            raise InvalidInput(
                f"{text!r} can be read in two ways: as it stands, or as {thousands}; expected whole numbers"
            )
        try:
            successes, trials = (float(part) for part in parts)
        except ValueError:
            raise InvalidInput(f"{text!r} is not an arm; expected SUCCESSES/TRIALS such as 480/10000") from None
        return cls(successes, trials)  # type: ignore[arg-type]


@dataclass(frozen=True, slots=True)
class Moments(Record):
    """One metric in one arm.

    Attributes:
        n: Number of units, at least 1.
        mean: Mean of the metric.
        variance: Sample variance (divided by n − 1), at least 0; 0 for a single unit.
        skewness: Skewness of the units; None where it is not known, as from sums.

    Raises:
        InvalidInput: n is below 1, the variance negative or missing, or the mean missing.

    >>> Moments.from_sums(n=4, total=10, total_squares=30)
    Moments(n=4, mean=2.5, variance=1.6666666666666667, skewness=None)
    """

    n: float
    mean: float
    variance: float
    skewness: float | None = None

    def __post_init__(self) -> None:
        _check_n(self.n)
        if self.skewness is not None:
            _check_finite(self.skewness, "skewness")
        _check_finite(self.mean, "mean")
        if not 0 <= self.variance < LARGEST:
            raise InvalidInput(f"the variance of an arm is {self.variance}; expected 0 or more, and below {LARGEST:g}")

    @classmethod
    def from_sums(cls, *, n: float, total: float, total_squares: float) -> Moments:
        """Return the moments from the sums that a query gives: Σ1, Σy, Σy²."""
        _check_n(n)
        return cls(n, total / n, _variance(n, total, total_squares))

    @classmethod
    def from_values(cls, values: ArrayLike) -> Moments:
        """Return the moments of single values, one per unit.

        >>> Moments.from_values([1.0, 2.0, 3.0])
        Moments(n=3, mean=2.0, variance=1.0, skewness=0.0)
        """
        import numpy as np

        array = np.asarray(values, dtype=float).ravel()
        _check_n(len(array))
        variance = float(array.var(ddof=1)) if len(array) > 1 else 0.0
        return cls(len(array), float(array.mean()), variance, skewness_of(array))

    def __add__(self, other: Moments) -> Moments:
        """Return both together (days add up).

        Source: Chan, Golub & LeVeque (1983), doi 10.1080/00031305.1983.10483115.
        """
        n, gap = self.n + other.n, other.mean - self.mean
        squares = (self.n - 1) * self.variance + (other.n - 1) * other.variance + gap**2 * self.n * other.n / n
        return Moments(n, (self.n * self.mean + other.n * other.mean) / n, squares / (n - 1))


@dataclass(frozen=True, slots=True, kw_only=True)
class PairMoments(Record):
    """Two metrics of the same units in one arm: numerator and denominator, or metric and covariate.

    Attributes:
        n: Number of units (users, days, clusters), at least 1.
        mean_y: Mean of the first.
        mean_x: Mean of the second.
        variance_y: Sample variance of the first.
        variance_x: Sample variance of the second.
        covariance: Sample covariance of the two; it may not exceed what the variances allow.
        skewness: Skewness of y − (ȳ/x̄)·x over the units, which a ratio of means has; None where it is not known.

    >>> arm = PairMoments.from_sums(n=3, y=6, x=12, yy=14, xx=56, xy=28)
    >>> arm.mean_x, arm.covariance
    (4.0, 2.0)
    """

    n: float
    mean_y: float
    mean_x: float
    variance_y: float
    variance_x: float
    covariance: float
    skewness: float | None = None

    def __post_init__(self) -> None:
        self._each()
        _check_finite(self.covariance, "covariance")
        bound = math.sqrt(self.variance_y * self.variance_x)
        if abs(self.covariance) > bound * (1 + 1e-6) + 1e-12:
            raise InvalidInput(
                f"the covariance is {self.covariance:g}; with variances {self.variance_y:g} and {self.variance_x:g} "
                f"it lies within ±{bound:g}"
            )

    @classmethod
    def from_sums(cls, *, n: float, y: float, x: float, yy: float, xx: float, xy: float) -> PairMoments:
        """Return the moments from Σ1, Σy, Σx, Σy², Σx², Σxy."""
        one, other = (Moments.from_sums(n=n, total=total, total_squares=s) for total, s in ((y, yy), (x, xx)))
        covariance = (xy - y * x / n) / (n - 1) if n > 1 else 0.0
        bound = math.sqrt(one.variance * other.variance)
        return _paired(one, other, min(max(covariance, -bound), bound))

    @classmethod
    def from_values(cls, y: ArrayLike, x: ArrayLike) -> PairMoments:
        """Return the moments of single values, one pair per unit.

        >>> PairMoments.from_values([1, 2, 3], [2, 4, 6]).covariance
        2.0
        """
        import numpy as np

        pairs = np.asarray((y, x), dtype=float)
        n = pairs.shape[1]
        _check_n(n)
        covariance = np.cov(pairs) if n > 1 else np.zeros((2, 2))
        one, other = (Moments(n, float(pairs[i].mean()), float(covariance[i, i])) for i in (0, 1))
        ratio = one.mean / other.mean if other.mean else 0.0
        return replace(_paired(one, other, float(covariance[0, 1])), skewness=skewness_of(pairs[0] - ratio * pairs[1]))

    def __add__(self, other: PairMoments) -> PairMoments:
        """Return both together (days add up)."""
        n = self.n + other.n
        y, x = (mine + theirs for mine, theirs in zip(self._each(), other._each(), strict=True))
        products = (self.n - 1) * self.covariance + (other.n - 1) * other.covariance
        products += (other.mean_y - self.mean_y) * (other.mean_x - self.mean_x) * self.n * other.n / n
        return _paired(y, x, products / (n - 1))

    def _each(self) -> tuple[Moments, Moments]:
        return Moments(self.n, self.mean_y, self.variance_y), Moments(self.n, self.mean_x, self.variance_x)


def _paired(y: Moments, x: Moments, covariance: float) -> PairMoments:
    return PairMoments(
        n=y.n, mean_y=y.mean, mean_x=x.mean, variance_y=y.variance, variance_x=x.variance, covariance=covariance
    )


def whole(value: float, what: str) -> int:
    """Return a count as an integer; refuse one that is negative, missing or fractional."""
    exact = type(value) is int or (math.isfinite(value) and value == int(value))
    if not exact or value < 0:
        raise InvalidInput(f"an arm has {int(value) if exact else value} {what}; expected a whole number of 0 or more")
    return int(value)


def _variance(n: float, total: float, squares: float) -> float:
    if n <= 1:
        return 0.0
    variance = (squares - total * total / n) / (n - 1)
    # Rounding may leave a little less than nothing; more than that is an impossible input.
    if variance < -1e-9 * abs(squares) / n:
        raise InvalidInput(
            f"the sum of squares is {squares:g}; with n = {n:g} and sum {total:g} it is at least {total * total / n:g}"
        )
    return max(variance, 0.0)


def skewness_of(values: NDArray[np.float64]) -> float:
    """Return the skewness of single values; 0 where they do not vary."""
    from_mean = values - values.mean()
    squares = float((from_mean**2).mean())
    third = float((from_mean**3).mean()) / squares**1.5 if 0 < squares < LARGEST ** (1 / 3) else 0.0
    return third if math.isfinite(third) else 0.0


def _check_n(n: float) -> None:
    if not (math.isfinite(n) and n >= 1):
        raise InvalidInput(f"an arm has n = {n}; expected 1 or more")


def _check_finite(value: float, what: str) -> None:
    if not abs(value) < LARGEST:
        raise InvalidInput(f"the {what} of an arm is {value}; expected a number below {LARGEST:g} in size")
