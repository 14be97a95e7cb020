"""Two arms of few independent units, such as days that were randomized, compared at any look."""

from __future__ import annotations

import math

from abkit.errors import InvalidInput
from abkit.stats.estimate import ArmMean, Comparison, bounded
from abkit.stats.means.estimates import fieller, welch_dof
from abkit.stats.sequential.any_time_t import always_valid_t_p, t_multiplier
from abkit.stats.tails import t_tail_p, two_sided_alpha
from abkit.vocabulary import TWO_SIDED, Alternative

LOOK = 0.25
"""What one more unit in either arm adds to n₀·n₁/(n₀+n₁), where they come in turn."""


def compare_few(
    control: ArmMean,
    treatment: ArmMean,
    *,
    tuning: float,
    level: float = 0.95,
    alternative: Alternative = TWO_SIDED,
    what: str = "units",
) -> Comparison:
    """Compare two estimates at any look, their variances unknown: Welch's t, mixed over effects (`t_multiplier`).

    Args:
        control: Mean or ratio of the control, with its standard error between units.
        treatment: The same of the treatment.
        tuning: Planned units in both arms.
        level: Confidence level of the intervals.
        alternative: Which difference counts, treatment against control.
        what: What the units are, for the conventions.

    Raises:
        InvalidInput: Neither arm varies, or the level is not valid.

    >>> result = compare_few(ArmMean(14, 0.010, 0.0004), ArmMean(14, 0.013, 0.0004), tuning=28, what="days")
    >>> round(result.p_value, 4), round(result.lift.ci_low, 3)
    (0.0006, 0.129)
    """
    alpha = two_sided_alpha(level, alternative)
    n, dof, error = _size(control, treatment)
    if error == 0:
        raise InvalidInput("neither arm varies between units", hint="expected a metric that differs between units")
    difference = treatment.mean - control.mean
    reach = t_multiplier(n, dof, alpha=alpha, tuning=tuning / 4, step=LOOK)
    p_value = always_valid_t_p(
        difference / error, n, dof, alpha=alpha, tuning=tuning / 4, alternative=alternative, step=LOOK
    )
    finite = math.isfinite(reach)
    how = f"always valid (mixture of Welch's t over {what}, tuned to {tuning:,.0f})"
    ends = (difference - reach * error, difference + reach * error)
    # A loss has no lift.
    limits = fieller(control, treatment, reach) if finite and control.mean > 0 else (-math.inf, math.inf)
    return Comparison(
        control=control,
        treatment=treatment,
        difference=bounded(difference, ends, alternative),
        lift=bounded(treatment.mean / control.mean - 1 if control.mean > 0 else math.nan, limits, alternative),
        p_value=p_value,
        statistic=difference / error,
        method="sequential",
        level=level,
        alternative=alternative,
        conventions={"p_value": how, "difference": how, "lift": f"fieller, {how}"},
        notes=() if math.isfinite(limits[0]) else (f"too few {what}, or a control not clear of zero: no finite lift",),
    )


def ratio_p(
    control: ArmMean,
    treatment: ArmMean,
    ratio: float,
    *,
    alternative: Alternative,
    tuning: float | None = None,
    alpha: float = 0.05,
) -> float:
    """Return the p-value of treatment = ratio · control by Welch's t; valid at any look where a tuning is given.

    >>> one, other = ArmMean(14, 0.010, 0.0004), ArmMean(14, 0.0102, 0.0004)
    >>> round(ratio_p(one, other, 0.8, alternative=Alternative.GREATER), 5)
    0.00012
    """
    scaled = ArmMean(control.n, ratio * control.mean, ratio * control.standard_error)
    n, dof, error = _size(scaled, treatment)
    if error == 0:
        raise InvalidInput("neither arm varies between units", hint="expected a metric that differs between units")
    t = (treatment.mean - scaled.mean) / error
    if tuning is None:
        return t_tail_p(t, dof, alternative)
    return always_valid_t_p(t, n, dof, alpha=alpha, tuning=tuning / 4, alternative=alternative, step=LOOK)


def _size(control: ArmMean, treatment: ArmMean) -> tuple[float, float, float]:
    """Return the units of a difference, n₀·n₁/(n₀+n₁), its degrees of freedom and its standard error."""
    v0, v1 = control.standard_error**2, treatment.standard_error**2
    n = control.n * treatment.n / (control.n + treatment.n)
    dof = welch_dof(v0, control.n, v1, treatment.n) if v0 + v1 > 0 else 0.0
    return n, dof, math.sqrt(v0 + v1)
