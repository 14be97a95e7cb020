"""Which questions to ask next: those whose answers tell most about the ranking of the images.

The answer to a question makes some images better known, those that are like the ones in it. What counts is how much of
the variance of the liking of all images, each against the others of its group, is expected to go: for a ranking it is
of no use to know an odd image better that nothing else is like, as it is with the entropy of the answer alone.

Questions are chosen one after the other, each as if the former ones had been answered: the posterior variance does not
depend on what the answers are, so that a list of twenty holds no twenty versions of one question.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit

from abkit.records import Record
from abkit.stats.labeling.taste import SLOPE, Floats, Taste
from abkit.vocabulary import Tells

#: Variance of the normal distribution that the logistic one is taken for.
_LOGISTIC = 8 / np.pi
#: A pair whose difference has more than this share of its prior variance left is unknown; one with less is close.
_STILL_UNKNOWN = 0.5


@dataclass(frozen=True, kw_only=True)
class Question(Record):
    """An image to rate, or two to choose between.

    Attributes:
        first: Position of the image in the pool.
        second: Of the other; None where the question is about one image.
        gain: Share of what is not known yet about the ranking that the answer is expected to tell, 0 … 1.
        chance: That the first is chosen, as far as it is known; None where the question is about one image.
        tells: Why it is asked.
    """

    first: int
    second: int | None
    gain: float
    chance: float | None
    tells: Tells

    def turned(self) -> Question:
        """Return the same question with its sides changed; one about a single image stays as it is."""
        if self.second is None:
            return self
        chance = None if self.chance is None else 1 - self.chance
        return replace(self, first=self.second, second=self.first, chance=chance)


def next_pairs(
    taste: Taste,
    allowed: NDArray[np.bool_],
    groups: NDArray[np.intp],
    count: int,
    *,
    wanted: NDArray[np.bool_] | None = None,
) -> tuple[Question, ...]:
    """Return pairs to choose between, those that tell most first.

    Args:
        taste: What is known about the n images of the pool.
        allowed: `(n, n)` symmetric, which pairs may be asked.
        groups: `(n,)`, the group whose ranking each image is part of: an image is of interest against others of it.
        count: How many at most; fewer where no more are allowed.
        wanted: `(n,)`, images whose ranking is of interest above all: every pair shows one of them. None: all.

    >>> from abkit.stats.labeling.taste import Labels, kernel, learn_taste
    >>> taste = learn_taste(kernel(np.array([[0.0], [1.0], [5.0]])), Labels.none())
    >>> asked = next_pairs(taste, ~np.eye(3, dtype=bool), np.zeros(3, dtype=int), 1)
    >>> asked[0].first, asked[0].second, str(asked[0].tells)
    (0, 2, 'unknown')
    """
    weight = _weights(len(taste.mean), wanted)
    C = _centered(taste.covariance, groups, weight)
    S = (C * weight) @ C  # what is told about all by each, (n, n)
    open_ = np.triu(allowed, k=1)
    if wanted is not None:
        open_ &= wanted[:, None] | wanted[None, :]
    total = float(weight @ C.diagonal())
    gap = taste.mean[:, None] - taste.mean[None, :]
    asked: list[Question] = []
    for _ in range(min(count, int(open_.sum()))):
        variance = _of_differences(C)
        information = _information(gap, variance)
        gain = np.where(open_, information / (1 + information * variance) * _of_differences(S), -1.0)
        i, j = (int(one) for one in np.unravel_index(int(gain.argmax()), gain.shape))
        before = taste.prior[i] + taste.prior[j]
        asked.append(
            Question(
                first=i,
                second=j,
                gain=float(gain[i, j]) / total if total > 0 else 0.0,
                chance=float(expit(SLOPE * gap[i, j] / np.sqrt(1 + SLOPE**2 * variance[i, j] / _LOGISTIC))),
                tells=_why(variance[i, j], before, wanted is not None),
            )
        )
        open_[i, j] = False
        told = float(information[i, j] / (1 + information[i, j] * variance[i, j]))
        c = C[:, i] - C[:, j]
        across = C @ (weight * c)
        S += told**2 * float(weight @ c**2) * np.outer(c, c) - told * (np.outer(c, across) + np.outer(across, c))
        C -= told * np.outer(c, c)
    return tuple(asked)


def next_images(
    taste: Taste,
    allowed: NDArray[np.bool_],
    groups: NDArray[np.intp],
    count: int,
    *,
    wanted: NDArray[np.bool_] | None = None,
) -> tuple[Question, ...]:
    """Return images to be rated, those whose rating tells most first.

    Args:
        taste: What is known about the n images of the pool.
        allowed: `(n,)`, which images may be asked about.
        groups, count: As in `next_pairs`.
        wanted: `(n,)`, images whose ranking is of interest above all: only they are asked about. None: all.
    """
    weight = _weights(len(taste.mean), wanted)
    C = taste.covariance.copy()
    open_ = allowed & wanted if wanted is not None else allowed.copy()
    total = float(weight @ _centered(C, groups, weight).diagonal())
    asked: list[Question] = []
    for _ in range(min(count, int(open_.sum()))):
        variance = C.diagonal().copy()
        told = weight @ _within(C, groups, weight) ** 2 / (1 + variance)  # one rating has a variance of 1
        i = int(np.where(open_, told, -1.0).argmax())
        gain = float(told[i]) / total if total > 0 else 0.0
        why = _why(float(variance[i]), float(taste.prior[i]), wanted is not None)
        asked.append(Question(first=i, second=None, gain=gain, chance=None, tells=why))
        open_[i] = False
        C -= np.outer(C[:, i], C[:, i]) / (1 + variance[i])
    return tuple(asked)


def _weights(n: int, wanted: NDArray[np.bool_] | None) -> Floats:
    """Return how much the ranking of each image is of interest, `(n,)`; together 1."""
    chosen = np.ones(n) if wanted is None else wanted.astype(np.float64)
    return np.asarray(chosen / max(float(chosen.sum()), 1.0))


def _within(values: Floats, groups: NDArray[np.intp], weight: Floats) -> Floats:
    """Return values `(n, …)` without the mean of each group; images of interest weigh more in it."""
    share = weight + 1e-6 / len(weight)
    of_group = np.equal.outer(np.unique(groups), groups) * share  # (groups, n)
    means = of_group @ values / of_group.sum(axis=1, keepdims=True)
    return np.asarray(values - means[np.unique(groups, return_inverse=True)[1]])


def _centered(covariance: Floats, groups: NDArray[np.intp], weight: Floats) -> Floats:
    """Return the covariance `(n, n)` of the liking of each image against the mean of its group."""
    once = _within(covariance, groups, weight)
    return np.asarray(_within(once.T, groups, weight).T)


def group_variance(covariance: Floats, groups: NDArray[np.intp]) -> float:
    """Return the mean variance, by a covariance `(n, n)`, of the liking of images against the mean of their group."""
    weight = _weights(len(groups), None)
    return float(weight @ _centered(covariance, groups, weight).diagonal())


def _of_differences(C: Floats) -> Floats:
    """Return what a symmetric form says about the difference of every two images, `(n, n)`."""
    own = C.diagonal()
    return np.asarray(np.maximum(own[:, None] + own[None, :] - 2 * C, 0.0))


def _information(gap: Floats, variance: Floats) -> Floats:
    """Return the expected Fisher information of a choice about the difference that it depends on."""
    spread = _LOGISTIC + SLOPE**2 * variance
    return np.asarray(SLOPE**2 * np.exp(-((SLOPE * gap) ** 2) / spread / 2) / np.sqrt(2 * np.pi * spread))


def _why(variance: float, before: float, looked_for: bool) -> Tells:
    if looked_for:
        return Tells.UNFAMILIAR
    return Tells.UNKNOWN if variance > _STILL_UNKNOWN * before else Tells.CLOSE
