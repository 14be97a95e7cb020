"""Two arms of units compared, as the analysis of rows and the simulation on them do.

By mean, ratio or quantile, or with what the units did before the test taken out.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from abkit.records import Record
from abkit.stats.arms import Moments, PairMoments
from abkit.stats.estimate import Comparison
from abkit.stats.means.compare import compare_means
from abkit.stats.means.covariates import UnitsBefore, compare_ratios_with_covariate
from abkit.stats.means.estimates import MeanOptions
from abkit.stats.means.pairs import compare_ratios
from abkit.stats.means.quantiles import compare_quantiles
from abkit.vocabulary import TWO_SIDED, Alternative
from abkit.workflows.experiments.rows.sums import UnitValues

Side = tuple[NDArray[np.float64], NDArray[np.float64]]
"""Metric and denominator of the units of one arm."""


@dataclass(frozen=True, kw_only=True)
class UnitAdjustment(Record):
    """What was taken out of one comparison, and what it would be without that.

    Attributes:
        covariate: Column of what the units did before the test, and the one it was divided by.
        coefficient: θ, how much of it was taken out.
        variance_kept: Variance of the adjusted difference ÷ that of the raw one.
        without: Units that have no such value: nothing was taken out of them.
        raw: The comparison without the adjustment.
    """

    covariate: str
    coefficient: float
    variance_kept: float
    without: int
    raw: Comparison


def compare_sides(
    control: Side,
    treatment: Side,
    *,
    ratio: bool,
    quantile: float | None = None,
    level: float = 0.95,
    alternative: Alternative = TWO_SIDED,
    options: MeanOptions | None = None,
) -> Comparison:
    """Compare two arms by the quantile that is asked for, else by the ratio of sums, else by the mean per unit.

    Raises:
        InvalidInput: Nothing varies, or an option is not valid.

    >>> old, new = (np.array([1.0, 2.0, 3.0]), np.ones(3)), (np.array([2.0, 3.0, 5.0]), np.ones(3))
    >>> round(compare_sides(old, new, ratio=False).difference.estimate, 3)
    1.333
    """
    if quantile is not None:
        return compare_quantiles(control[0], treatment[0], q=quantile, level=level, alternative=alternative)
    kept: MeanOptions = {**(options or {}), "level": level, "alternative": alternative}
    if ratio:
        return compare_ratios(PairMoments.from_values(*control), PairMoments.from_values(*treatment), **kept)
    return compare_means(Moments.from_values(control[0]), Moments.from_values(treatment[0]), **kept)


def compare_with_former(
    control: UnitValues, treatment: UnitValues, covariate: str, options: MeanOptions, *, ratio: bool
) -> tuple[Comparison, UnitAdjustment]:
    """Compare means or ratios of two arms with what their units did before the test taken out (CUPED).

    Args:
        control: The units of the control, with their former values.
        treatment: The same of the treatment.
        covariate: What these are called.
        options: How the arms are compared.
        ratio: Whether the metric has a denominator of its own.

    Raises:
        InvalidInput: The former values do not vary between units.
    """
    sides = _filled((control, treatment), ratio=ratio)
    found = compare_ratios_with_covariate(*sides, skewness=True, **options)
    without = sum(int(_unknown(arm).sum()) for arm in (control, treatment))
    return found.adjusted, UnitAdjustment(
        covariate=covariate,
        coefficient=found.coefficient,
        variance_kept=found.variance_kept,
        without=without,
        raw=found.raw,
    )


def _unknown(arm: UnitValues) -> NDArray[np.bool_]:
    return np.isnan(_of(arm.c)) if arm.d is None else np.isnan(_of(arm.c)) | np.isnan(_of(arm.d))


def _filled(arms: Sequence[UnitValues], *, ratio: bool) -> list[UnitsBefore]:
    """Return the units with former values that take nothing out of those that have none: what all have on average."""
    known = np.concatenate([_of(arm.c)[~_unknown(arm)] for arm in arms])
    middle = float(known.mean()) if len(known) else math.nan
    sides = []
    for arm in arms:
        missing = _unknown(arm)
        if arm.d is None:
            before, below = np.where(missing, middle, _of(arm.c)), np.ones(arm.n)
        else:
            before, below = np.where(missing, 0.0, _of(arm.c)), np.where(missing, 0.0, _of(arm.d))
        sides.append(UnitsBefore.of(arm.y, arm.x if ratio else np.ones(arm.n), before, below))
    return sides


def _of(column: NDArray[np.float64] | None) -> NDArray[np.float64]:
    assert column is not None  # noqa: S101 - read with the covariate
    return column
