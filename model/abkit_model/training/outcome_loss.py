"""What a query set is asked for by outcomes: to tell the creatives of a campaign apart as their clicks do."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol, cast

import numpy as np
import torch
from torch import Tensor, nn

from abkit_model.data.dataset import Outcomes
from abkit_model.query_transformer import QuerySet
from abkit_model.training.components import Views, take
from abkit_model.training.losses import emd
from abkit_model.training.request import Recipe

#: Most creatives of one campaign in one position; larger campaigns are cut into several.
BLOCK = 16


class Task(Protocol):
    """Another kind of label that is learned from in the same steps."""

    @property
    def count(self) -> int:
        """Positions."""

    @property
    def batch(self) -> int:
        """Positions per step."""

    def __call__(self, member: nn.Module, chosen: Tensor, gain: Tensor, generator: torch.Generator) -> Tensor:
        """Return the loss of some positions."""


@dataclass(frozen=True, kw_only=True)
class OutcomeLoss:
    """Squared error of appeals inside campaigns, weighted by 1 / (τ² + sampling variance), or the likelihood of counts.

    A position is a block of creatives of one campaign. Appeals and predictions are centered in it, because nothing is
    asked of what campaigns have in common. An appeal is the score times a gain that is learned; on the scale of
    logarithms of rates it is the score itself.

    The other form is the conditional Poisson likelihood: given the events of a block, they fall on its creatives in
    proportion to expected events times exp(appeal), a softmax. Each count is divided by 1 + τ² · expected, or the
    largest creatives would count as though nothing but sampling set them apart.

    Attributes:
        views: Components of the images.
        blocks: Positions of rows, by block.
        image: `(rows,)`, position of the image.
        appeal, weight: `(rows,)`.
        events, expected: `(rows,)`, counts; NaN where they are not known.
        spread: τ², the true variance between creatives inside campaigns.
        values: `(S,)` of the scale of the scores.
        unit: What one step of the score stands for before the gain is learned; 1 on the scale of logarithms of rates.
        learned: Whether the gain is learned.
        steps: Positions per step.
        before: `(n, S)`, what the parent says of the images: opinions are kept there on the whole, as for comparisons.
        beside: Losses on other kinds of labels.
        weights: Their weights.
        likelihood: Whether to take the likelihood of counts.
    """

    views: Views
    blocks: Sequence[Tensor]
    image: Tensor
    appeal: Tensor
    weight: Tensor
    events: Tensor
    expected: Tensor
    spread: float
    values: Tensor
    unit: float
    learned: bool
    steps: int
    before: Tensor | None
    beside: Sequence[Task]
    beside_weight: float
    likelihood: bool = False

    @classmethod
    def of(
        cls,
        views: Views,
        outcomes: Outcomes,
        *,
        values: Tensor,
        spread: float,
        recipe: Recipe,
        before: Tensor | None = None,
        beside: Sequence[Task] = (),
        likelihood: bool = False,
    ) -> OutcomeLoss:
        """Return the loss on some outcomes as a network sees their images."""
        blocks = blocks_of(outcomes, np.random.default_rng(recipe.seed))
        weight = 1 / np.maximum(spread + outcomes.variance, 1e-6)
        own_scale = before is None and not beside
        unit = 1.0
        if not own_scale:  # as though all of the spread between scores were one between appeals
            said = (values.std() if before is None else (before @ values).std()).clamp(min=1e-3)
            unit = float(max(spread, 0.01) ** 0.5 / said)
        return cls(
            views=views,
            blocks=blocks,
            image=torch.from_numpy(outcomes.image),
            appeal=torch.from_numpy(outcomes.appeal).float(),
            weight=torch.from_numpy(weight).float(),
            events=torch.from_numpy(outcomes.events).float(),
            expected=torch.from_numpy(outcomes.expected).float(),
            spread=spread,
            values=values,
            unit=unit,
            learned=not own_scale,
            steps=max(1, round(recipe.batch * len(blocks) / len(outcomes.image))),
            before=before,
            beside=beside,
            beside_weight=recipe.comparison_weight,
            likelihood=likelihood,
        )

    @property
    def count(self) -> int:
        """Blocks."""
        return len(self.blocks)

    @property
    def batch(self) -> int:
        """Blocks per step: about as many creatives as the recipe says."""
        return self.steps

    def __call__(self, member: nn.Module, chosen: Tensor, gain: Tensor, generator: torch.Generator) -> Tensor:
        """Return the loss of some blocks, `()`, and of as many images or pairs of the other kinds of labels."""
        components, mask = self.views[int(torch.randint(len(self.views), (1,), generator=generator))]
        rows = torch.cat([self.blocks[k] for k in chosen.tolist()])
        block = torch.repeat_interleave(torch.tensor([len(self.blocks[k]) for k in chosen.tolist()]))
        images = self.image[rows]
        said: Tensor = member(take(components, images), mask[images])[0]  # (rows, S)
        appeal = said @ self.values * self.unit
        if self.learned:
            appeal = appeal * gain.exp()
        loss = self._likelihood(appeal, rows, block) if self.likelihood else self._squares(appeal, rows, block)
        if self.before is not None:
            loss = loss + emd(said.mean(dim=0, keepdim=True), self.before[images].mean(dim=0, keepdim=True))
        for task in self.beside:
            positions = torch.randperm(task.count, generator=generator)[: task.batch]
            loss = loss + self.beside_weight * task(member, positions, gain, generator)
        return loss

    def _squares(self, appeal: Tensor, rows: Tensor, block: Tensor) -> Tensor:
        weight = self.weight[rows]
        missed = _centered(self.appeal[rows], block, weight) - _centered(appeal, block, weight)
        return (weight * missed.square()).sum() / len(rows)

    def _likelihood(self, appeal: Tensor, rows: Tensor, block: Tensor) -> Tensor:
        events, expected = self.events[rows], self.expected[rows].clamp(min=1e-9)
        logits = expected.log() + appeal
        top = torch.full((int(block[-1]) + 1,), -torch.inf).scatter_reduce(0, block, logits.detach(), "amax")
        total = torch.zeros_like(top).index_add(0, block, (logits - top[block]).exp())
        log_share = logits - top[block] - total.log()[block]
        return -(events / (1 + self.spread * expected) * log_share).sum() / len(rows)

    @torch.no_grad()
    def finish(self, member: nn.Module) -> None:
        """Shift a member on the scale of logarithms of rates, so that its scores average 0 over the images."""
        if self.learned:
            return
        components, mask = self.views[0]
        chunks = torch.split(torch.arange(len(mask)), 64)
        said = torch.cat([member(take(components, i), mask[i])[0] for i in chunks])
        middle = torch.logit(said[:, 1], eps=1e-6).mean()
        last = cast(nn.Linear, cast(QuerySet, member).first[-1])
        last.bias.add_(torch.tensor([0.5, -0.5]) * middle)


def blocks_of(outcomes: Outcomes, rng: np.random.Generator) -> list[Tensor]:
    """Return the rows of each cell in random order, cut into blocks of about the same size."""
    order = rng.permutation(len(outcomes.cell))
    order = order[np.argsort(outcomes.cell[order], kind="stable")]
    cells = np.split(order, np.flatnonzero(np.diff(outcomes.cell[order])) + 1)
    return [torch.from_numpy(part) for rows in cells for part in np.array_split(rows, -(-len(rows) // BLOCK))]


def _centered(values: Tensor, block: Tensor, weight: Tensor) -> Tensor:
    """Return values minus the weighted mean of their block."""
    size = int(block[-1]) + 1
    total = torch.zeros(size).index_add(0, block, weight)
    return values - (torch.zeros(size).index_add(0, block, weight * values) / total)[block]
