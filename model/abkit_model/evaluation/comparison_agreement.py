"""Do scores agree with choices between pictures: of heads that were trained on ratings, and of a trained scorer."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from abkit_model.data.comparisons import ChoiceTable
from abkit_model.data.dataset import Examples, Preferences, Progress
from abkit_model.data.preferences import load_preferences
from abkit_model.data.tokens import Features, TokenCache
from abkit_model.evaluation.metrics import Estimate, clustered_bootstrap_of
from abkit_model.scorer import Scorer
from abkit_model.studies.contenders import HEADS, QUERIES, Head, prepare_fold, refuse_few_subjects
from abkit_model.training.loop import Recipe, predict

Floats = NDArray[np.float64]
Indices = NDArray[np.intp]


@dataclass(frozen=True)
class ChoiceFigures:
    """How one head, trained on ratings of other pictures, agrees with choices; averaged over repeats.

    Attributes:
        name: Of the head.
        picks_winner: Share of decided pairs of which it gives the preferred picture the higher score.
        correlation: Of score difference and share of choices minus one half, through the origin.
        picks_difference: `picks_winner` of the learnable queries' ensemble minus this one's.
        n: Pairs.
    """

    name: str
    picks_winner: Estimate
    correlation: Estimate
    picks_difference: Estimate
    n: int


def transfer(
    examples: Examples,
    preferences: Preferences,
    *,
    heads: Mapping[str, Head] | None = None,
    recipe: Recipe | None = None,
    repeats: int = 1,
    seed: int = 0,
    resamples: int = 1000,
    progress: Progress | None = None,
) -> list[ChoiceFigures]:
    """Train every head on all rated pictures and hold what it says about other pictures against choices.

    Raises:
        TrainingError: too few subjects among the rated pictures.
    """
    heads = heads or HEADS
    recipe = recipe or Recipe()
    refuse_few_subjects(examples.groups, folds=1, seeds=())
    rated, other = len(examples.targets), len(preferences.views[0].rows)
    both = _joined(examples, preferences)
    fold_of = np.repeat([1, 0], [rated, other]).astype(np.intp)  # the other pictures are the part held out
    scores: dict[str, list[Floats]] = {}
    for repeat in range(repeats):
        fold = prepare_fold(both, fold_of, 0, replace(recipe, seed=seed + repeat))
        for number, (kind, head) in enumerate(heads.items()):
            means = head(fold)[0] @ examples.values  # (M, other)
            scores.setdefault(kind, []).append(means[0])
            scores.setdefault(f"{kind}, ensemble", []).append(means.mean(axis=0))
            if progress:
                progress("choices", repeat * len(heads) + number + 1, repeats * len(heads))
    return against_choices(scores, preferences, resamples)


def evaluate_on_choices(
    scorer: Scorer,
    table: Path,
    images: Path,
    *,
    resamples: int = 1000,
    cache: TokenCache | None = None,
    progress: Progress | None = None,
) -> tuple[ChoiceFigures, int, ChoiceTable, tuple[tuple[str, str], ...]]:
    """How often a trained scorer gives the preferred picture the higher score.

    Returns:
        The figures, how many of the pictures it was trained on, the table, and image and reason of each missing one.

    Raises:
        LabelError: a table of choices that cannot be used.
    """
    preferences, choices, missing = load_preferences(
        table, images, scorer.encoder, mirrored=False, cache=cache, progress=progress
    )
    view = preferences.views[0]
    means = predict(scorer.network, view)[0] @ scorer.card.scale.values
    (figures,) = against_choices({scorer.card.name: [means]}, preferences, resamples)
    return figures, int(scorer.trained_on(view.sha256, choices.sha256).sum()), choices, missing


def _joined(examples: Examples, preferences: Preferences) -> Examples:
    """Rated pictures, then those chosen from; nobody looks at the targets of the latter."""
    views = [
        Features([*view.rows, *other.rows], [*view.sha256, *other.sha256])
        for view, other in zip(examples.views, preferences.views, strict=True)
    ]
    count = len(preferences.views[0].rows)
    nothing = np.tile(examples.targets.mean(axis=0), (count, 1))
    groups = [*examples.groups, *(f"chosen from/{i}" for i in range(count))]
    return Examples(views, np.concatenate([examples.targets, nothing]), examples.values, groups)


def against_choices(
    scores: Mapping[str, Sequence[Floats]], preferences: Preferences, resamples: int = 1000
) -> list[ChoiceFigures]:
    """How each set of scores agrees with choices; the best comes first.

    Args:
        scores: `(n,)` of all pictures, one a repeat, by the name of who says them. Differences are from the ensemble
            of learnable queries where it is among them, else from the first.
        preferences: The pairs.
        resamples: Of the bootstrap: 95 % intervals, pictures are resampled, and a pair counts as often as both of its
            pictures were drawn.
    """
    names = list(scores)
    first, second, share = preferences.first, preferences.second, preferences.share
    gaps = np.array([[one[first] - one[second] for one in scores[name]] for name in names])  # (heads, repeats, pairs)
    decided = share != 0.5
    right = (1 + np.sign(gaps) * np.sign(share - 0.5)) / 2 * decided  # equal scores are half right, as a coin is
    champion = names.index(f"{QUERIES}, ensemble") if f"{QUERIES}, ensemble" in names else 0

    def figures(pictures: Indices) -> Floats:
        drawn = np.bincount(pictures, minlength=len(preferences.views[0].rows)).astype(np.float64)
        weight = drawn[first] * drawn[second]
        picks = (right * weight).sum(axis=-1) / (decided * weight).sum()
        means = np.array([picks.mean(axis=-1), _correlation(gaps, share - 0.5, weight).mean(axis=-1)])
        return np.concatenate([means, means[:1, champion : champion + 1] - means[:1]]).T.ravel()

    everyone = [str(i) for i in range(len(preferences.views[0].rows))]
    # clusters come back in the order of their sorted names, which does not matter to counts
    estimates = clustered_bootstrap_of(figures, everyone, resamples=resamples)
    found = []
    for k, name in enumerate(names):
        picks, correlation, gap = estimates[3 * k : 3 * k + 3]
        found.append(ChoiceFigures(name, picks, correlation, gap, len(share)))
    return sorted(found, key=lambda one: -one.picks_winner.value)


def _correlation(x: Floats, y: Floats, weight: Floats) -> Floats:
    """Of each row of `(…, n)` with `(n,)` through the origin, pairs weighted; NaN where either is 0 everywhere.

    Which picture of a pair comes first is an accident. Turning a pair round changes the sign of both differences, and
    must not change the figure, as it would change Pearson's, which takes means away.
    """
    scale = np.sqrt((x**2 @ weight) * (y**2 @ weight))
    return np.asarray(np.divide((x * y) @ weight, scale, out=np.full(scale.shape, np.nan), where=scale > 0))
