"""From a table of choices, and nothing else, to a checkpoint, with figures from pairs of pictures held out."""

from __future__ import annotations

from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from abkit_model import checkpoint as checkpoints
from abkit_model.checkpoint import Interval
from abkit_model.data.dataset import Preferences, Progress
from abkit_model.data.labels import MIN_IMAGES
from abkit_model.data.preferences import load_preferences, provenance_of_choices
from abkit_model.data.tokens import TokenCache
from abkit_model.encoders.load import load_encoder
from abkit_model.errors import LabelError
from abkit_model.evaluation.comparison_agreement import ComparisonFigures, against_comparisons
from abkit_model.evaluation.pair_calibration import comparison_calibration
from abkit_model.evaluation.trained_scorer import predict
from abkit_model.query_transformer import QueryTransformer
from abkit_model.scorer import Scorer
from abkit_model.training.comparison_training import CHANCE, fit_choices, hold_out, tune_to_choices
from abkit_model.training.holdout import FOLDS, LEVEL, NOVELTY_QUANTILE, HeldOut, reference_sample
from abkit_model.training.release import TrainedScorer, write_checkpoint
from abkit_model.training.request import TrainingRequest

Floats = NDArray[np.float64]

#: Of fewer pairs the 95 % interval of the share picked right is wider than ±0.2: nothing could be told.
MIN_JUDGED = 20


def train_on_comparisons(
    request: TrainingRequest, *, cache: TokenCache | None = None, progress: Progress | None = None
) -> TrainedScorer:
    """Train queries on comparisons alone, measure them on pairs of images held out, and write a checkpoint.

    1. Join choices and pictures; encode the pictures once.
    2. Five folds of pictures that were compared with each other: learn from pairs whose two pictures lie outside a
       fold, judge on pairs whose two pictures lie inside. Other pairs are neither learned from nor judged in a fold.
    3. Train on everything with the same recipe, and write the checkpoint.

    Scores are chances from 0 to 1 (see `choice_training`), or with a `parent`, whose queries are tuned, on its scale.
    They have no conformal interval, for no choice says how well a single picture is liked. Pictures that the parent
    was trained on count in no figure.

    Raises:
        LabelError: a table that cannot be used, or choices between too few pictures.
        TrainingError: training failed; nothing was written.
        EncoderUnavailable: the encoder is not at hand.
        CheckpointError: `out` exists already or cannot be written.
    """
    checkpoints.refuse_existing(request.out)
    recipe, seed = request.settled_recipe(), request.seed
    ancestor = Scorer.load(Path(request.parent)) if request.parent else None
    frozen = ancestor.encoder if ancestor else load_encoder(request.encoder)
    preferences, choices, missing = load_preferences(
        request.table, request.images, frozen, cache=cache, progress=progress
    )
    view = preferences.views[0]
    if len(set(view.sha256)) < MIN_IMAGES:
        raise LabelError(
            f"{request.table} has usable comparisons between {len(set(view.sha256))} images, {MIN_IMAGES} are needed",
            "add comparisons between others, or give these beside ratings (--comparisons)",
        )
    scale = ancestor.card.scale if ancestor else CHANCE
    chances = ancestor is None or bool(ancestor.card.data.get("chances"))

    def learn(pairs: Preferences, progress: Progress | None) -> QueryTransformer:
        if ancestor is None:
            return fit_choices(pairs, recipe, progress)
        return tune_to_choices(pairs, recipe, ancestor.network, scale, progress)

    scores, distances, folds = hold_out(preferences, learn, scale.values, folds=FOLDS, seed=seed, progress=progress)
    seen = np.zeros(len(view.sha256), dtype=bool)
    if ancestor:
        seen = ancestor.trained_on(view.sha256, choices.sha256)
    known = np.isfinite(scores) & ~seen
    pairs = _judged(preferences, folds, known)
    figures = _agreement(pairs, scores, ancestor) if pairs else []
    held = HeldOut(None, {}, Interval(LEVEL, None, 0), None, {})
    if pairs:
        held = _held_out(pairs, scores, distances, folds, known, figures, seed)
    network = learn(preferences, progress)
    card = write_checkpoint(
        request,
        network,
        frozen,
        scale,
        held,
        view=view,
        learned=view.sha256,
        metrics={},
        data={
            **provenance_of_choices(preferences, choices, missing),
            "layout": "comparisons",
            "images": len(view.sha256),
            "images_seen_by_parent": int(seen.sum()),
            "chances": chances,
        },
        recipe=recipe,
        ancestor=ancestor,
    )
    own = figures[0] if figures else None
    return TrainedScorer(
        folder=request.out,
        card=card,
        evaluation=None,
        rejected=choices.rejected,
        missing=missing,
        seen_by_parent=int(seen.sum()),
        agreement=own,
    )


def _judged(preferences: Preferences, folds: NDArray[np.intp], known: NDArray[np.bool_]) -> Preferences | None:
    """The pairs whose two pictures were held out together; None where too few of them were decided."""
    first, second = preferences.first, preferences.second
    judged = (folds[first] == folds[second]) & known[first] & known[second]
    if (preferences.share[judged] != 0.5).sum() < MIN_JUDGED:
        return None
    share, weight = preferences.share[judged], preferences.weight[judged]
    return replace(preferences, first=first[judged], second=second[judged], share=share, weight=weight)


def _agreement(pairs: Preferences, scores: Floats, ancestor: Scorer | None) -> list[ComparisonFigures]:
    """Of held-out scores and, where there is a parent, of the parent's."""
    said = {"held out": [np.nan_to_num(scores)]}
    if ancestor:
        said["parent"] = [predict(ancestor.network, pairs.views[0])[0] @ ancestor.card.scale.values]
    found = {one.name: one for one in against_comparisons(said, pairs)}
    return [found[name] for name in said]


def _held_out(
    pairs: Preferences,
    scores: Floats,
    distances: Floats,
    folds: NDArray[np.intp],
    known: NDArray[np.bool_],
    figures: list[ComparisonFigures],
    seed: int,
) -> HeldOut:
    own = figures[0]
    metrics: dict[str, Any] = {
        "choice_folds": {
            "folds": FOLDS,
            "n": len(set(pairs.first.tolist()) | set(pairs.second.tolist())),
            "pairs": own.n,
            "picks_winner": asdict(own.picks_winner),
            "correlation": asdict(own.correlation),
        }
    }
    if len(figures) > 1:
        metrics["picks_against_parent"] = asdict(figures[1].picks_difference)
    calibration = comparison_calibration(scores, folds, pairs.first, pairs.second, pairs.share, seed=seed)
    if calibration is not None:
        metrics["pairs"] = {**calibration.to_dict(), "labels": "choices"}
    chosen = np.flatnonzero(known)
    limit = float(np.quantile(distances[chosen], NOVELTY_QUANTILE))
    reference = reference_sample(scores[chosen], pairs.views[0].subset(chosen), seed)
    return HeldOut(None, metrics, Interval(LEVEL, None, len(chosen)), limit, reference)
