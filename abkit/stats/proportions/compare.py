"""Two proportions compared, from counts alone.

The default is Newcombe's interval with the pooled p-value, and exact limits where less than one success is expected in
the smaller arm: so it covers at any rate, size and split. The other methods are there because others report them.
Measured coverage: docs/statistics.md.
"""

from __future__ import annotations

import math

from abkit.errors import InvalidInput
from abkit.stats.arms import Counts
from abkit.stats.estimate import Comparison
from abkit.stats.proportions.bayes import compare_by_bayes
from abkit.stats.proportions.intervals import (
    clopper_pearson,
    hybrid_interval,
    mover_r,
    newcombe_z,
    too_few,
    touching_p,
    wilson,
)
from abkit.stats.proportions.result import TwoRates, few_notes
from abkit.stats.proportions.score import compare_by_score
from abkit.stats.sequential.always_valid import DEFAULT_TUNING, always_valid_p, multiplier
from abkit.stats.tails import check_level, quantile, tail_p, two_sided_p
from abkit.vocabulary import Alternative, Method, parse_choice

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
    rates = TwoRates(control, treatment, level, alternative)
    match method:
        case Method.AUTO if too_few(*rates.figures):
            return _few(rates)
        case Method.AUTO | Method.NEWCOMBE:
            return _newcombe(rates)
        case Method.SEQUENTIAL:
            return _sequential(rates, tuning)
        case Method.Z:
            return _pooled(rates)
        case Method.SCORE:
            return compare_by_score(rates)
        case Method.EXACT:
            return _exact(rates)
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


def _newcombe(rates: TwoRates) -> Comparison:
    z = rates.pooled_z
    return _from_limits(
        rates,
        method="newcombe",
        statistic=z,
        p_value=tail_p(z, rates.alternative),
        p_convention="pooled normal, no continuity correction (the score test)",
    )


def _few(rates: TwoRates) -> Comparison:
    p_value = float(touching_p(*rates.figures))
    if rates.alternative is not Alternative.TWO_SIDED:
        greater = rates.treatment.rate > rates.control.rate
        agrees = greater == (rates.alternative is Alternative.GREATER) and p_value < 1
        p_value = p_value / 2 if agrees else 1 - p_value / 2
    return _from_limits(
        rates,
        method="clopper-pearson",
        statistic=math.nan,
        p_value=p_value,
        p_convention="the level at which the interval touches zero",
        exact=True,
        notes=("less than one success or failure is expected in the smaller arm: exact limits instead of Newcombe's",),
    )


def _sequential(rates: TwoRates, tuning: float) -> Comparison:
    alpha, n = rates.alpha, rates.control.trials + rates.treatment.trials
    reach = multiplier(n, alpha=alpha, tuning=tuning)
    z = float(newcombe_z(*rates.figures))
    return _from_limits(
        rates,
        method="sequential",
        statistic=z,
        p_value=float(always_valid_p(z, n, alpha=alpha, tuning=tuning, alternative=rates.alternative)),
        p_convention="always valid (normal mixture) at Newcombe's z",
        alpha=two_sided_p(reach),
        prefix="confidence sequence (normal mixture, GrowthBook's tuning), ",
        notes=(f"valid at any look; tuned to {tuning:,.0f} trials in all; reaches {reach:.3f} standard errors",),
    )


def _exact(rates: TwoRates) -> Comparison:
    # The p-value conditions on both margins, and so is conservative. MOVER from exact limits covers at least the level
    # wherever it was measured (docs/statistics.md), at the price of width.
    from scipy.stats import fisher_exact

    trials = rates.control.trials + rates.treatment.trials
    if trials > MOST_EXACT_TRIALS:
        raise InvalidInput(
            f"`exact` is for small samples: here are {trials:,} trials, it takes up to {MOST_EXACT_TRIALS:,}",
            hint="use newcombe, the default: at this size it is as good",
        )
    table = [(arm.successes, arm.trials - arm.successes) for arm in (rates.treatment, rates.control)]
    tested = fisher_exact(table, alternative=rates.alternative.value)
    return _from_limits(
        rates,
        method="exact",
        statistic=tested.statistic,
        p_value=tested.pvalue,
        p_convention="Fisher's exact test (scipy); the statistic is the sample odds ratio",
        exact=True,
    )


def _from_limits(
    rates: TwoRates,
    *,
    method: str,
    statistic: float,
    p_value: float,
    p_convention: str,
    alpha: float | None = None,
    exact: bool = False,
    prefix: str = "",
    notes: tuple[str, ...] = (),
) -> Comparison:
    """Join the limits of the arms to the difference and the lift: the two agree on what excludes zero."""
    x0, n0, x1, n1 = rates.figures
    limits, alpha = clopper_pearson if exact else wilson, rates.alpha if alpha is None else alpha
    arms = rates.control.rate, limits(x0, n0, alpha), rates.treatment.rate, limits(x1, n1, alpha)
    return rates.compared(
        difference=hybrid_interval(*arms),
        lift=mover_r(*arms),
        p_value=p_value,
        statistic=statistic,
        method=method,
        conventions=(
            p_convention,
            "MOVER from the Clopper–Pearson limits of the arms" if exact else f"{prefix}Newcombe hybrid score interval",
            f"{prefix}MOVER-R from the " + ("Clopper–Pearson limits of the arms" if exact else "same Wilson limits"),
        ),
        notes=notes,
    )


def _pooled(rates: TwoRates) -> Comparison:
    control, treatment, pooled = rates.control, rates.treatment, rates.pooled
    reach = quantile(1 - rates.alpha / 2)
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
