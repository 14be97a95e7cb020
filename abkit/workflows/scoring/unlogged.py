"""Score images for somebody who wants the figures only: nothing is logged, and what is known is not scored again."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from sqlalchemy import select

from abkit.config import Settings
from abkit.errors import AbkitError
from abkit.intake.remote.fetch import Fetched
from abkit.records import RecordList
from abkit.store.database.engine import Store
from abkit.store.schema import Creative, ModelVersion
from abkit.store.schema import Score as StoredScore
from abkit.vocabulary import FileState
from abkit.workflows.active_model import SHIPPED, ActiveModel, active_or_shipped, entry_of, find_model
from abkit.workflows.scoring.image_files import (
    ImageFile,
    all_frames,
    decode_batches,
    decoders,
    find_files,
    hash_files,
    one_of_each,
)
from abkit.workflows.scoring.results import UNLIKE, ScoredFile, is_far, known_interval

if TYPE_CHECKING:
    from abkit_model.scorer import Scorer

Result = TypeVar("Result")

_FIGURES = ("mean", "std", "epistemic_std", "ci_level", "novelty")
#: Niceness of the thread that scores: who looks at pages comes first.
_NICE = 10


@dataclass(frozen=True, kw_only=True)
class UnloggedScores(RecordList):
    """Scores of images that nobody logged.

    Attributes:
        files: Each image with its score, or why it has none, in the order of the request.
        model_version, model_name: The version that scored.
        demonstration: Whether its scores are for trying things out.
        notice: What everybody who sees them has to be told.
    """

    files: tuple[ScoredFile, ...]
    model_version: str
    model_name: str
    demonstration: bool
    notice: str

    def rows(self) -> list[dict[str, Any]]:
        """Return one row per image."""
        return [file.to_dict() for file in self.files]

    def without_folders(self) -> UnloggedScores:
        """Return them with the names of the files only: where they were looked at is nobody's business."""
        return replace(self, files=tuple(replace(file, path=file.name) for file in self.files))


class ScorerAtHand:
    """A scorer that stays loaded, for one request after the other; it scores in one thread of low priority.

    Args:
        settings: Limits of images, and their number per batch.
        most_waiting: How many requests may wait for it.
    """

    def __init__(self, settings: Settings, *, most_waiting: int = 8) -> None:
        self.settings = settings
        self._loaded: tuple[str, Scorer] | None = None
        self._free = threading.BoundedSemaphore(most_waiting)
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="score", initializer=_step_back)

    def score(self, store: Store, found: Sequence[Path] | Fetched, *, model: str | None = None) -> UnloggedScores:
        """Score images, and wait for it.

        Args:
            store: Where the active model, and scores that are known, are.
            found: Image files, fetched or not.
            model: Name or digest of a version; the active model by default.

        Raises:
            UsageError: There is no such version.
            AbkitError: Too many requests wait already, or the scorer cannot be used.
        """
        return self._alone(lambda: self._score(store, found, model))

    def use(self, store: Store, work: Callable[[Scorer], Result]) -> Result:
        """Do something else with the scorer of the active model, in its turn.

        Raises:
            AbkitError: Too many requests wait already, or the scorer cannot be used.
        """
        return self._alone(lambda: work(self._scorer(_version(store, None))))

    def _alone(self, work: Callable[[], Result]) -> Result:
        if not self._free.acquire(blocking=False):
            raise AbkitError("too many images wait to be scored", hint="try again in some seconds")
        try:
            return self._thread.submit(work).result()
        finally:
            self._free.release()

    def _scorer(self, active: ActiveModel) -> Scorer:
        if self._loaded is None or self._loaded[0] != active.version.digest:
            self._loaded = (active.version.digest, active.scorer)
        return self._loaded[1]

    def close(self) -> None:
        """End its thread."""
        self._thread.shutdown(wait=False, cancel_futures=True)

    def _score(self, store: Store, found: Sequence[Path] | Fetched, model: str | None) -> UnloggedScores:
        active = _version(store, model)
        version = active.version
        if isinstance(found, Fetched):
            files, _ = find_files(found)
        else:
            files = [ImageFile(path=path) for path in found]
        with decoders() as pool:
            hash_files(pool, files, self.settings.scoring)
            figures = _known(store, version, {file.sha256 for file in files if file.state is FileState.HASHED})
            missing = [file for sha256, file in one_of_each(files).items() if sha256 not in figures]
            if missing:
                figures |= self._new(pool, missing, active)
        scored = tuple(_scored(file, figures.get(file.sha256), version) for file in files)
        return UnloggedScores(
            files=scored,
            model_version=version.digest,
            model_name=version.name,
            demonstration=version.demonstration,
            notice=active.notice,
        )

    def _new(
        self, pool: ThreadPoolExecutor, files: Sequence[ImageFile], active: ActiveModel
    ) -> dict[str, dict[str, Any]]:
        from abkit_model.scorer import mean_of_frames

        scorer = self._scorer(active)
        figures: dict[str, dict[str, Any]] = {}
        settings = self.settings.scoring.for_batches_of(scorer.encoder.together)
        for batch in decode_batches(pool, files, scorer.prepare, settings):
            frames, parts = all_frames(batch)
            made = scorer.score_tokens(scorer.encode(frames))
            for decoded, part in zip(batch, parts, strict=True):
                score = mean_of_frames(made[part])
                plain = score.to_dict()  # what is not finite is None
                figures[decoded.file.sha256] = _figures(plain, tuple(score.distribution))
        return figures


def _version(store: Store, wanted: str | None) -> ActiveModel:
    """Return the version that is wanted, or the active one; nothing is registered for somebody who only asks."""
    if wanted is not None:
        return find_model(store, wanted)
    found = active_or_shipped(store)
    if isinstance(found, ActiveModel):
        return found
    entry = entry_of(found, SHIPPED)
    return ActiveModel(
        ModelVersion(
            **{
                name: getattr(entry, name)
                for name in ("digest", "name", "location", "scale_low", "scale_high", "demonstration", "card")
            }
        )
    )


def _known(store: Store, version: ModelVersion, digests: set[str]) -> dict[str, dict[str, Any]]:
    """Return the figures of contents that a version has scored, by digest."""
    query = select(Creative.sha256, StoredScore).join(StoredScore, StoredScore.creative_id == Creative.id)
    query = query.join(ModelVersion, ModelVersion.id == StoredScore.model_version_id)
    with store.read() as session:
        rows = session.execute(query.where(Creative.sha256.in_(digests), ModelVersion.digest == version.digest))
        return {
            row.sha256: _figures({name: getattr(row.Score, name) for name in (*_FIGURES, "ci_low", "ci_high")},
                                 tuple(row.Score.distribution)) | {"status": FileState.KNOWN}
            for row in rows
        }  # fmt: skip


def _figures(plain: dict[str, Any], distribution: tuple[float, ...]) -> dict[str, Any]:
    figures = {name: plain[name] for name in _FIGURES} | {"distribution": distribution, "status": FileState.SCORED}
    figures |= known_interval(plain["ci_low"], plain["ci_high"], plain["novelty"])
    return figures | {"no_interval": UNLIKE if is_far(plain["novelty"]) else ""}


def _scored(file: ImageFile, figures: dict[str, Any] | None, version: ModelVersion) -> ScoredFile:
    if figures is None:
        return ScoredFile(path=file.shown, status=file.state, reason=file.reason)
    more: dict[str, Any] = {}
    if reading := file.reading:
        more = {"notes": reading.notes, "frame": reading.frame, "frames": reading.frames, "seconds": reading.seconds}
    return ScoredFile(
        path=file.shown,
        sha256=file.sha256,
        scale=(version.scale_low, version.scale_high),
        model_version=version.digest,
        **figures,
        **more,
    )


def _step_back() -> None:
    """Let this thread compute alone, and after everybody else."""
    with suppress(ImportError):
        import torch

        torch.set_num_threads(1)
    with suppress(OSError, AttributeError):  # only Linux knows the priority of a thread
        os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), _NICE)
