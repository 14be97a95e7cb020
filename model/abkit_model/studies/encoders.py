"""Whether another encoder pays on labels of one's own: the same recipe, images and folds on each, and what each costs.

The protocol, written before any figures:

1. Every encoder sees the same images, as they are and mirrored. The recommended recipe (`training.loop.fit`) learns
   from its tokens, on the same folds, grouped by subject and dealt anew in each repeat. An image's figure comes from
   queries that saw no image of its subject.
2. The figure is SRCC of predicted and observed mean opinion, averaged over repeats. Differences to the first encoder
   are paired: their intervals resample whole subjects, the same ones for all encoders. With several candidates the
   level is 1 − 0.05 / candidates, because the best of several is more easily ahead by chance.
3. Cost is processor time of this machine for decoding and encoding some of the same images, as scoring does it; the
   queries cost little beside that, on any encoder. Nothing is taken from the token cache.
4. An encoder that costs more pays where the whole interval of its gain lies above the least gain that is worth its
   cost, and does not where the whole interval lies below. One that costs less may lose that much. Otherwise these
   labels cannot tell. Intervals are of the luck of which images were judged, not of which labels were learned from.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from abkit_model.data.dataset import Examples, Progress
from abkit_model.encoders.frozen import FrozenEncoder
from abkit_model.errors import ImageRejected, TrainingError
from abkit_model.evaluation.metrics import LEVEL, Estimate, Floats, Positions, clustered_bootstrap, rank_correlation
from abkit_model.images import open_image
from abkit_model.records import Record
from abkit_model.training.holdout import FOLDS, cross_validate
from abkit_model.training.ratings import RatingLabels
from abkit_model.training.request import Recipe

#: Costs this close to each other are the same.
SAME_COST = 0.1
#: Images whose cost is measured, so many at once, after one batch that is not counted.
MEASURED, BATCH = 48, 8
PAYS, PAYS_NOT, UNKNOWN = "pays", "does not pay", "these labels cannot tell"


@dataclass(frozen=True, kw_only=True)
class EncoderFigures(Record):
    """How the recipe did on the tokens of one encoder.

    Attributes:
        name: The encoder.
        srcc: Rank correlation of predicted and observed mean, averaged over repeats.
        gain: Its SRCC minus that of the first encoder, on the same folds; None for the first one itself.
        seconds: Processor seconds per 1,000 images on this machine.
        verdict: "pays", "does not pay" or "these labels cannot tell"; "" for the first encoder.
    """

    name: str
    srcc: Estimate
    gain: Estimate | None
    seconds: float
    verdict: str


@dataclass(frozen=True, kw_only=True)
class EncoderComparison(Record):
    """Encoders on the same labels, in the order in which they were named.

    Attributes:
        encoders: Figures of each.
        n: Images.
        subjects: Groups among them.
        folds: Folds per repeat.
        repeats: Repeats.
        least_gain: The gain in SRCC that is worth the cost of a dearer encoder, and that a cheaper one may lose.
        level: Level of the intervals of gains.
    """

    encoders: tuple[EncoderFigures, ...]
    n: int
    subjects: int
    folds: int
    repeats: int
    least_gain: float
    level: float


def held_out_means(
    examples: Examples,
    *,
    recipe: Recipe | None = None,
    repeats: int = 5,
    seed: int = 0,
    progress: Progress | None = None,
) -> Floats:
    """Return the means `(repeats, n)` that the recipe predicts of images whose subject it did not see.

    Raises:
        TrainingError: There are fewer subjects than folds.
    """
    labels, made = RatingLabels(examples), []
    for repeat in range(repeats):

        def report(stage: str, done: int, total: int, before: int = repeat) -> None:
            if progress:
                progress(stage, before * total + done, repeats * total)

        answers = cross_validate(labels, replace(recipe or Recipe(), seed=seed + repeat), progress=report)
        made.append(answers.distributions @ examples.values)
    return np.array(made)


def processor_seconds(encoder: FrozenEncoder, paths: Sequence[Path]) -> float:
    """Return the processor seconds that decoding and encoding 1,000 images like these take on this machine.

    Raises:
        TrainingError: None of them can be read.
    """
    chosen = [paths[i] for i in np.linspace(0, len(paths) - 1, min(MEASURED, len(paths))).astype(int)]
    _encode(encoder, chosen[:BATCH])  # the first run compiles and allocates
    started, seen = time.process_time(), 0
    for start in range(0, len(chosen), BATCH):
        seen += _encode(encoder, chosen[start : start + BATCH])
    if not seen:
        raise TrainingError("no image can be read to measure what encoding costs", "check the folder of images")
    return (time.process_time() - started) / seen * 1000


def _encode(encoder: FrozenEncoder, paths: Sequence[Path]) -> int:
    prepared = []
    for path in paths:
        try:
            prepared.append(encoder.prepare(open_image(path).image))
        except ImageRejected:
            continue
    if prepared:
        encoder.encode(prepared)
    return len(prepared)


def compare_encoders(
    means: Mapping[str, Floats],
    seconds: Mapping[str, float],
    examples: Examples,
    *,
    least_gain: float,
    resamples: int = 2000,
) -> EncoderComparison:
    """Compute figures, paired gains and verdicts.

    Args:
        means: What the recipe predicts on the tokens of each encoder, `(repeats, n)`; the first one is the reference.
        seconds: Processor seconds per 1,000 images.
        examples: The images with their ratings.
        least_gain: The gain in SRCC that is worth the cost of a dearer encoder.
        resamples: Resamples of the bootstrap.
    """
    names = list(means)
    predicted = np.array([means[name] for name in names])  # (encoders, repeats, n)
    observed = examples.targets @ examples.values

    def srcc(i: Positions) -> Floats:
        return np.asarray(rank_correlation(predicted[..., i], observed[i]).mean(axis=-1))

    def gain(i: Positions) -> Floats:
        figures = srcc(i)
        return np.asarray(figures[1:] - figures[0])

    level = 1 - (1 - LEVEL) / max(len(names) - 1, 1)
    alone = clustered_bootstrap(srcc, examples.groups, resamples=resamples)
    gains = clustered_bootstrap(gain, examples.groups, resamples=resamples, level=level)
    reference = seconds[names[0]]
    return EncoderComparison(
        encoders=tuple(
            EncoderFigures(
                name=name,
                srcc=own,
                gain=more,
                seconds=seconds[name],
                verdict=verdict_of(more, seconds[name] / reference, least_gain) if more else "",
            )
            for name, own, more in zip(names, alone, [None, *gains], strict=True)
        ),
        n=len(observed),
        subjects=len(set(examples.groups)),
        folds=FOLDS,
        repeats=predicted.shape[1],
        least_gain=least_gain,
        level=level,
    )


def verdict_of(gain: Estimate, ratio: float, least_gain: float) -> str:
    """Return whether an encoder pays.

    Args:
        gain: Its SRCC minus the reference's.
        ratio: Its cost over the reference's.
        least_gain: The gain that is worth the cost.

    >>> verdict_of(Estimate(0.05, 0.03, 0.07), 8.0, 0.02), verdict_of(Estimate(0.0, -0.01, 0.01), 8.0, 0.02)
    ('pays', 'does not pay')
    >>> verdict_of(Estimate(0.0, -0.01, 0.01), 0.5, 0.02), verdict_of(Estimate(0.03, 0.01, 0.05), 8.0, 0.02)
    ('pays', 'these labels cannot tell')
    """
    bar = least_gain if ratio > 1 + SAME_COST else -least_gain if ratio < 1 / (1 + SAME_COST) else 0.0
    return PAYS if gain.low > bar else PAYS_NOT if gain.high < bar else UNKNOWN
