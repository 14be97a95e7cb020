"""How rarely chance alone gives a value so large: by dealing rows to two windows at random."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

#: So many permutations are drawn at a time; p-values of 0.05 and more need no second draw.
BATCH = 499
# As many as extreme tell p well enough (Besag & Clifford 1991, doi 10.1093/biomet/78.2.301).
_ENOUGH = 25


def permutation_p(observed: float, draw: Callable[[int], Floats], permutations: int = BATCH) -> float:
    """Return the p-value of a statistic that is large where two windows differ: (1 + #)/(1 + B), so it is never 0.

    Permutations are drawn in batches until 25 of them are as extreme: what is common is known soon, and only a p-value
    that is small costs all of them.

    Args:
        observed: The statistic of the windows as they are.
        draw: Returns the statistic of so many permutations, as an array.
        permutations: Most permutations B.

    >>> rng = np.random.default_rng(0)
    >>> permutation_p(3.0, rng.standard_normal, 999) < 0.01, permutation_p(40.0, rng.standard_normal, 999)
    (True, 0.001)
    """
    return float(permutation_ps(np.array([observed]), lambda times: draw(times)[:, None], permutations)[0])


def permutation_ps(observed: Floats, draw: Callable[[int], Floats], permutations: int = BATCH) -> Floats:
    """Return the p-values of several statistics from the same permutations, each as `permutation_p` has it.

    Args:
        observed: Shape (k,).
        draw: Returns the statistics of so many permutations, shape (times, k).
        permutations: Most permutations B.
    """
    drawn = 0
    at_least = np.zeros(len(observed), np.int64)
    while drawn < permutations and at_least.min() < _ENOUGH:
        values = draw(min(BATCH, permutations - drawn))
        # Sums in another order are no difference.
        slack = 1e-9 * np.maximum(np.abs(observed), np.abs(values).max(axis=0))
        at_least += (values >= observed - slack).sum(axis=0)
        drawn += len(values)
    found: Floats = (1 + at_least) / (1 + drawn)
    return found
