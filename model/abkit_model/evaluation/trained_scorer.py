"""How good a trained scorer is on tables that it was not trained on: ratings, and comparisons."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from abkit_model.data.comparisons import ComparisonTable
from abkit_model.data.dataset import Dataset, Progress, load_comparisons, load_dataset
from abkit_model.data.files.tables import TableOptions
from abkit_model.data.tokens import Features, TokenCache
from abkit_model.errors import LabelError
from abkit_model.evaluation.comparison_agreement import ComparisonFigures, against_comparisons
from abkit_model.evaluation.intervals import Coverage, coverage_by_stratum
from abkit_model.evaluation.metrics import Evaluation, evaluate, spread
from abkit_model.query_transformer import QueryTransformer
from abkit_model.scorer import Scorer

Floats = NDArray[np.float64]


def predict(network: QueryTransformer, features: Features, batch: int = 64) -> tuple[Floats, Floats]:
    """Predict the distributions `(n, S)` of the ensemble, and those of its members `(n, M, S)`."""
    answers = []
    with torch.inference_mode():
        for start in range(0, len(features.rows), batch):
            seen = features.batch(range(start, min(start + batch, len(features.rows))))
            answers.append(network(seen.tokens, seen.mask, seen.embedding).probabilities)
    members = torch.cat(answers).numpy().astype(np.float64)
    return members.mean(axis=1), members


def evaluate_scorer(
    scorer: Scorer,
    table: Path,
    images: Path,
    *,
    image_column: str | None = None,
    group_column: str | None = None,
    scale: tuple[float, float] | None = None,
    options: TableOptions | None = None,
    columns: Mapping[str, str] | None = None,
    command: str = "",
    cache: TokenCache | None = None,
    progress: Progress | None = None,
) -> tuple[Evaluation, Coverage | None, Dataset]:
    """Measure a trained scorer on ratings: its figures, the coverage of its interval (None without one), and the table.

    Raises:
        LabelError: The table cannot be used, or is on another scale than the scorer.
    """
    card = scorer.card
    wanted = scale or (card.scale.low, card.scale.high)
    dataset = load_dataset(
        table,
        images,
        scorer.encoder,
        image_column=image_column,
        group_column=group_column,
        scale=wanted,
        options=options,
        columns=columns,
        command=command,
        mirrored=False,
        cache=cache,
        progress=progress,
    )
    if dataset.table.scale != card.scale:
        raise LabelError(
            f"{table} is on a scale of {dataset.table.scale.bins} steps, the scorer on one of {card.scale.bins}",
            "evaluate on ratings of the same scale",
        )
    examples = dataset.examples
    predicted, _ = predict(scorer.network, examples.views[0])
    one_fold = np.zeros(len(predicted), dtype=np.intp)
    figures = evaluate(predicted, examples.targets, examples.values, examples.groups, one_fold)
    view = examples.views[0]
    dissent = spread(predicted, examples.values)
    half = np.array([card.interval.half_width_at(value) for value in dissent])
    errors = np.abs((predicted - examples.targets) @ examples.values)
    coverage = coverage_by_stratum(errors, half, dissent, novelties(scorer, view), examples.groups)
    return figures, coverage, dataset


def novelties(scorer: Scorer, features: Features, batch: int = 64) -> Floats:
    """Return how unlike the training images are, `(n,)`: above 1 beyond the limit, NaN without one."""
    starts = range(0, len(features.rows), batch)
    found = [scorer.novelty(features.batch(range(s, min(s + batch, len(features.rows))))) for s in starts]
    return torch.cat(found).numpy().astype(np.float64)


def evaluate_on_comparisons(
    scorer: Scorer,
    table: Path,
    images: Path,
    *,
    resamples: int = 1000,
    options: TableOptions | None = None,
    cache: TokenCache | None = None,
    progress: Progress | None = None,
) -> tuple[ComparisonFigures, int, ComparisonTable, tuple[tuple[str, str], ...]]:
    """Measure how often a trained scorer gives the preferred image the higher score.

    Returns:
        The figures, how many of the images it was trained on, the table, and image and reason of each missing one.

    Raises:
        LabelError: The table of comparisons cannot be used.
    """
    comparisons, pairs, missing = load_comparisons(
        table, images, scorer.encoder, options=options, mirrored=False, cache=cache, progress=progress
    )
    view = comparisons.views[0]
    means = predict(scorer.network, view)[0] @ scorer.card.scale.values
    (figures,) = against_comparisons({scorer.card.name: [means]}, comparisons, resamples=resamples)
    return figures, int(scorer.trained_on(view.sha256, pairs.sha256).sum()), pairs, missing
