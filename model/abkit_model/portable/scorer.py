"""Score images with an exported scorer: Pillow, NumPy and onnxruntime are enough."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from abkit_model.errors import ModelError
from abkit_model.images import ImageLike, Prepared, prepare, to_rgb
from abkit_model.portable.files import GRAPH_FILE, INPUTS, read_facts
from abkit_model.records import Record

_AT_ONCE = 8


@dataclass(frozen=True, kw_only=True)
class PortableScore(Record):
    """What people would say about one image, as an exported scorer predicts it.

    Attributes:
        mean: Predicted mean opinion, on the scorer's scale.
        std: Predicted standard deviation of single opinions around it.
        distribution: Probability of each bin of the scale, from lowest to highest.
        ci_low, ci_high: Predictive interval of the mean opinion; None where the scorer has none, and for an image
            unlike any that it was trained on.
        ci_level: Its nominal coverage.
        novelty: Distance from the training images relative to the limit; above 1 it is unlike any of them. None
            without a limit.
        model: Digest of the scorer.
        notice: What to tell everyone who sees the score, or "".
    """

    mean: float
    std: float
    distribution: tuple[float, ...]
    ci_low: float | None
    ci_high: float | None
    ci_level: float
    novelty: float | None
    model: str
    notice: str


class PortableScorer:
    """An exported scorer.

    Attributes:
        facts: What is known about it.
    """

    def __init__(self, folder: Path, *, threads: int = 0) -> None:
        """Load the folder that `abkit model export` wrote.

        Args:
            folder: The folder.
            threads: Processor threads; 0 leaves the choice to onnxruntime.

        Raises:
            CheckpointError: The folder is damaged, or was made by another release.
            ModelError: onnxruntime is missing, or cannot run the graph.
        """
        try:
            import onnxruntime
        except ModuleNotFoundError as error:
            raise ModelError("onnxruntime is not installed", "pip install onnxruntime") from error
        self.facts = read_facts(folder)
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        try:
            self._session: Any = onnxruntime.InferenceSession(
                str(folder / GRAPH_FILE), options, providers=["CPUExecutionProvider"]
            )
        except Exception as error:  # onnxruntime's own exceptions derive from nothing else
            raise ModelError(
                f"onnxruntime {onnxruntime.__version__} cannot run {folder / GRAPH_FILE}", "export it again"
            ) from error

    def __repr__(self) -> str:
        return f"<PortableScorer {self.facts.name} {self.facts.digest[:12]}, {self.facts.precision}>"

    def score(self, images: Sequence[ImageLike]) -> list[PortableScore]:
        """Score images: paths, Pillow images, or arrays (H, W, 3) uint8.

        Raises:
            ImageRejected: One cannot be read; its place is named.
        """
        return self.score_prepared([prepare(to_rgb(image), self.facts.canvas) for image in images])

    def score_prepared(self, prepared: Sequence[Prepared]) -> list[PortableScore]:
        """Score images that are scaled and padded already."""
        rows: dict[int, PortableScore] = {}
        for positions, inputs in batches(prepared):
            probabilities, _activations, _embedding, distance = self._session.run(None, inputs)
            for row, position in enumerate(positions):
                rows[position] = self._score(probabilities[row], float(distance[row]))
        return [rows[position] for position in range(len(prepared))]

    def _score(self, members: NDArray[np.float32], distance: float) -> PortableScore:
        facts = self.facts
        values, distribution = facts.scale.values, members.mean(axis=0)  # (S,), (S,)
        mean = float(distribution @ values)
        novelty = distance / facts.novelty_limit if facts.novelty_limit else None
        std = float(np.sqrt(max(0.0, distribution @ values**2 - mean**2)))
        half = None if novelty is not None and novelty > 1 else facts.interval.half_width_at(std)
        half = None if half is None or np.isnan(half) else half
        return PortableScore(
            mean=mean,
            std=std,
            distribution=tuple(distribution.tolist()),
            ci_low=None if half is None else max(mean - half, facts.scale.low),
            ci_high=None if half is None else min(mean + half, facts.scale.high),
            ci_level=facts.interval.level,
            novelty=novelty,
            model=facts.digest,
            notice=facts.notice,
        )


def batches(prepared: Sequence[Prepared]) -> Iterator[tuple[list[int], dict[str, Any]]]:
    """Yield positions and the graph's inputs, images of one canvas together."""
    groups: dict[tuple[int, int], list[int]] = defaultdict(list)
    for position, image in enumerate(prepared):
        groups[image.shape].append(position)
    for group in groups.values():
        for start in range(0, len(group), _AT_ONCE):
            positions = group[start : start + _AT_ONCE]
            some = [prepared[position] for position in positions]
            values = (
                np.stack([image.pixels for image in some]),
                np.array([image.width for image in some], np.int64),
                np.array([image.height for image in some], np.int64),
            )
            yield positions, dict(zip(INPUTS, values, strict=True))
