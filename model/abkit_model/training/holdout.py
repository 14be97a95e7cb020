"""What pictures that were held out say of a scorer: folds by subject, figures, interval, reference sample."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from abkit_model.checkpoint import Interval
from abkit_model.data.dataset import Examples, Preferences, Progress
from abkit_model.data.labels import MIN_IMAGES
from abkit_model.data.tokens import Features
from abkit_model.errors import TrainingError
from abkit_model.evaluation.metrics import (
    Estimate,
    Evaluation,
    clustered_bootstrap,
    conformal_coverage,
    conformal_half_width,
    evaluate,
    grouped_folds,
    spearman,
)
from abkit_model.evaluation.pair_calibration import pair_calibration
from abkit_model.evaluation.trained_scorer import predict
from abkit_model.query_transformer import QueryTransformer
from abkit_model.training.loop import Recipe, fit

Floats = NDArray[np.float64]
Indices = NDArray[np.intp]

LEVEL = 0.9
NOVELTY_QUANTILE = 0.99
FOLDS = 5
REFERENCE_PICTURES = 256


@dataclass(frozen=True)
class HeldOut:
    """What pictures that were held out say about a scorer.

    Attributes:
        figures: None where there are too few such pictures.
        metrics: The same and more, plain JSON for the card.
        interval: The conformal interval; without a half-width where there are too few.
        novelty_limit: Distance from the training pictures that 99 % of them stay below; None where there are too few.
        reference: Embeddings and scores of some of them, by array name: what drift is measured against.
    """

    figures: Evaluation | None
    metrics: dict[str, Any]
    interval: Interval
    novelty_limit: float | None
    reference: dict[str, NDArray[Any]]


def cross_validate(
    examples: Examples,
    recipe: Recipe,
    *,
    folds: int = FOLDS,
    start: QueryTransformer | None = None,
    preferences: Preferences | None = None,
    settle: Callable[[Examples], Recipe] | None = None,
    progress: Progress | None = None,
) -> tuple[Floats, Floats, Indices]:
    """What models that saw no picture of the same subject say: distributions, distances, and each picture's fold.

    With `settle`, the recipe of each fold is settled on its training pictures alone.

    Returns:
        Distributions `(n, S)`, distances from the training pictures `(n,)`, folds `(n,)`.

    Raises:
        TrainingError: fewer subjects than folds.
    """
    try:
        fold_of = grouped_folds(examples.groups, folds=folds, seed=recipe.seed)
    except ValueError as error:
        raise TrainingError(f"too few subjects to hold some out: {error}", "add ratings of other subjects") from error
    held_out = np.zeros_like(examples.targets)
    distances = np.zeros(len(held_out))
    for fold in range(folds):
        inside = np.flatnonzero(fold_of == fold)
        others = examples.subset(np.flatnonzero(fold_of != fold))
        view = examples.subset(inside).views[0]
        allowed = preferences.without(set(view.sha256)) if preferences else None
        settled = settle(others) if settle else recipe
        network = fit(others, settled, still(progress, fold, folds), start=start, preferences=allowed)
        held_out[inside] = predict(network, view)[0]
        with torch.inference_mode():
            distances[inside] = network.distance(torch.from_numpy(view.embeddings)).numpy()
        if progress:
            progress("folds", fold + 1, folds)
    return held_out, distances, fold_of


def still(progress: Progress | None, fold: int, folds: int) -> Progress | None:
    """Progress inside of a fold: it says that somebody is at work, and the bar stays where it is."""
    return (lambda _stage, _done, _total: progress("folds", fold, folds)) if progress else None


def measure_held_out(
    held_out: Floats,
    distances: Floats,
    folds: Indices,
    examples: Examples,
    *,
    seed: int,
    judged: Indices,
    start: QueryTransformer | None = None,
) -> HeldOut:
    """All that a card says of pictures held out, from what `cross_validate` returned.

    Args:
        held_out: `(n, S)`.
        distances: `(n,)`.
        folds: `(n,)`.
        examples: The pictures.
        seed: Of the bootstrap and of the reference sample.
        judged: Positions of the pictures that may count. Pictures that a parent was trained on were not held out,
            whatever the fold.
        start: The parent's queries, to be compared with.
    """
    own = examples.subset(judged)
    held_out, distances, folds = held_out[judged], distances[judged], folds[judged]
    if len(judged) < MIN_IMAGES or len(set(own.groups)) < FOLDS or len(set(folds.tolist())) < 2:
        return HeldOut(None, {}, Interval(LEVEL, None, len(judged)), None, {})
    figures = evaluate(held_out, own.targets, own.values, own.groups, folds, seed=seed)
    metrics: dict[str, Any] = {"grouped_folds": {"folds": FOLDS, **figures.to_dict()}}
    pairs = pair_calibration(held_out @ own.values, own.targets @ own.values, own.groups, folds, seed=seed)
    if pairs is not None:
        metrics["pairs"] = pairs.to_dict()
    if start is not None:
        metrics["against_parent"] = asdict(_against(predict(start, own.views[0])[0], held_out, own))
    limit = float(np.quantile(distances, NOVELTY_QUANTILE))
    reference = reference_sample(held_out @ own.values, own.views[0], seed)
    return HeldOut(figures, metrics, _interval(held_out, own, folds), limit, reference)


def _against(parent: Floats, held_out: Floats, examples: Examples) -> Estimate:
    """SRCC of the tuned queries on pictures held out, minus that of the parent on the same pictures."""
    tuned, former = held_out @ examples.values, parent @ examples.values
    observed = examples.targets @ examples.values
    return clustered_bootstrap(
        [lambda i: spearman(tuned[i], observed[i]) - spearman(former[i], observed[i])], examples.groups
    )[0]


def _interval(held_out: Floats, examples: Examples, folds: Indices) -> Interval:
    residuals = np.abs((held_out - examples.targets) @ examples.values)
    return Interval(
        level=LEVEL,
        half_width=conformal_half_width(residuals, LEVEL),
        n=len(residuals),
        coverage=conformal_coverage(residuals, folds, LEVEL),
    )


def reference_sample(scores: Floats, view: Features, seed: int) -> dict[str, NDArray[Any]]:
    """Embeddings and held-out scores `(n,)` of some training pictures: what drift is measured against.

    Held out, because a network's scores of its own training pictures spread wider than those of new ones: against
    them, the first new campaign would look like a shift.
    """
    count = min(REFERENCE_PICTURES, len(scores))
    chosen = np.sort(np.random.default_rng(seed).choice(len(scores), size=count, replace=False))
    return {
        "reference.embedding": view.embeddings[chosen].astype(np.float16),
        "reference.score": scores[chosen].astype(np.float32),
    }
