"""From a table of labels and a folder of images to a checkpoint, with figures of images that were held out."""

from __future__ import annotations

import hashlib
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any, cast

import numpy as np

from abkit_model import checkpoint as checkpoints
from abkit_model.data.comparisons import ComparisonTable
from abkit_model.data.dataset import Comparisons, Missing, Progress, load_comparisons, load_dataset, load_outcomes
from abkit_model.data.labels import MIN_IMAGES
from abkit_model.data.tokens import TokenCache
from abkit_model.encoders.frozen import FrozenEncoder
from abkit_model.encoders.load import load_encoder
from abkit_model.errors import LabelError
from abkit_model.scorer import Scorer
from abkit_model.training.comparisons import CHANCE, ComparisonLabels
from abkit_model.training.holdout import cross_validate, held_out_distances
from abkit_model.training.loop import Labels, fit
from abkit_model.training.outcome_facts import card_data, outcomes_for_parent
from abkit_model.training.outcomes import LOG_RATE, OutcomeLabels
from abkit_model.training.ratings import RatingLabels, choose_queries
from abkit_model.training.release import TrainedScorer, TrainingSet, write_checkpoint
from abkit_model.training.request import AUTO, Recipe, TrainingRequest


def train_scorer(
    request: TrainingRequest,
    *,
    from_comparisons: bool = False,
    from_outcomes: bool = False,
    cache: TokenCache | None = None,
    progress: Progress | None = None,
) -> TrainedScorer:
    """Train queries on a table of labels, measure them on images held out, and write a checkpoint.

    1. Join labels and images; encode the images once.
    2. Five folds of images: learn from the labels that show no image of a fold, and judge on that fold. From these
       answers come all figures and, for ratings, the conformal interval.
    3. Train on everything with the same recipe, and write the checkpoint.

    Ratings are folded by subject. Of comparisons, images that were compared with each other are folded together, and a
    pair is judged where both of its images were held out; pairs across folds are neither learned from nor judged
    there. Scores from comparisons alone are chances from 0 to 1 (see `training.comparisons`), or on a parent's scale.

    With a parent, its queries are tuned instead of new ones, and the card says whether they do better than the parent
    on images held out. Images that the parent was trained on count in no figure, because no fold holds them out. With
    "auto" queries, nested validation chooses their number: once on everything for what is shipped, and in each fold on
    its training images for the figures.

    Args:
        request: What is to be trained.
        from_comparisons: Whether the table is one of comparisons.
        from_outcomes: Whether it is one of outcomes.
        cache: Where encoded images are looked for and kept.
        progress: Called with the stage, how much of it is done, and how much there is.

    Raises:
        RequestError: Options that only ratings can follow, with a table of comparisons.
        LabelError: A table that cannot be used.
        TrainingError: Training failed; nothing was written.
        EncoderUnavailable: The encoder is not at hand.
        CheckpointError: The folder exists already or cannot be written, or the parent cannot be used.
    """
    if from_comparisons:
        request.refuse_options_of_ratings()
    if from_outcomes:
        request.refuse_options_beside_outcomes()
    checkpoints.refuse_existing(request.out)
    parent = Scorer.load(Path(request.parent)) if request.parent else None
    encoder = parent.encoder if parent else load_encoder(request.encoder)
    load = _load_outcomes if from_outcomes else _load_comparisons if from_comparisons else _load_ratings
    loaded = load(request, encoder, parent, cache, progress)
    labels, view = loaded.labels, loaded.labels.views[0]
    recipe, curve, settle = request.settled_recipe(), None, None
    if request.queries == AUTO:
        recipe, curve = _choose_queries(labels, recipe)
        settle = _choose_queries
    start = parent.network if parent else None
    answers = cross_validate(labels, recipe, start=start, settle=settle, progress=progress)
    answers = replace(answers, distances=held_out_distances(labels, answers.folds, encoder.texture))
    seen = parent.trained_on(view.sha256, loaded.sha256) if parent else np.zeros(len(view.sha256), dtype=bool)
    held = labels.judge(answers, ~seen, parent, request.seed)
    network = fit(labels, recipe, progress, start=start)
    if isinstance(labels, OutcomeLabels):
        held.metrics["outcome_fit"] = choice = labels.choice(network, recipe, start)
        if parent is None and not choice["moved"]:
            raise LabelError(
                f"{request.table}: nothing in the images tells these outcomes apart, so there is nothing to learn",
                "add creatives with more clicks, or campaigns; meanwhile learn from ratings",
            )
    card = write_checkpoint(
        request,
        loaded,
        network,
        encoder,
        replace(held, metrics={**held.metrics, **({"srcc_by_queries": curve} if curve else {})}),
        seen=int(seen.sum()),
        recipe=recipe,
        parent=parent,
    )
    return TrainedScorer(
        folder=request.out,
        card=card,
        evaluation=held.figures,
        agreement=held.agreement,
        outcomes=held.outcomes,
        rejected=loaded.rejected,
        missing=loaded.missing,
        seen_by_parent=int(seen.sum()),
    )


def _choose_queries(labels: Labels, recipe: Recipe) -> tuple[Recipe, dict[str, Any]]:
    """Return the recipe with its number of queries chosen on these labels, and the SRCC of each candidate."""
    examples = cast(RatingLabels, labels).examples  # nobody may ask for this with comparisons
    number, curve = choose_queries(examples, replace(recipe, queries=1))
    return replace(recipe, queries=number), {str(k): asdict(v) for k, v in curve.items()}


def _load_ratings(
    request: TrainingRequest,
    encoder: FrozenEncoder,
    parent: Scorer | None,
    cache: TokenCache | None,
    progress: Progress | None,
) -> TrainingSet:
    dataset = load_dataset(
        Path(request.table),
        request.images,
        encoder,
        image_column=request.image_column,
        group_column=request.group_column,
        scale=request.scale,
        correct_raters=request.correct_raters,
        options=request.options,
        columns=request.columns,
        command=request.command_line(),
        cache=cache,
        progress=progress,
    )
    if parent and parent.card.scale != dataset.table.scale:
        raise LabelError(
            f"{request.table} is on another scale than the parent {parent.card.name!r}", "train without a parent"
        )
    examples, beside, data = dataset.examples, None, {}
    if request.comparisons and request.comparison_images:
        beside, table, missing = load_comparisons(
            Path(request.comparisons),
            request.comparison_images,
            encoder,
            options=request.options and request.options.of_another(),
            cache=cache,
            progress=progress,
        )
        data = _comparison_data(beside, table, missing)
    digests = sorted(examples.views[0].sha256)
    return TrainingSet(
        labels=RatingLabels(examples, beside),
        sha256=dataset.table.sha256,
        rejected=dataset.table.rejected,
        missing=dataset.missing,
        learned={*digests, *(beside.views[0].sha256 if beside else ())},
        data={
            **data,
            "table_sha256": dataset.table.sha256,
            "images_sha256": hashlib.sha256("".join(digests).encode()).hexdigest(),
            "layout": dataset.table.layout,
            **({"notes": list(dataset.table.notes)} if dataset.table.notes else {}),
            "raters_corrected": dataset.table.corrected,
            "images": len(digests),
            "ratings": int(dataset.table.counts.sum()),
            "groups": len(set(examples.groups)),
            "group_column": request.group_column or "",
            "rows_refused": len(dataset.table.rejected),
            "images_missing": len(dataset.missing),
        },
    )


def _load_comparisons(
    request: TrainingRequest,
    encoder: FrozenEncoder,
    parent: Scorer | None,
    cache: TokenCache | None,
    progress: Progress | None,
) -> TrainingSet:
    comparisons, table, missing = load_comparisons(
        Path(request.table), request.images, encoder, options=request.options, cache=cache, progress=progress
    )
    digests = comparisons.views[0].sha256
    if len(set(digests)) < MIN_IMAGES:
        raise LabelError(
            f"{request.table} has usable comparisons between {len(set(digests))} images, {MIN_IMAGES} are needed",
            "add comparisons between others, or give these beside ratings (--comparisons)",
        )
    return TrainingSet(
        labels=ComparisonLabels(comparisons, parent.card.scale if parent else CHANCE),
        sha256=table.sha256,
        rejected=table.rejected,
        missing=missing,
        learned=digests,
        data={
            **_comparison_data(comparisons, table, missing),
            "layout": "comparisons",
            "images": len(digests),
            "chances": parent is None or bool(parent.card.data.get("chances")),
        },
    )


def _load_outcomes(
    request: TrainingRequest,
    encoder: FrozenEncoder,
    parent: Scorer | None,
    cache: TokenCache | None,
    progress: Progress | None,
) -> TrainingSet:
    outcomes, table, missing = load_outcomes(
        Path(request.table),
        request.images,
        encoder,
        columns=request.columns,
        command=request.command_line(),
        options=request.options,
        cache=cache,
        progress=progress,
    )
    beside = request.options and request.options.of_another()
    scale, ratings, comparisons = parent.card.scale if parent else LOG_RATE, None, None
    data: dict[str, Any] = {}
    if request.ratings and request.rating_images:
        rated = load_dataset(
            Path(request.ratings),
            request.rating_images,
            encoder,
            scale=request.scale or ((scale.low, scale.high) if parent else None),
            options=beside,
            cache=cache,
            progress=progress,
        )
        if parent and scale != rated.table.scale:
            raise LabelError(
                f"{request.ratings} is on another scale than the parent {parent.card.name!r}", "train without a parent"
            )
        scale, ratings = rated.table.scale, rated.examples
        data |= {"ratings_sha256": rated.table.sha256, "ratings": int(rated.table.counts.sum())}
    if request.comparisons and request.comparison_images:
        comparisons, compared, lost = load_comparisons(
            Path(request.comparisons),
            request.comparison_images,
            encoder,
            options=beside,
            cache=cache,
            progress=progress,
        )
        data |= _comparison_data(comparisons, compared, lost)
    outcomes, anew, note = outcomes_for_parent(outcomes, parent)
    labels = OutcomeLabels(outcomes=outcomes, scale=scale, ratings=ratings, comparisons=comparisons, anew=anew)
    table = replace(table, notes=(*table.notes, *filter(None, [note])))
    return TrainingSet(
        labels=labels,
        sha256=table.sha256,
        rejected=table.rejected,
        missing=missing,
        learned={digest for views in labels.looks for digest in views[0].sha256},
        data={**card_data(labels, table, missing), **data},
    )


def _comparison_data(comparisons: Comparisons, table: ComparisonTable, missing: Missing) -> dict[str, Any]:
    """Return what a card says about the comparisons that queries learned from."""
    return {
        "comparisons_sha256": table.sha256,
        "comparison_pairs": len(comparisons.share),
        "comparison_images": len(comparisons.views[0].rows),
        "comparison_images_missing": len(missing),
        "comparison_rows_refused": len(table.rejected),
    }
