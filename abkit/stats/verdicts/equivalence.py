"""Guardrails: is the treatment not worse by more than a margin (non-inferior), or the same within it (equivalent)?"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

from abkit.errors import InvalidInput
from abkit.records import Record
from abkit.stats.estimate import ArmMean, ArmRate, Comparison, Estimate
from abkit.stats.means.estimates import welch_dof
from abkit.stats.sequential.always_valid import always_valid_p, multiplier
from abkit.stats.tails import check_level, quantile, t_quantile, t_tail_p, two_sided_alpha
from abkit.vocabulary import Alternative, Direction, parse_choice


@dataclass(frozen=True, slots=True, kw_only=True)
class MarginTest(Record):
    """What is found for one guardrail.

    Attributes:
        question: `non-inferiority` or `equivalence`.
        margin: The largest acceptable loss, in the metric's unit, above 0.
        difference: Treatment − control, with the interval that decides: its level is 2·level − 1.
        p_value: P-value of a loss as large as the margin or larger (the larger of two for equivalence).
        holds: Whether the p-value is below 1 − level.
        level: One-sided confidence level.
        anytime: Whether it is valid at any look, or at one only.
    """

    question: str
    margin: float
    difference: Estimate
    p_value: float
    holds: bool
    level: float
    anytime: bool = False


def non_inferior(
    comparison: Comparison,
    *,
    margin: float,
    level: float = 0.95,
    direction: Direction | str = Direction.HIGHER,
    tuning: float | None = None,
) -> MarginTest:
    """Test that the treatment is not worse than the control by `margin` or more.

    Wald with unpooled variances for rates (statsmodels' `test_proportions_2indep(value=-margin, method="wald")`),
    Welch's t for means.

    Args:
        comparison: The comparison of the guardrail metric.
        margin: The largest acceptable loss, in the metric's unit.
        level: One-sided confidence level.
        direction: Which way of the metric is good: `higher-is-better` or `lower-is-better`.
        tuning: For a running test: the planned units of both arms. The answer is then valid at any look (normal
            mixture, as in `sequential`).

    >>> from abkit.stats.arms import Moments
    >>> from abkit.stats.means.compare import compare_means
    >>> comparison = compare_means(Moments(1000, 10.0, 4.0), Moments(1000, 9.95, 4.0))
    >>> non_inferior(comparison, margin=0.2).holds
    True
    """
    difference, se, dof = wald_parts(comparison)
    check_level(level)
    if not (math.isfinite(margin) and margin > 0):
        raise InvalidInput(f"the margin is {margin}; expected the largest acceptable loss, above 0")
    higher = parse_choice(Direction, direction, name="direction") is Direction.HIGHER
    z, above = ((difference if higher else -difference) + margin) / se, Alternative.GREATER
    if tuning is None:
        p_value, reach = t_tail_p(z, dof, above), t_quantile(level, dof)
    else:
        n, alpha = comparison.control.n + comparison.treatment.n, two_sided_alpha(level, above)
        p_value = float(always_valid_p(z, n, alpha=alpha, tuning=tuning, alternative=above))
        reach = multiplier(n, alpha=alpha, tuning=tuning)
    return MarginTest(
        question="non-inferiority",
        margin=margin,
        difference=Estimate(difference, difference - reach * se, difference + reach * se),
        p_value=p_value,
        holds=p_value < 1 - level,
        level=level,
        anytime=tuning is not None,
    )


def equivalent(comparison: Comparison, *, margin: float, level: float = 0.95) -> MarginTest:
    """Test that the treatment differs from the control by less than `margin` in either direction: two one-sided tests.

    Source: Schuirmann (1987), doi 10.1007/BF01068419; as statsmodels' `tost_proportions_2indep(method="wald")`
    and `ttost_ind(usevar="unequal")`.

    >>> from abkit.stats.arms import Moments
    >>> from abkit.stats.means.compare import compare_means
    >>> equivalent(compare_means(Moments(1000, 10.0, 4.0), Moments(1000, 9.95, 4.0)), margin=0.1).holds
    False
    """
    lower = non_inferior(comparison, margin=margin, level=level)
    difference, se, dof = wald_parts(comparison)
    p_value = max(lower.p_value, t_tail_p((difference - margin) / se, dof, Alternative.LESS))
    return replace(lower, question="equivalence", p_value=p_value, holds=p_value < 1 - level)


def wald_parts(comparison: Comparison) -> tuple[float, float, float]:
    """Return the difference, its unpooled standard error, and degrees of freedom (infinite for rates)."""
    control, treatment = comparison.control, comparison.treatment
    if isinstance(control, ArmMean) and isinstance(treatment, ArmMean):
        v0, v1 = control.standard_error**2, treatment.standard_error**2
        return treatment.mean - control.mean, math.sqrt(v0 + v1), welch_dof(v0, control.n, v1, treatment.n)
    assert isinstance(control, ArmRate)  # noqa: S101 - the two arms of a comparison are of one kind
    assert isinstance(treatment, ArmRate)  # noqa: S101
    variance = control.rate * (1 - control.rate) / control.n + treatment.rate * (1 - treatment.rate) / treatment.n
    if variance == 0:
        # No successes or no failures anywhere: the Wilson width instead of the Wald width of zero.
        width = comparison.difference.ci_high - comparison.difference.ci_low
        return treatment.rate - control.rate, width / (2 * quantile((1 + comparison.level) / 2)), math.inf
    return treatment.rate - control.rate, math.sqrt(variance), math.inf
