"""Which image is the best, and with what probability: P(A beats B), P(best), ties.

"Better" means: raters like those of the training table would give it the higher mean opinion. The mean opinion of
an image that was never rated is normal around its score; how far around is measured on images of subjects that
the scorer never saw (pair_calibration.py). It says nothing about clicks.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, TypeGuard

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import log_ndtr, ndtr, ndtri

from abkit_model.records import percent

Floats = NDArray[np.float64]

METHOD = "normal errors, independent between images, of one spread for all"
_REACH = 9.0  # standard deviations: beyond, less than 1e-18 of a normal distribution is left
_POINTS_PER_SPREAD = 10
_CANDIDATES_AT_ONCE = 512


@dataclass(frozen=True)
class ErrorSpread:
    """How far apart two scores must be to mean something: P(A beats B) = Φ(gap / (√2 · std)).

    Attributes:
        std: Standard deviation of errors, on the rating scale. Infinite for a scorer whose scores did not rise with the
            ratings of held-out images.
        source: Where it comes from, as text.
        measured: False where it was only derived from the conformal interval.
    """

    std: float
    source: str
    measured: bool


_LABELS = {"comparisons": "the comparisons of them", "outcomes": "their outcomes"}


def error_spread(metrics: Mapping[str, Any], interval: Mapping[str, Any]) -> ErrorSpread | None:
    """Return the error spread that a card gives, or None where nothing was held out.

    Args:
        metrics: `metrics` of the card. Its `pairs` has the spread that was measured on held-out images.
        interval: `interval` of the card. A card of an earlier version has only its half-width: divided by the
            normal quantile of its level, that is a spread too, and a cautious one.

    >>> error_spread({}, {"level": 0.9, "half_width": 1.645, "n": 100}).std.__round__(3)
    1.0
    """
    pairs = metrics.get("pairs")
    if isinstance(pairs, Mapping) and "error_spread" in pairs:
        if not _is_spread(pairs["error_spread"]):
            what = _LABELS.get(str(pairs.get("labels")), "their ratings")
            return ErrorSpread(math.inf, f"the scores of held-out images do not rise with {what}", True)
        return ErrorSpread(float(pairs["error_spread"]), f"measured on {pairs.get('n')} held-out images", True)
    half, level = interval.get("half_width"), interval.get("level")
    if not _is_spread(half) or not isinstance(level, float) or not 0 < level < 1:
        return None
    source = (
        f"from the {percent(level, 0)} interval of the score, as if errors were normal: the model's card has no "
        "calibration of pairs, so how well these probabilities hold was not measured"
    )
    return ErrorSpread(float(half) / float(ndtri((1 + level) / 2)), source, False)


def _is_spread(value: Any) -> TypeGuard[float]:
    return isinstance(value, int | float) and math.isfinite(value) and value > 0


def pair_probability(mean_a: ArrayLike, mean_b: ArrayLike, spread: ArrayLike) -> Floats:
    """Return P(A's mean opinion is above B's), from two scores and the spread of their errors; broadcasts.

    Source: the difference of two independent normal variables is normal (Thurstone 1927, case V).

    >>> float(pair_probability(5.0, 4.0, 0.7).round(3))
    0.844
    """
    gap = np.asarray(mean_a, dtype=np.float64) - np.asarray(mean_b, dtype=np.float64)
    return np.asarray(ndtr(gap / (math.sqrt(2) * _positive(spread))), dtype=np.float64)


def best_probabilities(means: ArrayLike, spread: float) -> Floats:
    """Return P(best) of each of n candidates, shape (n,); it sums to 1.

    The probability that candidate i is above all others is ∫ φᵢ(x) ∏ⱼ≠ᵢ Φⱼ(x) dx. The trapezoidal rule with ten points
    per standard deviation is exact to rounding for integrands as smooth as these.

    Args:
        means: Scores `(n,)`, at least one.
        spread: Standard deviation of the error of each score, above 0; infinite: all are equally probable.

    Raises:
        ValueError: There is no candidate, a score that is not finite, or a spread that is not above 0.

    >>> best_probabilities([5.0, 4.0], spread=0.7).round(3).tolist()
    [0.844, 0.156]
    """
    z = np.asarray(means, dtype=np.float64) / float(_positive(spread))
    if z.ndim != 1 or not len(z) or not np.isfinite(z).all():
        raise ValueError("P(best) takes at least one score, all of them finite")
    # The best of all is nowhere below the reach of the highest score.
    count = 2 * round(_REACH * _POINTS_PER_SPREAD) + 1
    x = np.linspace(z.max() - _REACH, z.max() + _REACH, count)  # (G,)
    blocks = [z[start : start + _CANDIDATES_AT_ONCE] for start in range(0, len(z), _CANDIDATES_AT_ONCE)]
    all_below = sum((log_ndtr(x - block[:, None]).sum(axis=0) for block in blocks), np.zeros(count))  # (G,)
    parts = []
    for block in blocks:
        u = x - block[:, None]  # (block, G)
        log_density = -0.5 * u**2 - 0.5 * math.log(2 * math.pi)
        parts.append(np.exp(log_density + all_below - log_ndtr(u)).sum(axis=1) * (x[1] - x[0]))
    return np.concatenate(parts)


def smallest_set(probabilities: ArrayLike, wanted: float) -> int:
    """Return how many candidates, the most probable first, it takes until their P(best) adds up to `wanted`.

    >>> smallest_set([0.6, 0.3, 0.1], 0.9)
    2
    """
    if not 0 < wanted <= 1:
        raise ValueError(f"a probability above 0 and up to 1 is wanted, not {wanted}")
    total = np.sort(np.asarray(probabilities, dtype=np.float64))[::-1].cumsum()
    # What rounding leaves open (0.6 + 0.3 < 0.9) is not worth one more image.
    return min(int(np.searchsorted(total, wanted - 1e-9)) + 1, len(total))


def tie_groups(means: ArrayLike, spread: float, certainty: float) -> list[int]:
    """Return ties from the top down, one number per candidate; `means` `(n,)` come best first.

    Group 1 are all that are not told apart from the best (its P(A beats B) over them is below `certainty`), group 2 all
    of the rest that are not told apart from the best of the rest, and so on. Being tied is not transitive: the last of
    a group and the first of the next may be tied as well.

    >>> tie_groups([5.0, 4.9, 3.0], spread=0.7, certainty=0.9)
    [1, 1, 2]
    """
    groups: list[int] = []
    leader = math.inf
    for mean in np.asarray(means, dtype=np.float64).tolist():
        if not groups:
            groups, leader = [1], mean
        elif float(pair_probability(leader, mean, spread)) >= certainty:
            groups.append(groups[-1] + 1)
            leader = mean
        else:
            groups.append(groups[-1])
    return groups


def _positive(spread: ArrayLike) -> Floats:
    values = np.asarray(spread, dtype=np.float64)
    if not (values > 0).all():
        raise ValueError(f"the spread of errors must be above 0, not {values}")
    return values
