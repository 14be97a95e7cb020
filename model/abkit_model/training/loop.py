"""Training: the encoder is frozen, tokens are made once, and the queries learn from them in minutes."""

from __future__ import annotations

import copy
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import Protocol, cast, runtime_checkable

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from abkit_model.checkpoint import Scale
from abkit_model.data.dataset import Progress
from abkit_model.data.tokens import Features
from abkit_model.errors import TrainingError
from abkit_model.query_transformer import QueryTransformer
from abkit_model.training.components import measure, network_config
from abkit_model.training.request import Recipe

#: Steps of a training on some 500 images, and by how much the rate grows at most where there are fewer.
FULL_STEPS, LARGEST = 160, 2.5


class Loss(Protocol):
    """The loss of one kind of label; positions are images or pairs of images."""

    @property
    def count(self) -> int:
        """How many positions there are; all are seen once per pass."""

    @property
    def batch(self) -> int:
        """Positions per step."""

    def __call__(self, member: nn.Module, chosen: Tensor, gain: Tensor, generator: torch.Generator) -> Tensor:
        """Return the loss of some positions; `gain` is learned: the logarithm of the log-odds per rating step."""

    def finish(self, member: nn.Module) -> None:
        """Settle what a trained member's labels leave open."""


class Labels(Protocol):
    """One kind of label, joined with its images: what the loop learns from."""

    @property
    def views(self) -> Sequence[Features]:
        """The images that scores are judged on: as they are and, with a second view, mirrored."""

    @property
    def looks(self) -> Sequence[Sequence[Features]]:
        """The views of every set of images that is learned from."""

    @property
    def scale(self) -> Scale:
        """The scale of the scores."""

    @property
    def groups(self) -> Sequence[str]:
        """Group of each image; images of one group are held out together."""

    def without(self, images: NDArray[np.intp]) -> Labels | None:
        """Return the labels that show none of the images at some positions; None where too few are left."""

    def loss(self, network: QueryTransformer, recipe: Recipe, start: QueryTransformer | None) -> Loss | None:
        """Return the loss on these labels as a network sees their images; `start` is what it is tuned from.

        None where the closed form leaves nothing to learn step by step.
        """

    def closed_form(
        self, network: QueryTransformer, recipe: Recipe, start: QueryTransformer | None
    ) -> QueryTransformer:
        """Return the network with all that can be fitted in closed form; as it is where nothing can."""

    def tuning(self, recipe: Recipe) -> Recipe:
        """Return the recipe for queries that are tuned rather than trained from nothing."""


@runtime_checkable
class Blended(Protocol):
    """Labels from which a closed form is learned too, that is blended into what the queries learned."""

    def blend(self, network: QueryTransformer, recipe: Recipe) -> QueryTransformer:
        """Return a trained network with the closed form blended in."""


def fit(
    labels: Labels, recipe: Recipe, progress: Progress | None = None, *, start: QueryTransformer | None = None
) -> QueryTransformer:
    """Train an ensemble of query sets, from scratch or, for a segment, from queries that were trained on more.

    1. Measure means, scales and principal components of tokens and embeddings.
    2. Fit the labels in closed form, where they have one.
    3. Train the members on what is left, each from its own random start, all in the same order.
    4. Blend in a ridge regression, where the labels are ratings or comparisons: few labels teach it more.

    With `start`, step 1 is taken over from there, and each member starts from one of its members, in which step 4 was.

    Raises:
        TrainingError: Labels that teach nothing, or a loss that is not a number.
    """
    with one_thread():
        torch.manual_seed(recipe.seed)
        if start is None:
            network = QueryTransformer(network_config(labels.views[0], labels.scale.bins, recipe))
            measure(network, *labels.looks)
        else:
            network = copy.deepcopy(start).requires_grad_(True)
            recipe = labels.tuning(recipe)
        network = labels.closed_form(network, recipe, start)
        loss = labels.loss(network, recipe, start)
        if loss is not None:
            if start is None:
                recipe = in_larger_steps(recipe, loss)
            generator = torch.Generator().manual_seed(recipe.seed * 1000)
            descend(list(network.query_sets()), loss, recipe, generator, progress=progress)
        if start is None and isinstance(labels, Blended):
            network = labels.blend(network, recipe)
    return network.eval().requires_grad_(False)


def in_larger_steps(recipe: Recipe, loss: Loss) -> Recipe:
    """Return the recipe with a higher learning rate where few labels make few steps of its passes.

    The rate was settled on `FULL_STEPS` steps; with fewer, weights that start at random would hardly move.
    """
    steps = -(-loss.count // loss.batch) * recipe.epochs
    factor = min(max((FULL_STEPS / steps) ** 0.5, 1.0), LARGEST)
    return replace(recipe, learning_rate=recipe.learning_rate * factor)


@contextmanager
def one_thread() -> Iterator[None]:
    """Use one thread: steps of queries are so small that threads wait for each other, and one is ten times faster.

    Sums over one thread also come out the same however many cores there are, and so do the weights.
    """
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def descend(
    members: Sequence[nn.Module],
    loss: Loss,
    recipe: Recipe,
    generator: torch.Generator,
    *,
    positions: Tensor | None = None,
    progress: Progress | None = None,
) -> None:
    """Minimize a loss by AdamW with one cycle of the learning rate (Smith & Topin 2019, arXiv 1708.07120).

    The members take each step together, as one network with stacked weights: on a processor, five small networks cost
    as much as one of their size does when each takes its steps alone. They see the same images in the same order, and
    what is left out in a step is left out in all of them; their random starts are what tells them apart.

    Args:
        members: Networks of one architecture; they are set to training, and back.
        loss: What is minimized, for each of them by itself.
        recipe: Passes, learning rate and weight decay.
        generator: Source of the order, and of the views.
        positions: (n,), the images or pairs that are learned from, in random order once per pass; all when None.
        progress: Called after each pass.

    Raises:
        TrainingError: A loss that is not a number.
    """
    positions = torch.arange(loss.count) if positions is None else positions
    template, stacked = members[0].train(), stack(members)
    gain = nn.Parameter(torch.zeros(len(members)))
    parameters = [*stacked.values(), gain]
    steps = -(-len(positions) // loss.batch) * recipe.epochs
    optimizer = torch.optim.AdamW(parameters, lr=recipe.learning_rate, weight_decay=recipe.weight_decay, fused=True)
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimizer, max_lr=recipe.learning_rate, total_steps=steps, pct_start=0.2
    )
    for epoch in range(recipe.epochs):
        order = positions[torch.randperm(len(positions), generator=generator)]
        for chosen in torch.split(order, loss.batch):

            def one(weights: dict[str, Tensor], gain: Tensor, chosen: Tensor = chosen) -> Tensor:
                member = cast(nn.Module, lambda *seen: torch.func.functional_call(template, weights, seen))
                return loss(member, chosen, gain, generator)

            # summed, so that each member has the gradient that it would have alone
            step = torch.vmap(one, randomness="same")(stacked, gain).sum()
            if not torch.isfinite(step):
                raise TrainingError(
                    "the loss is not a number any more",
                    "look for extreme values in the table; if there are none, report a bug in abkit",
                )
            optimizer.zero_grad()
            torch.autograd.backward(step)
            clip_each(parameters, 1.0)
            optimizer.step()
            schedule.step()
        if progress:
            progress("queries", epoch + 1, recipe.epochs)
    with torch.no_grad():
        for number, member in enumerate(members):
            for name, value in member.named_parameters():
                if name in stacked:
                    value.copy_(stacked[name][number])
    for member in members:
        member.eval()
        loss.finish(member)


def stack(members: Sequence[nn.Module]) -> dict[str, Tensor]:
    """Return the trainable weights of networks of one architecture by name, `(M, …)`, to be trained together."""
    names = [name for name, value in members[0].named_parameters() if value.requires_grad]
    weights = [dict(member.named_parameters()) for member in members]
    return {name: nn.Parameter(torch.stack([one[name].detach() for one in weights])) for name in names}


def clip_each(parameters: Sequence[Tensor], longest: float) -> None:
    """Shorten the gradient of each member that is longer than this; parameters are `(M, …)`."""
    gradients = [one.grad for one in parameters if one.grad is not None]
    length = torch.stack([one.flatten(1).norm(dim=1) if one.ndim > 1 else one.abs() for one in gradients]).norm(dim=0)
    scale = (longest / (length + 1e-6)).clamp(max=1.0)
    for one in gradients:
        one.mul_(scale.view(-1, *[1] * (one.ndim - 1)))
