"""How much each image is liked, as far as labels tell: a normal posterior over the images of a pool.

The scale is that of one person: single ratings of one image have a standard deviation of 1 about what people think of
it on average. On that scale a rating and a choice between two images are two views of the same thing (Thurstone 1927,
case V), so that both teach one posterior:

    liking = level + embedding · w + score · b,   w and b normal around 0

Liking is linear in the embedding, as in the closed form that scorers are trained with, and the score that the images
have counts as one more feature: what the active model knows is used as far as the labels bear it out.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit

Floats = NDArray[np.float64]
Positions = NDArray[np.intp]

#: Chance that A is chosen over B, which is liked less by d: the logistic curve of this slope lies within 0.01 of
#: Φ(d / √2), that of the difference of two ratings.
SLOPE = 1.2
#: Variances of liking between images that are tried; `TYPICAL` is what is believed without labels, give or take.
SPREADS = np.geomspace(0.03, 10, 11)
TYPICAL, GIVE_OR_TAKE = 0.5, 1.5
#: Of the level of all ratings, which choices do not need.
_LEVEL = 1.0
#: More votes than that on one question tell no more: the linear form is not that exact.
MOST_VOTES = 30.0


@dataclass(frozen=True, kw_only=True)
class Labels:
    """What was answered about the images of a pool.

    Attributes:
        first, second: `(pairs,)`, positions of the two images of each pair.
        share: `(pairs,)`, share of votes for the first, 0 … 1.
        votes: `(pairs,)`, votes behind it.
        image: `(rated,)`, position of each rated image.
        rating: `(rated,)`, its mean rating, in standard deviations of single ratings of one image.
        ratings: `(rated,)`, how many ratings.
    """

    first: Positions
    second: Positions
    share: Floats
    votes: Floats
    image: Positions
    rating: Floats
    ratings: Floats

    @classmethod
    def of_pairs(cls, first: Positions, second: Positions, share: Floats, votes: Floats | None = None) -> Labels:
        """Return labels that are choices alone, one vote each by default."""
        none = np.zeros(0)
        votes = np.ones(len(share)) if votes is None else votes
        return cls(
            first=first, second=second, share=share, votes=votes, image=none.astype(np.intp), rating=none, ratings=none
        )

    @classmethod
    def none(cls) -> Labels:
        """Return no labels at all."""
        nobody = np.zeros(0, dtype=np.intp)
        return cls.of_pairs(nobody, nobody, np.zeros(0))


@dataclass(frozen=True, kw_only=True)
class Taste:
    """What is known about the images of a pool.

    Attributes:
        mean: `(n,)`, how much each is liked; only differences mean something.
        covariance: `(n, n)`, how unsure that is, and of which images together.
        prior: `(n,)`, variance of each before any label.
        spread: Variance of liking between images, as the labels suggest it.
    """

    mean: Floats
    covariance: Floats
    prior: Floats
    spread: float

    def of(self, some: Positions) -> Taste:
        """Return what is known about some of the images."""
        covariance = self.covariance[np.ix_(some, some)]
        return Taste(mean=self.mean[some], covariance=covariance, prior=self.prior[some], spread=self.spread)


def kernel(embeddings: Floats, scores: Floats | None = None) -> Floats:
    """Return how alike images are to a taste, `(n, n)`, about 1 on the diagonal (2 with scores).

    Args:
        embeddings: `(n, E)`, pooled features of one encoder; standardized here over the pool.
        scores: `(n,)`, what the active model says about them; None leaves it out.

    >>> kernel(np.array([[0.0, 1.0], [0.0, 3.0]])).round(6).tolist()
    [[0.5, -0.5], [-0.5, 0.5]]
    """
    X = _standardized(embeddings)
    found = X @ X.T / max(X.shape[1], 1)
    if scores is not None:
        score = _standardized(scores[:, None])
        found += score @ score.T
    return np.asarray(found)


def learn_taste(alike: Floats, labels: Labels) -> Taste:
    """Return the posterior that labels leave; without any it is what is believed beforehand.

    Laplace's approximation around the most probable liking, found by Newton's method among the labelled images. The
    spread of liking between images is the one with the highest evidence.

    Args:
        alike: `(n, n)`, of `kernel`.
        labels: What was answered.
    """
    seen = np.unique(np.concatenate([labels.first, labels.second, labels.image]))
    fits = [_Fit.newton(spread * alike[np.ix_(seen, seen)] + _LEVEL, labels, seen) for spread in SPREADS]
    belief = -0.5 * ((np.log(SPREADS) - np.log(TYPICAL)) / GIVE_OR_TAKE) ** 2
    best = int(np.argmax([fit.evidence for fit in fits] + belief))
    prior = SPREADS[best] * alike + _LEVEL
    toward = prior[:, seen]
    covariance = prior - toward @ np.linalg.solve(fits[best].system, fits[best].information @ toward.T)
    return Taste(
        mean=np.asarray(toward @ fits[best].dual),
        covariance=(covariance + covariance.T) / 2,
        prior=np.asarray(prior.diagonal() - _LEVEL),
        spread=float(SPREADS[best]),
    )


@dataclass(frozen=True, kw_only=True)
class _Fit:
    """The most probable liking of l labelled images.

    Attributes:
        dual: `(l,)`, prior covariance times it is the liking.
        information: `(l, l)`, what the labels tell there, as a precision.
        system: `(l, l)`, 1 + information · prior.
        evidence: Logarithm of how probable the labels are under the prior, but for a constant.
    """

    dual: Floats
    information: Floats
    system: Floats
    evidence: float

    @classmethod
    def newton(cls, prior: Floats, labels: Labels, seen: Positions) -> _Fit:
        first, second, image = (np.searchsorted(seen, one) for one in (labels.first, labels.second, labels.image))
        votes, ratings = np.minimum(labels.votes, MOST_VOTES), np.minimum(labels.ratings, MOST_VOTES)
        size = len(seen)
        liking: Floats = np.zeros(size)
        dual: Floats = np.zeros(size)
        system, information = np.eye(size), np.zeros((size, size))
        for _ in range(30):
            chance = expit(SLOPE * (liking[first] - liking[second]))
            curvature = SLOPE**2 * votes * chance * (1 - chance)
            pull = SLOPE * votes * (labels.share - chance)
            information, wanted = np.zeros((size, size)), np.zeros(size)
            for one, other, sign in ((first, second, 1.0), (second, first, -1.0)):
                np.add.at(information, (one, one), curvature)
                np.add.at(information, (one, other), -curvature)
                np.add.at(wanted, one, sign * pull)
            np.add.at(information, (image, image), ratings)
            np.add.at(wanted, image, ratings * (labels.rating - liking[image]))
            system = np.eye(size) + information @ prior
            dual = np.asarray(np.linalg.solve(system, information @ liking + wanted))
            moved, liking = liking, np.asarray(prior @ dual)
            if not size or float(np.abs(liking - moved).max()) < 1e-6:
                break
        margin = SLOPE * (liking[first] - liking[second])
        fit = votes @ (labels.share * margin - np.logaddexp(0, margin))
        fit -= ratings @ (labels.rating - liking[image]) ** 2 / 2
        evidence = fit - liking @ dual / 2 - np.linalg.slogdet(system)[1] / 2
        return cls(dual=dual, information=information, system=system, evidence=float(evidence))


def _standardized(values: Floats) -> Floats:
    """Return columns with mean 0 and standard deviation 1, cut at three of them; those that are constant become 0."""
    centered = values - values.mean(axis=0)
    scale = centered.std(axis=0)
    return np.asarray(np.clip(np.divide(centered, scale, out=np.zeros_like(centered), where=scale > 0), -3, 3))
