"""Who rates how, and how far ratings can be trusted: bias, consistency, agreement, and how many are enough."""

from __future__ import annotations

from dataclasses import dataclass
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Indices = NDArray[np.intp]


@dataclass(frozen=True)
class RaterModel:
    """score = truth of the image + bias of the rater + noise of the rater.

    Attributes:
        truth: (items,), the corrected mean opinion of each image.
        truth_se: (items,), its standard error.
        bias: (raters,), how much higher than others each rater scores; their mean, weighted by votes, is 0.
        noise: (raters,), standard deviation of each rater around truth + bias: low means consistent. NaN under 3 votes.
        weight: (raters,), 1 / variance, with the variance of a rater of few votes drawn towards that of all.
    """

    truth: Floats
    truth_se: Floats
    bias: Floats
    noise: Floats
    weight: Floats


@dataclass(frozen=True, kw_only=True)
class Agreement:
    """How much raters agree.

    Attributes:
        icc_single: Reliability of one rating, ICC(1). NaN when no item has two ratings.
        icc_mean: Reliability of the mean of as many ratings as an item has on average, ICC(1, k).
        alpha: Krippendorff's alpha for interval data.
        items: Images with at least two ratings.
        raters: Different raters.
        ratings: Ratings of these images.
        mean_ratings: Ratings per item, in the mean that ICC(1) uses.
    """

    icc_single: float
    icc_mean: float
    alpha: float
    items: int
    raters: int
    ratings: int
    mean_ratings: float


def rater_model(item: Indices, rater: Indices, score: Floats, *, shrink_bias: bool = False) -> RaterModel:
    """Estimate truths, biases and noises by alternating projection, each rater weighted by 1 / variance.

    It ends when no truth moves by 1e-6 any more, or after 200 iterations.

    Source: ITU-T P.910 (2023), annex E; Li & Bampis (2017), Recover subjective quality scores from noisy measurements,
    arXiv 1611.01715.

    Args:
        item: (votes,), number of the image of each vote, from 0 without gaps.
        rater: (votes,), number of its rater, from 0 without gaps.
        score: (votes,).
        shrink_bias: Draw the bias of a rater of few votes towards 0, as far as chance alone would explain it (the best
            linear prediction of a random effect). P.910 does not; with a handful of votes per rater it should.

    >>> item, rater = np.array([0, 0, 1, 1, 2, 2]), np.array([0, 1, 0, 1, 0, 1])
    >>> model = rater_model(item, rater, np.array([2.0, 4.0, 3.0, 5.0, 4.0, 6.0]))
    >>> model.truth.round(6).tolist(), model.bias.round(6).tolist()
    ([3.0, 4.0, 5.0], [-1.0, 1.0])
    """
    items, raters = int(item.max()) + 1, int(rater.max()) + 1
    votes = np.bincount(rater, minlength=raters)
    # a floor keeps one rater who happens to agree perfectly from deciding everything
    floor = (0.1 * float(score.std()) + 1e-9) ** 2
    truth = np.bincount(item, score, items) / np.bincount(item, minlength=items)
    bias, variance = np.zeros(raters), np.ones(raters)
    pooled = float(score.var())
    for _ in range(200):
        bias = np.bincount(rater, score - truth[item], raters) / votes
        if shrink_bias:
            between = max(float(np.average(bias**2, weights=votes)) - pooled * raters / len(score), 0.0)
            bias = bias * between / (between + pooled / votes) if between else np.zeros(raters)
        bias -= np.average(bias, weights=votes)
        left = score - truth[item] - bias[rater]
        pooled = float(left @ left) / len(score)
        # few votes say little about a rater: shrink towards the variance of all
        variance = np.maximum((np.bincount(rater, left**2, raters) + 2 * pooled) / (votes + 2), floor)
        weight = 1 / variance[rater]
        before = truth
        truth = np.bincount(item, weight * (score - bias[rater]), items) / np.bincount(item, weight, items)
        if np.abs(truth - before).max() < 1e-6:
            break
    noise = np.where(votes >= 3, np.sqrt(variance), np.nan)
    se = 1 / np.sqrt(np.bincount(item, 1 / variance[rater], items))
    return RaterModel(truth, se, bias, noise, 1 / variance)


def contrary_raters(item: Indices, rater: Indices, score: Floats, *, fewest: int = 10) -> Indices:
    """Return the raters who vote against everybody else: one who does so carries no opinion about images.

    A rater is held against the mean of the others' votes on the same images. Those whose correlation with it is
    negative and could not be so by chance (Fisher's z, one-sided 1 % over all raters, Holm's first step) are named;
    with three raters or fewer nobody can say who is right, and nobody is. The raters found are left out, and the others
    are held against each other anew, until none is found or a third of all raters would be.

    Args:
        item: (votes,), number of the image of each vote, from 0 without gaps.
        rater: (votes,), number of its rater, from 0 without gaps.
        score: (votes,).
        fewest: Votes on images that others have rated too, below which nothing is said about a rater.

    >>> item, rater = np.tile(np.arange(30), 5), np.repeat(np.arange(5), 30)
    >>> truth = np.arange(30.0)
    >>> score = np.concatenate([truth, truth[::-1], truth, truth + np.tile([0.0, 9.0], 15), truth])
    >>> contrary_raters(item, rater, score).tolist()
    [1]
    """
    raters = int(rater.max()) + 1
    found: list[int] = []
    while raters > 3 and len(found) + 1 <= raters / 3:
        worst, z_worst = -1, NormalDist().inv_cdf(0.01 / raters)
        left, items = ~np.isin(rater, found), int(item.max()) + 1
        sums, votes = np.bincount(item[left], score[left], items), np.bincount(item[left], minlength=items)
        for one in set(range(raters)) - set(found):
            mine = rater == one
            total, times = np.bincount(item[mine], score[mine]), np.bincount(item[mine])
            place = np.flatnonzero(times)
            others = votes[place] - times[place]
            place = place[others > 0]
            if len(place) < fewest:
                continue
            mean = (sums[place] - total[place]) / (votes[place] - times[place])
            own = total[place] / times[place]
            if np.ptp(mean) == 0 or np.ptp(own) == 0:
                continue
            r = float(np.clip(np.corrcoef(own, mean)[0, 1], -0.999999, 0.999999))
            z = np.arctanh(r) * (len(place) - 3) ** 0.5
            if z < z_worst:
                worst, z_worst = one, z
        if worst < 0:
            break
        found.append(worst)
    return np.array(sorted(found), dtype=np.intp)


def spread_over_bins(item: Indices, score: Floats, weight: Floats, values: Floats) -> Floats:
    """Return the distribution of each image's votes over the bins, (items, S).

    A vote between two bins is split so that its value is kept; one beyond the ends of the scale counts as the end.

    Args:
        item: (votes,), number of the image, from 0 without gaps.
        score: (votes,).
        weight: (votes,), above 0.
        values: (S,), what the bins stand for, equidistant and rising.

    >>> one = np.array([0]), np.array([2.25]), np.array([1.0])
    >>> spread_over_bins(*one, np.array([1.0, 2.0, 3.0])).tolist()
    [[0.0, 0.75, 0.25]]
    """
    S = len(values)
    place = np.clip((score - values[0]) / (values[1] - values[0]), 0, S - 1)
    below = np.minimum(place.astype(np.intp), S - 2)
    above = place - below
    items = int(item.max()) + 1
    histogram = np.bincount(item * S + below, weight * (1 - above), items * S)
    histogram += np.bincount(item * S + below + 1, weight * above, items * S)
    histogram = histogram.reshape(items, S)
    return np.asarray(histogram / histogram.sum(axis=1, keepdims=True))


def corrected_distributions(item: Indices, rater: Indices, score: Floats, model: RaterModel, values: Floats) -> Floats:
    """Return the distribution of each image's votes, (items, S), without the raters' biases.

    A vote is shifted by its rater's bias, cut at the ends of the scale, split between the two nearest bins, and
    weighted by 1 / variance of its rater (ITU-T P.910). What is left of the spread is disagreement about the image.

    Args:
        item: (votes,), number of the image, from 0 without gaps.
        rater: (votes,), number of the rater.
        score: (votes,).
        model: The model of these raters.
        values: (S,), what the bins stand for.

    >>> item, rater = np.array([0, 0, 1, 1, 2, 2]), np.array([0, 1, 0, 1, 0, 1])
    >>> score = np.array([1.0, 3.0, 3.0, 5.0, 2.0, 4.0])
    >>> model = rater_model(item, rater, score)  # biases of -1 and 1
    >>> corrected_distributions(item, rater, score, model, np.arange(1.0, 6)).round(2).argmax(axis=1) + 1
    array([2, 4, 3])
    """
    return spread_over_bins(item, score - model.bias[rater], model.weight[rater], values)


def agreement(item: Indices, rater: Indices, score: Floats) -> Agreement:
    """Return ICC(1) from one-way analysis of variance, and Krippendorff's alpha for interval data.

    Raters may be different ones for each image. Sources: Shrout & Fleiss (1979), doi 10.1037/0033-2909.86.2.420,
    with the mean group size for unequal numbers; Krippendorff (2011), Computing Krippendorff's alpha-reliability.

    >>> agreement(np.array([0, 0, 1, 1]), np.array([0, 1, 0, 1]), np.array([1.0, 1.0, 5.0, 5.0])).alpha
    1.0
    """
    items, raters = _items(item, score), len(np.unique(rater[np.bincount(item)[item] >= 2]))
    single, averaged, alpha, size = _reliability(items, np.ones(len(items)))
    return Agreement(
        icc_single=single,
        icc_mean=averaged,
        alpha=alpha,
        items=len(items),
        raters=raters,
        ratings=int(items[:, 0].sum()),
        mean_ratings=size,
    )


@dataclass(frozen=True)
class AgreementInterval:
    """Percentile bootstrap intervals of an `Agreement`, (low, high): images resampled with all their ratings.

    Attributes:
        icc_single, icc_mean, alpha: as there; NaN when fewer than two images have two ratings.
    """

    icc_single: tuple[float, float]
    icc_mean: tuple[float, float]
    alpha: tuple[float, float]


def agreement_interval(
    item: Indices, score: Floats, *, level: float = 0.95, resamples: int = 500, seed: int = 0
) -> AgreementInterval:
    """Return bootstrap intervals of the figures of `agreement`.

    >>> low, high = agreement_interval(np.array([0, 0, 1, 1, 2, 2]), np.array([1.0, 2, 3, 5, 6, 6])).alpha
    >>> low <= high <= 1
    True
    """
    items, rng = _items(item, score), np.random.default_rng(seed)
    if len(items) < 2:
        return AgreementInterval(*[(float("nan"), float("nan"))] * 3)
    share = np.full(len(items), 1 / len(items))
    drawn = [_reliability(items, rng.multinomial(len(items), share).astype(np.float64))[:3] for _ in range(resamples)]
    low, high = np.nanquantile(np.array(drawn), [(1 - level) / 2, (1 + level) / 2], axis=0)
    return AgreementInterval(*((float(a), float(b)) for a, b in zip(low, high, strict=True)))


def _items(item: Indices, score: Floats) -> Floats:
    """Return number of ratings, mean, and squares around it of each image with at least two ratings, (items, 3)."""
    k = np.bincount(item)
    means = np.bincount(item, score) / np.maximum(k, 1)
    squares = np.bincount(item, (score - means[item]) ** 2)
    return np.column_stack([k, means, squares])[k >= 2].astype(np.float64)


def _reliability(items: Floats, times: Floats) -> tuple[float, float, float, float]:
    """Return ICC(1), ICC(1, k), alpha and the mean group size, with each image taken so many times."""
    k, means, squares = items.T
    n, N = float(times.sum()), float(times @ k)
    if n < 2:
        return (float("nan"),) * 4
    centre = float(times @ (k * means)) / N
    around = float(times @ (k * (means - centre) ** 2))
    between, within = around / (n - 1), float(times @ squares) / (N - n)
    size = (N - float(times @ k**2) / N) / (n - 1)
    total = between + (size - 1) * within
    single = (between - within) / total if total > 0 else float("nan")
    averaged = (between - within) / between if between > 0 else float("nan")
    # for interval data the sums over pairs are sums of squares
    observed = 2 * float(times @ (squares * k / (k - 1))) / N
    expected = 2 * (around + float(times @ squares)) / (N - 1)
    return single, averaged, 1 - observed / expected if expected > 0 else float("nan"), size


def ratings_needed(icc_single: float, reliability: float) -> int:
    """Return how many ratings an image needs for its mean to have a reliability, by the Spearman–Brown formula.

    Raises:
        ValueError: reliability outside 0…1, or ratings without any reliability.

    >>> ratings_needed(0.2, 0.9)
    36
    """
    if not 0 < reliability < 1:
        raise ValueError(f"a reliability lies between 0 and 1, not {reliability}")
    if not 0 < icc_single <= 1:
        raise ValueError(f"with a single-rating reliability of {icc_single:.3f} no number of ratings is enough")
    needed = reliability * (1 - icc_single) / (icc_single * (1 - reliability))
    return max(1, int(np.ceil(needed - 1e-9)))
