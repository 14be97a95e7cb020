"""Images and scores of both windows: one creative of each idea, finite numbers only, and why there are none."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace

import numpy as np
from sqlalchemy.orm import Session

from abkit.config import DriftSettings
from abkit.store import models, scores
from abkit.store.models import ReferenceSample
from abkit.store.scores import CreativeSample
from abkit.vocabulary import Layer
from abkit.workflows.creatives.unseen_scores import LEARNED_FROM, UnseenScores
from abkit.workflows.drift.layers.feeds import judge_share
from abkit.workflows.drift.results import LayerResult
from abkit.workflows.drift.windows.windows import DriftWindows

NOTHING = CreativeSample(ids=(), scores=np.zeros(0), embeddings=np.zeros((0, 1), np.float32))


@dataclass(frozen=True, kw_only=True)
class Samples:
    """What the layers input and score compare.

    Attributes:
        reference, current: Finite scores and embeddings of both windows.
        missing: Why a layer has nothing to compare; no entry where it has.
        faults: Scores or embeddings that are no numbers, as tests of the data.
        notes: What was left out, and why.
    """

    reference: CreativeSample = NOTHING
    current: CreativeSample = NOTHING
    missing: dict[Layer, str] = field(default_factory=dict)
    faults: tuple[LayerResult, ...] = ()
    notes: tuple[str, ...] = ()


def read_samples(
    session: Session,
    windows: DriftWindows,
    labels: Mapping[int, int],
    known: UnseenScores,
    settings: DriftSettings,
) -> Samples:
    """Return scores and embeddings of reference and current window.

    Creatives whose delivery the version learned from are in neither: it knows them too well. Nor does the model's own
    sample hold an image of the window.
    """
    version = windows.version
    if version is None:
        why = "nothing has been scored yet: abkit score IMAGES --campaign KEY"
        return Samples(missing={Layer.INPUT: f"Input: {why}.", Layer.SCORE: f"Scores: {why}."})

    def sample(creatives: Iterable[int]) -> CreativeSample:
        unseen = [one for one in creatives if one not in known.seen]
        return scores.creative_sample(session, version, one_of_each_idea(unseen, labels))

    current = sample(windows.current_creatives)
    seen = len(known.seen.intersection(windows.current_creatives))
    alone = False
    notes = (f"left out of the images of the window: {seen:,} {LEARNED_FROM}",) if seen else ()
    if not windows.model_sample:
        reference = sample(windows.reference_creatives)
    elif own := models.reference_of(session, version.id):
        reference = _without(ReferenceSample.from_bytes(own), current)
    else:
        reference, alone = NOTHING, True
    elsewhere = scores.scored_by_others(session, version, windows.reference_creatives)
    (current, faults), (reference, _) = _finite(current, settings), _finite(reference, settings)
    return Samples(
        reference=reference,
        current=current,
        missing=_missing(windows, reference, current, elsewhere, alone=alone),
        faults=faults,
        notes=notes,
    )


def one_of_each_idea(creatives: Iterable[int], labels: Mapping[int, int]) -> list[int]:
    """Return the first creative of each idea: several sizes of one are no independent observations."""
    first: dict[int, int] = {}
    for creative in creatives:
        first.setdefault(labels.get(creative, -creative), creative)
    return list(first.values())


def _without(sample: ReferenceSample, current: CreativeSample) -> CreativeSample:
    """Return the model's own sample without the images that are in the window."""
    held = {row.tobytes() for row in current.embeddings.astype("<f2")}
    vectors = np.asarray(sample.embeddings, "<f2")
    keep = np.array([row.tobytes() not in held for row in vectors], bool)
    return CreativeSample(
        ids=(), scores=np.asarray(sample.scores, np.float64)[keep], embeddings=vectors[keep].astype(np.float32)
    )


def _finite(sample: CreativeSample, settings: DriftSettings) -> tuple[CreativeSample, tuple[LayerResult, ...]]:
    """Return a sample without what is no number, and a test of how much of it that is where there is any."""
    numbers = np.atleast_1d(np.isfinite(sample.scores))
    whole = np.atleast_1d(np.isfinite(sample.embeddings).all(axis=1))
    lost = {
        "scores": (int((~numbers).sum()), "scores (those that are no finite number)", len(numbers)),
        "embeddings": (
            int((~whole).sum()) + sample.odd,
            "embeddings (those of another length, or with no finite number)",
            len(whole) + sample.odd,
        ),
    }
    faults = tuple(judge_share(test, what, bad, n, settings) for test, (bad, what, n) in lost.items() if bad)
    if sample.odd_sizes:
        sizes = ", ".join(f"{size:g}" for size in sample.odd_sizes[:5])
        usual = f", and the others {sample.embeddings.shape[1]:,}" if len(sample.embeddings) else ""
        said = f" Some have {sizes} numbers{usual}."
        faults = tuple(
            replace(one, sentence=one.sentence + said) if one.test == "embeddings" else one for one in faults
        )
    kept = replace(
        sample,
        scores=sample.scores[numbers],
        embeddings=sample.embeddings[whole],
        embedded=tuple(one for one, finite in zip(sample.embedded, whole.tolist(), strict=False) if finite),
    )
    return kept, faults


def _missing(
    windows: DriftWindows, reference: CreativeSample, current: CreativeSample, elsewhere: int, *, alone: bool
) -> dict[Layer, str]:
    """Return why the layers of images have nothing to compare, beyond that there are too few."""
    why = ""
    version = windows.version
    if not windows.current_creatives:
        why = f"the current window, up to {windows.as_of}, has no creative yet"
    elif alone and version is not None:
        why = (
            f"the model {version.name} came without a sample of its own, and there are too few earlier creatives to "
            "compare with"
        )
    elif elsewhere and not len(reference.scores):
        why = (
            f"{elsewhere:,} creatives of the reference have scores by other versions of the model only: score them "
            "again with this one"
        )
    if why:
        return {Layer.INPUT: f"Input: {why}.", Layer.SCORE: f"Scores: {why}."}
    missing = {}
    if len(reference.scores) > 1 and np.ptp(reference.scores) == 0:
        missing[Layer.SCORE] = f"Scores: all of the reference are {reference.scores[0]:g}: nothing can be compared."
    together = [sample.embeddings for sample in (reference, current) if len(sample.embeddings)]
    if together and all((rows == together[0][0]).all() for rows in together if rows.shape[1] == together[0].shape[1]):
        missing[Layer.INPUT] = "Input: all embeddings are the same: nothing can be compared."
    return missing
