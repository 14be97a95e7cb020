"""From trained queries to a checkpoint: what goes on the card and what into the arrays, whatever they learned from."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from abkit_model import checkpoint as checkpoints
from abkit_model.checkpoint import DEMONSTRATION_NOTICE, Card, Checkpoint, Scale
from abkit_model.data.tokens import Features
from abkit_model.encoders.frozen import FrozenEncoder
from abkit_model.evaluation.comparison_agreement import ComparisonFigures
from abkit_model.evaluation.metrics import Evaluation
from abkit_model.query_transformer import QueryTransformer
from abkit_model.scorer import Scorer
from abkit_model.training.holdout import HeldOut
from abkit_model.training.query_number import diversity
from abkit_model.training.request import Recipe, TrainingRequest


@dataclass(frozen=True, kw_only=True)
class TrainedScorer:
    """What training leaves behind.

    Attributes:
        folder: The checkpoint.
        card: Its card, with the digest.
        evaluation: Figures on held-out subjects, of models trained the same way on the other folds. None where the
            parent was trained on so many of these pictures that too few are left to judge by, and of choices alone.
        rejected: Line and reason of each row of the table that was refused.
        missing: Image and reason of each picture that could not be used.
        seen_by_parent: How many of the pictures the parent was trained on; no figure counts them.
        agreement: Of choices alone: how the scores of held-out pictures agree with the choices between them. None
            where too few pairs could be judged.
    """

    folder: Path
    card: Card
    evaluation: Evaluation | None
    rejected: tuple[tuple[int, str], ...]
    missing: tuple[tuple[str, str], ...]
    seen_by_parent: int = 0
    agreement: ComparisonFigures | None = None


def write_checkpoint(
    request: TrainingRequest,
    network: QueryTransformer,
    frozen: FrozenEncoder,
    scale: Scale,
    held: HeldOut,
    *,
    view: Features,
    learned: Iterable[str],
    metrics: Mapping[str, Any],
    data: Mapping[str, Any],
    recipe: Recipe,
    ancestor: Scorer | None = None,
) -> Card:
    """Write what was trained, whole or not at all.

    Args:
        request: The folder, which must be new, and what the scorer is called.
        network: The queries.
        frozen: Their encoder.
        scale: Of the scores.
        held: What pictures that were held out say.
        view: The training pictures as they are.
        learned: Digests of all pictures that were learned from.
        metrics: Figures beside those in `held`.
        data: What it learned from: digests and counts.
        recipe: How.
        ancestor: The parent.

    Raises:
        CheckpointError: `out` exists already or cannot be written.
    """
    members = {"members": network.config.members, "queries": network.config.queries}  # with a parent, the parent's
    card = Card(
        name=request.name or request.out.name,
        encoder=frozen.name,
        encoder_fingerprint=frozen.fingerprint,
        scale=scale,
        network=asdict(network.config),
        interval=held.interval,
        segment=request.segment,
        demonstration=request.demonstration,
        notice=DEMONSTRATION_NOTICE if request.demonstration else "",
        activations=_activations(network, view),
        metrics={**held.metrics, "query_diversity": diversity(network, view), **metrics},
        data=data,
        parent=ancestor.card.digest if ancestor else "",
        novelty_limit=held.novelty_limit or (ancestor.card.novelty_limit if ancestor else None),
        training={**asdict(recipe), **members, "torch": torch.__version__.partition("+")[0]},
    )
    arrays = {**_half_weights(network), **held.reference, checkpoints.LEARNED_IMAGES: _pictures(learned, ancestor)}
    return checkpoints.save(Checkpoint(card, arrays), request.out)


def _activations(network: QueryTransformer, features: Features) -> dict[str, list[float]]:
    chunks = []
    with torch.inference_mode():
        for start in range(0, len(features.rows), 64):
            seen = features.batch(range(start, min(start + 64, len(features.rows))))
            chunks.append(network(seen.tokens, seen.mask, seen.embedding).activations.flatten(1))
    values = torch.cat(chunks)
    return {"mean": _rounded(values.mean(dim=0).numpy()), "std": _rounded(values.std(dim=0).numpy())}


def _rounded(values: NDArray[Any]) -> list[float]:
    return [round(float(v), 6) for v in values]


def _half_weights(network: QueryTransformer) -> dict[str, NDArray[Any]]:
    return {k: v.numpy().astype(np.float16) for k, v in network.state_dict().items()}


def _pictures(sha256: Iterable[str], ancestor: Scorer | None) -> NDArray[np.uint64]:
    """The first 8 bytes of the digest of each picture that was learned from, by the parent too."""
    known = set() if ancestor is None else set(ancestor.learned_images.tolist())
    return np.array(sorted(known | {int(digest[:16], 16) for digest in sha256}), dtype=np.uint64)
