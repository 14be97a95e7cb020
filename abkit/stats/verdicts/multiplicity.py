"""Many comparisons at once: adjusted p-values, with the family that they were adjusted over."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from abkit.errors import InvalidInput
from abkit.records import Record
from abkit.vocabulary import Correction, parse_choice

_CONTROLS = {
    Correction.HOLM: "family-wise error rate, any dependence (Holm 1979)",
    Correction.HOCHBERG: "family-wise error rate, positive dependence (Hochberg 1988)",
    Correction.BH: "false discovery rate, positive dependence (Benjamini & Hochberg 1995)",
    Correction.BY: "false discovery rate, any dependence (Benjamini & Yekutieli 2001)",
    Correction.NONE: "nothing: each test alone",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Adjusted(Record):
    """Adjusted p-values of one family.

    Attributes:
        p_values: Adjusted p-values in the order given; NaN where the input was NaN.
        rejected: Whether each adjusted p-value is at most `alpha`.
        correction: Name of the correction.
        controls: What it keeps below alpha, and under which dependence.
        family: The family in words.
        family_size: Number of its p-values; those that are NaN do not count.
        alpha: Error rate of the family.
    """

    p_values: tuple[float, ...]
    rejected: tuple[bool, ...]
    correction: Correction
    controls: str
    family: str
    family_size: int
    alpha: float


def adjust(
    p_values: Sequence[float],
    correction: Correction | str = Correction.HOLM,
    *,
    alpha: float = 0.05,
    family: str = "all comparisons",
) -> Adjusted:
    """Adjust p-values for their number, as statsmodels' `multipletests` does.

    Args:
        p_values: Raw p-values in [0, 1]; NaN for a comparison that could not be made.
        correction: `holm`, `hochberg`, `bh`, `by` or `none`.
        alpha: Error rate of the family.
        family: What belongs together, in words; it is part of the answer.

    Raises:
        InvalidInput: The correction is unknown, or a p-value lies outside [0, 1].

    >>> adjust([0.01, 0.02, 0.03], "holm", family="three metrics of one test").p_values
    (0.03, 0.04, 0.04)
    """
    correction = parse_choice(Correction, correction, name="correction")
    raw = np.asarray(p_values, dtype=float)
    known, outside = ~np.isnan(raw), raw[(raw < 0) | (raw > 1)]
    if outside.size:
        raise InvalidInput(f"a p-value is {outside[0]:g}; it has to lie between 0 and 1")
    adjusted = raw.copy()
    if correction is not Correction.NONE and known.any():
        adjusted[known] = _adjusted(raw[known], correction)
    return Adjusted(
        p_values=tuple(adjusted.tolist()),
        rejected=tuple((adjusted <= alpha).tolist()),
        correction=correction,
        controls=_CONTROLS[correction],
        family=family,
        family_size=int(known.sum()),
        alpha=alpha,
    )


def _adjusted(raw: NDArray[np.float64], correction: Correction) -> NDArray[np.float64]:
    # Not statsmodels' `multipletests`: it collects garbage at each call. The tests compare with it.
    order, ranks = np.argsort(raw), np.arange(1, len(raw) + 1)
    if correction in (Correction.HOLM, Correction.HOCHBERG):
        factor = len(raw) + 1.0 - ranks
    else:
        factor = len(raw) / ranks * (np.sum(1 / ranks) if correction is Correction.BY else 1.0)
    scaled = raw[order] * factor
    if correction is Correction.HOLM:
        scaled = np.maximum.accumulate(scaled)
    else:
        scaled = np.minimum.accumulate(scaled[::-1])[::-1]
    adjusted = np.empty_like(raw)
    adjusted[order] = np.minimum(scaled, 1.0)
    return adjusted
