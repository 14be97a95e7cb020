"""Two proportions compared, from counts alone.

The default is Newcombe's interval with the pooled p-value, and exact limits where less than one success is expected in
the smaller arm: so it covers at any rate, size and split. The other methods are there because others report them.
Measured coverage: docs/statistics.md.
"""

from __future__ import annotations

import math
from typing import overload

import numpy as np

from abkit.errors import InvalidInput
from abkit.stats.arms import Counts
from abkit.stats.estimate import Comparison
from abkit.stats.proportions.bayes import compare_by_bayes
from abkit.stats.proportions.intervals import (
    clopper_pearson,
    hybrid_interval,
    mover_r,
    newcombe_z,
    pooled_z,
    too_few,
    touching_p,
    wilson,
)
from abkit.stats.proportions.result import few_notes, rate_comparison
from abkit.stats.proportions.score import compare_by_score
from abkit.stats.sequential.always_valid import DEFAULT_TUNING, always_valid_p, multiplier
from abkit.stats.tails import check_level, quantile, tail_p, two_sided_alpha, two_sided_p
from abkit.vocabulary import Alternative, Method, parse_choice

LARGEST_EXPONENT = 700
"""Beyond what exp() can hold: there nothing is known of the lift."""

MOST_EXACT_TRIALS = 10**9

_SIDES = {Alternative.TWO_SIDED: "two-sided", Alternative.GREATER: "larger", Alternative.LESS: "smaller"}


@overload
def compare(
    control: Counts,
    treatment: Counts,
    /,
    *,
    method: Method | str = ...,
    level: float = ...,
    alternative: Alternative | str = ...,
    tuning: float = ...,
    prior: tuple[float, float] = ...,
    practical_lift: float = ...,
) -> Comparison: ...
@overload
def compare(
    control_successes: float,
    control_trials: float,
    treatment_successes: float,
    treatment_trials: float,
    /,
    *,
    method: Method | str = ...,
    level: float = ...,
    alternative: Alternative | str = ...,
    tuning: float = ...,
    prior: tuple[float, float] = ...,
    practical_lift: float = ...,
) -> Comparison: ...
def compare(
    *arms: Counts | float,
    method: Method | str = Method.AUTO,
    level: float = 0.95,
    alternative: Alternative | str = Alternative.TWO_SIDED,
    tuning: float = DEFAULT_TUNING,
    prior: tuple[float, float] = (1.0, 1.0),
    practical_lift: float = 0.0,
) -> Comparison:
    """Compare the success rate of a treatment with that of its control.

    Args:
        arms: The control, then the treatment: two `Counts`, or four numbers: the control's successes and trials, the
            treatment's successes and trials.
        method: `auto` (`newcombe`, or exact limits for few successes), `newcombe` (hybrid score), `z` (pooled
            normal), `score` (Miettinen–Nurminen), `exact` (Fisher; small samples), `sequential` (valid at any look)
            or `bayes` (Beta-binomial).
        level: Confidence level of the intervals, in (0, 1).
        alternative: `two-sided`, or whether the treatment is `greater` or `less` than the control; one-sided
            intervals are open on the other side.
        tuning: `sequential` only: the planned total sample size.
        prior: `bayes` only: the Beta prior of both arms (successes, failures).
        practical_lift: `bayes` only: the smallest lift that matters.

    Raises:
        InvalidInput: Impossible counts, an unknown method or alternative, a level outside (0, 1), or too large a
            sample for `exact`.

    >>> result = compare(480, 10_000, 560, 10_100)
    >>> round(result.difference.ci_low, 5), round(result.difference.ci_high, 5), round(result.p_value, 4)
    (0.00132, 0.01358, 0.0172)
    >>> compare(Counts(480, 10_000), Counts(560, 10_100), method="score").method
    'score'
    """
    control, treatment = _two_arms(arms)
    check_level(level)
    method = parse_choice(Method, method, name="method")
    alternative = parse_choice(Alternative, alternative, name="alternative")
    match method:
        case Method.AUTO if too_few(*_figures(control, treatment)):
            return _few(control, treatment, level, alternative)
        case Method.AUTO | Method.NEWCOMBE:
            return _newcombe(control, treatment, level, alternative)
        case Method.SEQUENTIAL:
            return _sequential(control, treatment, level, alternative, tuning)
        case Method.Z:
            return _pooled(control, treatment, level, alternative)
        case Method.SCORE:
            return compare_by_score(control, treatment, level=level, alternative=alternative)
        case Method.EXACT:
            return _exact(control, treatment, level, alternative)
        case Method.BAYES:
            return compare_by_bayes(control, treatment, level=level, prior=prior, practical_lift=practical_lift)
    raise InvalidInput(f"{method} compares means, and the arms are rates", hint="use auto, the default")


def _two_arms(arms: tuple[Counts | float, ...]) -> tuple[Counts, Counts]:
    if len(arms) == 2 and isinstance(arms[0], Counts) and isinstance(arms[1], Counts):
        return arms[0], arms[1]
    if len(arms) == 4 and not any(isinstance(arm, Counts) for arm in arms):
        return Counts(arms[0], arms[1]), Counts(arms[2], arms[3])  # type: ignore[arg-type]
    raise InvalidInput(
        f"{len(arms)} figures are given; expected two Counts, or successes and trials of the control and then of the "
        "treatment, such as compare(480, 10_000, 560, 10_100)"
    )


def _figures(control: Counts, treatment: Counts) -> tuple[int, int, int, int]:
    return control.successes, control.trials, treatment.successes, treatment.trials


def _newcombe(control: Counts, treatment: Counts, level: float, alternative: Alternative) -> Comparison:
    z = float(np.nan_to_num(pooled_z(*_figures(control, treatment))))
    return _from_limits(
        control,
        treatment,
        two_sided_alpha(level, alternative),
        level=level,
        alternative=alternative,
        method="newcombe",
        statistic=z,
        p_value=tail_p(z, alternative),
        p_convention="pooled normal, no continuity correction (the score test)",
    )


def _few(control: Counts, treatment: Counts, level: float, alternative: Alternative) -> Comparison:
    p_value = float(touching_p(*_figures(control, treatment)))
    if alternative is not Alternative.TWO_SIDED:
        agrees = (treatment.rate > control.rate) == (alternative is Alternative.GREATER) and p_value < 1
        p_value = p_value / 2 if agrees else 1 - p_value / 2
    return _from_limits(
        control,
        treatment,
        two_sided_alpha(level, alternative),
        level=level,
        alternative=alternative,
        method="clopper-pearson",
        statistic=math.nan,
        p_value=p_value,
        p_convention="the level at which the interval touches zero",
        exact=True,
        notes=("less than one success or failure is expected in the smaller arm: exact limits instead of Newcombe's",),
    )


def _sequential(
    control: Counts, treatment: Counts, level: float, alternative: Alternative, tuning: float
) -> Comparison:
    alpha, n = two_sided_alpha(level, alternative), control.trials + treatment.trials
    reach = multiplier(n, alpha=alpha, tuning=tuning)
    z = float(newcombe_z(*_figures(control, treatment)))
    return _from_limits(
        control,
        treatment,
        two_sided_p(reach),
        level=level,
        alternative=alternative,
        method="sequential",
        statistic=z,
        p_value=float(always_valid_p(z, n, alpha=alpha, tuning=tuning, alternative=alternative)),
        p_convention="always valid (normal mixture) at Newcombe's z",
        prefix="confidence sequence (normal mixture, GrowthBook's tuning), ",
        notes=(f"valid at any look; tuned to {tuning:,.0f} trials in all; reaches {reach:.3f} standard errors",),
    )


def _exact(control: Counts, treatment: Counts, level: float, alternative: Alternative) -> Comparison:
    """Compare by Fisher's exact test; intervals by MOVER from the Clopper–Pearson limits of each arm.

    The p-value is exact (it conditions on both margins, and so is conservative). The limits of each arm are exact;
    joined by MOVER they cover at least the level wherever it was measured (docs/statistics.md), at the price of width.
    """
    from scipy.stats import fisher_exact

    trials = control.trials + treatment.trials
    if trials > MOST_EXACT_TRIALS:
        raise InvalidInput(
            f"`exact` is for small samples: here are {trials:,} trials, it takes up to {MOST_EXACT_TRIALS:,}",
            hint="use newcombe, the default: at this size it is as good",
        )
    table = [(arm.successes, arm.trials - arm.successes) for arm in (treatment, control)]
    tested = fisher_exact(table, alternative=alternative.value)
    return _from_limits(
        control,
        treatment,
        two_sided_alpha(level, alternative),
        level=level,
        alternative=alternative,
        method="exact",
        statistic=tested.statistic,
        p_value=tested.pvalue,
        p_convention="Fisher's exact test (scipy); the statistic is the sample odds ratio",
        exact=True,
    )


def _from_limits(
    control: Counts,
    treatment: Counts,
    alpha: float,
    *,
    level: float,
    alternative: Alternative,
    method: str,
    statistic: float,
    p_value: float,
    p_convention: str,
    exact: bool = False,
    prefix: str = "",
    notes: tuple[str, ...] = (),
) -> Comparison:
    """Join the limits of the arms to the difference and the lift: the two agree on what excludes zero."""
    limits = clopper_pearson if exact else wilson
    x0, n0, x1, n1 = _figures(control, treatment)
    limits0, limits1 = limits(x0, n0, alpha), limits(x1, n1, alpha)
    return rate_comparison(
        control,
        treatment,
        difference=hybrid_interval(control.rate, limits0, treatment.rate, limits1),
        lift=mover_r(control.rate, limits0, treatment.rate, limits1),
        p_value=p_value,
        statistic=statistic,
        method=method,
        level=level,
        alternative=alternative,
        conventions=(
            p_convention,
            "MOVER from the Clopper–Pearson limits of the arms" if exact else f"{prefix}Newcombe hybrid score interval",
            f"{prefix}MOVER-R from the " + ("Clopper–Pearson limits of the arms" if exact else "same Wilson limits"),
        ),
        notes=notes,
    )


def _pooled(control: Counts, treatment: Counts, level: float, alternative: Alternative) -> Comparison:
    from statsmodels.stats.proportion import proportions_ztest

    rate0, rate1 = control.rate, treatment.rate
    pooled = (control.successes + treatment.successes) / (control.trials + treatment.trials)
    reach = quantile(1 - two_sided_alpha(level, alternative) / 2)
    se = math.sqrt(pooled * (1 - pooled) * (1 / control.trials + 1 / treatment.trials))
    z, p_value = 0.0, 1.0
    if se:
        z, p_value = proportions_ztest(
            (treatment.successes, control.successes),
            (treatment.trials, control.trials),
            alternative=_SIDES[alternative],
        )
    difference, lift = rate1 - rate0, (-1.0, math.inf)
    if rate0 > 0 and rate1 > 0 and reach * se / pooled < LARGEST_EXPONENT:
        # The standard error of both logarithms from the pooled rate, as the test has it.
        half = math.exp(reach * se / pooled)
        lift = (rate1 / rate0 / half - 1, rate1 / rate0 * half - 1)
    return rate_comparison(
        control,
        treatment,
        difference=(difference - reach * se, difference + reach * se),
        lift=lift,
        p_value=p_value,
        statistic=z,
        method="z",
        level=level,
        alternative=alternative,
        conventions=(
            "pooled normal, no continuity correction (statsmodels proportions_ztest)",
            "normal, pooled variance (tea-tasting's convention)",
            "log delta method, pooled variance (tea-tasting's convention)",
        ),
        notes=few_notes(control, treatment, "z"),
    )
