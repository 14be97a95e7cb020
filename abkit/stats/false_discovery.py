"""The false discovery rate over tests of which some could not be made."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np


def q_values(p_values: Sequence[float | None]) -> list[float | None]:
    """Return q-values by Benjamini and Hochberg, as SciPy has them; None where there is no p-value.

    >>> q_values([0.01, None, 0.04])
    [0.02, None, 0.04]
    """
    known = [p for p in p_values if p is not None]
    p = np.array(known)
    order = np.argsort(p)
    raised = p[order] * (len(p) / np.arange(1, len(p) + 1))
    q = np.empty(len(p))
    q[order] = np.minimum(np.minimum.accumulate(raised[::-1])[::-1], 1.0)
    found = iter(q.tolist())
    return [None if p is None else next(found) for p in p_values]
