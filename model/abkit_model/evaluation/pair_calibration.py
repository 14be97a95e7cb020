"""Whether P(A beats B) holds: probabilities against ratings, or against comparisons, of held-out images."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from scipy.optimize import minimize_scalar
from scipy.special import log_ndtr

from abkit_model.evaluation.metrics import LEVEL, Estimate, Floats, Positions, percentile_intervals
from abkit_model.records import Record
from abkit_model.selection import METHOD, pair_probability

MAX_PAIRS = 100_000
BINS = 10
#: How much narrower or wider than the gaps themselves a spread may be, as a factor.
REACH = 100.0


@dataclass(frozen=True)
class Bin(Record):
    """Pairs with a similar predicted probability.

    Attributes:
        low: Lower edge; predicted probabilities lie in [low, high).
        high: Upper edge; the last bin includes its edge, 1.
        pairs: Number of pairs.
        said: Mean predicted probability. NaN without pairs.
        right: Share of pairs in which the higher-scored image was rated higher, with its interval. NaN without pairs.
    """

    low: float
    high: float
    pairs: int
    said: float
    right: Estimate


@dataclass(frozen=True, kw_only=True)
class PairCalibration(Record):
    """How well P(A beats B) holds. A is the image with the higher score.

    Attributes:
        error_spread: What P(A beats B) is computed with: the spread about the line of ratings on scores, over its
            slope; on the rating scale. Infinite where ratings do not rise with scores.
        slope: Of that line. Above 1 the scores are too flat: two images lie further apart than their scores.
            NaN where there are comparisons and no ratings.
        residual_std: Standard deviation of rating − score, in rating steps, for comparison. NaN without ratings.
        n: Images.
        subjects: Groups of near-duplicates among them; no pair is of one subject.
        pairs: Pairs judged; both images were held out in one fold and scored by one model.
        bins: Reliability by predicted probability.
        said: Mean predicted probability.
        right: Share of pairs in which A was rated higher.
        overconfidence: `said` − `right`: above 0 the probabilities are too high.
        brier: Mean squared distance of the probability from the outcome.
        ece: Expected calibration error: mean distance of `said` and `right` over the bins. It is never below 0: noise
            alone makes it positive, and its interval leans upwards.
        coin_brier: Brier score of predicting one half for every pair: 0.25, or less where ratings are equal.
        coin_ece: Calibration error of predicting one half for every pair, though A wins more often.
    """

    error_spread: float
    slope: float
    residual_std: float
    n: int
    subjects: int
    pairs: int
    bins: tuple[Bin, ...]
    said: float
    right: Estimate
    overconfidence: Estimate
    brier: Estimate
    ece: Estimate
    coin_brier: float
    coin_ece: float

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON for the card, with the level of the intervals and how P(A beats B) is computed."""
        return {**super().to_dict(), "level": LEVEL, "method": METHOD}


def spread_of_errors(predicted: Floats, observed: Floats, folds: Positions) -> tuple[float, float]:
    """Return what P(A beats B) needs to know about a scorer: error spread and slope.

    Ratings are regressed on scores within folds: a shift that a fold's model gives to all its scores cancels in
    a pair. A gap in scores stands for `slope` times that gap in ratings, so that the spread about the line, divided
    by the slope, is the spread on the scale of scores.

    Args:
        predicted: `(n,)`, scores of held-out images.
        observed: `(n,)`, their mean ratings.
        folds: `(n,)`, the fold in which each was held out.

    Returns:
        (error spread, slope). The spread is infinite where the slope is not above 0, and both are NaN where scores are
        constant or images too few.
    """
    x, y = _within(predicted, folds), _within(observed, folds)
    free = len(x) - len(np.unique(folds)) - 1
    if free < 1 or not x @ x > 0:
        return float("nan"), float("nan")
    slope = float(x @ y / (x @ x))
    about = math.sqrt(float(((y - slope * x) ** 2).sum()) / free)
    return (about / slope if slope > 0 else math.inf), slope


def pair_calibration(
    predicted: Floats,
    observed: Floats,
    groups: Sequence[str],
    folds: Positions,
    *,
    seed: int = 0,
    resamples: int = 1000,
    max_pairs: int = MAX_PAIRS,
) -> PairCalibration | None:
    """Hold P(A beats B) against ratings, on pairs of held-out images.

    1. Pairs are of two images that were held out in one fold (one model scored both, as in a campaign) and are of
       different subjects; at most `max_pairs`, drawn at random.
    2. The error spread that a pair is judged with comes from the images of the other folds.
    3. The image with the higher score is A. Equal ratings, or equal scores, count as half right.
    4. 95 % intervals: whole subjects are resampled, and a pair counts as often as both of its subjects were drawn.
       They are of the pairs, given the error spreads.

    Args:
        predicted: `(n,)`, scores from models that saw no image of the same subject.
        observed: `(n,)`, mean ratings.
        groups: Subject of each image.
        folds: `(n,)`, the fold in which each image was held out.
        seed: Seed of the drawing of pairs and of the bootstrap.
        resamples: Resamples of the bootstrap.
        max_pairs: Most pairs that are judged.

    Returns:
        None where nothing can be judged: one fold, no pair of different subjects, constant scores, or scores without
        any error.

    Source: Bröcker & Smith (2007), Increasing the reliability of reliability diagrams, doi 10.1175/WAF993.1.
    """
    others = {fold: folds != fold for fold in np.unique(folds)}
    elsewhere = {fold: spread_of_errors(predicted[o], observed[o], folds[o])[0] for fold, o in others.items()}
    everywhere, slope = spread_of_errors(predicted, observed, folds)
    names, member = np.unique(np.asarray(groups), return_inverse=True)
    first, second = _pairs(member, folds, max_pairs, seed)
    if not (everywhere > 0 and len(first) and all(spread > 0 for spread in elsewhere.values())):
        return None
    return _calibrate(
        predicted[first] - predicted[second],
        observed[first] - observed[second],
        np.array([elsewhere[fold] for fold in folds[first]]),
        (member[first], member[second], len(names)),
        seed=seed,
        resamples=resamples,
        error_spread=everywhere,
        slope=slope,
        residual_std=float((observed - predicted).std(ddof=1)),
        n=len(predicted),
    )


def spread_of_comparisons(gap: Floats, share: Floats) -> float:
    """Fit the spread of P(A beats B) = Φ(gap / (√2 · spread)) to which image was preferred by most.

    Maximum likelihood of a probit regression without a constant (Thurstone 1927, case V). Ties say nothing. One more
    pair, of the mean gap, that went half each way, stands in for what was not seen: where all comparisons agree with
    the scores, as a few may by chance, the likelihood alone would be highest at a spread of 0.

    Args:
        gap: (pairs,), score of the first image minus that of the second.
        share: (pairs,), share of comparisons won by the first.

    Returns:
        On the scale of scores. Infinite where comparisons do not agree with scores, NaN where there is nothing to fit.

    >>> gap = np.array([1.0, 1.0, 1.0, 1.0])
    >>> round(spread_of_comparisons(gap, np.array([0.9, 0.8, 0.7, 0.1])), 3)  # with the pair more, 3.5 of 5: Φ(0.524)
    1.348
    """
    toward = gap * np.sign(share - 0.5)
    toward = toward[toward != 0]
    if not len(toward):
        return float("nan")
    size = float(np.abs(toward).mean())
    reached, weight = np.r_[toward / size, 1.0, -1.0], np.r_[np.ones(len(toward)), 0.5, 0.5]
    reach = np.log(REACH)
    found = minimize_scalar(
        lambda log_spread: -(weight @ log_ndtr(reached / np.exp(log_spread) / np.sqrt(2))),
        bounds=(-reach, reach),
        method="bounded",
        options={"xatol": 1e-8},
    )
    return float("inf") if found.x > reach - 1e-3 else size * float(np.exp(found.x))


def comparison_calibration(
    scores: Floats,
    folds: Positions,
    first: Positions,
    second: Positions,
    share: Floats,
    *,
    seed: int = 0,
    resamples: int = 1000,
) -> PairCalibration | None:
    """Hold P(A beats B) against comparisons: A is better where most people, or the A/B test, preferred it.

    The spread that a pair is judged with comes from the pairs of the other folds.

    Args:
        scores: `(n,)`, of models that saw neither the image nor a comparison that shows it.
        folds: `(n,)`, the fold in which each image was held out.
        first: (pairs,), position of the first image; both images of a pair are of one fold.
        second: (pairs,), position of the other.
        share: (pairs,), share of comparisons won by the first.
        seed: Seed of the bootstrap.
        resamples: Resamples of the bootstrap.

    Returns:
        None where nothing can be judged: pairs of one fold only, or constant scores.
    """
    gap = scores[first] - scores[second]
    fold = folds[first]
    others = {number: fold != number for number in np.unique(fold)}
    elsewhere = {number: spread_of_comparisons(gap[other], share[other]) for number, other in others.items()}
    if not all(spread > 0 for spread in elsewhere.values()):
        return None
    shown, places = np.unique(np.stack([first, second]), return_inverse=True)
    return _calibrate(
        gap,
        share - 0.5,
        np.array([elsewhere[number] for number in fold]),
        (*places.reshape(2, -1), len(shown)),
        seed=seed,
        resamples=resamples,
        error_spread=spread_of_comparisons(gap, share),
        n=len(shown),
    )


def _calibrate(
    gap: Floats,
    outcome: Floats,
    spread: Floats,
    clusters: tuple[Positions, Positions, int],
    *,
    seed: int,
    resamples: int,
    error_spread: float,
    n: int,
    slope: float = math.nan,
    residual_std: float = math.nan,
) -> PairCalibration:
    """Judge the probabilities that gaps in scores (pairs,) stand for with the spread of each pair.

    `outcome` is above 0 where the first image won; `clusters` are the subjects of the two images of each pair and how
    many there are. Subjects are resampled, and a pair counts as often as both of its own were drawn.
    """
    said = pair_probability(np.abs(gap), 0.0, spread)
    right = (1 + np.sign(gap) * np.sign(outcome)) / 2  # 1 where the higher score won, 0 where not, ½ for a tie
    first, second, subjects = clusters
    place = np.minimum(((said - 0.5) * 2 * BINS).astype(np.intp), BINS - 1)
    drawn = np.random.default_rng(seed).multinomial(subjects, np.full(subjects, 1 / subjects), size=resamples)
    weights = [(times[first] * times[second]).astype(float) for times in drawn]
    # of few pairs a resample may hold none
    resampled = np.stack([_figures(said, right, place, weight) for weight in weights if weight.sum() > 0])
    values = _figures(said, right, place, np.ones(len(said)))
    share, overconfidence, brier, ece, *right_in_bins = percentile_intervals(values, resampled)
    return PairCalibration(
        error_spread=error_spread,
        slope=slope,
        residual_std=residual_std,
        n=n,
        subjects=subjects,
        pairs=len(said),
        bins=_bins(said, place, right_in_bins),
        said=float(said.mean()),
        right=share,
        overconfidence=overconfidence,
        brier=brier,
        # resampling adds noise, by which a calibration error can only grow: of few pairs its interval begins above it
        ece=replace(ece, low=min(ece.low, ece.value)),
        coin_brier=float(((0.5 - right) ** 2).mean()),
        coin_ece=abs(share.value - 0.5),
    )


def _within(values: Floats, folds: Positions) -> Floats:
    """Subtract from each value the mean of its fold."""
    _, place = np.unique(folds, return_inverse=True)
    means = np.bincount(place, values) / np.bincount(place)
    return np.asarray(values - means[place], dtype=np.float64)


def _pairs(member: Positions, folds: Positions, most: int, seed: int) -> tuple[Positions, Positions]:
    """Return the positions of the two images of each pair: of one fold, of different subjects."""
    inside = [np.flatnonzero(folds == fold) for fold in np.unique(folds)]
    counts = [len(images) * (len(images) - 1) // 2 for images in inside]
    total = sum(counts)
    rng = np.random.default_rng(seed)
    firsts, seconds = [], []
    for images, count in zip(inside, counts, strict=True):
        if total <= most:
            a, b = np.triu_indices(len(images), k=1)
        else:
            a, b = rng.integers(len(images), size=(2, most * count // total))
        firsts.append(images[a])
        seconds.append(images[b])
    first, second = np.concatenate(firsts), np.concatenate(seconds)
    apart = member[first] != member[second]
    return first[apart], second[apart]


def _figures(said: Floats, right: Floats, place: Positions, weights: Floats) -> Floats:
    """Return share right, overconfidence, Brier score, calibration error, and the share right of each bin."""
    total = weights.sum()
    in_bin = np.bincount(place, weights, BINS)
    with np.errstate(invalid="ignore", divide="ignore"):
        said_in_bin = np.bincount(place, weights * said, BINS) / in_bin
        right_in_bin = np.bincount(place, weights * right, BINS) / in_bin
        share = (weights @ right) / total
        brier = (weights @ (said - right) ** 2) / total
        overconfidence = (weights @ said) / total - share
        ece = np.nansum(in_bin * np.abs(said_in_bin - right_in_bin)) / total
    return np.concatenate([[share, overconfidence, brier, ece], right_in_bin])


def _bins(said: Floats, place: Positions, right: Sequence[Estimate]) -> tuple[Bin, ...]:
    edges = np.linspace(0.5, 1, BINS + 1).round(6).tolist()
    inside = [said[place == k] for k in range(BINS)]
    return tuple(
        Bin(low=low, high=high, pairs=len(some), said=float(some.mean()) if len(some) else math.nan, right=share)
        for low, high, some, share in zip(edges, edges[1:], inside, right, strict=False)
    )
