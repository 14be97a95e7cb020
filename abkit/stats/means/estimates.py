"""Two independent estimates with standard errors compared: the end of the road for means, ratios and CUPED."""

from __future__ import annotations

import math
from typing import TypedDict

from abkit.errors import InvalidInput
from abkit.stats.estimate import ArmMean, Comparison, bounded
from abkit.stats.means.lift import lift_interval
from abkit.stats.sequential.always_valid import DEFAULT_TUNING, always_valid_p, multiplier
from abkit.stats.tails import t_quantile, t_tail_p, two_sided_alpha
from abkit.vocabulary import Alternative, LiftMethod, Method, parse_choice

FEWEST_UNITS = 30
"""Below it the t approximation is said to need a normal metric."""


class MeanOptions(TypedDict, total=False):
    """How estimates are compared; see `compare_means` for each.

    Attributes:
        method: `welch` (fixed horizon, the default) or `sequential` (valid at any look).
        level: Confidence level of the intervals.
        alternative: Which difference counts, treatment against control.
        lift_method: fieller (the default), log-delta, delta or plug-in.
        tuning: `sequential` only: the planned number of units in all.
    """

    method: Method | str
    level: float
    alternative: Alternative | str
    lift_method: LiftMethod | str
    tuning: float


def compare_estimates(
    control: ArmMean,
    treatment: ArmMean,
    *,
    method: Method | str = Method.WELCH,
    level: float = 0.95,
    alternative: Alternative | str = Alternative.TWO_SIDED,
    lift_method: LiftMethod | str = LiftMethod.FIELLER,
    tuning: float = DEFAULT_TUNING,
    label: str = "",
) -> Comparison:
    """Compare two independent estimates with standard errors.

    Args:
        control: Estimate of the control.
        treatment: Estimate of the treatment.
        method: `welch`, or `sequential`.
        level: Confidence level of the intervals.
        alternative: Which difference counts.
        lift_method: How the interval of the lift is made.
        tuning: `sequential` only: the planned number of units in all.
        label: Name of the analysis in the result; the method's by default.

    Raises:
        InvalidInput: Neither arm varies, or an option is unknown.

    >>> result = compare_estimates(ArmMean(100, 10.0, 0.2), ArmMean(100, 11.0, 0.2), lift_method="log-delta")
    >>> round(result.lift.ci_low, 4), round(result.lift.ci_high, 4)
    (0.0429, 0.1602)
    """
    method = parse_choice(Method, method, name="method")
    alternative = parse_choice(Alternative, alternative, name="alternative")
    lift_method = parse_choice(LiftMethod, lift_method, name="lift method")
    alpha = two_sided_alpha(level, alternative)
    v0, v1 = control.standard_error**2, treatment.standard_error**2
    se = math.sqrt(v0 + v1)
    if se == 0:
        raise InvalidInput(
            f"neither arm varies: all units have {control.mean:g} in the control, {treatment.mean:g} in the treatment",
            hint="expected a metric that differs between units",
        )
    difference, n = treatment.mean - control.mean, control.n + treatment.n
    statistic = difference / se
    notes: tuple[str, ...] = ()
    if method is Method.WELCH:
        dof = welch_dof(v0, control.n, v1, treatment.n)
        reach = t_quantile(1 - alpha / 2, dof)
        p_value = t_tail_p(statistic, dof, alternative)
        how, interval = "Welch's t (scipy ttest_ind_from_stats)", "Welch's t"
    elif method is Method.SEQUENTIAL:
        reach = multiplier(n, alpha=alpha, tuning=tuning)
        p_value = float(always_valid_p(statistic, n, alpha=alpha, tuning=tuning, alternative=alternative))
        how = "always valid (normal mixture, GrowthBook's tuning)"
        interval = "confidence sequence (normal mixture, GrowthBook's tuning)"
        notes = (f"valid at any look; tuned to {tuning:,.0f} units in all; reaches {reach:.3f} standard errors",)
    else:
        raise InvalidInput(f"{method.value!r} does not compare means; expected welch or sequential")
    lift_reach = reach
    if lift_method is LiftMethod.LOG_DELTA and method is Method.WELCH and control.mean > 0 and treatment.mean > 0:
        # tea-tasting has the degrees of freedom of the logarithms' variances.
        shares = [(arm.standard_error / arm.mean) ** 2 for arm in (control, treatment)]
        lift_reach = t_quantile(1 - alpha / 2, welch_dof(shares[0], control.n, shares[1], treatment.n))
    lift_limits = lift_interval(control, treatment, quantile=lift_reach, method=lift_method)
    if math.isinf(lift_limits[0]):
        notes += (f"the control's mean {control.mean:g} is not clear of zero: the lift has no finite interval",)
    if control.n < FEWEST_UNITS or treatment.n < FEWEST_UNITS:
        notes += (f"an arm has only {min(control.n, treatment.n):g} units: the t approximation needs a normal metric",)
    return Comparison(
        control=control,
        treatment=treatment,
        difference=bounded(difference, (difference - reach * se, difference + reach * se), alternative),
        lift=bounded(treatment.mean / control.mean - 1 if control.mean else math.nan, lift_limits, alternative),
        p_value=p_value,
        statistic=statistic,
        method=label or str(method),
        level=level,
        alternative=alternative,
        conventions={"p_value": how, "difference": interval, "lift": f"{lift_method}, {interval} quantile"},
        notes=notes,
    )


def welch_dof(v0: float, n0: float, v1: float, n1: float) -> float:
    """Return Welch and Satterthwaite's degrees of freedom from the two squared standard errors.

    >>> welch_dof(1.0, 11, 1.0, 11)
    20.0
    """
    # Scaled by the sum, so that tiny variances do not underflow.
    share0, share1 = v0 / (v0 + v1), v1 / (v0 + v1)
    return 1 / (share0**2 / (n0 - 1) + share1**2 / (n1 - 1))
