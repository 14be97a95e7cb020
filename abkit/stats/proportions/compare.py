"""Two proportions compared, from counts alone.

The default is Newcombe's interval, and exact limits where the smaller arm says too little (`single.too_few`): so it
covers at any rate, size and split. The other methods are there because others report them. The p-value is always that
of the interval beside it: it is at most α exactly where the interval at 1 − α excludes zero.
Measured coverage: docs/statistics.md.
"""

from __future__ import annotations

import math

from abkit.errors import InvalidInput
from abkit.stats.arms import Counts
from abkit.stats.estimate import Comparison, Limits
from abkit.stats.proportions.result import TwoRates, few_notes
from abkit.stats.proportions.single import (
    TOO_FEW,
    clopper_pearson,
    difference_from,
    lift_from,
    newcombe_z,
    too_few,
    touching_alpha,
    wilson,
)
from abkit.stats.sequential.always_valid import DEFAULT_TUNING, always_valid_p, multiplier
from abkit.stats.tails import check_level, reach_of, tail_p
from abkit.vocabulary import TWO_SIDED, Alternative, Method, parse_choice

LARGEST_EXPONENT = 700
"""Beyond what exp() can hold: there nothing is known of the lift."""

MOST_EXACT_TRIALS = 10**9


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
            normal), `score` (Miettinen–Nurminen), `exact` (Clopper–Pearson limits, and Fisher's test
            beside them; small samples), `sequential` (valid at any look)
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
    (0.00132, 0.01358, 0.0173)
    >>> compare(Counts(480, 10_000), Counts(560, 10_100), method="score").method
    'score'
    """
    control, treatment = _two_arms(arms)
    check_level(level)
    method = parse_choice(Method, method, name="method")
    alternative = parse_choice(Alternative, alternative, name="alternative")
    rates = TwoRates(control, treatment, level, alternative)
    match method:
        case Method.AUTO if too_few(*rates.figures):
            return _exact(rates, "clopper-pearson", (TOO_FEW,))
        case Method.AUTO | Method.NEWCOMBE:
            return _newcombe(rates)
        case Method.SEQUENTIAL:
            return _sequential(rates, tuning)
        case Method.Z:
            return _pooled(rates)
        case Method.SCORE:
            from abkit.stats.proportions.score import compare_by_score

            return compare_by_score(rates)
        case Method.EXACT:
            return _exact(rates, "exact", (_fisher(rates),))
        case Method.BAYES:
            from abkit.stats.proportions.bayes import compare_by_bayes

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


def _newcombe(rates: TwoRates) -> Comparison:
    z = newcombe_z(*rates.figures)
    difference, lift = _from_wilson(rates, reach_of(rates.alpha))
    return rates.compared(
        difference=difference,
        lift=lift,
        p_value=tail_p(z, rates.alternative),
        statistic=z,
        method="newcombe",
        conventions=(
            "the level at which the interval touches zero",
            "Newcombe hybrid score interval",
            "MOVER-R from the same Wilson limits",
        ),
    )


def _sequential(rates: TwoRates, tuning: float) -> Comparison:
    alpha, n = rates.alpha, rates.control.trials + rates.treatment.trials
    reach, z = multiplier(n, alpha=alpha, tuning=tuning), newcombe_z(*rates.figures)
    difference, lift = _from_wilson(rates, reach)
    sequence = "confidence sequence (normal mixture, GrowthBook's tuning), "
    return rates.compared(
        difference=difference,
        lift=lift,
        p_value=always_valid_p(z, n, alpha=alpha, tuning=tuning, alternative=rates.alternative),
        statistic=z,
        method="sequential",
        conventions=(
            "always valid (normal mixture) at Newcombe's z",
            sequence + "Newcombe hybrid score interval",
            sequence + "MOVER-R from the same Wilson limits",
        ),
        notes=(f"valid at any look; tuned to {tuning:,.0f} trials in all; reaches {reach:.3f} standard errors",),
    )


def _from_wilson(rates: TwoRates, reach: float) -> tuple[Limits, Limits]:
    """Join the limits of the arms to the difference and the lift: the two agree on what excludes zero."""
    x0, n0, x1, n1 = rates.figures
    arms = x0 / n0, wilson(x0, n0, reach), x1 / n1, wilson(x1, n1, reach)
    return difference_from(*arms), lift_from(*arms)


def _exact(rates: TwoRates, method: str, notes: tuple[str, ...]) -> Comparison:
    """Compare by MOVER from exact limits: it covers at least the level (docs/statistics.md), at the price of width."""
    x0, n0, x1, n1 = rates.figures
    arms = x0 / n0, clopper_pearson(x0, n0, rates.alpha), x1 / n1, clopper_pearson(x1, n1, rates.alpha)
    p_value, up = touching_alpha(x0, n0, x1, n1), x1 * n0 > x0 * n1
    if rates.alternative is not TWO_SIDED:
        agrees = p_value < 1 and up is (rates.alternative is Alternative.GREATER)
        p_value = p_value / 2 if agrees else 1 - p_value / 2
    return rates.compared(
        difference=difference_from(*arms),
        lift=lift_from(*arms),
        p_value=p_value,
        statistic=math.nan,
        method=method,
        conventions=(
            "the level at which the interval touches zero",
            "MOVER from the Clopper–Pearson limits of the arms",
            "MOVER-R from the Clopper–Pearson limits of the arms",
        ),
        notes=notes,
    )


def _fisher(rates: TwoRates) -> str:
    """Return what Fisher's exact test says: it conditions on both margins, and no interval belongs to it."""
    from scipy.stats import fisher_exact

    trials = rates.control.trials + rates.treatment.trials
    if trials > MOST_EXACT_TRIALS:
        raise InvalidInput(
            f"`exact` is for small samples: here are {trials:,} trials, it takes up to {MOST_EXACT_TRIALS:,}",
            hint="use newcombe, the default: at this size it is as good",
        )
    table = [(arm.successes, arm.trials - arm.successes) for arm in (rates.treatment, rates.control)]
    p_value = fisher_exact(table, alternative=rates.alternative.value).pvalue
    return f"Fisher's exact test has p = {p_value:.10g}; it is conditional, and no interval of the lift belongs to it"


def _pooled(rates: TwoRates) -> Comparison:
    control, treatment, pooled = rates.control, rates.treatment, rates.pooled
    reach = reach_of(rates.alpha)
    z, se = rates.pooled_z, math.sqrt(pooled * (1 - pooled) * (1 / control.trials + 1 / treatment.trials))
    difference, lift = treatment.rate - control.rate, (-1.0, math.inf)
    if control.successes and treatment.successes and reach * se / pooled < LARGEST_EXPONENT:
        # The standard error of both logarithms from the pooled rate, as the test has it.
        ratio, half = treatment.rate / control.rate, math.exp(reach * se / pooled)
        lift = (ratio / half - 1, ratio * half - 1)
    return rates.compared(
        difference=(difference - reach * se, difference + reach * se),
        lift=lift,
        p_value=tail_p(z, rates.alternative) if se else 1.0,
        statistic=z,
        method="z",
        conventions=(
            "pooled normal, no continuity correction (statsmodels proportions_ztest)",
            "normal, pooled variance (tea-tasting's convention)",
            "log delta method, pooled variance (tea-tasting's convention)",
        ),
        notes=few_notes(rates, "z"),
    )
