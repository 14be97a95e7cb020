"""Images that are held out: what is said about them by queries that never saw them, and what a card keeps of that."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from abkit_model.checkpoint import Interval
from abkit_model.data.dataset import Progress
from abkit_model.data.tokens import Features
from abkit_model.errors import TrainingError
from abkit_model.evaluation.comparison_agreement import ComparisonFigures
from abkit_model.evaluation.metrics import Evaluation, grouped_folds
from abkit_model.evaluation.outcome_agreement import OutcomeFigures
from abkit_model.evaluation.trained_scorer import predict
from abkit_model.novelty import TextureReference
from abkit_model.query_transformer import QueryTransformer
from abkit_model.training.loop import Labels, fit
from abkit_model.training.request import Recipe

Floats = NDArray[np.float64]
Indices = NDArray[np.intp]

LEVEL = 0.9
FOLDS = 5
REFERENCE_IMAGES = 256


@dataclass(frozen=True)
class HeldOutAnswers:
    """What queries that saw no image of the same group say about each image; NaN where nothing could be learned from.

    Attributes:
        distributions: `(n, S)`.
        folds: `(n,)`.
        distances: `(n,)`, distances from the images of the other folds; NaN where they were not measured.
    """

    distributions: Floats
    folds: Indices
    distances: Floats

    def at(self, images: Indices) -> HeldOutAnswers:
        """Return the answers on some images."""
        return HeldOutAnswers(self.distributions[images], self.folds[images], self.distances[images])


@dataclass(frozen=True, kw_only=True)
class HeldOut:
    """What images that were held out say about a scorer.

    Attributes:
        interval: The conformal interval; without a half-width where there are too few images, and for comparisons.
        figures: Figures on ratings; None where there are too few images, and for comparisons.
        agreement: Figures on comparisons; None where there are too few pairs, and for other labels.
        outcomes: Figures on outcomes; None where there are too few rows, and for other labels.
        metrics: The same and more, plain JSON for the card.
        novelty_limit: Distance from the training images that 95 % of them stay below; None where there are too few.
        reference: Embeddings and scores of some of them, by array name: what drift is measured against.
    """

    interval: Interval
    figures: Evaluation | None = None
    agreement: ComparisonFigures | None = None
    outcomes: OutcomeFigures | None = None
    metrics: dict[str, Any]
    novelty_limit: float | None = None
    reference: dict[str, NDArray[Any]]

    @classmethod
    def of_too_few(cls, n: int) -> HeldOut:
        """Return what `n` images say when nothing can be told from them."""
        return cls(interval=Interval(level=LEVEL, half_width=None, n=n), metrics={}, reference={})


def cross_validate(
    labels: Labels,
    recipe: Recipe,
    *,
    folds: int = FOLDS,
    start: QueryTransformer | None = None,
    settle: Callable[[Labels, Recipe], tuple[Recipe, object]] | None = None,
    deal: int | None = None,
    progress: Progress | None = None,
) -> HeldOutAnswers:
    """Return what queries say about each image that learned from no label of its group.

    Args:
        labels: All labels.
        recipe: How to train.
        folds: Number of folds.
        start: The parent's queries, which are tuned.
        settle: Settles the recipe of a fold on its training labels alone.
        deal: Seed of dealing groups into folds; the recipe's when None.
        progress: Called within each fold and after it.

    Raises:
        TrainingError: Fewer groups than folds.
    """
    try:
        fold_of = grouped_folds(labels.groups, folds=folds, seed=recipe.seed if deal is None else deal)
    except ValueError as error:
        raise TrainingError(f"too few subjects to hold some out: {error}", "add labels of other images") from error
    view = labels.views[0]
    distributions = np.full((len(fold_of), labels.scale.bins), np.nan)
    for fold in range(folds):
        inside = np.flatnonzero(fold_of == fold)
        own, others = view.subset(inside), labels.without(inside)
        if others is not None:
            settled = settle(others, recipe)[0] if settle else recipe
            network = fit(others, settled, _still(progress, fold, folds), start=start)
            distributions[inside] = predict(network, own)[0]
        if progress:
            progress("folds", fold + 1, folds)
    return HeldOutAnswers(distributions, fold_of, np.full(len(fold_of), np.nan))


def _still(progress: Progress | None, fold: int, folds: int) -> Progress | None:
    """Return progress for the work inside a fold: it shows that work goes on, and the bar stays where it is."""
    return (lambda _stage, _done, _total: progress("folds", fold, folds)) if progress else None


def held_out_distances(labels: Labels, folds: Indices, texture: Sequence[int] | None) -> Floats:
    """Return how far each image lies from the images of the other folds, `(n,)`; NaN where there are none.

    Args:
        labels: All labels.
        folds: `(n,)`, the fold of each image.
        texture: Which channels of the encoder's tokens are of texture.
    """
    view = labels.views[0]
    distances = np.full(len(folds), np.nan)
    for fold in np.unique(folds):
        inside = np.flatnonzero(folds == fold)
        others = labels.without(inside)
        if others is not None:
            reference = TextureReference.fit([row for views in others.looks for row in views[0].rows], texture)
            distances[inside] = reference.distances(view.subset(inside).rows)
    return distances


def reference_sample(scores: Floats, view: Features, seed: int) -> dict[str, NDArray[Any]]:
    """Return embeddings and held-out scores `(n,)` of some training images: what drift is measured against.

    Held out, because a network's scores of its own training images spread wider than those of new ones: against them,
    the first new campaign would look like a shift.
    """
    count = min(REFERENCE_IMAGES, len(scores))
    chosen = np.sort(np.random.default_rng(seed).choice(len(scores), size=count, replace=False))
    return {
        "reference.embedding": view.embeddings[chosen].astype(np.float16),
        "reference.score": scores[chosen].astype(np.float32),
    }
