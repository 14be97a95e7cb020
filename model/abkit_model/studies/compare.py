"""Learnable queries beside plain heads: same encoder, same images, same folds, paired differences.

The protocol, written before the figures:

1. Folds are grouped by subject and dealt anew in each repeat. An image's figure comes from models that saw no image
   of its subject.
2. Every head sees the images as they are and mirrored while it is trained, the same tokens, the same embedding, and
   the same fixed number of passes.
3. Everything tuned is tuned inside the training folds, three settings per head: the penalty of the closed forms by an
   inner cross-validation grouped by subject, the learning rate of all others by SRCC on parts left out.
4. A single model of a kind is the first member of its ensemble. An ensemble has five members: of the trained heads from
   five random starts, each on the whole training fold; of the closed forms, which have no randomness, each without
   another fifth of the subjects.
5. Differences are of figures averaged over repeats. Their intervals resample whole subjects, paired over heads.
6. Comparisons of other images (`transfer`): every head is trained on all rated images and says which of two images
   is preferred. Intervals resample images; a pair counts as often as both of its images were drawn.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, fields, replace
from functools import partial
from multiprocessing import get_context

import numpy as np

from abkit_model.data.dataset import Comparisons, Examples, Progress
from abkit_model.data.tokens import Features
from abkit_model.evaluation.comparison_agreement import ComparisonFigures, against_comparisons
from abkit_model.evaluation.metrics import Estimate, Floats, Positions, clustered_bootstrap, figures_of, grouped_folds
from abkit_model.records import Record
from abkit_model.studies.heads import HEADS, QUERIES, Head, prepare_fold, refuse_few_subjects
from abkit_model.training.request import Recipe


@dataclass(frozen=True, kw_only=True)
class HeadFigures(Record):
    """How one head did, averaged over repeats; intervals by bootstrap of whole subjects.

    Attributes:
        name: Name of the head; ensembles end in `ensemble`.
        parameters: Trainable numbers.
        seconds: Mean processor seconds to train it on one fold.
        srcc: Rank correlation of predicted and observed mean.
        plcc: Correlation of the same.
        accuracy: Share on the right side of the median.
        emd: Mean earth mover's distance in rating steps.
        spread_srcc: Rank correlation of predicted and observed spread of opinions.
        spread_bias: Mean predicted minus mean observed spread, in rating steps; above 0 it expects too much dissent.
        srcc_difference: SRCC of the learnable queries' ensemble minus this one's.
        plcc_difference: PLCC likewise.
    """

    name: str
    parameters: int
    seconds: float
    srcc: Estimate
    plcc: Estimate
    accuracy: Estimate
    emd: Estimate
    spread_srcc: Estimate
    spread_bias: Estimate
    srcc_difference: Estimate
    plcc_difference: Estimate


#: What is estimated of each head, in the order in which `summarize` computes it.
FIGURES = tuple(field.name for field in fields(HeadFigures))[3:]


@dataclass(frozen=True)
class HeadComparison(Record):
    """All heads, best SRCC first.

    Attributes:
        heads: Figures of each head.
        n: Images.
        subjects: Groups among them.
        folds: Folds per repeat.
        repeats: Repeats.
    """

    heads: tuple[HeadFigures, ...]
    n: int
    subjects: int
    folds: int
    repeats: int


def compare_heads(
    examples: Examples,
    *,
    heads: Mapping[str, Head] | None = None,
    recipe: Recipe | None = None,
    folds: int = 5,
    repeats: int = 5,
    seed: int = 0,
    resamples: int = 1000,
    jobs: int = 1,
    progress: Progress | None = None,
) -> HeadComparison:
    """Train every head on every fold of every repeat and compare their predictions of images held out.

    With several jobs, repeats run side by side in processes of their own; the figures are the same.

    Raises:
        TrainingError: There are too few subjects, or they are too unequal.
    """
    heads = heads or HEADS
    refuse_few_subjects(examples.groups, folds=folds, seeds=range(seed, seed + repeats))
    recipes = [replace(recipe or Recipe(), seed=seed + repeat) for repeat in range(repeats)]
    if jobs == 1:
        done = [
            run_repeat(examples, heads, one, folds=folds, progress=progress and partial(_count, progress, i, repeats))
            for i, one in enumerate(recipes)
        ]
    else:
        done = []
        with ProcessPoolExecutor(jobs, mp_context=get_context("spawn")) as pool:
            for repeat in pool.map(partial(run_repeat, examples, heads, folds=folds), recipes):
                done.append(repeat)
                if progress:
                    progress("folds", len(done) * folds, repeats * folds)
    return summarize(done, examples, folds=folds, resamples=resamples)


@dataclass(frozen=True)
class Repeat:
    """Predictions and costs of one repeat.

    Attributes:
        predictions: Held-out distributions `(n, S)` by head, single models and ensembles.
        parameters: Trainable numbers of one member, by kind of head.
        seconds: Mean processor seconds to train a kind of head on one fold.
    """

    predictions: Mapping[str, Floats]
    parameters: Mapping[str, int]
    seconds: Mapping[str, float]


def run_repeat(
    examples: Examples, heads: Mapping[str, Head], recipe: Recipe, *, folds: int = 5, progress: Progress | None = None
) -> Repeat:
    """Deal the folds once and train every head on each."""
    fold_of = grouped_folds(examples.groups, folds=folds, seed=recipe.seed)
    predictions = {name: np.zeros_like(examples.targets) for kind in heads for name in (kind, f"{kind}, ensemble")}
    seconds = dict.fromkeys(heads, 0.0)
    sizes: dict[str, int] = {}
    for number in range(folds):
        fold = prepare_fold(examples, fold_of, number, recipe)
        for kind, head in heads.items():
            started = time.process_time()
            members, sizes[kind] = head(fold)
            seconds[kind] += (time.process_time() - started) / folds
            predictions[kind][fold.test] = members[0]
            predictions[f"{kind}, ensemble"][fold.test] = members.mean(axis=0)
        if progress:
            progress("folds", number + 1, folds)
    return Repeat(predictions, sizes, seconds)


def _count(progress: Progress, repeat: int, repeats: int, stage: str, done: int, total: int) -> None:
    progress(stage, repeat * total + done, repeats * total)


def summarize(done: Sequence[Repeat], examples: Examples, *, folds: int, resamples: int = 1000) -> HeadComparison:
    """Compute figures and paired differences from the repeats."""
    names = list(done[0].predictions)
    predicted = np.array([[one.predictions[name] for one in done] for name in names])  # (heads, repeats, n, S)
    of_images = figures_of(predicted, examples.targets, examples.values)
    base = names.index(f"{QUERIES}, ensemble") if f"{QUERIES}, ensemble" in names else 0

    def figures(i: Positions) -> Floats:
        rows = of_images(i).mean(axis=-1)  # (6, heads)
        return np.concatenate([rows, rows[:2, [base]] - rows[:2]]).T.ravel()

    estimates = clustered_bootstrap(figures, examples.groups, resamples=resamples)
    heads = []
    for number, name in enumerate(names):
        kind = name.removesuffix(", ensemble")
        seconds = float(np.mean([one.seconds[kind] for one in done]))
        figures_of_head = dict(zip(FIGURES, estimates[8 * number : 8 * number + 8], strict=True))
        heads.append(HeadFigures(name=name, parameters=done[0].parameters[kind], seconds=seconds, **figures_of_head))
    return HeadComparison(
        heads=tuple(sorted(heads, key=lambda head: -head.srcc.value)),
        n=len(examples.targets),
        subjects=len(set(examples.groups)),
        folds=folds,
        repeats=len(done),
    )


def transfer(
    examples: Examples,
    comparisons: Comparisons,
    *,
    heads: Mapping[str, Head] | None = None,
    recipe: Recipe | None = None,
    repeats: int = 1,
    seed: int = 0,
    resamples: int = 1000,
    progress: Progress | None = None,
) -> list[ComparisonFigures]:
    """Train every head on all rated images and hold its scores of other images against comparisons.

    Raises:
        TrainingError: There are too few subjects among the rated images.
    """
    heads = heads or HEADS
    recipe = recipe or Recipe()
    refuse_few_subjects(examples.groups, folds=1, seeds=())
    rated, other = len(examples.targets), len(comparisons.views[0].rows)
    both = _joined(examples, comparisons)
    fold_of = np.repeat([1, 0], [rated, other]).astype(np.intp)  # the other images are the part held out
    scores: dict[str, list[Floats]] = {}
    for repeat in range(repeats):
        fold = prepare_fold(both, fold_of, 0, replace(recipe, seed=seed + repeat))
        for number, (kind, head) in enumerate(heads.items()):
            means = head(fold)[0] @ examples.values  # (M, other)
            scores.setdefault(kind, []).append(means[0])
            scores.setdefault(f"{kind}, ensemble", []).append(means.mean(axis=0))
            if progress:
                progress("comparisons", repeat * len(heads) + number + 1, repeats * len(heads))
    baseline = f"{QUERIES}, ensemble" if QUERIES in heads else None
    return against_comparisons(scores, comparisons, baseline=baseline, resamples=resamples)


def _joined(examples: Examples, comparisons: Comparisons) -> Examples:
    """Return the rated images, then the compared ones, whose targets nobody looks at."""
    views = [
        Features([*view.rows, *other.rows], [*view.sha256, *other.sha256])
        for view, other in zip(examples.views, comparisons.views, strict=True)
    ]
    count = len(comparisons.views[0].rows)
    nothing = np.tile(examples.targets.mean(axis=0), (count, 1))
    groups = [*examples.groups, *(f"compared/{i}" for i in range(count))]
    return Examples(views, np.concatenate([examples.targets, nothing]), examples.values, groups)
