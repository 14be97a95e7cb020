"""What abkit calls: load a checkpoint, score pictures."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image

from abkit_model import checkpoint as checkpoints
from abkit_model.checkpoint import Card, Checkpoint
from abkit_model.encoders.frozen import Encoded, FrozenEncoder
from abkit_model.encoders.load import load_encoder
from abkit_model.errors import CheckpointError
from abkit_model.images import Prepared
from abkit_model.query_transformer import NetworkConfig, Opinion, QueryTransformer

#: Rating steps by which scores of the same pixels may differ between batches, thread counts and processors.
TOLERANCE = 1e-3


@dataclass(frozen=True)
class Score:
    """What the model predicts that people would say about one picture.

    Attributes:
        mean: Predicted mean opinion, on the card's scale.
        std: Predicted standard deviation of single opinions around it: how much people would disagree.
        distribution: Probability of each bin of the scale, from lowest to highest; sums to 1.
        ci_low: Lower end of the predictive interval for the mean opinion; NaN where the card has no interval.
        ci_high: Its upper end.
        ci_level: Its nominal coverage.
        epistemic_std: Standard deviation of the mean between the query sets: how unsure the model is of itself.
        query_activations: What each query of each member added to the tilt of the distribution.
        embedding: `(E,)` float16, the encoder's pooled features.
        novelty: Distance from the training pictures relative to the card's limit: above 1 the picture is far from
            anything that the queries were trained on, and the interval promises nothing. NaN without a limit.
    """

    mean: float
    std: float
    distribution: tuple[float, ...]
    ci_low: float
    ci_high: float
    ci_level: float
    epistemic_std: float
    query_activations: tuple[float, ...]
    embedding: NDArray[np.float16]
    novelty: float = float("nan")


class Scorer:
    """A frozen encoder with trained queries on top.

    A score depends on the image and the checkpoint alone: the same image gets the same score in any batch, with any
    number of threads and on any processor, to within `TOLERANCE` (in practice 1e-6).

    Attributes:
        card: What is known about the checkpoint.
        encoder: The frozen encoder.
        network: The trained queries.
        pictures: `(n,)` uint64, the first 8 bytes of the SHA-256 of each picture that the queries learned from; empty
            in checkpoints of an earlier release.
    """

    def __init__(self, checkpoint: Checkpoint, encoder: FrozenEncoder) -> None:
        self.card: Card = checkpoint.card
        self.encoder = encoder
        self.pictures = checkpoint.arrays.get(checkpoints.PICTURES, np.array([], dtype=np.uint64))
        self.reference = {k: v for k, v in checkpoint.arrays.items() if k.startswith("reference.")}
        if encoder.fingerprint != self.card.encoder_fingerprint:
            raise CheckpointError(
                f"the queries of {self.card.name!r} were trained on another encoder than {encoder.name} as it is here "
                f"(fingerprint {self.card.encoder_fingerprint}, not {encoder.fingerprint})",
                "score with the encoder named on the card and its weights, or train again",
            )
        self.network = build_network(checkpoint)
        self._values = torch.from_numpy(self.card.scale.values).float()

    @classmethod
    def load(cls, checkpoint: Path | None = None, *, precision: str = "auto") -> Scorer:
        """Load a checkpoint folder, or the shipped default.

        Raises:
            CheckpointError: damaged, altered, too new, or made for another encoder.
            EncoderUnavailable: its encoder is not at hand.
        """
        loaded = checkpoints.load(checkpoint or checkpoints.default_checkpoint())
        return cls(loaded, load_encoder(loaded.card.encoder, precision))

    def prepare(self, image: Image.Image) -> Prepared:
        """Scale and pad one RGB picture; pure, for decode threads."""
        return self.encoder.prepare(image)

    def encode(self, batch: Sequence[Prepared]) -> Encoded:
        """Run the frozen encoder; pictures of any mixture of shapes."""
        return self.encoder.encode(batch)

    def trained_on(self, sha256: Sequence[str], table_sha256: str) -> NDArray[np.bool_]:
        """Which pictures of a table the queries learned from, `(n,)`, by the digests of their content.

        Where the checkpoint has no list of pictures, all if the table is the one of the training, else none.
        """
        if not len(self.pictures):
            return np.full(len(sha256), self.card.data.get("table_sha256") == table_sha256)
        known = set(self.pictures.tolist())
        return np.array([int(digest[:16], 16) in known for digest in sha256], dtype=bool)

    @torch.inference_mode()
    def score_tokens(self, encoded: Encoded) -> list[Score]:
        """Run only the queries, on what the encoder saw, now or earlier."""
        opinion = self.network(encoded.tokens, encoded.mask, encoded.embedding)
        return self._scores(opinion, encoded)

    def score(self, batch: Sequence[Prepared]) -> list[Score]:
        """Encode and score."""
        return self.score_tokens(self.encode(batch)) if batch else []

    def _scores(self, opinion: Opinion, encoded: Encoded) -> list[Score]:
        distribution = opinion.probabilities.mean(dim=1)  # (B, S)
        members = opinion.probabilities @ self._values  # (B, M)
        mean = members.mean(dim=1)
        std = (distribution @ self._values.square() - mean.square()).clamp(min=0).sqrt()
        epistemic = members.std(dim=1, correction=1) if members.shape[1] > 1 else torch.full_like(mean, float("nan"))
        activations = opinion.activations.flatten(1)  # (B, M·K)
        embedding = encoded.embedding.numpy().astype(np.float16)
        novelty = self.network.distance(encoded.embedding) / (self.card.novelty_limit or float("nan"))
        scale, interval = self.card.scale, self.card.interval
        half = float("nan") if interval.half_width is None else interval.half_width
        scores = []
        for row in range(len(mean)):
            centre = float(mean[row])
            scores.append(
                Score(
                    mean=centre,
                    std=float(std[row]),
                    distribution=tuple(distribution[row].tolist()),
                    ci_low=max(scale.low, centre - half) if half == half else half,
                    ci_high=min(scale.high, centre + half) if half == half else half,
                    ci_level=interval.level,
                    epistemic_std=float(epistemic[row]),
                    query_activations=tuple(activations[row].tolist()),
                    embedding=embedding[row],
                    novelty=float(novelty[row]),
                )
            )
        return scores


def build_network(checkpoint: Checkpoint) -> QueryTransformer:
    """The network of a checkpoint, ready to score.

    Raises:
        CheckpointError: weights that do not fit the network that the card describes.
    """
    try:
        network = QueryTransformer(NetworkConfig(**checkpoint.card.network))
        state = {k: torch.from_numpy(np.array(v)).float() for k, v in checkpoint.weights.items()}
        network.load_state_dict(state)
    except (TypeError, RuntimeError) as error:
        raise CheckpointError(
            f"the weights of {checkpoint.card.name!r} do not fit the network on its card: {str(error).splitlines()[0]}",
            "restore the whole folder from where it came, or train again",
        ) from error
    return network.eval().requires_grad_(False)


__all__ = ["Card", "Encoded", "Prepared", "Score", "Scorer"]
