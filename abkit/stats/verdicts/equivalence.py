"""Guardrails: is the treatment not worse by more than a margin (non-inferior), or the same within it (equivalent)?

A margin relative to the control is a question about treatment ÷ control, and the control is as uncertain as the
treatment: what is tested is treatment − (1 − margin)·control, by the interval of the lift. Taking the margin times the
control's observed figure as a known number rejects 9 % of true nulls at a margin of 50 %.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

from abkit.errors import InvalidInput
from abkit.records import Record
from abkit.stats.estimate import ArmMean, ArmRate, Comparison, Estimate
from abkit.stats.means.estimates import fieller, welch_dof
from abkit.stats.means.shape import shape_of
from abkit.stats.proportions.score import ratio_limits, ratio_z
from abkit.stats.proportions.single import (
    clopper_pearson,
    difference_from,
    lift_from,
    touching_alpha,
    wilson,
)
from abkit.stats.sequential.always_valid import always_valid_p, multiplier
from abkit.stats.student_t import t_quantile
from abkit.stats.tails import reach_of, t_tail_p, two_sided_alpha
from abkit.vocabulary import Alternative, Direction, parse_choice

_EXACT = ("exact", "clopper-pearson")
_ONE_REACH = reach_of(0.05)
"""Of the interval that stands in for a standard error of zero: one number, whatever level and side are asked for."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MarginTest(Record):
    """What is found for one guardrail.

    Attributes:
        question: `non-inferiority` or `equivalence`.
        margin: The largest acceptable loss, above 0: in the metric's unit, or as a share of the control.
        difference: Treatment − control, with its interval at 2·level − 1: it decides on a margin in the metric's unit.
        p_value: P-value of a loss as large as the margin or larger (the larger of two for equivalence).
        holds: Whether the p-value is at most 1 − level, and the comparison carries no warning.
        level: One-sided confidence level.
        anytime: Whether it is valid at any look, or at one only.
        relative: Whether the margin is a share of the control.
        lift: Treatment ÷ control − 1, with its interval at 2·level − 1: it decides on a relative margin; None for a
            margin in the metric's unit.
    """

    question: str
    margin: float
    difference: Estimate
    p_value: float
    holds: bool
    level: float
    anytime: bool = False
    relative: bool = False
    lift: Estimate | None = None


def non_inferior(
    comparison: Comparison,
    *,
    margin: float,
    relative: bool = False,
    level: float = 0.95,
    direction: Direction | str = Direction.HIGHER,
    tuning: float | None = None,
) -> MarginTest:
    """Test that the treatment is not worse than the control by `margin` or more.

    A relative margin is tested by the interval of the lift: for rates the score test corrected for skewness (Gart &
    Nam; MOVER-R with exact limits where the comparison has them), for means Fieller's. A margin in the metric's unit:
    for rates by Wald's test with unpooled variances (statsmodels' `test_proportions_2indep(value=-margin,
    method="wald")`), for means by Welch's t.

    Args:
        comparison: The comparison of the guardrail metric. Its alternative and level do not matter here.
        margin: The largest acceptable loss, in the metric's unit, or relative to the control.
        relative: Whether the margin is a share of the control, such as 0.05, whose noise then counts too.
        level: One-sided confidence level.
        direction: Which way of the metric is good: `higher-is-better` or `lower-is-better`.
        tuning: For a running test: the planned units of both arms. The answer is then valid at any look (normal
            mixture, as in `sequential`).

    Raises:
        InvalidInput: The margin is not above 0, a relative one is 1 or more, or the control of a relative one is 0.

    >>> from abkit.stats.arms import Counts, Moments
    >>> from abkit.stats.means.compare import compare_means
    >>> from abkit.stats.proportions.compare import compare
    >>> comparison = compare_means(Moments(1000, 10.0, 4.0), Moments(1000, 9.95, 4.0))
    >>> non_inferior(comparison, margin=0.2).holds
    True
    >>> rates = compare(Counts(5000, 100_000), Counts(4170, 100_000))
    >>> round(non_inferior(rates, margin=0.2, relative=True).p_value, 3)
    0.021
    """
    higher = parse_choice(Direction, direction, name="direction") is Direction.HIGHER
    side = Alternative.GREATER if higher else Alternative.LESS
    return _tested(comparison, margin, relative, level, tuning, "non-inferiority", (side,))


def equivalent(
    comparison: Comparison,
    *,
    margin: float,
    relative: bool = False,
    level: float = 0.95,
    tuning: float | None = None,
) -> MarginTest:
    """Test that the treatment differs from the control by less than `margin` in either direction: two one-sided tests.

    Source: Schuirmann (1987), doi 10.1007/BF01068419. A margin in the metric's unit as statsmodels'
    `tost_proportions_2indep(method="wald")` and `ttost_ind(usevar="unequal")`; for a relative one see `non_inferior`.

    >>> from abkit.stats.arms import Counts
    >>> from abkit.stats.proportions.compare import compare
    >>> rates = compare(Counts(5000, 100_000), Counts(5830, 100_000))
    >>> round(equivalent(rates, margin=0.2, relative=True).p_value, 3)
    0.063
    """
    return _tested(comparison, margin, relative, level, tuning, "equivalence", (Alternative.GREATER, Alternative.LESS))


@dataclass(frozen=True, slots=True)
class _Look:
    """How a standardized distance is judged: at one look, or at any.

    Attributes:
        alpha: Twice the error of one side.
        n: Units of both arms.
        tuning: The planned units of both arms; None for one look.
        wider: By what intervals are multiplied for skewness (`abkit.stats.means.shape`).
    """

    alpha: float
    n: float
    tuning: float | None
    wider: float = 1.0

    def p(self, z: float, side: Alternative, dof: float = math.inf) -> float:
        """Return the p-value of a distance of z standard errors."""
        if self.tuning is None:
            return t_tail_p(z / self.wider, dof, side)
        return always_valid_p(z / self.wider, self.n, alpha=self.alpha, tuning=self.tuning, alternative=side)

    def reach(self, dof: float = math.inf) -> float:
        """Return how many standard errors the interval reaches."""
        if self.tuning is None:
            return t_quantile(1 - self.alpha / 2, dof) * self.wider
        return multiplier(self.n, alpha=self.alpha, tuning=self.tuning) * self.wider


Sides = tuple[Alternative, ...]
Found = tuple[Estimate, Estimate | None, list[float]]
"""The difference, the lift where it decides, and the p-values of all that has to hold."""


def _tested(
    comparison: Comparison,
    margin: float,
    relative: bool,
    level: float,
    tuning: float | None,
    question: str,
    sides: Sides,
) -> MarginTest:
    control, treatment = comparison.control, comparison.treatment
    look = _Look(two_sided_alpha(level, Alternative.GREATER), control.n + treatment.n, tuning)
    if not (math.isfinite(margin) and margin > 0):
        raise InvalidInput(f"the margin is {margin}; expected the largest acceptable loss, above 0")
    if relative and margin >= 1:
        raise InvalidInput(f"the margin is {margin}; expected a share of the control, below 1, such as 0.05")
    if isinstance(control, ArmRate) and isinstance(treatment, ArmRate):
        exact = comparison.method in _EXACT and tuning is None
        if relative:
            difference, lift, p_values = _relative_rates(control, treatment, margin, look, sides, exact=exact)
        else:
            difference, lift, p_values = _absolute_rates(control, treatment, margin, look, sides)
    else:
        assert isinstance(control, ArmMean)  # noqa: S101 - the two arms of a comparison are of one kind
        assert isinstance(treatment, ArmMean)  # noqa: S101
        look = replace(look, wider=shape_of(control, treatment).widening)
        of = _relative_means if relative else _absolute_means
        difference, lift, p_values = of(control, treatment, margin, look, sides)
    p_value = max(p_values)
    return MarginTest(
        question=question,
        margin=margin,
        difference=difference,
        p_value=p_value,
        holds=p_value <= look.alpha / 2 and not comparison.warnings,
        level=level,
        anytime=tuning is not None,
        relative=relative,
        lift=lift,
    )


def _ratios(margin: float, sides: Sides, control: float) -> list[float]:
    """Return treatment ÷ control at the margin of each side; where the control is negative, less of it is a loss."""
    if control == 0:
        raise InvalidInput("the margin is relative to the control, and the control is 0; expected a control above 0")
    down = math.copysign(margin, control)
    return [1 - down if side is Alternative.GREATER else 1 + down for side in sides]


def _relative_rates(
    control: ArmRate, treatment: ArmRate, margin: float, look: _Look, sides: Sides, *, exact: bool
) -> Found:
    x0, n0, x1, n1 = control.successes, control.n, treatment.successes, treatment.n
    p_values = []
    for ratio, side in zip(_ratios(margin, sides, control.rate), sides, strict=True):
        if exact:
            up = treatment.rate > ratio * control.rate
            half = touching_alpha(x0, n0, x1, n1, ratio) / 2
            p_values.append(half if up is (side is Alternative.GREATER) and half < 0.5 else 1 - half)
        else:
            p_values.append(look.p(ratio_z(x0, n0, x1, n1, ratio), side))
    if exact:
        limits = [clopper_pearson(x, n, look.alpha) for x, n in ((x0, n0), (x1, n1))]
    else:
        limits = [wilson(x, n, look.reach()) for x, n in ((x0, n0), (x1, n1))]
    arms = control.rate, limits[0], treatment.rate, limits[1]
    difference = Estimate(treatment.rate - control.rate, *difference_from(*arms))
    ends = lift_from(*arms) if exact else ratio_limits(x0, n0, x1, n1, look.reach())
    return difference, Estimate(treatment.rate / control.rate - 1, *ends), p_values


def _absolute_rates(control: ArmRate, treatment: ArmRate, margin: float, look: _Look, sides: Sides) -> Found:
    difference, error, _ = wald_parts_of(control, treatment)
    return _around(difference, error, math.inf, margin, look, sides)


def _absolute_means(control: ArmMean, treatment: ArmMean, margin: float, look: _Look, sides: Sides) -> Found:
    difference, error, dof = wald_parts_of(control, treatment)
    return _around(difference, error, dof, margin, look, sides)


def _around(difference: float, error: float, dof: float, margin: float, look: _Look, sides: Sides) -> Found:
    bounds = [-margin if side is Alternative.GREATER else margin for side in sides]
    p_values = [look.p((difference - bound) / error, side, dof) for bound, side in zip(bounds, sides, strict=True)]
    reach = look.reach(dof) * error
    return Estimate(difference, difference - reach, difference + reach), None, p_values


def _relative_means(control: ArmMean, treatment: ArmMean, margin: float, look: _Look, sides: Sides) -> Found:
    v0, v1 = control.standard_error**2, treatment.standard_error**2
    ratios = _ratios(margin, sides, control.mean)
    # The variance at the margin has its own degrees of freedom; one interval for both sides takes the fewer.
    dof = min(welch_dof(ratio * ratio * v0, control.n, v1, treatment.n) for ratio in ratios)
    p_values = [
        look.p((treatment.mean - ratio * control.mean) / math.sqrt(v1 + ratio * ratio * v0), side, dof)
        for ratio, side in zip(ratios, sides, strict=True)
    ]
    # A share of the control means something only where the control is clear of zero: elsewhere the lift is open too.
    clear = abs(control.mean) / control.standard_error if control.standard_error else math.inf
    p_values.append(look.p(clear, Alternative.GREATER, dof))
    reach = look.reach(dof)
    difference, error, _ = wald_parts_of(control, treatment)
    around = Estimate(difference, difference - reach * error, difference + reach * error)
    lift = Estimate(treatment.mean / control.mean - 1, *fieller(control, treatment, reach))
    return around, lift, p_values


def wald_parts(comparison: Comparison) -> tuple[float, float, float]:
    """Return the difference, its unpooled standard error, and degrees of freedom (infinite for rates)."""
    return wald_parts_of(comparison.control, comparison.treatment)


def wald_parts_of(control: ArmRate | ArmMean, treatment: ArmRate | ArmMean) -> tuple[float, float, float]:
    """Return `wald_parts` of two arms of one kind."""
    if isinstance(control, ArmMean) and isinstance(treatment, ArmMean):
        v0, v1 = control.standard_error**2, treatment.standard_error**2
        return treatment.mean - control.mean, math.sqrt(v0 + v1), welch_dof(v0, control.n, v1, treatment.n)
    assert isinstance(control, ArmRate)  # noqa: S101 - the two arms of a comparison are of one kind
    assert isinstance(treatment, ArmRate)  # noqa: S101
    difference = treatment.rate - control.rate
    variance = control.rate * (1 - control.rate) / control.n + treatment.rate * (1 - treatment.rate) / treatment.n
    if variance == 0:
        # No successes or no failures anywhere: the width of Newcombe's interval instead of a width of zero.
        limits = [wilson(arm.successes, arm.n, _ONE_REACH) for arm in (control, treatment)]
        low, high = difference_from(control.rate, limits[0], treatment.rate, limits[1])
        return difference, (high - low) / (2 * _ONE_REACH), math.inf
    return difference, math.sqrt(variance), math.inf
