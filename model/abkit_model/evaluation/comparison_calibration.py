"""Whether P(A beats B) holds for queries that learned from choices: against the choices between held-out pictures."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize_scalar
from scipy.special import log_ndtr

from abkit_model.evaluation.pair_calibration import PairCalibration, calibration_of
from abkit_model.selection import pair_probability

Floats = NDArray[np.float64]
Positions = NDArray[np.intp]

#: How much narrower or wider than the gaps themselves a spread may be, as a factor.
REACH = 100.0


def spread_of_choices(gap: Floats, share: Floats) -> float:
    """The spread with which P(A beats B) = Φ(gap / (√2 · spread)) fits best to who was preferred by most.

    Maximum likelihood of a probit regression without a constant (Thurstone 1927, case V). Ties say nothing. One pair
    more, of the mean gap, that went half each way, stands in for what was not seen: where all choices went with the
    scores, as a few may by chance, the likelihood alone would be surest of all at a spread of nothing.

    Args:
        gap: (pairs,), score of the first picture minus that of the second.
        share: (pairs,), share of choices for the first.

    Returns:
        On the scale of scores. Infinite where choices do not rise with scores, NaN where there is nothing to fit.

    >>> gap = np.array([1.0, 1.0, 1.0, 1.0])
    >>> round(spread_of_choices(gap, np.array([0.9, 0.8, 0.7, 0.1])), 3)  # with the pair more, 3.5 of 5: Φ(0.524)
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


def choice_calibration(
    scores: Floats,
    folds: Positions,
    first: Positions,
    second: Positions,
    share: Floats,
    *,
    seed: int = 0,
    resamples: int = 1000,
) -> PairCalibration | None:
    """Hold P(A beats B) against choices: A is better where most people, or the outcome of the test, preferred it.

    The spread that a pair is judged with comes from the pairs of the other folds.

    Args:
        scores: `(n,)`, of models that saw neither the picture nor a choice that shows it.
        folds: `(n,)`, the fold in which each picture was held out.
        first: (pairs,), position of the first picture; both pictures of a pair are of one fold.
        second: (pairs,), position of the other.
        share: (pairs,), share of choices for the first.
        seed: Of the bootstrap.
        resamples: Of the bootstrap.

    Returns:
        None where nothing can be judged: pairs of one fold only, or constant scores.
    """
    gap = scores[first] - scores[second]
    fold = folds[first]
    elsewhere = {number: spread_of_choices(gap[fold != number], share[fold != number]) for number in np.unique(fold)}
    if not all(spread > 0 for spread in elsewhere.values()):
        return None
    said = pair_probability(np.abs(gap), 0.0, np.array([elsewhere[number] for number in fold]))
    right = (1 + np.sign(gap) * np.sign(share - 0.5)) / 2
    shown, places = np.unique(np.stack([first, second]), return_inverse=True)
    one, other = places.reshape(2, -1)
    found = calibration_of(said, right, one, other, len(shown), seed=seed, resamples=resamples)
    return replace(found, error_spread=spread_of_choices(gap, share))
