"""One worker of a cluster: fetch a few images, decode them, and score them with a scorer of its own.

Nothing is written here. Whatever happens to one image, the others go on; a worker that dies costs its batch only,
which another worker takes over.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from abkit.config import ScoringSettings
from abkit.intake.remote.address import Address, parse_address
from abkit.intake.remote.fetch import Limits, fetched
from abkit.vocabulary import FileState
from abkit.workflows.scoring.image_files import (
    ImageFile,
    all_frames,
    decode_batches,
    decoders,
    hash_files,
    max_bytes,
    one_of_each,
)

if TYPE_CHECKING:
    from abkit_model.checkpoint import Checkpoint

#: Digests as the workers get them: 32 bytes each, sorted.
Digests = NDArray[np.bytes_]


@dataclass(frozen=True, kw_only=True)
class Job:
    """What all workers of one scoring share.

    Attributes:
        settings: Limits on files.
        checkpoint: The scorer's; its encoder has to be on every machine.
        known: `(n,)` of `S32`, sorted: contents that this version has scored, which are not decoded.
        threads: Of arithmetic, in each worker.
    """

    settings: ScoringSettings
    checkpoint: Checkpoint
    known: Digests
    threads: int


def digests(sha256s: Sequence[str]) -> Digests:
    """Return digests of 64 hex digits as sorted bytes.

    >>> digests(["ff" * 32, "0a" * 32]).shape
    (2,)
    """
    return np.sort(np.frombuffer(b"".join(map(bytes.fromhex, sha256s)), dtype="V32").view("S32"))


def is_among(known: Digests, sha256: str) -> bool:
    """Return whether a digest is among sorted ones.

    >>> is_among(digests(["ff" * 32, "0a" * 32]), "0a" * 32), is_among(digests([]), "0a" * 32)
    (True, False)
    """
    wanted = np.frombuffer(bytes.fromhex(sha256), dtype="V32").view("S32")
    at = int(np.searchsorted(known, wanted[0]))
    return at < len(known) and bool(known[at] == wanted[0])


class Worker:
    """Scores batches of places; made once in each process of the cluster."""

    def __init__(self, job: Job) -> None:
        import torch

        from abkit_model.encoders.load import load_encoder
        from abkit_model.scorer import Scorer

        torch.set_num_threads(job.threads)
        self.job = job
        self.scorer = Scorer(job.checkpoint, load_encoder(job.checkpoint.card.encoder, device=job.settings.device))

    def __call__(self, batch: Mapping[str, NDArray[Any]]) -> dict[str, Any]:
        """Return what became of each place of a batch, in their order: columns of `number`, `state`, `reason`, …"""
        with _files(batch["place"].tolist(), batch["elsewhere"].tolist(), self.job.settings) as files:
            answers = self._score(files)
        return {
            "number": batch["number"],
            "state": [file.state.value for file in files],
            "reason": [file.reason for file in files],
            "sha256": [file.sha256 for file in files],
            **{name: [answers.get(file.sha256, _NOTHING)[name] for file in files] for name in _NOTHING},
        }

    def _score(self, files: Sequence[ImageFile]) -> dict[str, dict[str, Any]]:
        """Settle every file; return what is to be written about each content that is new, by digest."""
        from abkit_model.scorer import mean_of_frames

        made: dict[str, dict[str, Any]] = {}
        with decoders() as pool:
            hash_files(pool, files, self.job.settings)
            for file in files:
                if file.state is FileState.HASHED and is_among(self.job.known, file.sha256):
                    file.state = FileState.KNOWN
            originals = one_of_each(files)
            for batch in decode_batches(pool, list(originals.values()), self.scorer.prepare, self.job.settings):
                frames, parts = all_frames(batch)
                scores = self.scorer.score_prepared(frames)
                for decoded, part in zip(batch, parts, strict=True):
                    score = mean_of_frames(scores[part])
                    decoded.file.state = FileState.SCORED
                    reading = decoded.content.decoded.reading
                    made[decoded.file.sha256] = {
                        "creative": json.dumps(decoded.content.columns()),
                        "score": json.dumps(score.to_dict()),
                        "embedding": score.embedding.astype("<f2").tobytes(),
                        "changed": bool(reading.changed),
                    }
        for file in files:
            if file.state is FileState.HASHED:
                file.share_fate(originals[file.sha256])
        return made


_NOTHING: dict[str, Any] = {"creative": "", "score": "", "embedding": b"", "changed": False}


@contextmanager
def _files(places: Sequence[bytes], elsewhere: Sequence[bool], settings: ScoringSettings) -> Iterator[list[ImageFile]]:
    """Yield a file for every place, rejected where it cannot be fetched; what was fetched is gone afterwards."""
    addresses = [parse_address(place.decode()) for place, away in zip(places, elsewhere, strict=True) if away]
    limits = Limits(file_bytes=max_bytes(settings), size_hint="raise max_file_mb under [scoring] in abkit.toml")
    with fetched([one.full for one in addresses], wanted=lambda _: True, deep=False, limits=limits) as found:
        came = {address.full: path for path, address in found.origins.items()}
        refused = {one.address: f"{one.reason} ({one.hint})" if one.hint else one.reason for one in found.refused}
        remaining = iter(addresses)
        yield [
            _fetched(next(remaining), came, refused) if away else ImageFile(path=Path(os.fsdecode(place)))
            for place, away in zip(places, elsewhere, strict=True)
        ]


def _fetched(address: Address, came: Mapping[str, Path], refused: Mapping[str, str]) -> ImageFile:
    if address.full in came:
        return ImageFile(path=came[address.full], origin=address)
    reason = refused.get(address.shown, "it could not be fetched")
    return ImageFile(path=Path(address.name), state=FileState.REJECTED, reason=reason, origin=address)
