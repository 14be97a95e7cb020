"""Many comparisons at once: adjusted p-values, with the family that they were adjusted over."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from abkit.errors import InvalidInput

Correction = Literal["holm", "hochberg", "bh", "by", "none"]

_STATSMODELS = {"holm": "holm", "hochberg": "simes-hochberg", "bh": "fdr_bh", "by": "fdr_by"}
_CONTROLS = {
    "holm": "family-wise error rate, any dependence (Holm 1979)",
    "hochberg": "family-wise error rate, positive dependence (Hochberg 1988)",
    "bh": "false discovery rate, positive dependence (Benjamini & Hochberg 1995)",
    "by": "false discovery rate, any dependence (Benjamini & Yekutieli 2001)",
    "none": "nothing: each test alone",
}


@dataclass(frozen=True, slots=True)
class Adjusted:
    """Adjusted p-values of one family.

    Attributes:
        p_values: adjusted, in the order given; NaN where the input was NaN.
        rejected: adjusted p at most `alpha`.
        correction: its name.
        controls: what it keeps below alpha, and under which dependence.
        family: what the family is, in words.
        family_size: how many p-values it has; those that are NaN do not count.
        alpha: the error rate.
    """

    p_values: tuple[float, ...]
    rejected: tuple[bool, ...]
    correction: Correction
    controls: str
    family: str
    family_size: int
    alpha: float


def adjust(
    p_values: Sequence[float], *, correction: Correction = "holm", alpha: float = 0.05, family: str = "all comparisons"
) -> Adjusted:
    """Adjust p-values for their number: statsmodels' `multipletests`.

    Args:
        p_values: raw, in [0, 1]; NaN for a comparison that could not be made.
        correction: holm, hochberg, bh, by or none.
        alpha: the error rate of the family.
        family: what belongs together, in words; it is part of the answer.

    Raises:
        InvalidInput: an unknown correction or a p-value outside [0, 1].

    >>> adjust([0.01, 0.02, 0.03], correction="holm", family="three metrics of one test").p_values
    (0.03, 0.04, 0.04)
    """
    if correction not in _CONTROLS:
        raise InvalidInput(f"the correction is {correction!r}; expected one of {', '.join(_CONTROLS)}")
    raw = np.asarray(p_values, dtype=float)
    known = ~np.isnan(raw)
    if ((raw[known] < 0) | (raw[known] > 1)).any():
        bad = raw[known][(raw[known] < 0) | (raw[known] > 1)][0]
        raise InvalidInput(f"a p-value is {bad:g}; it has to lie between 0 and 1")
    adjusted = raw.copy()
    # A family of one needs no correction, and `multipletests` collects garbage at each call, which is slow.
    if correction != "none" and known.sum() > 1:
        from statsmodels.stats.multitest import multipletests

        adjusted[known] = multipletests(raw[known], alpha=alpha, method=_STATSMODELS[correction])[1]
    return Adjusted(
        tuple(adjusted.tolist()),
        tuple((adjusted <= alpha).tolist()),
        correction,
        _CONTROLS[correction],
        family,
        int(known.sum()),
        alpha,
    )
