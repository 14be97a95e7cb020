"""Two proportions compared, from counts alone.

The default is Newcombe's interval with the pooled p-value, and exact limits where less than one success is expected in
the smaller arm: so it covers at any rate, size and split. The other methods are there because others report them.
Measured coverage: docs/statistics.md.
"""

from __future__ import annotations

import math
from typing import Literal

from abkit.errors import InvalidInput
from abkit.stats import lift as lifts
from abkit.stats.counts import Counts
from abkit.stats.estimate import (
    Alternative,
    ArmRate,
    Comparison,
    Estimate,
    check_alternative,
    check_level,
    open_end,
    two_sided_alpha,
)
from abkit.stats.normal import quantile, tail_p, two_sided_p
from abkit.stats.proportions.few_successes import FEWEST_EXPECTED, clopper_pearson_many, touching_p
from abkit.stats.proportions.newcombe import hybrid_interval, newcombe_z, wilson
from abkit.stats.sequential.always_valid import DEFAULT_TUNING, always_valid_p, multiplier

Method = Literal["auto", "newcombe", "z", "score", "exact", "sequential", "bayes"]
METHODS: tuple[Method, ...] = ("auto", "newcombe", "z", "score", "exact", "sequential", "bayes")

ENOUGH_SUCCESSES = 30
"""From here on in each arm every method of this module is within one point of its level."""

LARGEST_EXPONENT = 700
"""Beyond what exp() can hold: there nothing is known of the lift."""

_SIDES = {"two-sided": "two-sided", "greater": "larger", "less": "smaller"}


def compare_proportions(
    control: Counts,
    treatment: Counts,
    *,
    method: Method = "auto",
    level: float = 0.95,
    alternative: Alternative = "two-sided",
    tuning: float = DEFAULT_TUNING,
    prior: tuple[float, float] = (1.0, 1.0),
    practical_lift: float = 0.0,
) -> Comparison:
    """Compare the success rate of a treatment with that of its control.

    Args:
        control: counts of the control.
        treatment: counts of the treatment.
        method: `auto` (`newcombe`, or exact limits for few successes), `newcombe` (hybrid score), `z` (pooled
            normal), `score` (Miettinen–Nurminen), `exact` (Fisher; small samples), `sequential` (right at any look)
            or `bayes` (Beta-binomial).
        level: of the intervals.
        alternative: of the treatment against the control; one-sided intervals are open on the other side.
        tuning: `sequential` only: the planned total sample size.
        prior: `bayes` only: the Beta prior of both arms (successes, failures).
        practical_lift: `bayes` only: the lift that would matter.

    Raises:
        InvalidInput: an unknown method or alternative, a level outside (0, 1), too large a sample for `exact`.

    >>> result = compare_proportions(Counts(480, 10_000), Counts(560, 10_100))
    >>> round(result.difference.ci_low, 5), round(result.difference.ci_high, 5), round(result.p_value, 4)
    (0.00132, 0.01358, 0.0172)
    """
    check_level(level)
    check_alternative(alternative)
    if method == "newcombe" or (method == "auto" and not _too_few(control, treatment)):
        return _newcombe(control, treatment, level, alternative)
    if method == "auto":
        return _few(control, treatment, level, alternative)
    if method == "sequential":
        return _sequential(control, treatment, level, alternative, tuning)
    if method == "z":
        return _pooled(control, treatment, level, alternative)
    if method == "score":
        from abkit.stats.proportions.score_interval import compare_by_score

        return compare_by_score(control, treatment, level=level, alternative=alternative)
    if method == "exact":
        from abkit.stats.proportions.exact import compare_exactly

        return compare_exactly(control, treatment, level=level, alternative=alternative)
    if method == "bayes":
        from abkit.stats.proportions.bayes import compare_by_bayes

        return compare_by_bayes(control, treatment, level=level, prior=prior, practical_lift=practical_lift)
    raise InvalidInput(f"the method is {method!r}; expected one of {', '.join(METHODS)}")


def _newcombe(control: Counts, treatment: Counts, level: float, alternative: Alternative) -> Comparison:
    pooled = (control.successes + treatment.successes) / (control.trials + treatment.trials)
    variance = pooled * (1 - pooled) * (1 / control.trials + 1 / treatment.trials)
    z = (treatment.rate - control.rate) / math.sqrt(variance) if variance > 0 else 0.0
    return _from_wilson(
        control,
        treatment,
        two_sided_alpha(level, alternative),
        method="newcombe",
        level=level,
        alternative=alternative,
        z=z,
        p_value=tail_p(z, alternative),
        notes=(),
        p_convention="pooled normal, no continuity correction (the score test)",
        prefix="",
    )


def _too_few(control: Counts, treatment: Counts) -> bool:
    pooled = (control.successes + treatment.successes) / (control.trials + treatment.trials)
    return min(control.trials, treatment.trials) * min(pooled, 1 - pooled) < FEWEST_EXPECTED


def _few(control: Counts, treatment: Counts, level: float, alternative: Alternative) -> Comparison:
    alpha = two_sided_alpha(level, alternative)
    both = (control.successes, control.trials, treatment.successes, treatment.trials)
    p_value = float(touching_p(*both))
    if alternative != "two-sided":
        agrees = (treatment.rate > control.rate) == (alternative == "greater") and p_value < 1
        p_value = p_value / 2 if agrees else 1 - p_value / 2
    ends = clopper_pearson_many((both[0], both[2]), (both[1], both[3]), alpha)
    limits0, limits1 = ((float(ends[0][arm]), float(ends[1][arm])) for arm in (0, 1))
    return _from_limits(
        control,
        treatment,
        limits0,
        limits1,
        method="clopper-pearson",
        level=level,
        alternative=alternative,
        z=math.nan,
        p_value=p_value,
        notes=("less than one success or failure is expected in the smaller arm: exact limits instead of Newcombe's",),
        conventions=(
            "the level at which the interval touches zero",
            "MOVER from the Clopper–Pearson limits of the arms",
            "MOVER-R from the Clopper–Pearson limits of the arms",
        ),
    )


def _sequential(
    control: Counts, treatment: Counts, level: float, alternative: Alternative, tuning: float
) -> Comparison:
    alpha = two_sided_alpha(level, alternative)
    n = control.trials + treatment.trials
    reach = multiplier(n, alpha=alpha, tuning=tuning)
    z = newcombe_z(control.successes, control.trials, treatment.successes, treatment.trials)
    p_value = always_valid_p(z, n, alpha=alpha, tuning=tuning)
    if alternative != "two-sided":
        p_value = p_value / 2 if (z > 0) == (alternative == "greater") and z != 0 else 1.0
    return _from_wilson(
        control,
        treatment,
        two_sided_p(reach),
        method="sequential",
        level=level,
        alternative=alternative,
        z=z,
        p_value=p_value,
        notes=(f"valid at any look; tuned to {tuning:,.0f} trials in all; reaches {reach:.3f} standard errors",),
        p_convention="always valid (normal mixture) at Newcombe's z",
        prefix="confidence sequence (normal mixture, GrowthBook's tuning), ",
    )


def _from_wilson(
    control: Counts,
    treatment: Counts,
    alpha: float,
    *,
    method: str,
    level: float,
    alternative: Alternative,
    z: float,
    p_value: float,
    notes: tuple[str, ...],
    p_convention: str,
    prefix: str,
) -> Comparison:
    """Newcombe's interval and MOVER-R from the same Wilson limits."""
    return _from_limits(
        control,
        treatment,
        wilson(control.successes, control.trials, alpha),
        wilson(treatment.successes, treatment.trials, alpha),
        method=method,
        level=level,
        alternative=alternative,
        z=z,
        p_value=p_value,
        notes=notes,
        conventions=(
            p_convention,
            f"{prefix}Newcombe hybrid score interval",
            f"{prefix}MOVER-R from the same Wilson limits",
        ),
    )


def _from_limits(
    control: Counts,
    treatment: Counts,
    limits0: lifts.Limits,
    limits1: lifts.Limits,
    *,
    method: str,
    level: float,
    alternative: Alternative,
    z: float,
    p_value: float,
    notes: tuple[str, ...],
    conventions: tuple[str, str, str],
) -> Comparison:
    """Difference and lift from the limits of the arms: they agree on what excludes zero."""
    rate0, rate1 = control.rate, treatment.rate
    low, high = hybrid_interval(rate0, limits0, rate1, limits1)
    lift_low, lift_high = lifts.mover_r(rate0, limits0, rate1, limits1)
    return Comparison(
        ArmRate(control.trials, control.successes, rate0),
        ArmRate(treatment.trials, treatment.successes, rate1),
        Estimate(rate1 - rate0, *open_end(low, high, alternative, lowest=-1.0, highest=1.0)),
        Estimate(
            relative_lift(rate0, rate1),
            *open_end(lift_low, lift_high, alternative, lowest=-1.0, highest=math.inf),
        ),
        p_value,
        z,
        method,
        level,
        alternative,
        dict(zip(("p_value", "difference", "lift"), conventions, strict=True)),
        (*notes, *baseline_notes(control)),
    )


def _pooled(control: Counts, treatment: Counts, level: float, alternative: Alternative) -> Comparison:
    from statsmodels.stats.proportion import proportions_ztest

    rate0, rate1 = control.rate, treatment.rate
    pooled = (control.successes + treatment.successes) / (control.trials + treatment.trials)
    reach = quantile(1 - two_sided_alpha(level, alternative) / 2)
    se = math.sqrt(pooled * (1 - pooled) * (1 / control.trials + 1 / treatment.trials))
    if se == 0:
        z, p_value = 0.0, 1.0
    else:
        z, p_value = proportions_ztest(
            (treatment.successes, control.successes),
            (treatment.trials, control.trials),
            alternative=_SIDES[alternative],
        )
    difference = rate1 - rate0
    if rate0 > 0 and rate1 > 0 and reach * se / pooled < LARGEST_EXPONENT:
        # The standard error of both logarithms from the pooled rate, as the test has it.
        half = math.exp(reach * se / pooled)
        lift_ends = (rate1 / rate0 / half - 1, rate1 / rate0 * half - 1)
    else:
        lift_ends = (-1.0, math.inf)
    notes = few_notes(control, treatment, "z") + baseline_notes(control)
    ends = open_end(difference - reach * se, difference + reach * se, alternative, lowest=-1.0, highest=1.0)
    return Comparison(
        ArmRate(control.trials, control.successes, rate0),
        ArmRate(treatment.trials, treatment.successes, rate1),
        Estimate(difference, max(ends[0], -1.0), min(ends[1], 1.0)),
        Estimate(relative_lift(rate0, rate1), *open_end(*lift_ends, alternative, lowest=-1.0, highest=math.inf)),
        float(p_value),
        float(z),
        "z",
        level,
        alternative,
        {
            "p_value": "pooled normal, no continuity correction (statsmodels proportions_ztest)",
            "difference": "normal, pooled variance (tea-tasting's convention)",
            "lift": "log delta method, pooled variance (tea-tasting's convention)",
        },
        notes,
    )


def relative_lift(control: float, treatment: float) -> float:
    """Treatment ÷ control − 1; NaN when the control is zero."""
    return treatment / control - 1 if control != 0 else math.nan


def baseline_notes(control: Counts) -> tuple[str, ...]:
    """What to say when the lift has no finite value."""
    if control.successes:
        return ()
    return (f"the control has 0 of {control.trials:,} successes: the lift has a lower bound, and no finite estimate",)


def few_notes(control: Counts, treatment: Counts, method: str) -> tuple[str, ...]:
    """What to say when a method is used on fewer successes than it holds its level for."""
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
