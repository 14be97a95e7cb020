"""Two means compared, from aggregates: Welch's t, a confidence sequence, and a lift by Fieller."""

from __future__ import annotations

import math
from typing import Literal

from abkit.errors import InvalidInput
from abkit.stats.estimate import (
    Alternative,
    ArmMean,
    Comparison,
    Estimate,
    check_alternative,
    check_level,
    open_end,
    two_sided_alpha,
)
from abkit.stats.lift import lift_interval
from abkit.stats.moments import Moments
from abkit.stats.normal import quantile, t_quantile, t_tail_p
from abkit.stats.sequential.always_valid import DEFAULT_TUNING, always_valid_p, multiplier

MeanMethod = Literal["welch", "sequential"]


def compare_means(
    control: Moments,
    treatment: Moments,
    *,
    method: MeanMethod = "welch",
    level: float = 0.95,
    alternative: Alternative = "two-sided",
    lift_method: str = "fieller",
    tuning: float = DEFAULT_TUNING,
) -> Comparison:
    """Compare two means without assuming equal variances.

    Source: Welch (1947), doi 10.1093/biomet/34.1-2.28; the p-value is that of scipy's `ttest_ind_from_stats` with
    `equal_var=False`. The lift is Fieller's by default; `log-delta` is tea-tasting's convention, `delta` GrowthBook's,
    `plug-in` spotify-confidence's.

    Args:
        control: moments of the control.
        treatment: moments of the treatment.
        method: `welch` (fixed horizon) or `sequential` (right at any look).
        level: of the intervals.
        alternative: of the treatment against the control.
        lift_method: fieller, log-delta, delta or plug-in.
        tuning: `sequential` only: the planned number of units in all.

    Raises:
        InvalidInput: no variance in either arm, fewer than two units in an arm, unknown options.

    >>> result = compare_means(Moments(100, 10.0, 4.0), Moments(120, 10.6, 5.0))
    >>> round(result.p_value, 5), round(result.difference.ci_low, 4), round(result.difference.ci_high, 4)
    (0.03692, 0.0368, 1.1632)
    """
    if min(control.n, treatment.n) < 2:
        raise InvalidInput(
            f"an arm has {min(control.n, treatment.n):g} unit; a variance takes at least 2",
            hint="wait for more data",
        )
    return compare_estimates(
        ArmMean(control.n, control.mean, math.sqrt(control.squared_error)),
        ArmMean(treatment.n, treatment.mean, math.sqrt(treatment.squared_error)),
        method=method,
        level=level,
        alternative=alternative,
        lift_method=lift_method,
        tuning=tuning,
    )


def compare_estimates(
    control: ArmMean,
    treatment: ArmMean,
    *,
    method: MeanMethod = "welch",
    level: float = 0.95,
    alternative: Alternative = "two-sided",
    lift_method: str = "fieller",
    tuning: float = DEFAULT_TUNING,
    label: str = "",
) -> Comparison:
    """Compare two independent estimates with standard errors: the end of the road for means, ratios and CUPED.

    >>> result = compare_estimates(ArmMean(100, 10.0, 0.2), ArmMean(100, 11.0, 0.2), lift_method="log-delta")
    >>> round(result.lift.ci_low, 4), round(result.lift.ci_high, 4)
    (0.0429, 0.1602)
    """
    check_level(level)
    check_alternative(alternative)
    v0, v1 = control.standard_error**2, treatment.standard_error**2
    se = math.sqrt(v0 + v1)
    if se == 0:
        raise InvalidInput(
            f"neither arm varies: all units have {control.mean:g} in the control, {treatment.mean:g} in the treatment",
            hint="expected a metric that differs between units",
        )
    alpha = two_sided_alpha(level, alternative)
    difference = treatment.mean - control.mean
    dof = welch_dof(v0, control.n, v1, treatment.n)
    n = control.n + treatment.n
    statistic = difference / se
    notes: tuple[str, ...] = ()
    if method == "welch":
        reach = t_quantile(1 - alpha / 2, dof)
        p_value = t_tail_p(statistic, dof, alternative)
        how, interval = "Welch's t (scipy ttest_ind_from_stats)", "Welch's t"
    elif method == "sequential":
        reach = multiplier(n, alpha=alpha, tuning=tuning)
        p_value = always_valid_p(statistic, n, alpha=alpha, tuning=tuning)
        if alternative != "two-sided":
            p_value = p_value / 2 if (difference > 0) == (alternative == "greater") and difference else 1.0
        how = "always valid (normal mixture, GrowthBook's tuning)"
        interval = "confidence sequence (normal mixture, GrowthBook's tuning)"
        notes = (f"valid at any look; tuned to {tuning:,.0f} units in all; reaches {reach:.3f} standard errors",)
    else:
        raise InvalidInput(f"the method is {method!r}; expected welch or sequential")
    lift = treatment.mean / control.mean - 1 if control.mean else math.nan
    lift_reach = reach
    if lift_method == "log-delta" and method == "welch" and control.mean > 0 and treatment.mean > 0:
        # tea-tasting has the degrees of freedom of the logarithms' variances.
        shares = (arm.standard_error / arm.mean for arm in (control, treatment))
        relative = welch_dof(
            *(x for share, arm in zip(shares, (control, treatment), strict=True) for x in (share**2, arm.n))
        )
        lift_reach = t_quantile(1 - alpha / 2, relative)
    lift_low, lift_high = lift_interval(
        control.mean, control.standard_error, treatment.mean, treatment.standard_error,
        quantile=lift_reach, method=lift_method,
    )  # fmt: skip
    if math.isinf(lift_low):
        notes += (f"the control's mean {control.mean:g} is not clear of zero: the lift has no finite interval",)
    if min(control.n, treatment.n) < 30:
        notes += (f"an arm has only {min(control.n, treatment.n):g} units: the t approximation needs a normal metric",)
    return Comparison(
        control,
        treatment,
        Estimate(
            difference,
            *open_end(
                difference - reach * se, difference + reach * se, alternative, lowest=-math.inf, highest=math.inf
            ),
        ),
        Estimate(lift, *open_end(lift_low, lift_high, alternative, lowest=-math.inf, highest=math.inf)),
        p_value,
        statistic,
        label or method,
        level,
        alternative,
        {"p_value": how, "difference": interval, "lift": f"{lift_method}, {interval} quantile"},
        notes,
    )


def welch_dof(v0: float, n0: float, v1: float, n1: float) -> float:
    """Welch and Satterthwaite's degrees of freedom from the two squared standard errors.

    >>> welch_dof(1.0, 11, 1.0, 11)
    20.0
    """
    # Scaled by the sum, so that tiny variances do not underflow.
    share0, share1 = v0 / (v0 + v1), v1 / (v0 + v1)
    return 1 / (share0**2 / (n0 - 1) + share1**2 / (n1 - 1))


def standard_error_of(comparison: Comparison) -> float:
    """The standard error that a fixed two-sided normal interval of the difference implies.

    >>> from abkit.stats.counts import Counts
    >>> from abkit.stats.proportions.compare import compare_proportions
    >>> round(standard_error_of(compare_proportions(Counts(480, 10_000), Counts(560, 10_100))), 5)
    0.00313
    """
    width = comparison.difference.ci_high - comparison.difference.ci_low
    return width / (2 * quantile((1 + comparison.level) / 2))
