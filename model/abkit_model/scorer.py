"""Load a checkpoint and score images."""

from __future__ import annotations

import copy
import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, fields, replace
from itertools import islice
from pathlib import Path
from typing import Any, Literal, cast, overload

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image

from abkit_model import checkpoint as checkpoints
from abkit_model.checkpoint import Card, Checkpoint
from abkit_model.encoders.frozen import Encoded, FrozenEncoder
from abkit_model.encoders.load import load_encoder
from abkit_model.errors import CheckpointError, ImageRejected
from abkit_model.images import ImageLike, Prepared, to_rgb
from abkit_model.novelty import TextureReference
from abkit_model.query_transformer import NetworkConfig, Opinion, QueryTransformer
from abkit_model.records import Record, to_plain

#: Rating steps by which scores of the same pixels may differ between batches, thread counts and processors.
TOLERANCE = 1e-3


@dataclass(frozen=True, kw_only=True)
class Score(Record):
    """What people would say about one image, as a scorer predicts it.

    Attributes:
        mean: Predicted mean opinion, on the card's scale.
        std: Predicted standard deviation of single opinions around it: how much people would disagree.
        distribution: Probability of each bin of the scale, from lowest to highest; sums to 1.
        ci_low: Lower end of the predictive interval of the mean opinion. NaN where the card has no interval, and where
            the image is unlike anything that the queries were trained on.
        ci_high: Its upper end.
        ci_level: Its nominal coverage.
        epistemic_std: Standard deviation of the mean between the query sets: how unsure the model is of itself.
        query_activations: What each query of each member added to the tilt of the distribution.
        embedding: `(E,)` float16, the encoder's pooled features.
        novelty: Distance from the training images relative to the card's limit: above 1 the image is unlike anything
            that the queries were trained on, and there is no interval. NaN without a limit.
        model: Digest of the scorer.
        notice: What to tell everyone who sees the score, or an empty string.
    """

    mean: float
    std: float
    distribution: tuple[float, ...]
    ci_low: float
    ci_high: float
    ci_level: float
    epistemic_std: float
    query_activations: tuple[float, ...]
    embedding: NDArray[np.float16] = field(repr=False, compare=False)
    novelty: float
    model: str
    notice: str

    def to_dict(self) -> dict[str, Any]:
        """Return everything but the embedding as plain JSON; what is not finite becomes None."""
        return {f.name: to_plain(getattr(self, f.name)) for f in fields(self) if f.name != "embedding"}


def mean_of_frames(scores: Sequence[Score]) -> Score:
    """Return the score of several frames as one: the mixture of what people would say about each of them.

    The interval is the mean of the frames' intervals, and the novelty that of the frame farthest from the training.

    Args:
        scores: Of the frames, by one scorer; at least one.
    """
    if len(scores) == 1:
        return scores[0]

    def mean_of(name: str) -> float:
        return float(np.mean([getattr(score, name) for score in scores]))

    def means_of(name: str) -> tuple[float, ...]:
        return tuple(np.mean([getattr(score, name) for score in scores], axis=0).tolist())

    mean = mean_of("mean")
    within = np.mean([score.std**2 for score in scores])
    return replace(
        scores[0],
        mean=mean,
        std=float(np.sqrt(within + np.mean([(score.mean - mean) ** 2 for score in scores]))),
        distribution=means_of("distribution"),
        ci_low=mean_of("ci_low"),
        ci_high=mean_of("ci_high"),
        epistemic_std=mean_of("epistemic_std"),
        query_activations=means_of("query_activations"),
        embedding=np.mean([score.embedding.astype(np.float32) for score in scores], axis=0).astype(np.float16),
        novelty=max(score.novelty for score in scores),
    )


class Scorer:
    """A frozen encoder with trained queries on top.

    A score depends on the image and the checkpoint alone: the same pixels get the same score in any batch, with any
    number of threads and on any processor, to within `TOLERANCE` (in practice 1e-6). On a GPU the encoder computes in
    half precision, which moved scores of photographs by up to 0.01, and the queries in float32 as everywhere.

    Attributes:
        card: What is known about the checkpoint.
        encoder: The frozen encoder.
        network: The trained queries.
        learned_images: `(n,)` uint64, the first 8 bytes of the SHA-256 of each image that the queries learned from;
            empty in checkpoints of an earlier release.

    >>> scorer = Scorer.load()
    >>> image = Image.linear_gradient("L").convert("RGB").resize((160, 120))
    >>> one = scorer.score(image)
    >>> one.ci_low < one.mean < one.ci_high, one.ci_level
    (True, 0.9)
    >>> scorer.score([image, "no-such-file.png"], errors="keep")[1]
    ImageRejected('images[1] (no-such-file.png): the file does not exist')
    """

    def __init__(self, checkpoint: Checkpoint, encoder: FrozenEncoder) -> None:
        self.card: Card = checkpoint.card
        self.encoder = encoder
        self.learned_images = checkpoint.arrays.get(checkpoints.LEARNED_IMAGES, np.array([], dtype=np.uint64))
        self.reference = {k: v for k, v in checkpoint.arrays.items() if k.startswith("reference.")}
        if encoder.fingerprint != self.card.encoder_fingerprint:
            raise CheckpointError(
                f"the queries of {self.card.name!r} were trained on another encoder than {encoder.name} as it is here "
                f"(fingerprint {self.card.encoder_fingerprint}, not {encoder.fingerprint})",
                "score with the encoder named on the card and its weights, or train again",
            )
        self.network = build_network(checkpoint)
        self.texture = read_texture(checkpoint)
        self._values = torch.from_numpy(self.card.scale.values).float()

    def __repr__(self) -> str:
        return f"<Scorer {self.card.name} {self.card.digest[:12]} on {self.encoder.name}>"

    @classmethod
    def load(
        cls, checkpoint: str | Path | None = None, *, precision: str = "auto", device: str | None = None
    ) -> Scorer:
        """Load the scorer in a checkpoint folder, or the one that ships with abkit.

        Args:
            checkpoint: Folder that training wrote; None for the shipped scorer.
            precision: Of the encoder: `float32`, `bfloat16`, `float16`, or `auto`: float16 on a GPU, bfloat16 on a
                processor that computes with it.
            device: `cpu`, `cuda`, or `auto`: the GPU where there is one; None means what this process prefers, which is
                `auto` unless a workspace says otherwise. A checkpoint knows nothing of devices.

        Raises:
            CheckpointError: The checkpoint is damaged, altered, too new, or made for another encoder.
            EncoderUnavailable: The weights or libraries of its encoder are not on this machine.
            DeviceUnavailable: CUDA was asked for, and cannot be used here.
        """
        loaded = checkpoints.load(Path(checkpoint) if checkpoint else checkpoints.default_checkpoint())
        return cls(loaded, load_encoder(loaded.card.encoder, precision, device=device))

    @overload
    def score(self, images: ImageLike, *, errors: Literal["raise"] = "raise", batch: int = 16) -> Score: ...  # type: ignore[overload-overlap]

    @overload
    def score(self, images: ImageLike, *, errors: Literal["keep"], batch: int = 16) -> Score | ImageRejected: ...  # type: ignore[overload-overlap]

    @overload
    def score(
        self, images: Iterable[ImageLike], *, errors: Literal["raise"] = "raise", batch: int = 16
    ) -> list[Score]: ...

    @overload
    def score(
        self, images: Iterable[ImageLike], *, errors: Literal["keep"], batch: int = 16
    ) -> list[Score | ImageRejected]: ...

    def score(
        self, images: ImageLike | Iterable[ImageLike], *, errors: Literal["raise", "keep"] = "raise", batch: int = 16
    ) -> Score | ImageRejected | Sequence[Score | ImageRejected]:
        """Score one image or many.

        A path, a PIL image and an array of the same pixels get the same score. Only JPEG files of more than
        4 megapixels are decoded at a reduced size, which moves a score by about 0.01.

        Args:
            images: A path, the bytes of a file, a PIL image, an array `(H, W, 3)` of uint8 or of floats from 0 to 1; or
                any number of them.
            errors: `raise` stops at the first image that cannot be scored; `keep` puts the `ImageRejected` in its place
                and scores the others.
            batch: How many images are decoded and encoded at once.

        Returns:
            The score of one image, or a list of scores in the order of the images.

        Raises:
            ImageRejected: An image cannot be scored; the message says which and why.
        """
        if errors not in ("raise", "keep"):
            raise ValueError(f"errors is {errors!r}; expected 'raise' or 'keep'")
        if isinstance(images, str | os.PathLike | bytes | Image.Image) or getattr(images, "ndim", 4) < 4:
            return self._score_batch([(_name(one := cast(ImageLike, images)), one)], errors)[0]
        found: list[Score | ImageRejected] = []
        named = ((_name(image, place), image) for place, image in enumerate(images))
        while some := list(islice(named, batch)):
            found += self._score_batch(some, errors)
        return found

    def _score_batch(self, batch: Sequence[tuple[str, ImageLike]], errors: str) -> list[Score | ImageRejected]:
        prepared: list[Prepared | ImageRejected] = []
        for name, image in batch:
            try:
                prepared.append(self.prepare(to_rgb(image)))
            except ImageRejected as error:
                rejected = ImageRejected(error.reason, name)
                if errors == "raise":
                    raise rejected from error
                prepared.append(rejected)
        scores = iter(self.score_prepared([one for one in prepared if isinstance(one, Prepared)]))
        return [next(scores) if isinstance(one, Prepared) else one for one in prepared]

    def in_float32(self) -> Scorer:
        """Return this scorer as one whose encoder computes in float32, whatever the device could."""
        other = copy.copy(self)
        other.encoder = self.encoder.in_float32()
        return other

    def on_cpu(self) -> Scorer:
        """Return this scorer as one that computes on the processor, in float32."""
        other = copy.copy(self)
        other.encoder = self.encoder.on_cpu()
        return other

    def prepare(self, image: Image.Image) -> Prepared:
        """Scale and pad one RGB image; pure, for decoding threads."""
        return self.encoder.prepare(image)

    def encode(self, batch: Sequence[Prepared]) -> Encoded:
        """Run the frozen encoder on images of any mixture of shapes."""
        return self.encoder.encode(batch)

    def score_prepared(self, batch: Sequence[Prepared]) -> list[Score]:
        """Encode and score images that are prepared already."""
        return self.score_tokens(self.encode(batch)) if batch else []

    def trained_on(self, sha256: Sequence[str], table_sha256: str) -> NDArray[np.bool_]:
        """Return which images of a table the queries learned from, `(n,)`, by the digests of their content.

        Where the checkpoint has no list of images: all of them if the table is the one of the training, else none.
        """
        if not len(self.learned_images):
            return np.full(len(sha256), self.card.data.get("table_sha256") == table_sha256)
        known = set(self.learned_images.tolist())
        return np.array([int(digest[:16], 16) in known for digest in sha256], dtype=bool)

    @torch.inference_mode()
    def novelty(self, encoded: Encoded) -> torch.Tensor:
        """Return how unlike the training images are, `(B,)`: above 1 beyond the card's limit, NaN without one."""
        distance = self.distance(encoded.tokens, encoded.mask, encoded.embedding)
        return distance / (self.card.novelty_limit or float("nan"))

    def distance(self, tokens: torch.Tensor, mask: torch.Tensor, embedding: torch.Tensor) -> torch.Tensor:
        """Return how far images lie from the training images, `(B,)`, in the measure that the card's limit is in."""
        if self.texture is None:  # a checkpoint of an earlier release
            return self.network.distance(embedding)
        return self.texture.distance(tokens, mask)

    @torch.inference_mode()
    def score_tokens(self, encoded: Encoded) -> list[Score]:
        """Run only the queries, on what the encoder saw now or earlier."""
        opinion: Opinion = self.network(encoded.tokens, encoded.mask, encoded.embedding)
        distribution = opinion.probabilities.mean(dim=1)  # (B, S)
        members = opinion.probabilities @ self._values  # (B, M)
        mean = members.mean(dim=1)
        std = (distribution @ self._values.square() - mean.square()).clamp(min=0).sqrt()
        epistemic = members.std(dim=1, correction=1) if members.shape[1] > 1 else torch.full_like(mean, float("nan"))
        novelty = self.novelty(encoded)
        scale, interval = self.card.scale, self.card.interval
        half = [  # where an image is unlike the training, an interval of the training promises nothing
            float("nan") if far else interval.half_width_at(dissent)
            for dissent, far in zip(std.tolist(), (novelty > 1).tolist(), strict=True)
        ]
        return [
            Score(
                mean=center,
                std=float(std[row]),
                distribution=tuple(distribution[row].tolist()),
                ci_low=max(center - half[row], scale.low),  # NaN stays NaN in this order
                ci_high=min(center + half[row], scale.high),
                ci_level=interval.level,
                epistemic_std=float(epistemic[row]),
                query_activations=tuple(opinion.activations[row].flatten().tolist()),
                embedding=encoded.embedding[row].numpy().astype(np.float16),
                novelty=float(novelty[row]),
                model=self.card.digest,
                notice=self.card.notice,
            )
            for row, center in enumerate(mean.tolist())
        ]


def read_texture(checkpoint: Checkpoint) -> TextureReference | None:
    """Return what novelty is measured against; None in a checkpoint of an earlier release.

    Raises:
        CheckpointError: The arrays of the reference do not fit each other or the network's tokens, or are damaged.
    """
    try:
        return TextureReference.from_arrays(checkpoint.arrays, checkpoint.card.network["token_dim"])
    except ValueError as error:
        raise CheckpointError(f"{checkpoint.card.name!r} cannot be used: {error}", checkpoints.RESTORE) from error


def _name(image: ImageLike, place: int | None = None) -> str:
    path = os.fspath(image) if isinstance(image, str | os.PathLike) else ""
    return path if place is None else f"images[{place}] ({path})" if path else f"images[{place}]"


def build_network(checkpoint: Checkpoint) -> QueryTransformer:
    """Return the network of a checkpoint, ready to score.

    Raises:
        CheckpointError: The weights do not fit the network that the card describes.
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
