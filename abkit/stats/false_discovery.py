"""The false discovery rate over tests of which some could not be made."""

from __future__ import annotations

from collections.abc import Sequence

from scipy import stats


def q_values(p_values: Sequence[float | None]) -> list[float | None]:
    """Return q-values by Benjamini and Hochberg, as SciPy has them; None where there is no p-value.

    >>> q_values([0.01, None, 0.04])
    [0.02, None, 0.04]
    """
    known = [p for p in p_values if p is not None]
    found = iter(stats.false_discovery_control(known).tolist() if known else ())
    return [None if p is None else next(found) for p in p_values]
