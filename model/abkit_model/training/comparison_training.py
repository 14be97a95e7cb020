"""Learning from choices alone: queries that say how likely a picture is preferred over an average one.

Choices say which of two pictures is liked more, and never how much a picture is liked. So what is learned from nothing
but choices has a scale of its own: the chance, from 0 to 1, that somebody prefers the picture over the average one of
those that were chosen between. Queries that are tuned from a parent stay on the parent's scale.
"""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import replace
from typing import cast

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components, reverse_cuthill_mckee
from torch import Tensor, nn

from abkit_model.checkpoint import Scale
from abkit_model.data.comparisons import MIN_PAIRS
from abkit_model.data.dataset import Preferences, Progress
from abkit_model.errors import TrainingError
from abkit_model.evaluation.metrics import grouped_folds
from abkit_model.evaluation.trained_scorer import predict
from abkit_model.query_transformer import QuerySet, QueryTransformer
from abkit_model.training.holdout import still
from abkit_model.training.loop import Choices, Recipe, descend, emd, network_config, one_thread, pick
from abkit_model.training.measuring import measure, take

Floats = NDArray[np.float64]
Indices = NDArray[np.intp]
Learn = Callable[[Preferences, Progress | None], QueryTransformer]
#: Of what is said of the first pictures of some pairs and then of the second ones, `(2 B, S)`, of the numbers of the
#: pairs, `(B,)`, and of the pictures, `(2 B,)`, and of the gain.
Loss = Callable[[Tensor, Tensor, Tensor, Tensor], Tensor]

#: The scale of queries that learned from choices alone: not preferred, preferred.
CHANCE = Scale(0.0, 1.0, 2)
CHUNKS = 10


def fit_choices(preferences: Preferences, recipe: Recipe, progress: Progress | None = None) -> QueryTransformer:
    """Train an ensemble of query sets on choices alone.

    The logarithm of the odds that the first of two pictures is preferred is the difference of the log-odds of their
    scores (Bradley & Terry 1952, doi 10.1093/biomet/39.3-4.324); the loss is the cross-entropy of the observed shares,
    weighted by the votes behind them. Only differences are learned, so each member is shifted afterwards: the log-odds
    of its scores average 0 over the pictures.

    Raises:
        TrainingError: a loss that is not a number.
    """
    with one_thread():
        torch.manual_seed(recipe.seed)
        network = QueryTransformer(network_config(preferences.views[0], CHANCE.bins, recipe))
        measure(network, preferences.views)
        choices = Choices.of(network, preferences)

        def loss_of(said: Tensor, pairs: Tensor, pictures: Tensor, gain: Tensor) -> Tensor:
            return _cross_entropy(_log_odds(said), choices, pairs)

        for number, member in enumerate(network.query_sets()):
            _train_member(member, loss_of, choices, recipe, number)
            _centre(member, choices)
            if progress:
                progress("queries", number + 1, network.config.members)
    return network.eval().requires_grad_(False)


def tune_to_choices(
    preferences: Preferences,
    recipe: Recipe,
    start: QueryTransformer,
    scale: Scale,
    progress: Progress | None = None,
) -> QueryTransformer:
    """Tune queries to choices, and keep their scale.

    The loss is that of choices beside ratings: the difference of two scores, times a gain that is learned, is the
    logarithm of the odds. Where the scale begins no choice says: a second term, the earth mover's distance between
    what is said now and what the parent said, each averaged over the pictures of a step, keeps opinions where they
    were on the whole and leaves their order free.

    Raises:
        TrainingError: a loss that is not a number.
    """
    network = copy.deepcopy(start).requires_grad_(True)
    before = torch.from_numpy(predict(start, preferences.views[0])[0]).float()
    values = torch.from_numpy(scale.values).float()
    with one_thread():
        torch.manual_seed(recipe.seed)
        choices = Choices.of(network, preferences)

        def loss_of(said: Tensor, pairs: Tensor, pictures: Tensor, gain: Tensor) -> Tensor:
            level = emd(said.mean(dim=0, keepdim=True), before[pictures].mean(dim=0, keepdim=True))
            return _cross_entropy(gain.exp() * (said @ values), choices, pairs) + level

        for number, member in enumerate(network.query_sets()):
            _train_member(member, loss_of, choices, recipe, number)
            if progress:
                progress("queries", number + 1, network.config.members)
    return network.eval().requires_grad_(False)


def _train_member(member: QuerySet, loss_of: Loss, choices: Choices, recipe: Recipe, number: int) -> None:
    generator = torch.Generator().manual_seed(recipe.seed * 1000 + number)
    gain = nn.Parameter(torch.tensor(0.0))  # logarithm of the odds that one step of the scale makes

    def step(pairs: Tensor) -> Tensor:
        components, mask = pick(choices.views, generator)
        pictures = torch.cat([choices.first[pairs], choices.second[pairs]])
        return loss_of(member(take(components, pictures), mask[pictures])[0], pairs, pictures, gain)

    by_pairs = replace(recipe, batch=recipe.batch // 2)  # each pair is two pictures
    descend(member, [*member.parameters(), gain], step, torch.arange(len(choices.first)), by_pairs, generator)


def _cross_entropy(strength: Tensor, choices: Choices, pairs: Tensor) -> Tensor:
    """Of the observed shares, from the strengths of the first pictures and then of the second ones, `(2 B,)`."""
    first, second = strength.chunk(2)
    return nn.functional.binary_cross_entropy_with_logits(
        first - second, choices.share[pairs], weight=choices.weight[pairs], reduction="mean"
    )


def _log_odds(probabilities: Tensor) -> Tensor:
    """Of the upper of two bins, `(B, 2)` to `(B,)`."""
    return torch.logit(probabilities[:, 1], eps=1e-6)


@torch.no_grad()
def _centre(member: QuerySet, choices: Choices) -> None:
    components, mask = choices.views[0]
    chunks = torch.split(torch.arange(len(mask)), 64)
    middle = torch.cat([_log_odds(member(take(components, i), mask[i])[0]) for i in chunks]).mean()
    last = cast(nn.Linear, member.first[-1])
    last.bias.add_(torch.tensor([0.5, -0.5]) * middle)


def neighbourhoods(preferences: Preferences) -> list[str]:
    """Groups of pictures to hold out together: parts of the graph of comparisons, so that pairs lie inside of them.

    A pair can be judged only where both of its pictures were held out. Dealt at random into five folds, a fifth of the
    pairs would be; where each picture was compared with few others, most are. Pictures are ordered so that those
    compared with each other stand near (reverse Cuthill–McKee: Cuthill & McKee 1969, doi 10.1145/800195.805928), and
    the order of each connected part is cut into chunks of a tenth of all pictures. Files of one content are one.

    >>> from abkit_model.data.tokens import Features
    >>> four, once = Features([], ["a", "b", "c", "d"]), np.ones(2)
    >>> chain = Preferences([four], np.array([0, 2]), np.array([1, 3]), once, once)
    >>> groups = neighbourhoods(chain)
    >>> groups[0] == groups[1], groups[2] == groups[3], groups[0] == groups[2]
    (True, True, False)
    """
    # of contents, not of names: a chunk that shared a copy with another would have to be held out with it
    contents, node = np.unique(preferences.views[0].sha256, return_inverse=True)
    first, second = node[preferences.first], node[preferences.second]
    ends, count = (np.r_[first, second], np.r_[second, first]), len(contents)
    graph = coo_array((np.ones(len(ends[0])), ends), shape=(count, count)).tocsr()
    _, part = connected_components(graph, directed=False)
    near = np.argsort(reverse_cuthill_mckee(graph, symmetric_mode=True))
    order = np.lexsort((near, part))  # part after part
    place = np.empty(count, dtype=np.intp)
    place[order] = np.arange(count)
    begin = place[order][np.searchsorted(part[order], part)]  # where the part of each picture begins
    size = max(2, count // CHUNKS)
    groups = [f"{p}/{i}" for p, i in zip(part, (place - begin) // size, strict=True)]
    return [groups[i] for i in node]


def hold_out(
    preferences: Preferences,
    learn: Learn,
    values: Floats,
    *,
    folds: int,
    seed: int,
    progress: Progress | None = None,
) -> tuple[Floats, Floats, Indices]:
    """Scores of pictures by queries that saw neither them nor any choice that shows them.

    Args:
        preferences: All pairs.
        learn: From the pairs of the other folds to queries.
        values: `(S,)` of the scale.
        folds: How many.
        seed: Of the dealing.
        progress: Told after each fold.

    Returns:
        Scores `(n,)`, distances from the training pictures `(n,)`, and folds `(n,)`. NaN where a fold leaves too few
        pairs to learn from, as where one picture is in all of them.

    Raises:
        TrainingError: fewer neighbourhoods than folds.
    """
    try:
        fold_of = grouped_folds(neighbourhoods(preferences), folds=folds, seed=seed)
    except ValueError as error:
        raise TrainingError(f"too few pictures to hold some out: {error}", "add choices between others") from error
    scores, distances = np.full((2, len(fold_of)), np.nan)
    view = preferences.views[0]
    for fold in range(folds):
        inside = np.flatnonzero(fold_of == fold)
        own = view.subset(inside)
        others = preferences.without(set(own.sha256))
        if others is not None and len(others.share) >= MIN_PAIRS:
            network = learn(others, still(progress, fold, folds))
            scores[inside] = predict(network, own)[0] @ values
            with torch.inference_mode():
                distances[inside] = network.distance(torch.from_numpy(own.embeddings)).numpy()
        if progress:
            progress("folds", fold + 1, folds)
    return scores, distances, fold_of
