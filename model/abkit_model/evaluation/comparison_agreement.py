"""Do scores agree with comparisons: how often does the preferred image have the higher score?"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from abkit_model.data.dataset import Comparisons
from abkit_model.evaluation.metrics import Estimate, Floats, Positions, clustered_bootstrap
from abkit_model.records import Record


@dataclass(frozen=True)
class ComparisonFigures(Record):
    """How often scores agree with comparisons; averaged over repeats.

    Attributes:
        name: Which scores.
        picks_winner: Share of decided pairs in which the preferred image has the higher score; equal scores count
            one half.
        correlation: Of score difference and share of comparisons won minus one half, through the origin.
        picks_difference: `picks_winner` of the baseline minus this one's.
        n: Pairs.
    """

    name: str
    picks_winner: Estimate
    correlation: Estimate
    picks_difference: Estimate
    n: int


def against_comparisons(
    scores: Mapping[str, Sequence[Floats]],
    comparisons: Comparisons,
    *,
    baseline: str | None = None,
    resamples: int = 1000,
) -> list[ComparisonFigures]:
    """Hold each set of scores against comparisons; the best comes first.

    Args:
        scores: By name, `(n,)` scores of all images, one array per repeat.
        comparisons: The pairs.
        baseline: Name of the scores that the others are compared with; the first without it.
        resamples: Of the bootstrap: 95 % intervals, images are resampled, and a pair counts as often as both of its
            images were drawn.
    """
    names = list(scores)
    first, second, share = comparisons.first, comparisons.second, comparisons.share
    gaps = np.array([[one[first] - one[second] for one in scores[name]] for name in names])  # (heads, repeats, pairs)
    decided = share != 0.5
    right = (1 + np.sign(gaps) * np.sign(share - 0.5)) / 2 * decided  # equal scores are half right, as a coin is
    base = names.index(baseline) if baseline is not None else 0

    def figures(images: Positions) -> Floats:
        drawn = np.bincount(images, minlength=len(comparisons.views[0].rows)).astype(np.float64)
        weight = drawn[first] * drawn[second]
        total = (decided * weight).sum() or np.nan  # a resample may hold no decided pair
        picks = (right * weight).sum(axis=-1) / total
        means = np.array([picks.mean(axis=-1), _correlation(gaps, share - 0.5, weight).mean(axis=-1)])
        return np.concatenate([means, means[:1, base : base + 1] - means[:1]]).T.ravel()

    everyone = [str(i) for i in range(len(comparisons.views[0].rows))]
    # clusters come back in the order of their sorted names, which does not matter to counts
    estimates = clustered_bootstrap(figures, everyone, resamples=resamples)
    found = []
    for k, name in enumerate(names):
        picks, correlation, gap = estimates[3 * k : 3 * k + 3]
        found.append(ComparisonFigures(name, picks, correlation, gap, len(share)))
    return sorted(found, key=lambda one: -one.picks_winner.value)


def _correlation(x: Floats, y: Floats, weight: Floats) -> Floats:
    """Correlate each row of `(…, n)` with `(n,)` through the origin, pairs weighted; NaN where either is all zero.

    Which image of a pair comes first is an accident. Swapping the two changes the sign of both differences and must not
    change the figure, as it would change Pearson's, which subtracts means.
    """
    scale = np.sqrt((x**2 @ weight) * (y**2 @ weight))
    return np.asarray(np.divide((x * y) @ weight, scale, out=np.full(scale.shape, np.nan), where=scale > 0))
