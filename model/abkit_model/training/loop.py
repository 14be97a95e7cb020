"""Training: the encoder is frozen, tokens are made once, and the queries learn from them in minutes."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from abkit_model.data.dataset import Examples, Preferences, Progress
from abkit_model.data.tokens import Features
from abkit_model.errors import TrainingError
from abkit_model.query_transformer import Components, NetworkConfig, QueryTransformer
from abkit_model.training.measuring import components_of, measure, take
from abkit_model.training.request import Recipe as Recipe

Floats = NDArray[np.float64]


def fit(
    examples: Examples,
    recipe: Recipe,
    progress: Progress | None = None,
    *,
    start: QueryTransformer | None = None,
    preferences: Preferences | None = None,
) -> QueryTransformer:
    """Train an ensemble of query sets, from scratch or, for a segment, from queries that were trained on more.

    1. Measure means, scales and principal components of tokens and embeddings.
    2. Train each member on all pictures, from its own random start, in its own order.

    With `start`, step 1 is taken over from there, each member starts from one of its members, and the learning rate is
    a quarter. With `preferences`, a step learns from choices too: the difference of two scores, times a gain that is
    learned, is the logarithm of the odds that the first is preferred (Bradley & Terry 1952,
    doi 10.1093/biomet/39.3-4.324).

    Raises:
        TrainingError: constant ratings, or a loss that is not a number.
    """
    means = examples.targets @ examples.values
    if np.ptp(means) == 0:
        raise TrainingError("every picture has the same mean rating: there is nothing to learn")
    with one_thread():
        torch.manual_seed(recipe.seed)
        if start is None:
            network = QueryTransformer(network_config(examples.views[0], len(examples.values), recipe))
            measure(network, examples.views, *([preferences.views] if preferences else []))
        else:
            network = copy.deepcopy(start).requires_grad_(True)
            recipe = replace(recipe, members=start.config.members, learning_rate=recipe.learning_rate / 4)
        views = [components_of(network, view) for view in examples.views]
        targets = torch.from_numpy(examples.targets).float()
        values = torch.from_numpy(examples.values).float()
        choices = None if preferences is None else Choices.of(network, preferences)
        for number, member in enumerate(network.query_sets()):
            generator = torch.Generator().manual_seed(recipe.seed * 1000 + number)
            train_member(member, views, targets, values, np.arange(len(means)), recipe, generator, choices=choices)
            if progress:
                progress("queries", number + 1, recipe.members)
    return network.eval().requires_grad_(False)


def network_config(view: Features, bins: int, recipe: Recipe) -> NetworkConfig:
    """Sizes of the network for these pictures, a scale of so many steps, and this recipe."""
    tokens, embedding = view.rows[0][0], view.rows[0][2]
    return NetworkConfig(
        token_dim=tokens.shape[1],
        embedding_dim=embedding.shape[0],
        bins=bins,
        queries=recipe.queries,
        members=recipe.members,
        components=min(recipe.components, len(view.rows) - 1),
        width=recipe.width,
        depth=recipe.depth,
        heads=recipe.heads,
        dropout=recipe.dropout,
        hidden=recipe.hidden,
        clip=recipe.clip,
    )


@contextmanager
def one_thread() -> Iterator[None]:
    """Steps of queries are so small that threads wait for each other: on a busy machine one is ten times faster.

    Sums over one thread also come out the same however many cores there are, and so do the weights.
    """
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


@dataclass(frozen=True)
class Choices:
    """Preferences as the query sets see them.

    Attributes:
        views: Components and mask of the pictures, by view.
        first: (pairs,), position of the first picture.
        second: (pairs,), position of the other.
        share: (pairs,).
        weight: (pairs,), with mean 1.
    """

    views: Sequence[tuple[Components, Tensor]]
    first: Tensor
    second: Tensor
    share: Tensor
    weight: Tensor

    @classmethod
    def of(cls, network: QueryTransformer, preferences: Preferences) -> Choices:
        """Encode nothing: the tokens are there already."""
        return cls(
            [components_of(network, view) for view in preferences.views],
            torch.from_numpy(preferences.first),
            torch.from_numpy(preferences.second),
            torch.from_numpy(preferences.share).float(),
            torch.from_numpy(preferences.weight / preferences.weight.mean()).float(),
        )


def train_member(
    member: nn.Module,
    views: Sequence[tuple[Components, Tensor]],
    targets: Tensor,
    values: Tensor,
    train: NDArray[np.intp],
    recipe: Recipe,
    generator: torch.Generator,
    *,
    choices: Choices | None = None,
) -> None:
    """Train one member on ratings and, where there are any, on choices beside them."""
    gain = nn.Parameter(torch.tensor(0.0))  # logarithm of the odds that one rating step makes

    def loss_of(chosen: Tensor) -> Tensor:
        loss = _rating_loss(member, pick(views, generator), targets[chosen], values, chosen, recipe)
        if choices is None:
            return loss
        return loss + recipe.comparison_weight * _choice_loss(member, choices, values, gain, recipe, generator)

    descend(member, [*member.parameters(), gain], loss_of, torch.from_numpy(train), recipe, generator)


def descend(
    member: nn.Module,
    parameters: Sequence[nn.Parameter],
    loss_of: Callable[[Tensor], Tensor],
    positions: Tensor,
    recipe: Recipe,
    generator: torch.Generator,
) -> None:
    """Minimise a loss by AdamW with one cycle of the learning rate (Smith & Topin 2019, arXiv 1708.07120).

    Args:
        member: Set to training, and back.
        parameters: What is learned.
        loss_of: The loss of a batch of positions.
        positions: (n,), of the pictures or pairs; all are seen once in a pass, in random order.
        recipe: Batch, passes, learning rate and weight decay.
        generator: Of the order.

    Raises:
        TrainingError: a loss that is not a number.
    """
    steps = -(-len(positions) // recipe.batch) * recipe.epochs
    optimiser = torch.optim.AdamW(parameters, lr=recipe.learning_rate, weight_decay=recipe.weight_decay)
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimiser, max_lr=recipe.learning_rate, total_steps=steps, pct_start=0.2
    )
    member.train()
    for _epoch in range(recipe.epochs):
        order = positions[torch.randperm(len(positions), generator=generator)]
        for chosen in torch.split(order, recipe.batch):
            loss = loss_of(chosen)
            if not torch.isfinite(loss):
                raise TrainingError(
                    "the loss is not a number any more",
                    "look for extreme values in the table; if there are none, report a bug in abkit",
                )
            optimiser.zero_grad()
            torch.autograd.backward(loss)
            nn.utils.clip_grad_norm_(parameters, 1.0)
            optimiser.step()
            schedule.step()
    member.eval()


def pick(views: Sequence[tuple[Components, Tensor]], generator: torch.Generator) -> tuple[Components, Tensor]:
    """One of the views, at random: as the pictures are, or mirrored."""
    return views[int(torch.randint(len(views), (1,), generator=generator))]


def _rating_loss(
    member: nn.Module,
    view: tuple[Components, Tensor],
    targets: Tensor,
    values: Tensor,
    chosen: Tensor,
    recipe: Recipe,
) -> Tensor:
    probabilities, _, _ = member(take(view[0], chosen), view[1][chosen])
    means, wanted = probabilities @ values, targets @ values
    fit_loss = (means - wanted).square().mean() if recipe.loss == "mse" else emd(probabilities, targets)
    return fit_loss + recipe.rank_weight * rank_loss(means, wanted)


def _choice_loss(
    member: nn.Module, choices: Choices, values: Tensor, gain: Tensor, recipe: Recipe, generator: torch.Generator
) -> Tensor:
    """Cross-entropy of observed shares, over a batch of pairs."""
    pairs = torch.randperm(len(choices.first), generator=generator)[: recipe.batch // 2]
    components, mask = pick(choices.views, generator)
    both = torch.cat([choices.first[pairs], choices.second[pairs]])
    probabilities, _, _ = member(take(components, both), mask[both])
    first, second = (probabilities @ values).chunk(2)
    return nn.functional.binary_cross_entropy_with_logits(
        gain.exp() * (first - second), choices.share[pairs], weight=choices.weight[pairs], reduction="mean"
    )


def emd(predicted: Tensor, target: Tensor) -> Tensor:
    """Earth mover's distance with r = 2, averaged over pictures.

    Source: Hou, Yu & Samaras (2016), Squared earth mover's distance-based loss, arXiv 1611.05916.
    """
    difference = predicted.cumsum(dim=-1) - target.cumsum(dim=-1)
    return difference.square().mean(dim=-1).clamp(min=1e-12).sqrt().mean()


def rank_loss(predicted: Tensor, target: Tensor) -> Tensor:
    """Logistic loss over all pairs of a batch, weighted by how far apart the pair really is."""
    gap = target[:, None] - target[None, :]
    weight = gap.clamp(min=0)
    margin = predicted[:, None] - predicted[None, :]
    return (weight * torch.nn.functional.softplus(-margin)).sum() / weight.sum().clamp(min=1e-6)
