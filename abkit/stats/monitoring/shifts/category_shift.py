"""Has the mix of categories moved, such as formats, placements or devices?"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from scipy import stats

from abkit.records import Record
from abkit.stats.monitoring.shifts.distribution_shift import Floats
from abkit.stats.permutations import permutation_p

_DEALT = 9_999
_SEED = 0


@dataclass(frozen=True, kw_only=True)
class CategoryShift(Record):
    """How the shares of categories differ between two windows.

    Attributes:
        statistic: χ² of the table; None where there is nothing to compare, and `note` says why.
        p_value: P-value of "the same shares", never 0.
        effect: Total variation: the share that would have to change its category, 0…1. It does not grow with n, but
            chance alone makes it larger in small windows.
        n_reference, n_current: Counts.
        shares: By category its share of the reference and of the current window, the largest change first.
        method: "chi-squared", "permutation" or "exact" (of a table of two by two).
        note: Why there is no statistic.
    """

    statistic: float | None = None
    p_value: float | None = None
    effect: float | None = None
    n_reference: int
    n_current: int
    shares: dict[str, tuple[float, float]]
    method: str = ""
    note: str = ""


def category_shift(reference: Mapping[str, int], current: Mapping[str, int]) -> CategoryShift:
    """Compare counts by category. Assumes that what is counted is independent: creatives, not their impressions.

    Pearson's χ² without correction where every expected count is 5 or more, as scipy's `chi2_contingency` has it. In
    smaller tables of two categories Fisher's exact test, and in others a permutation of what is counted over the
    windows, p = (1 + #)/(1 + 9,999) (scipy's `chi2_contingency` with its permutation method does the same). A category
    that only one window has is a category like others.

    Args:
        reference: Counts by category.
        current: The same, of the current window.

    >>> found = category_shift({"image": 90, "video": 10}, {"image": 60, "video": 40})
    >>> round(found.effect, 2), found.p_value < 0.001, found.method
    (0.3, True, 'chi-squared')
    >>> category_shift({"a": 3}, {"a": 2}).note
    'there is one category only'
    """
    names = sorted({name for counts in (reference, current) for name, count in counts.items() if count > 0})
    table = np.array([[counts.get(name, 0) for name in names] for counts in (reference, current)], np.int64)
    n, m = (int(total) for total in table.sum(axis=1))
    if not n or not m:
        note = f"{n} reference and {m} current creatives; at least 1 of each is needed"
        return CategoryShift(n_reference=n, n_current=m, shares={}, note=note)
    p, q = table[0] / n, table[1] / m
    order = np.argsort(-np.abs(q - p), kind="stable")
    shares = {names[k]: (float(p[k]), float(q[k])) for k in order}
    if len(names) == 1:
        return CategoryShift(n_reference=n, n_current=m, shares=shares, note="there is one category only")
    expected = np.outer([n, m], table.sum(axis=0)) / (n + m)
    statistic = float(((table - expected) ** 2 / expected).sum())
    if expected.min() >= 5:
        p_value, method = float(stats.chi2.sf(statistic, len(names) - 1)), "chi-squared"
    elif len(names) == 2:
        p_value, method = float(stats.fisher_exact(table).pvalue), "exact"
    else:
        p_value, method = _by_permutation(table, expected, statistic), "permutation"
    return CategoryShift(
        statistic=statistic,
        p_value=min(1.0, max(p_value, math.ulp(0.0))),
        effect=float(np.abs(q - p).sum() / 2),
        n_reference=n,
        n_current=m,
        shares=shares,
        method=method,
    )


def _by_permutation(table: np.ndarray, expected: Floats, statistic: float) -> float:
    rng = np.random.default_rng(_SEED)
    columns, m = table.sum(axis=0), int(table[1].sum())

    def draw(times: int) -> Floats:
        # What the current window gets when everything that is counted is dealt at random.
        dealt = rng.multivariate_hypergeometric(columns, m, size=times)
        apart: Floats = (dealt - expected[1]) ** 2 @ (1 / expected[0] + 1 / expected[1])
        return apart

    return permutation_p(statistic, draw, _DEALT)
