"""The record of two proportions compared, and what has to be said beside it."""

from __future__ import annotations

import math
from typing import SupportsFloat

from abkit.stats.arms import Counts
from abkit.stats.estimate import ArmRate, Comparison, bounded
from abkit.vocabulary import Alternative

ENOUGH_SUCCESSES = 30
"""From here on in each arm every method for proportions is within one point of its level."""


def rate_comparison(
    control: Counts,
    treatment: Counts,
    *,
    difference: tuple[SupportsFloat, SupportsFloat],
    lift: tuple[SupportsFloat, SupportsFloat],
    p_value: float,
    statistic: float,
    method: str,
    level: float,
    alternative: Alternative,
    conventions: tuple[str, str, str],
    notes: tuple[str, ...] = (),
) -> Comparison:
    """Return the comparison of two rates from the two-sided limits of their difference and lift.

    Args:
        control: Counts of the control.
        treatment: Counts of the treatment.
        difference: Limits of the difference; they are cut to [−1, 1].
        lift: Limits of the lift.
        p_value: P-value of no difference.
        statistic: The test statistic.
        method: Name of the analysis.
        level: Confidence level.
        alternative: Which difference counts; one-sided intervals are open on the other side.
        conventions: How the p-value, the difference and the lift were made.
        notes: What a reader must know; that the control has no successes is added.
    """
    rate0, rate1 = control.rate, treatment.rate
    ends = max(float(difference[0]), -1.0), min(float(difference[1]), 1.0)
    return Comparison(
        control=ArmRate(control.trials, control.successes, rate0),
        treatment=ArmRate(treatment.trials, treatment.successes, rate1),
        difference=bounded(rate1 - rate0, ends, alternative, lowest=-1.0, highest=1.0),
        lift=bounded(
            rate1 / rate0 - 1 if rate0 else math.nan, (float(lift[0]), float(lift[1])), alternative, lowest=-1.0
        ),
        p_value=float(p_value),
        statistic=float(statistic),
        method=method,
        level=level,
        alternative=alternative,
        conventions=dict(zip(("p_value", "difference", "lift"), conventions, strict=True)),
        notes=(*notes, *baseline_notes(control)),
    )


def baseline_notes(control: Counts) -> tuple[str, ...]:
    """Return what to say when the lift has no finite value."""
    if control.successes:
        return ()
    return (f"the control has 0 of {control.trials:,} successes: the lift has a lower bound, and no finite estimate",)


def few_notes(control: Counts, treatment: Counts, method: str) -> tuple[str, ...]:
    """Return what to say when a method is used on fewer successes than it holds its level for."""
    fewest = min(
        control.successes,
        treatment.successes,
        control.trials - control.successes,
        treatment.trials - treatment.successes,
    )
    if fewest >= ENOUGH_SUCCESSES:
        return ()
    return (
        f"an arm has only {fewest} successes or failures: `{method}` may miss its level below "
        f"{ENOUGH_SUCCESSES}; `newcombe` holds it",
    )
