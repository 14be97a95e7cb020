"""State anew what a trained scorer knows about itself, without training it again: its scores stay what they are."""

from __future__ import annotations

from dataclasses import fields, replace
from pathlib import Path

import numpy as np

from abkit_model import checkpoint as checkpoints
from abkit_model.checkpoint import Card, Checkpoint
from abkit_model.data.dataset import Progress, load_dataset
from abkit_model.data.tokens import TokenCache
from abkit_model.errors import LabelError
from abkit_model.novelty import TextureReference
from abkit_model.scorer import Scorer
from abkit_model.training.holdout import cross_validate, held_out_distances
from abkit_model.training.ratings import RatingLabels
from abkit_model.training.request import Recipe


def restate(
    folder: Path,
    table: Path,
    images: Path,
    out: Path,
    *,
    cache: TokenCache | None = None,
    progress: Progress | None = None,
) -> Card:
    """Write a checkpoint with the same weights, and with interval, coverage and novelty as they are measured today.

    The scorer's ratings are folded as they were in its training, and queries are trained on each fold with the recipe
    on the card: they say what the scorer would have said about images that it had not seen. The figures on the card
    that the training itself measured stay as they are.

    Args:
        folder: The checkpoint.
        table: The ratings that it was trained on.
        images: Their images.
        out: Where the new one is written.
        cache: Where encoded images are looked for and kept.
        progress: Called as by training.

    Raises:
        LabelError: The table is not the one that the scorer was trained on.
        CheckpointError: The checkpoint cannot be used, or the new one not written.
    """
    old, scorer = checkpoints.load(folder), Scorer.load(folder)
    card = old.card
    column = card.data.get("group_column") or None
    dataset = load_dataset(table, images, scorer.encoder, group_column=column, cache=cache, progress=progress)
    if dataset.table.sha256 != card.data.get("table_sha256"):
        raise LabelError(
            f"{table} is not the table that {card.name!r} was trained on", "give the table of its training, unchanged"
        )
    known = {field.name for field in fields(Recipe)}
    recipe = Recipe(**{name: value for name, value in card.training.items() if name in known})
    labels = RatingLabels(dataset.examples)
    answers = cross_validate(labels, recipe, progress=progress)
    answers = replace(answers, distances=held_out_distances(labels, answers.folds, scorer.encoder.texture))
    held = labels.judge(answers, np.ones(len(answers.folds), dtype=bool), None, recipe.seed)
    texture = TextureReference.fit(labels.views[0].rows, scorer.encoder.texture)
    coverage = {name: held.metrics[name] for name in ("coverage",) if name in held.metrics}
    stated = replace(
        card,
        digest="",
        interval=held.interval,
        novelty_limit=held.novelty_limit,
        metrics={**card.metrics, **coverage},
    )
    return checkpoints.save(Checkpoint(stated, {**old.arrays, **texture.arrays()}), out)
