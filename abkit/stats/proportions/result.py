"""Two proportions to compare, the record that comes out, and what has to be said beside it."""

from __future__ import annotations

import math
from dataclasses import dataclass

from abkit.stats.arms import Counts
from abkit.stats.estimate import ArmRate, Comparison, Limits, bounded
from abkit.stats.tails import two_sided_alpha
from abkit.vocabulary import Alternative

ENOUGH_SUCCESSES = 30
"""From here on in each arm every method for proportions is within one point of its level."""


@dataclass(frozen=True, slots=True)
class TwoRates:
    """What is compared, and how sure the answer has to be.

    Attributes:
        control: Counts of the control.
        treatment: Counts of the treatment.
        level: Confidence level.
        alternative: Which difference counts; one-sided intervals are open on the other side.
    """

    control: Counts
    treatment: Counts
    level: float
    alternative: Alternative

    @property
    def alpha(self) -> float:
        """The α of the two-sided interval whose relevant end is the bound asked for."""
        return two_sided_alpha(self.level, self.alternative)

    @property
    def figures(self) -> tuple[int, int, int, int]:
        """Successes and trials of the control, then of the treatment."""
        return self.control.successes, self.control.trials, self.treatment.successes, self.treatment.trials

    @property
    def pooled(self) -> float:
        """The rate of both arms together."""
        return (self.control.successes + self.treatment.successes) / (self.control.trials + self.treatment.trials)

    @property
    def pooled_z(self) -> float:
        """z of the pooled normal test; 0 without any success or any failure."""
        x0, n0, x1, n1 = self.figures
        pooled = self.pooled
        variance = pooled * (1 - pooled) * (1 / n0 + 1 / n1)
        return (x1 / n1 - x0 / n0) / math.sqrt(variance) if variance > 0 else 0.0

    def compared(
        self,
        *,
        difference: Limits,
        lift: Limits,
        p_value: float,
        statistic: float,
        method: str,
        conventions: tuple[str, str, str],
        notes: tuple[str, ...] = (),
    ) -> Comparison:
        """Return the comparison from the two-sided limits of difference (cut to [−1, 1]) and lift.

        The conventions are those of p-value, difference and lift. A note on a control without successes is added.
        """
        control, treatment, alternative = self.control, self.treatment, self.alternative
        rate0, rate1 = control.rate, treatment.rate
        ends = max(difference[0], -1.0), min(difference[1], 1.0)
        return Comparison(
            control=ArmRate(control.trials, control.successes, rate0),
            treatment=ArmRate(treatment.trials, treatment.successes, rate1),
            difference=bounded(rate1 - rate0, ends, alternative, lowest=-1.0, highest=1.0),
            lift=bounded(rate1 / rate0 - 1 if rate0 else math.nan, lift, alternative, lowest=-1.0),
            p_value=p_value,
            statistic=statistic,
            method=method,
            level=self.level,
            alternative=alternative,
            conventions={"p_value": conventions[0], "difference": conventions[1], "lift": conventions[2]},
            notes=(*notes, *baseline_notes(control)),
        )


def baseline_notes(control: Counts) -> tuple[str, ...]:
    """Return what to say when the lift has no finite value."""
    if control.successes:
        return ()
    return (f"the control has 0 of {control.trials:,} successes: the lift has a lower bound, and no finite estimate",)


def few_notes(rates: TwoRates, method: str) -> tuple[str, ...]:
    """Return what to say when a method is used on fewer successes than it holds its level for."""
    fewest = min(min(arm.successes, arm.trials - arm.successes) for arm in (rates.control, rates.treatment))
    if fewest >= ENOUGH_SUCCESSES:
        return ()
    return (
        f"an arm has only {fewest} successes or failures: `{method}` may miss its level below "
        f"{ENOUGH_SUCCESSES}; `newcombe` holds it",
    )
