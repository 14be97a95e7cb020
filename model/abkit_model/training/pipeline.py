"""From a rating table and a folder of pictures to a checkpoint, with figures from pictures held out."""

from __future__ import annotations

import hashlib
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np

from abkit_model import checkpoint as checkpoints
from abkit_model.data.dataset import Dataset, Examples, Progress, load_dataset
from abkit_model.data.preferences import load_preferences, provenance_of_choices
from abkit_model.data.tokens import TokenCache
from abkit_model.encoders.load import load_encoder
from abkit_model.errors import LabelError
from abkit_model.evaluation.metrics import Estimate
from abkit_model.scorer import Scorer
from abkit_model.training.holdout import cross_validate, measure_held_out
from abkit_model.training.loop import Recipe, fit
from abkit_model.training.query_number import choose_queries
from abkit_model.training.release import TrainedScorer, write_checkpoint
from abkit_model.training.request import AUTO, TrainingRequest


def train_scorer(
    request: TrainingRequest, *, cache: TokenCache | None = None, progress: Progress | None = None
) -> TrainedScorer:
    """Train queries on a rating table, measure them on subjects held out, and write a checkpoint.

    1. Join ratings and images; encode the images once.
    2. Five folds grouped by subject: train on four, score the fifth. From these scores come all figures and the
       conformal interval.
    3. Train on everything with the same recipe, and write the checkpoint.

    With a `parent`, its queries are tuned (for a segment) instead of trained from scratch, and the card says under
    `against_parent` whether they rank pictures held out better than the parent does. Pictures that the parent was
    trained on count in no figure, because no fold holds them out. With "auto" queries, nested validation chooses their
    number: once on everything for what is shipped, and in each fold on its training images for the figures. With
    `comparisons`, the queries learn from them too; no comparison that shows a held-out image is used in its fold.

    Raises:
        LabelError: a table that cannot be used.
        TrainingError: training failed; nothing was written.
        EncoderUnavailable: the encoder is not at hand.
        CheckpointError: `out` exists already or cannot be written.
    """
    checkpoints.refuse_existing(request.out)
    recipe, auto, seed = request.settled_recipe(), request.queries == AUTO, request.seed
    curve: dict[int, Estimate] = {}
    ancestor = Scorer.load(Path(request.parent)) if request.parent else None
    frozen = ancestor.encoder if ancestor else load_encoder(request.encoder)
    dataset = load_dataset(
        request.table,
        request.images,
        frozen,
        image_column=request.image_column,
        group_column=request.group_column,
        scale=request.scale,
        correct_raters=request.correct_raters,
        cache=cache,
        progress=progress,
    )
    examples = dataset.examples
    if ancestor and ancestor.card.scale != dataset.table.scale:
        raise LabelError(
            f"{request.table} is on another scale than the parent {ancestor.card.name!r}", "train without a parent"
        )
    start = ancestor.network if ancestor else None
    preferences, chosen_from = None, {}
    if request.comparisons and request.comparison_images:
        preferences, table_of_choices, lost = load_preferences(
            request.comparisons, request.comparison_images, frozen, cache=cache, progress=progress
        )
        chosen_from = provenance_of_choices(preferences, table_of_choices, lost)
    asked = recipe
    if auto:
        chosen, curve = choose_queries(examples, replace(asked, queries=1))
        recipe = replace(asked, queries=chosen)

    def settle(others: Examples) -> Recipe:
        return replace(asked, queries=choose_queries(others, replace(asked, queries=1))[0])

    outcome = cross_validate(
        examples,
        recipe,
        start=start,
        preferences=preferences,
        settle=settle if auto else None,
        progress=progress,
    )
    seen = np.zeros(len(examples.targets), dtype=bool)
    if ancestor:
        seen = ancestor.trained_on(examples.views[0].sha256, dataset.table.sha256)
    held = measure_held_out(*outcome, examples, seed=seed, judged=np.flatnonzero(~seen), start=start)
    network = fit(examples, recipe, progress, start=start, preferences=preferences)
    card = write_checkpoint(
        request,
        network,
        frozen,
        dataset.table.scale,
        held,
        view=examples.views[0],
        learned={*examples.views[0].sha256, *(preferences.views[0].sha256 if preferences else ())},
        metrics={"srcc_by_queries": {str(k): asdict(v) for k, v in curve.items()}} if curve else {},
        data=chosen_from | _provenance(dataset, request.group_column) | {"images_seen_by_parent": int(seen.sum())},
        recipe=recipe,
        ancestor=ancestor,
    )
    return TrainedScorer(
        folder=request.out,
        card=card,
        evaluation=held.figures,
        rejected=dataset.table.rejected,
        missing=dataset.missing,
        seen_by_parent=int(seen.sum()),
    )


def _provenance(dataset: Dataset, group_column: str | None) -> dict[str, Any]:
    digests = sorted(dataset.examples.views[0].sha256)
    return {
        "table_sha256": dataset.table.sha256,
        "images_sha256": hashlib.sha256("".join(digests).encode()).hexdigest(),
        "layout": dataset.table.layout,
        "raters_corrected": dataset.table.corrected,
        "images": len(digests),
        "ratings": int(dataset.table.counts.sum()),
        "groups": len(set(dataset.examples.groups)),
        "group_column": group_column or "",
        "rows_refused": len(dataset.table.rejected),
        "images_missing": len(dataset.missing),
    }
