"""Two independent estimates with standard errors compared: the end of the road for means, ratios and CUPED.

Peers disagree on the interval of the lift, treatment ÷ control − 1: tea-tasting uses the log delta method, GrowthBook
the linear delta method, spotify-confidence divides the absolute interval by the control's mean (which takes the control
as known). abkit uses Fieller's, the normal form of the MOVER-R of proportions: it holds when the baseline is near zero,
and it excludes 0 exactly when the interval of the difference does.
"""

from __future__ import annotations

import math
from typing import TypedDict

from abkit.errors import InvalidInput
from abkit.records import percent
from abkit.stats.estimate import ArmMean, Comparison, Limits, bounded
from abkit.stats.means.shape import shape_of
from abkit.stats.sequential.always_valid import DEFAULT_TUNING, always_valid_p, multiplier
from abkit.stats.student_t import t_quantile
from abkit.stats.tails import t_tail_p, two_sided_alpha
from abkit.vocabulary import Alternative, LiftMethod, Method, parse_choice

FEWEST_UNITS = 30
"""Below it the t approximation is said to need a normal metric."""

# Looked up once: see `abkit.vocabulary.TWO_SIDED`.
_WELCH, _SEQUENTIAL, _LOG_DELTA = Method.WELCH, Method.SEQUENTIAL, LiftMethod.LOG_DELTA


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
    """Compare two estimates with the options of `MeanOptions`; the label replaces the method's name in the result.

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
    mean0, n0, se0 = control.mean, control.n, control.standard_error
    mean1, n1, se1 = treatment.mean, treatment.n, treatment.standard_error
    v0, v1 = se0 * se0, se1 * se1
    se = math.sqrt(v0 + v1)
    if se == 0:
        raise InvalidInput(
            f"neither arm varies: all units have {mean0:g} in the control, {mean1:g} in the treatment",
            hint="expected a metric that differs between units",
        )
    difference = mean1 - mean0
    statistic = difference / se
    shape = shape_of(control, treatment)
    wider = shape.widening
    notes: tuple[str, ...] = ()
    if method is _WELCH:
        dof = welch_dof(v0, n0, v1, n1)
        reach = t_quantile(1 - alpha / 2, dof) * wider
        p_value = t_tail_p(statistic / wider, dof, alternative)
        how, interval = "Welch's t (scipy ttest_ind_from_stats)", "Welch's t"
    elif method is _SEQUENTIAL:
        reach = multiplier(n0 + n1, alpha=alpha, tuning=tuning) * wider
        p_value = always_valid_p(statistic / wider, n0 + n1, alpha=alpha, tuning=tuning, alternative=alternative)
        how = "always valid (normal mixture, GrowthBook's tuning)"
        interval = "confidence sequence (normal mixture, GrowthBook's tuning)"
        notes = (f"valid at any look; tuned to {tuning:,.0f} units in all; reaches {reach:.3f} standard errors",)
    else:
        raise InvalidInput(f"{method.value!r} does not compare means; expected welch or sequential")
    lift_reach = reach
    if lift_method is _LOG_DELTA and method is _WELCH and mean0 > 0 and mean1 > 0:
        # tea-tasting has the degrees of freedom of the logarithms' variances.
        lift_reach = t_quantile(1 - alpha / 2, welch_dof((se0 / mean0) ** 2, n0, (se1 / mean1) ** 2, n1)) * wider
    limits = LIFT_INTERVALS[lift_method](control, treatment, lift_reach)
    if math.isinf(limits[0]):
        notes += (f"the control's mean {mean0:g} is not clear of zero: the lift has no finite interval",)
    if wider > 1:
        by = percent(wider - 1, 1)
        how, interval = (f"{one}, {by} wider for skewness" for one in (how, interval))
        notes += (f"skewed units: the intervals are {by} wider than by t alone, to hold their level",)
    if n0 < FEWEST_UNITS or n1 < FEWEST_UNITS:
        notes += (f"an arm has only {min(n0, n1):g} units: the t approximation needs a normal metric",)
    return Comparison(
        control=control,
        treatment=treatment,
        difference=bounded(difference, (difference - reach * se, difference + reach * se), alternative),
        lift=bounded(mean1 / mean0 - 1 if mean0 else math.nan, limits, alternative),
        p_value=p_value,
        statistic=statistic,
        method=label or str(method),
        level=level,
        alternative=alternative,
        conventions={"p_value": how, "difference": interval, "lift": f"{lift_method}, {interval} quantile"},
        notes=notes,
        warnings=shape.warnings,
    )


def welch_dof(v0: float, n0: float, v1: float, n1: float) -> float:
    """Return Welch and Satterthwaite's degrees of freedom from the two squared standard errors.

    >>> welch_dof(1.0, 11, 1.0, 11)
    20.0
    """
    # Scaled by the sum, so that tiny variances do not underflow.
    share0, share1 = v0 / (v0 + v1), v1 / (v0 + v1)
    return 1 / (share0 * share0 / (n0 - 1) + share1 * share1 / (n1 - 1))


def fieller(control: ArmMean, treatment: ArmMean, reach: float) -> Limits:
    """Return Fieller's interval of the lift for two independent normal estimates.

    Where the control is not clear of zero (|control| ≤ reach·se) the data allow any lift: (−inf, inf).
    Source: Fieller (1954), doi 10.1111/j.2517-6161.1954.tb00159.x.

    >>> low, high = fieller(ArmMean(100, 10.0, 0.1), ArmMean(100, 11.0, 0.1), 1.959964)
    >>> round(low, 4), round(high, 4)
    (0.0713, 0.1296)
    """
    mean0, mean1 = control.mean, treatment.mean
    a, b = reach * treatment.standard_error, reach * control.standard_error
    leading = mean0 * mean0 - b * b
    if leading <= 0:
        return -math.inf, math.inf
    root, product = math.sqrt(mean1 * b * mean1 * b + a * a * leading), mean1 * mean0
    return (product - root) / leading - 1, (product + root) / leading - 1


def log_delta(control: ArmMean, treatment: ArmMean, reach: float) -> Limits:
    """Return the delta method's interval on the logarithm of the ratio: tea-tasting's convention, for positive means.

    >>> low, high = log_delta(ArmMean(100, 10.0, 0.1), ArmMean(100, 11.0, 0.1), 1.959964)
    >>> round(low, 4), round(high, 4)
    (0.0712, 0.1295)
    """
    if control.mean <= 0 or treatment.mean <= 0:
        return -math.inf, math.inf
    half = reach * math.hypot(control.standard_error / control.mean, treatment.standard_error / treatment.mean)
    if half > 700:
        # Beyond what exp() can hold: nothing is known of the lift.
        return -1.0, math.inf
    ratio = treatment.mean / control.mean
    return ratio * math.exp(-half) - 1, ratio * math.exp(half) - 1


def delta(control: ArmMean, treatment: ArmMean, reach: float) -> Limits:
    """Return the linear delta method's interval of the ratio: GrowthBook's convention.

    >>> low, high = delta(ArmMean(100, 10.0, 0.1), ArmMean(100, 11.0, 0.1), 1.959964)
    >>> round(low, 4), round(high, 4)
    (0.0709, 0.1291)
    """
    return _about_ratio(control, treatment, reach, treatment.mean / control.mean if control.mean else 0.0)


def plug_in(control: ArmMean, treatment: ArmMean, reach: float) -> Limits:
    """Return the interval of the difference, divided by the control's mean as if that were known: spotify-confidence's.

    >>> low, high = plug_in(ArmMean(100, 10.0, 0.1), ArmMean(100, 11.0, 0.1), 1.959964)
    >>> round(low, 4), round(high, 4)
    (0.0723, 0.1277)
    """
    return _about_ratio(control, treatment, reach, 1.0)


def _about_ratio(control: ArmMean, treatment: ArmMean, reach: float, weight: float) -> Limits:
    """Return the ratio of means ± its error, the control's error weighted."""
    if control.mean == 0:
        return -math.inf, math.inf
    half = reach * math.hypot(treatment.standard_error, weight * control.standard_error) / abs(control.mean)
    lift = treatment.mean / control.mean - 1
    return lift - half, lift + half


LIFT_INTERVALS = {
    LiftMethod.FIELLER: fieller,
    LiftMethod.LOG_DELTA: log_delta,
    LiftMethod.DELTA: delta,
    LiftMethod.PLUG_IN: plug_in,
}
