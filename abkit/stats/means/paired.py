"""Two arms on the same units: each day (or geography) has both, and what moves it moves both.

Where a good day is good for both arms, the difference within the day does not have the day's noise. Each unit counts
by what both arms had in it, x₀·x₁/(x₀+x₁), as Mantel and Haenszel weigh strata: a day on which one arm was shown more
moves neither the difference nor the lift.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import ArrayLike, NDArray

from abkit.errors import InvalidInput
from abkit.stats.estimate import ArmMean, Comparison, Limits, bounded
from abkit.stats.sequential.any_time_t import always_valid_t_p, t_multiplier
from abkit.stats.student_t import t_quantile
from abkit.stats.tails import t_tail_p, two_sided_alpha
from abkit.vocabulary import TWO_SIDED, Alternative

Array = NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True)
class PairedRates:
    """The ratios of two arms over the units that both have, and how they vary together between units.

    Attributes:
        units: Units that both arms have.
        dof: Degrees of freedom: units of equal weight less one, (Σw)²/Σw² − 1 where their weights differ.
        control, treatment: Σ of the numerator ÷ Σ of the denominator, each unit by its weight.
        variance_control, variance_treatment, covariance: Of these two ratios, between units.
    """

    units: int
    dof: float
    control: float
    treatment: float
    variance_control: float
    variance_treatment: float
    covariance: float

    @classmethod
    def of(cls, control: tuple[ArrayLike, ArrayLike], treatment: tuple[ArrayLike, ArrayLike]) -> PairedRates:
        """Return the ratios of two arms.

        Args:
            control: Numerator and denominator by unit, such as clicks and impressions by day.
            treatment: The same of the treatment, for the same units in the same order.

        Raises:
            InvalidInput: Fewer than two units have a denominator in both arms, or the arms have different units.

        >>> rates = PairedRates.of(([10, 22, 9], [1000, 2000, 1000]), ([14, 30, 13], [1000, 2000, 1000]))
        >>> round(rates.control, 5), round(rates.treatment, 5), round(rates.dof, 2)
        (0.01025, 0.01425, 1.67)
        """
        (y0, x0), (y1, x1) = ([np.asarray(side, dtype=float) for side in arm] for arm in (control, treatment))
        if not y0.shape == x0.shape == y1.shape == x1.shape:
            raise InvalidInput(f"the arms have {y0.size} and {y1.size} units; pairs are the same units in both")
        both = (x0 > 0) & (x1 > 0)
        if both.sum() < 2:
            raise InvalidInput(f"{both.sum()} units are in both arms; the variance between pairs takes at least 2")
        y0, x0, y1, x1 = y0[both], x0[both], y1[both], x1[both]
        weight = x0 * x1 / (x0 + x1)
        share = weight / weight.sum()
        rate0, rate1 = float(share @ (y0 / x0)), float(share @ (y1 / x1))
        # 1 − share: a unit pulls the mean towards itself; with equal weights it makes n out of n − 1.
        apart = [share * (y / x - rate) / np.sqrt(1 - share) for y, x, rate in ((y0, x0, rate0), (y1, x1, rate1))]
        return cls(
            units=int(both.sum()),
            dof=float(1 / (share @ share)) - 1,
            control=rate0,
            treatment=rate1,
            variance_control=float(apart[0] @ apart[0]),
            variance_treatment=float(apart[1] @ apart[1]),
            covariance=float(apart[0] @ apart[1]),
        )

    def inverse(self) -> PairedRates:
        """Return the ratios the other way round: cost per conversion of conversions per amount spent.

        Its units weigh by what was spent, and those without a conversion stay in: they are what makes one expensive.

        Raises:
            InvalidInput: A ratio is 0, and so has no inverse.

        >>> spend, conversions = [100, 100, 100], [2, 0, 3]
        >>> round(PairedRates.of((conversions, spend), ([1, 4, 2], spend)).inverse().control, 6)
        60.0
        """
        if not (self.control > 0 and self.treatment > 0):
            raise InvalidInput("an arm has no events; expected some in each")
        return replace(
            self,
            control=1 / self.control,
            treatment=1 / self.treatment,
            variance_control=self.variance_control / self.control**4,
            variance_treatment=self.variance_treatment / self.treatment**4,
            covariance=self.covariance / (self.control * self.treatment) ** 2,
        )

    def error(self, ratio: float = 1.0) -> float:
        """Return the standard error of treatment − ratio · control."""
        square = self.variance_treatment - 2 * ratio * self.covariance + ratio * ratio * self.variance_control
        # What rounding leaves of two arms that move exactly together is no variance.
        scale = self.variance_treatment + ratio * ratio * self.variance_control
        return math.sqrt(square) if square > 1e-14 * scale else 0.0

    def test(self, ratio: float, *, alternative: Alternative, tuning: float | None, alpha: float = 0.05) -> float:
        """Return the p-value of treatment = ratio · control; valid at any look where a tuning is given."""
        apart, error = self.treatment - ratio * self.control, self.error(ratio)
        if error == 0:
            raise InvalidInput("the arms do not differ between units", hint="expected units that vary")
        if tuning is None:
            return t_tail_p(apart / error, self.dof, alternative)
        return always_valid_t_p(
            apart / error, self.dof + 1, self.dof, alpha=alpha, tuning=tuning, alternative=alternative
        )

    def lift_limits(self, reach: float) -> Limits:
        """Return Fieller's interval of treatment ÷ control − 1; open where the control is not clear above zero."""
        square = reach * reach
        leading = self.control**2 - square * self.variance_control
        # A loss has no lift: half of it would be -50 %, and better.
        if not (leading > 0 and self.control > 0):
            return -math.inf, math.inf
        middle = self.control * self.treatment - square * self.covariance
        last = self.treatment**2 - square * self.variance_treatment
        root = math.sqrt(max(middle * middle - leading * last, 0.0))
        return (middle - root) / leading - 1, (middle + root) / leading - 1


def compare_paired(
    rates: PairedRates,
    *,
    level: float = 0.95,
    alternative: Alternative = TWO_SIDED,
    tuning: float | None = None,
    what: str = "units",
) -> Comparison:
    """Compare two arms on the same units: the paired t test, for ratios.

    With equal denominators it is scipy's `ttest_rel` of the ratios. The variance is that of the difference within
    units; the lift's interval is Fieller's with the covariance of the arms, and excludes 0 exactly when the interval
    of the difference does.

    Args:
        rates: Of `PairedRates.of`.
        level: Confidence level of the intervals.
        alternative: Which difference counts, treatment against control.
        tuning: The planned number of units; the answer is then valid at any look (`t_multiplier`).
        what: What the units are, for the notes.

    Raises:
        InvalidInput: The difference is the same in all units, or the level is not valid.

    >>> rates = PairedRates.of(([10, 22, 9, 14], [1000] * 4), ([14, 25, 15, 17], [1000] * 4))
    >>> result = compare_paired(rates)
    >>> round(result.difference.estimate, 6), round(result.p_value, 5)
    (0.004, 0.01094)
    """
    alpha = two_sided_alpha(level, alternative)
    p_value = rates.test(1.0, alternative=alternative, tuning=tuning, alpha=alpha)
    if tuning is None:
        reach, how = t_quantile(1 - alpha / 2, rates.dof), f"paired t over {what}, {rates.dof:.3g} degrees of freedom"
    else:
        reach = t_multiplier(rates.dof + 1, rates.dof, alpha=alpha, tuning=tuning)
        how = f"always valid (mixture of t over {what}, tuned to {tuning:,.0f})"
    difference, error = rates.treatment - rates.control, rates.error()
    limits = rates.lift_limits(reach) if math.isfinite(reach) else (-math.inf, math.inf)
    notes: tuple[str, ...] = ()
    if math.isinf(limits[0]):
        notes += (f"too few {what}, or a control not clear of zero: the lift has no finite interval",)
    return Comparison(
        control=ArmMean(rates.units, rates.control, math.sqrt(rates.variance_control)),
        treatment=ArmMean(rates.units, rates.treatment, math.sqrt(rates.variance_treatment)),
        difference=bounded(difference, (difference - reach * error, difference + reach * error), alternative),
        lift=bounded(rates.treatment / rates.control - 1 if rates.control > 0 else math.nan, limits, alternative),
        p_value=p_value,
        statistic=difference / error,
        method="paired" if tuning is None else "sequential",
        level=level,
        alternative=alternative,
        conventions={"p_value": how, "difference": how, "lift": f"fieller with the arms' covariance, {how}"},
        notes=notes,
    )
