"""The closed form: ridge regressions on the embedding, which a few dozen labels teach more than they teach queries."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.special import expit

from abkit_model.data.tokens import Features
from abkit_model.evaluation.metrics import Positions, grouped_folds, spearman, spread
from abkit_model.query_transformer import QueryTransformer

Floats = NDArray[np.float64]

#: Of which one is chosen: noise of a label against what a channel of the embedding adds to it.
PENALTIES = np.geomspace(0.03, 30, 10)
FOLDS = 5
#: The penalty is chosen on so many rows; it does not depend on their number.
TUNED_ON = 1000
#: Penalties that are averaged by how likely they make the labels.
FINE_PENALTIES = np.geomspace(0.03, 30, 37)
#: Up to how many images they are; beyond, folds choose the penalty well enough, and near-duplicates mislead likelihood.
FEW_IMAGES = 350
#: Up to how many rated images, and how many pairs, the closed form has which share, and its share beyond.
SHARES, LEAST = ((50, 0.9), (150, 0.85), (FEW_IMAGES, 0.75)), 0.5
SHARES_OF_PAIRS, LEAST_OF_PAIRS = ((30, 0.98), (150, 0.9)), 0.6
#: Added to the average share of each step of the scale, so that none is impossible.
LEAST_SHARE_OF_A_BIN = 1e-4


@dataclass(frozen=True, kw_only=True)
class Ridge:
    """A linear function of the standardized embedding: its value is `center + embedding · direction`.

    Attributes:
        direction: `(E,)`.
        center: Mean of what was learned from.
        penalty: The one that was chosen.
    """

    direction: Floats
    center: float
    penalty: float


@dataclass(frozen=True, kw_only=True)
class Tilt:
    """A closed form in the terms of a network: logits are `first + tilt · (embedding · direction)`.

    Attributes:
        direction: `(E,)`, on standardized embeddings.
        first: `(S,)`, of the average image.
    """

    direction: Floats
    first: Floats


@dataclass(frozen=True, kw_only=True)
class Pairs:
    """Which of two images is preferred.

    Attributes:
        first, second: `(pairs,)`, positions of the two images.
        share: `(pairs,)`, share of votes for the first.
        weight: `(pairs,)`, how much each counts; about 1 on average.
    """

    first: Positions
    second: Positions
    share: Floats
    weight: Floats

    def at(self, chosen: NDArray[np.bool_]) -> Pairs:
        """Return some of the pairs."""
        return Pairs(
            first=self.first[chosen],
            second=self.second[chosen],
            share=self.share[chosen],
            weight=self.weight[chosen],
        )


def share_of(images: int) -> float:
    """Return the share of the closed form in a scorer that learns from so many rated images.

    Settled by learning curves (docs/model.md): with few labels the closed form is ahead nearly everywhere, and the more
    there are the more the queries know that it does not.

    >>> share_of(30), share_of(80), share_of(200), share_of(500)
    (0.9, 0.85, 0.75, 0.5)
    """
    return next((share for most, share in SHARES if images <= most), LEAST)


def share_of_pairs(pairs: int) -> float:
    """Return the share of the closed form in a scorer that learns from so many pairs.

    A pair says one thing about two images, and teaches queries less than a rated image does.

    >>> share_of_pairs(25), share_of_pairs(100), share_of_pairs(500)
    (0.98, 0.9, 0.6)
    """
    return next((share for most, share in SHARES_OF_PAIRS if pairs <= most), LEAST_OF_PAIRS)


def solve_ratings(
    network: QueryTransformer,
    views: Sequence[Features],
    targets: Floats,
    values: Floats,
    *,
    groups: Sequence[str],
    seed: int,
) -> Tilt:
    """Solve the closed form for rated images: it tilts a typical opinion to the mean that is predicted.

    Which penalty ranks a few dozen images held out best is half chance; so there the regression that it gives is
    averaged with the one that likelihood gives.

    Args:
        network: A network with means and scales measured.
        views: The images as they are and, with a second view, mirrored.
        targets: `(n, S)`, shares of ratings.
        values: `(S,)`, the rating that each bin stands for.
        groups: Subject of each image.
        seed: Seed of the folds that the penalty is chosen on.
    """
    typical = typical_opinion(targets, values)
    tilt = tilt_of(network)
    slope = float(typical @ (values * tilt) - (typical @ values) * (typical @ tilt))  # rating steps per unit of tilt
    X = [standardized(network, view.embeddings) for view in views]
    wanted = (targets @ values - typical @ values) / slope
    found = fit_ridge(np.concatenate(X), np.tile(wanted, len(X)), list(groups) * len(X), seed=seed)
    direction = found.direction
    if len(wanted) <= FEW_IMAGES:
        direction = (direction + likely_direction(np.mean(X, axis=0), wanted)) / 2
    return Tilt(direction=direction, first=np.log(typical) + found.center * tilt)


def tilt_of(network: QueryTransformer) -> Floats:
    """Return the scale's values in their standard deviations, `(S,)`."""
    return next(network.query_sets()).tilt.double().numpy()


def typical_opinion(targets: Floats, values: Floats) -> Floats:
    """Return the opinion that those about all images are tilts of: the mean of their logarithms.

    The logarithms of few ratings are drawn towards the average opinion; a power then makes people disagree as much as
    they do about an image on average.

    >>> typical_opinion(np.array([[0.8, 0.2, 0.0], [0.0, 0.2, 0.8]]), np.arange(3.0)).round(2).tolist()
    [0.08, 0.84, 0.08]
    """
    average = targets.mean(axis=0) + LEAST_SHARE_OF_A_BIN
    logs = np.log(0.9 * targets + 0.1 * average).mean(axis=0)
    wanted = float(spread(targets, values).mean())
    low, high = 0.2, 20.0  # powers: the higher, the narrower
    for _ in range(60):
        power = (low + high) / 2
        typical = np.exp(power * (logs - logs.max()))
        typical /= typical.sum()
        low, high = (power, high) if spread(typical, values) > wanted else (low, power)
    return np.asarray(typical)


def standardized(network: QueryTransformer, embeddings: Floats) -> Floats:
    """Return embeddings `(n, E)` as the network's query sets see them."""
    with torch.inference_mode():
        return np.asarray(network.standardized(torch.from_numpy(embeddings)).double().numpy())


def fit_ridge(X: Floats, y: Floats, groups: Sequence[str], *, seed: int = 0) -> Ridge:
    """Fit a ridge regression with the penalty that ranks images of other groups best.

    Args:
        X: `(n, E)`, standardized embeddings.
        y: `(n,)`, what is predicted.
        groups: Images of one group are held out together.
        seed: Seed of the folds.
    """
    penalty = choose_penalty(X, y, groups, seed)
    center = float(y.mean())
    return Ridge(direction=_solve(X, y - center, penalty), center=center, penalty=penalty)


def choose_penalty(X: Floats, y: Floats, groups: Sequence[str], seed: int = 0) -> float:
    """Return the penalty whose predictions of images held out have the highest rank correlation."""
    if len(y) > TUNED_ON:
        some = np.sort(np.random.default_rng(seed).choice(len(y), TUNED_ON, replace=False))
        X, y, groups = X[some], y[some], [groups[i] for i in some]
    folds = min(FOLDS, len(set(groups)))
    if folds < 2:
        return float(PENALTIES[-1])
    fold_of = grouped_folds(groups, folds=folds, seed=seed)
    gram = X @ X.T / X.shape[1]
    guess = np.zeros((len(PENALTIES), len(y)))
    for fold in range(folds):
        own, others = fold_of == fold, fold_of != fold
        center = y[others].mean()
        values, vectors = np.linalg.eigh(gram[np.ix_(others, others)])
        seen, wanted = gram[np.ix_(own, others)] @ vectors, vectors.T @ (y[others] - center)
        guess[:, own] = (wanted / (values + PENALTIES[:, None])) @ seen.T + center
    figures = np.nan_to_num([spearman(one, y) for one in guess], nan=-1.0)
    return float(PENALTIES[int(figures.argmax())])


def likely_direction(X: Floats, y: Floats) -> Floats:
    """Return the mean direction `(E,)` of ridge regressions, each weighted by how likely its penalty makes the labels.

    The marginal likelihood of a normal prior on the direction, with the variance of the labels where it is highest
    (MacKay 1992, doi 10.1162/neco.1992.4.3.415).

    Args:
        X: `(n, E)`, standardized embeddings.
        y: `(n,)`, what is predicted.
    """
    values, vectors = np.linalg.eigh(X @ X.T / X.shape[1])
    along = vectors.T @ (y - y.mean())
    variances = values.clip(0) + FINE_PENALTIES[:, None]  # of the labels along each vector, (penalties, n)
    scale = (along**2 / variances).mean(axis=1)
    likelihood = -0.5 * (len(y) * np.log(scale.clip(1e-300)) + np.log(variances).sum(axis=1))
    weight = np.exp(likelihood - likelihood.max())
    mean = (weight[:, None] * (along / variances)).sum(axis=0) / weight.sum()
    return np.asarray(X.T @ (vectors @ mean) / X.shape[1])


def _solve(X: Floats, y: Floats, penalty: float) -> Floats:
    """Return the direction `(E,)`, by images or by channels, whichever are fewer."""
    n, E = X.shape
    if n <= E:
        return np.asarray(X.T @ np.linalg.solve(X @ X.T / E + penalty * np.eye(n), y) / E)
    return np.asarray(np.linalg.solve(X.T @ X + penalty * E * np.eye(E), X.T @ y))


def solve_pairs(
    network: QueryTransformer,
    views: Sequence[Features],
    pairs: Pairs,
    *,
    groups: Sequence[str],
    seed: int,
) -> Tilt:
    """Solve the closed form for comparisons, on the scale of chances: tilts whose differences are log-odds.

    Args:
        network: A network with means and scales measured.
        views: The images as they are and, with a second view, mirrored: the mean of their embeddings counts.
        pairs: Which of two images is preferred.
        groups: Images of one group are held out together.
        seed: Seed of the folds that the penalty is chosen on.
    """
    X = np.mean([standardized(network, view.embeddings) for view in views], axis=0)
    gram = X @ X.T / X.shape[1]
    fold_of = grouped_folds(groups, folds=min(FOLDS, len(set(groups))), seed=seed)
    inside = fold_of[pairs.first] == fold_of[pairs.second]
    guess = np.full((len(PENALTIES), len(pairs.share)), np.nan)
    for fold in np.unique(fold_of) if len(set(groups)) > 1 else ():
        own = inside & (fold_of[pairs.first] == fold)
        others = (fold_of[pairs.first] != fold) & (fold_of[pairs.second] != fold)
        if others.any():
            for number, penalty in enumerate(PENALTIES):
                said = gram @ preferences(gram, pairs.at(others), penalty)
                guess[number, own] = (said[pairs.first] - said[pairs.second])[own]
    judged = np.isfinite(guess[0])
    share, weight = pairs.share[judged], pairs.weight[judged]
    loss = [(weight * (np.logaddexp(0, one) - share * one)).sum() for one in guess[:, judged]]
    penalty = PENALTIES[int(np.argmin(loss))] if judged.any() else PENALTIES[-1]
    tilt = tilt_of(network)
    direction = X.T @ preferences(gram, pairs, penalty) / X.shape[1] / (tilt[1] - tilt[0])
    return Tilt(direction=direction, first=-float((X @ direction).mean()) * tilt)  # even chances for the average image


def preferences(gram: Floats, pairs: Pairs, penalty: float) -> Floats:
    """Return the weights `(n,)` of images whose kernel gives the log-odds of each: Bradley–Terry with a ridge penalty.

    Newton's method in the span of the images, so that its cost does not depend on the number of pairs.

    Args:
        gram: `(n, n)`, kernel of the images.
        pairs: Which of two images is preferred.
        penalty: Of the squared length of the direction.
    """
    n = len(gram)
    weights: Floats = np.zeros(n)
    for _ in range(30):
        said = gram @ weights
        margin = said[pairs.first] - said[pairs.second]
        expected = expit(margin)
        curvature = np.maximum(pairs.weight * expected * (1 - expected), 1e-9)
        pull = curvature * margin + pairs.weight * (pairs.share - expected)
        laplacian, wanted = np.zeros((n, n)), np.zeros(n)
        for one, other in ((pairs.first, pairs.second), (pairs.second, pairs.first)):
            np.add.at(laplacian, (one, one), curvature)
            np.add.at(laplacian, (one, other), -curvature)
        np.add.at(wanted, pairs.first, pull)
        np.add.at(wanted, pairs.second, -pull)
        updated = np.linalg.solve(laplacian @ gram + penalty * np.eye(n), wanted)
        moved = float(np.abs(gram @ (updated - weights)).max())
        weights = np.asarray(updated)
        if moved < 1e-6:
            break
    return np.asarray(weights)
