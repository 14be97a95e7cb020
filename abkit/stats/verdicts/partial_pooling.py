"""Effects of several groups at once: do they differ, and what is each when it borrows from the others."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from abkit.errors import InvalidInput
from abkit.records import Record
from abkit.stats.estimate import Estimate
from abkit.stats.student_t import t_quantile
from abkit.stats.tails import check_level

FEWEST_POOLED = 3
"""Of two groups nothing can be learned of how groups scatter."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PartialPooling(Record):
    """Effects of groups, and what becomes of them when each borrows from all.

    Attributes:
        groups: Number of groups.
        q: Cochran's Q: the squared distances from the common effect, in standard errors.
        p_value: P-value of one effect in all groups: Q against chi-square; NaN for a single group.
        mean: Mean effect of the groups, with its interval.
        spread: Standard deviation of the true effects between groups (Paule & Mandel).
        pooled: The effect of each group, drawn towards the mean; empty with fewer than 3 groups.
        level: Confidence level of the intervals.
    """

    groups: int
    q: float
    p_value: float
    mean: Estimate
    spread: float
    pooled: tuple[Estimate, ...]
    level: float


def pool_partially(
    effects: Sequence[float], standard_errors: Sequence[float], *, level: float = 0.95
) -> PartialPooling:
    """Return whether effects differ between groups, and each drawn towards their mean: empirical Bayes, normal–normal.

    What draws an effect is how much of its distance from the mean is noise. Intervals take in that mean and spread are
    estimates too.

    Source: Cochran (1954), doi 10.2307/3001666; Paule & Mandel (1982); Morris (1983), doi
    10.1080/01621459.1983.10477920.

    Args:
        effects: One per group, in one unit, such as the log of treatment ÷ control.
        standard_errors: Their standard errors, above 0.
        level: Confidence level of the intervals.

    Raises:
        InvalidInput: There are no groups, or a standard error is not above 0.

    >>> found = pool_partially([0.10, 0.02, 0.05, 0.30], [0.1, 0.1, 0.1, 0.1])
    >>> round(found.q, 2), round(found.p_value, 2), [round(one.estimate, 3) for one in found.pooled]
    (4.77, 0.19, [0.104, 0.04, 0.064, 0.262])
    """
    check_level(level)
    y, se = np.asarray(effects, dtype=float), np.asarray(standard_errors, dtype=float)
    if not len(y) or len(y) != len(se):
        raise InvalidInput(f"{len(y)} effects and {len(se)} standard errors; expected one of each per group, 1 or more")
    if not (np.isfinite(y).all() and np.isfinite(se).all() and (se > 0).all()):
        raise InvalidInput("a group has no finite effect or no standard error above 0; leave it out")
    from scipy.special import chdtrc

    groups, variances = len(y), se**2
    q = _q(y, variances, 0.0)
    spread2 = _spread2(y, variances)
    weights = 1 / (variances + spread2)
    mean, mean_variance = float(weights @ y / weights.sum()), float(1 / weights.sum())
    reach = t_quantile((1 + level) / 2, max(groups - 1, 1)) * math.sqrt(mean_variance) if groups > 1 else math.inf
    return PartialPooling(
        groups=groups,
        q=q,
        p_value=float(chdtrc(groups - 1, q)) if groups > 1 else math.nan,
        mean=Estimate(mean, mean - reach, mean + reach),
        spread=math.sqrt(spread2),
        pooled=_pooled(y, variances, spread2, mean, mean_variance, level) if groups >= FEWEST_POOLED else (),
        level=level,
    )


def _pooled(
    y: NDArray[np.float64], variances: NDArray[np.float64], spread2: float, mean: float, error2: float, level: float
) -> tuple[Estimate, ...]:
    groups = len(y)
    # Morris: the spread is an estimate, so that not all of what looks like noise is taken for it.
    noise = variances / (variances + spread2) * max(groups - 3, 1) / max(groups - 1, 1)
    drawn = mean + (1 - noise) * (y - mean)
    apart = (y - mean) ** 2 / (variances + spread2)
    # The noise that is left, that of the mean, and that of the share of noise itself.
    left = variances * (1 - noise) + noise**2 * error2
    left += 2 / max(groups - 3, 1) * noise**2 * apart * (variances + spread2)
    reach = t_quantile((1 + level) / 2, max(groups - 1, 1)) * np.sqrt(np.minimum(left, variances))
    return tuple(Estimate(float(e), float(e - r), float(e + r)) for e, r in zip(drawn, reach, strict=True))


def _q(y: NDArray[np.float64], variances: NDArray[np.float64], spread2: float) -> float:
    """Return Cochran's Q with weights that take in a spread between groups."""
    weights = 1 / (variances + spread2)
    return float(weights @ (y - weights @ y / weights.sum()) ** 2)


def _spread2(y: NDArray[np.float64], variances: NDArray[np.float64]) -> float:
    """Return Paule & Mandel's variance between groups: the one that makes Q its expectation."""
    from scipy.optimize import brentq

    wanted = len(y) - 1
    if wanted < 1 or _q(y, variances, 0.0) <= wanted:
        return 0.0
    most = float(np.var(y)) + float(variances.max())
    while _q(y, variances, most) > wanted:
        most *= 2
    return float(brentq(lambda spread2: _q(y, variances, spread2) - wanted, 0.0, most, xtol=1e-15, rtol=1e-12))
