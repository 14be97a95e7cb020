"""Do experiments still favor the creative with the higher score, as often as before?"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from scipy import stats

from abkit.records import Record


@dataclass(frozen=True, kw_only=True)
class ConcordanceShift(Record):
    """In how many experiments the creative with the higher score did better, before and now.

    Attributes:
        reference, current: Shares; None without any experiment.
        ci_low, ci_high: Interval of the current share, 95 %, by Clopper and Pearson.
        p_value: Of "now as often as before, or more often"; exact, one-sided; None unless both have experiments.
        n_reference, n_current: Experiments.
    """

    reference: float | None = None
    current: float | None = None
    ci_low: float | None = None
    ci_high: float | None = None
    p_value: float | None = None
    n_reference: int = 0
    n_current: int = 0


def concordance_shift(reference: Sequence[bool], current: Sequence[bool]) -> ConcordanceShift:
    """Compare how often the higher score won.

    Args:
        reference, current: For each experiment whether its creative with the higher score did better.

    >>> found = concordance_shift([True] * 14 + [False] * 2, [True] * 3 + [False] * 9)
    >>> found.reference, found.current, round(found.p_value, 4)
    (0.875, 0.25, 0.0013)
    """
    n, m = len(reference), len(current)
    before, now = sum(reference), sum(current)
    interval = stats.binomtest(now, m).proportion_ci(0.95) if m else None
    p = float(stats.fisher_exact([[now, m - now], [before, n - before]], "less").pvalue) if n and m else None
    return ConcordanceShift(
        reference=before / n if n else None,
        current=now / m if m else None,
        ci_low=float(interval.low) if interval else None,
        ci_high=float(interval.high) if interval else None,
        p_value=p,
        n_reference=n,
        n_current=m,
    )
