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
from abkit_model.encoders.load import DEFAULT_ENCODER, load_encoder
from abkit_model.errors import LabelError
from abkit_model.evaluation.metrics import Estimate
from abkit_model.scorer import Scorer
from abkit_model.training.holdout import cross_validate, measure_held_out
from abkit_model.training.loop import Recipe, fit
from abkit_model.training.query_number import choose_queries
from abkit_model.training.release import Title, TrainedScorer, write_checkpoint


def train_scorer(
    table: Path,
    images: Path,
    *,
    out: Path,
    encoder: str = DEFAULT_ENCODER,
    image_column: str | None = None,
    group_column: str | None = None,
    scale: tuple[float, float] | None = None,
    correct_raters: bool = False,
    choices: tuple[Path, Path] | None = None,
    name: str = "",
    segment: str = "",
    demonstration: bool = False,
    recipe: Recipe | None = None,
    seed: int = 0,
    parent: Path | None = None,
    cache: TokenCache | None = None,
    progress: Progress | None = None,
) -> TrainedScorer:
    """Train queries on a rating table, measure them on subjects held out, and write a checkpoint.

    1. Join ratings and pictures; encode the pictures once.
    2. Five folds grouped by subject: train on four, score the fifth. From these scores come all figures and the
       conformal interval.
    3. Train on everything with the same recipe, and write the checkpoint.

    With a `parent`, its queries are tuned (for a segment) instead of trained from scratch, and the card says under
    `against_parent` whether they rank pictures held out better than the parent does. Pictures that the parent was
    trained on count in no figure, for no fold holds them out. A recipe with 0 queries lets nested validation choose
    their number: once on everything for what is shipped, and in each fold on its training pictures for the figures.
    With `choices`, a table of choices and the folder of its pictures, the queries learn from them too; no choice that
    shows a held-out picture is used in its fold.

    The same table, pictures, seed and machine give the same weights.

    Raises:
        LabelError: a table that cannot be used.
        TrainingError: training failed; nothing was written.
        EncoderUnavailable: the encoder is not at hand.
        CheckpointError: `out` exists already or cannot be written.
    """
    checkpoints.refuse_existing(out)
    recipe = replace(recipe or Recipe(), seed=seed)
    curve: dict[int, Estimate] = {}
    ancestor = Scorer.load(parent) if parent else None
    frozen = ancestor.encoder if ancestor else load_encoder(encoder)
    dataset = load_dataset(
        table,
        images,
        frozen,
        image_column=image_column,
        group_column=group_column,
        scale=scale,
        correct_raters=correct_raters,
        cache=cache,
        progress=progress,
    )
    examples = dataset.examples
    if ancestor and ancestor.card.scale != dataset.table.scale:
        raise LabelError(
            f"{table} is on another scale than the parent {ancestor.card.name!r}", "train without a parent"
        )
    start = ancestor.network if ancestor else None
    preferences, chosen_from = None, {}
    if choices:
        preferences, table_of_choices, lost = load_preferences(*choices, frozen, cache=cache, progress=progress)
        chosen_from = provenance_of_choices(preferences, table_of_choices, lost)
    asked = recipe
    if asked.queries == 0:
        chosen, curve = choose_queries(examples, replace(asked, queries=1))
        recipe = replace(asked, queries=chosen)

    def settle(others: Examples) -> Recipe:
        return replace(asked, queries=choose_queries(others, replace(asked, queries=1))[0])

    outcome = cross_validate(
        examples,
        recipe,
        start=start,
        preferences=preferences,
        settle=settle if asked.queries == 0 else None,
        progress=progress,
    )
    seen = np.zeros(len(examples.targets), dtype=bool)
    if ancestor:
        seen = ancestor.trained_on(examples.views[0].sha256, dataset.table.sha256)
    held = measure_held_out(*outcome, examples, seed=seed, judged=np.flatnonzero(~seen), start=start)
    network = fit(examples, recipe, progress, start=start, preferences=preferences)
    card = write_checkpoint(
        out,
        Title(name or out.name, segment, demonstration),
        network,
        frozen,
        dataset.table.scale,
        held,
        view=examples.views[0],
        learned={*examples.views[0].sha256, *(preferences.views[0].sha256 if preferences else ())},
        metrics={"srcc_by_queries": {str(k): asdict(v) for k, v in curve.items()}} if curve else {},
        data=chosen_from | _provenance(dataset, group_column) | {"images_seen_by_parent": int(seen.sum())},
        recipe=recipe,
        ancestor=ancestor,
    )
    return TrainedScorer(out, card, held.figures, dataset.table.rejected, dataset.missing, int(seen.sum()))


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
