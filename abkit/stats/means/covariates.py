"""CUPED for ratios: what units did before the test explains a part of what they do in it, and is taken out.

A ratio of sums y ÷ x over units is adjusted by the ratio of their former sums, or by any other ratio that was known
before: R − θ·(C − C̄). Both ratios are linearized (delta method), so that only second moments of the four columns are
needed: variances and the covariance of y − R·x and c − C·d. Randomization makes C the same in all arms but for chance,
so that the adjustment changes the noise and not what is estimated.

Source: Deng, Xu, Kohavi & Walker (2013), doi 10.1145/2433396.2433413, section 3.2 with the delta method of Deng,
Knoblich & Lu (2018), arXiv 1803.06336. One θ and one C̄ over both arms, tea-tasting's convention.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Unpack

import numpy as np
from numpy.typing import ArrayLike, NDArray

from abkit.errors import InvalidInput
from abkit.stats.arms import skewness_of
from abkit.stats.estimate import ArmMean
from abkit.stats.means.estimates import MeanOptions, compare_estimates
from abkit.stats.means.pairs import CupedComparison
from abkit.vocabulary import Method

Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class UnitsBefore:
    """The units of one arm, in the test and before it.

    Attributes:
        y, x: Shape (n,): numerator and denominator in the test; x is 1 for a mean per unit.
        before_y, before_x: The same of the time before. A unit that was not there before has 0 in both.

    Raises:
        InvalidInput: The columns have different lengths, there are fewer than two units, or a value is no number.
    """

    y: Floats
    x: Floats
    before_y: Floats
    before_x: Floats

    @classmethod
    def of(cls, y: ArrayLike, x: ArrayLike, before_y: ArrayLike, before_x: ArrayLike) -> UnitsBefore:
        """Return the units of columns or lists."""
        columns = [np.asarray(values, np.float64).ravel() for values in (y, x, before_y, before_x)]
        if len({len(column) for column in columns}) != 1:
            lengths = ", ".join(str(len(column)) for column in columns)
            raise InvalidInput(f"the columns have {lengths} values; expected as many in each")
        if len(columns[0]) < 2:
            raise InvalidInput(f"an arm has {len(columns[0])} unit; a variance takes at least 2")
        if not all(np.isfinite(column).all() for column in columns):
            raise InvalidInput("a value of a unit is missing or infinite; expected numbers")
        return cls(*columns)

    def __len__(self) -> int:
        """Return the number of units."""
        return len(self.y)

    def plus(self, other: UnitsBefore) -> UnitsBefore:
        """Return the units of both."""
        pairs = ((getattr(self, name), getattr(other, name)) for name in ("y", "x", "before_y", "before_x"))
        return UnitsBefore(*(np.concatenate(pair) for pair in pairs))

    @property
    def ratio(self) -> float:
        """Σy ÷ Σx."""
        return _ratio(self.y, self.x, "the test")

    @property
    def before(self) -> float:
        """The same of the time before."""
        return _ratio(self.before_y, self.before_x, "the time before")

    def linearized(self) -> Floats:
        """Return what each unit adds to the error of the ratio, and of the former one; shape (2, n)."""
        now = (self.y - self.ratio * self.x) / self.x.mean()
        return np.stack([now, (self.before_y - self.before * self.before_x) / self.before_x.mean()])


def _ratio(y: Floats, x: Floats, when: str) -> float:
    total = float(x.sum())
    if total == 0:
        raise InvalidInput(f"the denominator of a ratio is 0 in {when}; expected units with a positive sum")
    return float(y.sum()) / total


def adjustment(control: UnitsBefore, treatment: UnitsBefore) -> tuple[float, float]:
    """Return θ, and the former ratio of both arms together.

    Raises:
        InvalidInput: What was before does not vary between units.
    """
    both = control.plus(treatment)
    (_, covariance), (_, variance) = np.cov(both.linearized())
    if not variance > 0:
        raise InvalidInput(
            f"before the test all units had {both.before:g}; CUPED needs a covariate that varies between units",
            hint="analyze without it",
        )
    return float(covariance / variance), both.before


def compare_ratios_with_covariate(
    control: UnitsBefore, treatment: UnitsBefore, *, skewness: bool = False, **options: Unpack[MeanOptions]
) -> CupedComparison:
    """Compare ratios of sums over units, adjusted by what the units did before the test, beside the raw comparison.

    Args:
        control: The units of the control, with their former figures.
        treatment: The same of the treatment.
        skewness: Whether the rule of skewness takes what the units have, as comparisons of rows do, and not what sums
            would be taken to have.
        options: See `MeanOptions`.

    Raises:
        InvalidInput: A denominator is 0, or the covariate does not vary.

    >>> rng = np.random.default_rng(1)
    >>> def users(lift):
    ...     shown, taste = rng.poisson(40, 500) + 1, rng.gamma(4, 0.02, 500)
    ...     return UnitsBefore.of(shown * taste * lift, shown, (shown + 5) * taste, shown + 5)
    >>> found = compare_ratios_with_covariate(users(1.0), users(1.05))
    >>> found.variance_kept < 0.05, found.adjusted.p_value < 1e-6, found.raw.p_value > 0.05
    (True, True, True)
    """
    theta, middle = adjustment(control, treatment)
    raw, adjusted = [], []
    for arm in (control, treatment):
        now, before_now = parts = arm.linearized()
        (variance, covariance), (_, of_before) = np.cov(parts)
        n = len(arm)
        left = variance - 2 * theta * covariance + theta * theta * of_before
        shapes = [skewness_of(now), skewness_of(now - theta * before_now)] if skewness else [None, None]
        raw.append(ArmMean(n, arm.ratio, math.sqrt(variance / n), shapes[0]))
        adjusted.append(ArmMean(n, arm.ratio - theta * (arm.before - middle), math.sqrt(max(left, 0.0) / n), shapes[1]))
    before, after = (sum(arm.standard_error**2 for arm in means) for means in (raw, adjusted))
    return CupedComparison(
        compare_estimates(*adjusted, label=f"cuped {options.get('method', Method.WELCH)}", **options),
        compare_estimates(*raw, **options),
        theta,
        after / before if before else math.nan,
    )
