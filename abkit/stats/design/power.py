"""What a test is to find, and by which test: the design that all sample-size questions share, and the two metrics."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar

from abkit.errors import InvalidInput
from abkit.records import Record
from abkit.stats.tails import quantile
from abkit.vocabulary import Alternative, Monitoring, Spending, parse_choice

MOST_LOOKS = 100
"""More looks than that gain nothing over looking at any time."""

SMALLEST_EFFECT, LARGEST_EFFECT = 1e-5, 10.0
"""In standard deviations: from tens of billions of units to two or three."""

FEWEST_SEARCHED = 1.25
"""Units from which on sizes are searched, before they are rounded up to the two that a variance takes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Design(Record):
    """What all sample-size questions have in common.

    Attributes:
        power: Wanted chance to find the effect, in (0, 1).
        alpha: Error rate of the whole test, in (0, 1).
        arms: Number of arms, at least 2; each treatment is compared with the control.
        ratio: Units of a treatment ÷ units of the control, above 0.
        alternative: Which difference counts: two-sided, greater or less.
        monitoring: How often the test is looked at: fixed, anytime or group.
        looks: Number of planned looks, `group` only, evenly spaced.
        spending: How the error is spent, `group` only.
        daily_traffic: Units per day that enter the test, over all arms; None when not known.
    """

    power: float = 0.8
    alpha: float = 0.05
    arms: int = 2
    ratio: float = 1.0
    alternative: Alternative = Alternative.TWO_SIDED
    monitoring: Monitoring = Monitoring.FIXED
    looks: int = 5
    spending: Spending = Spending.OBRIEN_FLEMING
    daily_traffic: float | None = None

    def __post_init__(self) -> None:
        for kind, name in ((Alternative, "alternative"), (Monitoring, "monitoring"), (Spending, "spending")):
            object.__setattr__(self, name, parse_choice(kind, getattr(self, name), name=name))
        for name, value in (("power", self.power), ("alpha", self.alpha)):
            if not 0 < value < 1:
                raise InvalidInput(f"{name} is {value}; it has to lie between 0 and 1")
        if self.power <= self.alpha:
            raise InvalidInput(f"power is {self.power} and alpha {self.alpha}; power has to be the larger")
        if self.arms < 2:
            raise InvalidInput(f"a test has {self.arms} arm; expected a control and at least one treatment")
        if not (math.isfinite(self.ratio) and self.ratio > 0):
            raise InvalidInput(f"the ratio of treatment to control is {self.ratio}; expected a number above 0")
        if not 1 <= self.looks <= MOST_LOOKS:
            raise InvalidInput(f"{self.looks} looks are planned; expected 1 to {MOST_LOOKS}", hint="or use anytime")
        if self.daily_traffic is not None and not self.daily_traffic > 0:
            raise InvalidInput(f"the daily traffic is {self.daily_traffic}; expected a number above 0")
        if self.monitoring is Monitoring.GROUP and self.power <= 2 * self.tail:
            raise InvalidInput(f"power is {self.power}; planned looks need more than {2 * self.tail:g}")

    @property
    def alpha_per_comparison(self) -> float:
        """Error rate of each comparison: Bonferroni over the treatments."""
        return self.alpha / (self.arms - 1)

    @property
    def tail(self) -> float:
        """Error rate of the tail that the effect lies in."""
        return self.alpha_per_comparison / (2 if self.alternative is Alternative.TWO_SIDED else 1)


@dataclass(frozen=True, slots=True)
class Rate:
    """A proportion, tested by the pooled z-test.

    Source: statsmodels' `samplesize_proportions_2indep_onetail` and `normal_power_het` (Fleiss, Levin & Paik 2003,
    eq. 4.14, without the continuity correction): pooled variance under no effect, separate variances under the effect.

    Attributes:
        baseline: The control's rate, in (0, 1).

    Raises:
        InvalidInput: The baseline is not a rate.
    """

    test: ClassVar[str] = "pooled z-test of two proportions"
    fewest: ClassVar[int] = 1
    baseline: float

    def __post_init__(self) -> None:
        if not 0 < self.baseline < 1:
            raise InvalidInput(
                f"the baseline is {self.baseline}; expected a rate between 0 and 1, such as 0.02",
                hint="a percentage such as 2 is written 0.02" if self.baseline >= 1 else "",
            )

    def effect(self, lift: float) -> float:
        """Return the difference that a lift makes, in the metric's unit; refuse a lift that leads to no rate."""
        treatment = self.baseline * (1 + lift)
        if lift == 0 or not math.isfinite(lift) or not 0 < treatment < 1:
            raise InvalidInput(
                f"a lift of {lift} on a baseline of {self.baseline} gives a rate of {treatment:g}; expected one "
                "between 0 and 1 that differs from the baseline"
            )
        return treatment - self.baseline

    def units(self, effect: float, design: Design) -> float:
        """Return the units of a treatment for one look at the end."""
        from statsmodels.stats.proportion import samplesize_proportions_2indep_onetail

        # statsmodels' first sample is the one whose rate is prop2 + diff: the treatment; ratio is control ÷ treatment.
        return float(
            samplesize_proportions_2indep_onetail(
                effect,
                self.baseline,
                design.power,
                ratio=1 / design.ratio,
                alpha=2 * design.tail,
                alternative="two-sided",
            )
        )

    def units_at(self, reach: float, effect: float, design: Design) -> float:
        """Return the units of a treatment at which an interval of so many standard errors has the wanted power."""
        null, alternative = self._deviations(effect, design)
        return ((reach * null + quantile(design.power) * alternative) / effect) ** 2

    def power(self, effect: float, per_variant: float, design: Design) -> float:
        """Return the chance that one look at so many units finds the effect."""
        from statsmodels.stats.power import normal_power_het

        null, alternative = self._deviations(effect, design)
        found = normal_power_het(
            -effect if design.alternative is Alternative.LESS else effect,
            per_variant,
            design.alpha_per_comparison,
            std_null=null,
            std_alternative=alternative,
            alternative="two-sided" if design.alternative is Alternative.TWO_SIDED else "larger",
        )
        return float(found)

    def lifts(self, design: Design) -> tuple[float, float, float]:
        """Return the sign of lifts to be found, and the smallest and the largest size of them."""
        sign = -1.0 if design.alternative is Alternative.LESS else 1.0
        return sign, 1e-6, (1.0 if sign < 0 else (1 - self.baseline) / self.baseline) * (1 - 1e-9)

    def _deviations(self, effect: float, design: Design) -> tuple[float, float]:
        """Return the standard deviations without and with the effect, as if every unit were one of a treatment."""
        treatment, ratio = self.baseline + effect, design.ratio
        pooled = (treatment + self.baseline / ratio) / (1 + 1 / ratio)
        both = treatment * (1 - treatment) + self.baseline * (1 - self.baseline) * ratio
        return math.sqrt(pooled * (1 - pooled) * (1 + ratio)), math.sqrt(both)


@dataclass(frozen=True, slots=True)
class Mean:
    """A mean, or a ratio of means, with a common standard deviation: t-test, statsmodels' `TTestIndPower`.

    Attributes:
        baseline: The control's mean, not 0.
        standard_deviation: Standard deviation of a single unit, above 0.

    Raises:
        InvalidInput: The baseline is 0 or missing, or the standard deviation is not above 0.
    """

    test: ClassVar[str] = "t-test of two means"
    fewest: ClassVar[int] = 2
    baseline: float
    standard_deviation: float

    def __post_init__(self) -> None:
        if not 0 < self.standard_deviation < math.inf:
            raise InvalidInput(f"the standard deviation is {self.standard_deviation}; expected a number above 0")
        if self.baseline == 0 or not math.isfinite(self.baseline):
            raise InvalidInput(f"the baseline is {self.baseline}; expected a mean other than 0")

    def effect(self, lift: float) -> float:
        """Return the difference that a lift makes, in the metric's unit; refuse one out of all proportion."""
        effect = self.baseline * lift
        if effect == 0 or not math.isfinite(effect):
            raise InvalidInput(f"the lift is {lift}; expected a number other than 0")
        size = abs(effect) / self.standard_deviation
        if not SMALLEST_EFFECT <= size <= LARGEST_EFFECT:
            raise InvalidInput(
                f"a lift of {lift:g} on a mean of {self.baseline:g} is {size:g} standard deviations of "
                f"{self.standard_deviation:g}; expected {SMALLEST_EFFECT:g} to {LARGEST_EFFECT:g}",
                hint="give the standard deviation of single units",
            )
        return effect

    def units(self, effect: float, design: Design) -> float:
        """Return the units of a treatment for one look at the end."""
        from scipy.optimize import brentq
        from statsmodels.stats.power import TTestIndPower

        model, size = TTestIndPower(), abs(effect) / self.standard_deviation

        def missing(control: float) -> float:
            power = model.power(size, control, design.tail, ratio=design.ratio, alternative="larger")
            return float(power) - design.power

        # Its own search: statsmodels' does not converge where a handful of units is enough.
        fewest = FEWEST_SEARCHED * max(1.0, 1.0 / design.ratio)
        if missing(fewest) >= 0:
            return fewest * design.ratio
        most = max(self.units_at(quantile(1 - design.tail), effect, design) / design.ratio, fewest) + 10
        while missing(most) < 0:
            most *= 2
        return float(brentq(missing, fewest, most, rtol=1e-12)) * design.ratio

    def units_at(self, reach: float, effect: float, design: Design) -> float:
        """Return the units of a treatment at which an interval of so many standard errors has the wanted power."""
        return (1 + design.ratio) * ((reach + quantile(design.power)) * self.standard_deviation / effect) ** 2

    def power(self, effect: float, per_variant: float, design: Design) -> float:
        """Return the chance that one look at so many units finds the effect."""
        from statsmodels.stats.power import TTestIndPower

        found = TTestIndPower().power(
            abs(effect) / self.standard_deviation,
            per_variant / design.ratio,
            design.alpha_per_comparison,
            ratio=design.ratio,
            alternative="two-sided" if design.alternative is Alternative.TWO_SIDED else "larger",
        )
        return float(found)

    def lifts(self, design: Design) -> tuple[float, float, float]:
        """Return the sign of lifts to be found, and the smallest and the largest size of them."""
        # A lift is relative to the baseline: for a negative one it points the other way.
        sign = math.copysign(1.0, self.baseline) * (-1.0 if design.alternative is Alternative.LESS else 1.0)
        one = self.standard_deviation / abs(self.baseline)
        return sign, 2 * SMALLEST_EFFECT * one, LARGEST_EFFECT * one * (1 - 1e-9)
