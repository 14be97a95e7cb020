"""From trained queries to a checkpoint: what goes on the card, and what into the arrays."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from abkit_model import checkpoint as checkpoints
from abkit_model.checkpoint import DEMONSTRATION_NOTICE, Card, Checkpoint
from abkit_model.data.dataset import Missing
from abkit_model.data.tokens import Features
from abkit_model.encoders.frozen import FrozenEncoder
from abkit_model.evaluation.comparison_agreement import ComparisonFigures
from abkit_model.evaluation.metrics import Evaluation
from abkit_model.evaluation.outcome_agreement import OutcomeFigures
from abkit_model.novelty import TextureReference
from abkit_model.query_transformer import QueryTransformer
from abkit_model.scorer import Scorer
from abkit_model.training.comparisons import ComparisonLabels
from abkit_model.training.holdout import HeldOut
from abkit_model.training.outcomes import OutcomeLabels
from abkit_model.training.ratings import RatingLabels
from abkit_model.training.request import Recipe, TrainingRequest


@dataclass(frozen=True, kw_only=True)
class TrainingSet:
    """Labels that were loaded for a request.

    Attributes:
        labels: What is learned from, and judged.
        sha256: Digest of the table.
        rejected: Line and reason of each row that was refused.
        missing: Name and reason of each image that could not be used.
        learned: Digests of all images that are learned from.
        data: What the card says about them.
    """

    labels: RatingLabels | ComparisonLabels | OutcomeLabels
    sha256: str
    rejected: tuple[tuple[int, str], ...]
    missing: Missing
    learned: Iterable[str]
    data: Mapping[str, Any]


@dataclass(frozen=True, kw_only=True)
class TrainedScorer:
    """A checkpoint, and how it came out.

    Attributes:
        folder: The checkpoint.
        card: Its card, with the digest.
        evaluation: Figures on held-out subjects, of models trained the same way on the other folds. None where the
            parent was trained on so many of these images that too few are left to judge by, and for comparisons.
        rejected: Line and reason of each row of the table that was refused.
        missing: Name and reason of each image that could not be used.
        seen_by_parent: How many of the images the parent was trained on; no figure counts them.
        agreement: How the scores of held-out images agree with the comparisons between them. None where too few pairs
            could be judged, and for other labels.
        outcomes: How the scores of held-out images agree with their outcomes inside campaigns. None where too few could
            be judged, and for other labels.
    """

    folder: Path
    card: Card
    evaluation: Evaluation | None
    rejected: tuple[tuple[int, str], ...]
    missing: Missing
    seen_by_parent: int = 0
    agreement: ComparisonFigures | None = None
    outcomes: OutcomeFigures | None = None


def write_checkpoint(
    request: TrainingRequest,
    loaded: TrainingSet,
    network: QueryTransformer,
    frozen: FrozenEncoder,
    held: HeldOut,
    *,
    seen: int,
    recipe: Recipe,
    parent: Scorer | None = None,
) -> Card:
    """Write what was trained, whole or not at all.

    Args:
        request: The folder, which must be new, and what the scorer is called.
        loaded: What was learned from.
        network: The trained queries.
        frozen: Their encoder.
        held: What images that were held out say.
        seen: How many of the images the parent was trained on.
        recipe: How they were trained.
        parent: The parent.

    Raises:
        CheckpointError: `out` exists already or cannot be written.
    """
    view = loaded.labels.views[0]
    limit, texture = _texture(loaded, frozen, held, parent)
    config = network.config  # with a parent, the parent's
    if parent is not None:
        share = parent.card.training.get("closed_form", 0.0)
    else:
        share = recipe.closed_form_by(getattr(loaded.labels, "closed_form_share", 0.0))
    sizes = {"members": config.members, "queries": config.queries, "closed_form": share}
    card = Card(
        name=request.name or request.out.name,
        encoder=frozen.name,
        encoder_fingerprint=frozen.fingerprint,
        scale=loaded.labels.scale,
        network=asdict(network.config),
        interval=held.interval,
        segment=request.segment,
        demonstration=request.demonstration,
        notice=DEMONSTRATION_NOTICE if request.demonstration else "",
        activations=_activations(network, view),
        metrics={**held.metrics, "query_diversity": diversity(network, view)},
        data={**loaded.data, "images_seen_by_parent": seen},
        parent=parent.card.digest if parent else "",
        novelty_limit=limit,
        training={**asdict(recipe), **sizes, "torch": torch.__version__.partition("+")[0]},
    )
    weights = {name: value.numpy().astype(np.float16) for name, value in network.state_dict().items()}
    learned = {checkpoints.LEARNED_IMAGES: _image_digests(loaded.learned, parent)}
    arrays = {**weights, **held.reference, **texture, **learned}
    return checkpoints.save(Checkpoint(card, arrays), request.out)


def _texture(
    loaded: TrainingSet, frozen: FrozenEncoder, held: HeldOut, parent: Scorer | None
) -> tuple[float | None, dict[str, NDArray[Any]]]:
    """Return the limit of novelty and the reference that it belongs to: the parent's where too few were held out."""
    if held.novelty_limit is not None:
        rows = [row for views in loaded.labels.looks for row in views[0].rows]
        return held.novelty_limit, TextureReference.fit(rows, frozen.texture).arrays()
    if parent is None:
        return None, {}
    return parent.card.novelty_limit, parent.texture.arrays() if parent.texture else {}


def _activations(network: QueryTransformer, features: Features) -> dict[str, list[float]]:
    chunks = []
    with torch.inference_mode():
        for start in range(0, len(features.rows), 64):
            seen = features.batch(range(start, min(start + 64, len(features.rows))))
            chunks.append(network(seen.tokens, seen.mask, seen.embedding).activations.flatten(1))
    values = torch.cat(chunks)
    found = {"mean": values.mean(dim=0), "std": values.std(dim=0)}
    return {name: [round(v, 6) for v in one.tolist()] for name, one in found.items()}


def _image_digests(sha256: Iterable[str], parent: Scorer | None) -> NDArray[np.uint64]:
    """Return the first 8 bytes of the digest of each image that was learned from, by the parent too."""
    known = set() if parent is None else set(parent.learned_images.tolist())
    return np.array(sorted(known | {int(digest[:16], 16) for digest in sha256}), dtype=np.uint64)


def diversity(network: QueryTransformer, features: Features) -> float | None:
    """Return how differently the queries of a member look: 1 minus the mean cosine of their attention maps, 0 … 1.

    None for a single query.
    """
    if network.config.queries < 2:
        return None
    seen = features.batch(range(min(64, len(features.rows))))
    with torch.inference_mode():
        maps = network(seen.tokens, seen.mask, seen.embedding, attention=True).attention  # (B, M, L, H, K, T)
    looks = torch.nn.functional.normalize(maps[:, :, -1].mean(dim=2), dim=-1)  # (B, M, K, T)
    cosine = looks @ looks.transpose(-1, -2)
    K = cosine.shape[-1]
    return float(1 - (cosine.sum(dim=(-1, -2)) - K).mean() / (K * (K - 1)))
