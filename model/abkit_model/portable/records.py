"""How an exported scorer compares with the original."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from abkit_model.records import Record


@dataclass(frozen=True, kw_only=True)
class Exported(Record):
    """An exported scorer and how it compares with the original, on images that it was not tuned to.

    Attributes:
        folder: Where it lies.
        precision: "float32", or "int8" for the encoder's convolutions.
        megabytes: Size of the graph.
        n: Images it was compared on.
        generated: Whether these were generated, for want of real ones.
        srcc: Rank correlation of the scores of copy and original, which computes in float32 here.
        largest: Largest difference of two scores, in steps of the scale.
        seconds, original_seconds: Seconds per image, encoder and queries, of copy and original, both with one thread,
            measured in turns on this machine.
        left_out: Images that cannot be read.
    """

    folder: Path
    precision: str
    megabytes: float
    n: int
    generated: bool
    srcc: float
    largest: float
    seconds: float
    original_seconds: float
    left_out: int = 0
