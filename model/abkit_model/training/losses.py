"""What a query set is asked for, by kind of label: the opinions that were rated, or the image that was preferred."""

from __future__ import annotations

from dataclasses import dataclass
from typing import cast

import torch
from torch import Tensor, nn

from abkit_model.data.dataset import Comparisons
from abkit_model.query_transformer import Components, QuerySet, QueryTransformer
from abkit_model.training.components import Views, components_of, take
from abkit_model.training.request import Recipe


@dataclass(frozen=True, kw_only=True)
class RatingLoss:
    """EMD of distributions, or squared error of means, and a rank loss; comparisons beside them where there are any.

    Attributes:
        views: Components of the rated images.
        targets: `(n, S)`, shares of ratings.
        values: `(S,)`, the rating that each bin stands for.
        recipe: Weights of the parts.
        beside: Loss on comparisons, added to that on ratings.
    """

    views: Views
    targets: Tensor
    values: Tensor
    recipe: Recipe
    beside: ComparisonLoss | None = None

    @property
    def count(self) -> int:
        """Images."""
        return len(self.targets)

    @property
    def batch(self) -> int:
        """Images per step."""
        return self.recipe.batch

    def __call__(self, member: nn.Module, chosen: Tensor, gain: Tensor, generator: torch.Generator) -> Tensor:
        """Return the loss of some images, `()`, and of as many images out of comparisons."""
        components, mask = _pick(self.views, generator)
        targets = self.targets[chosen]
        probabilities, _, _ = member(take(components, chosen), mask[chosen])
        means, wanted = probabilities @ self.values, targets @ self.values
        loss = (means - wanted).square().mean() if self.recipe.loss == "mse" else emd(probabilities, targets)
        loss = loss + self.recipe.rank_weight * rank_loss(means, wanted)
        if self.beside is None:
            return loss
        pairs = torch.randperm(self.beside.count, generator=generator)[: self.beside.batch]
        return loss + self.recipe.comparison_weight * self.beside(member, pairs, gain, generator)

    def finish(self, member: nn.Module) -> None:
        """Leave a trained member as it is: ratings fix the scale."""


@dataclass(frozen=True, kw_only=True)
class ComparisonLoss:
    """Cross-entropy of the observed shares, weighted by the votes behind them.

    The log-odds that the first of two images is preferred are the difference of their scores, times a gain that is
    learned (Bradley & Terry 1952, doi 10.1093/biomet/39.3-4.324). On the scale of chances they are the difference of
    the log-odds of the scores.

    Attributes:
        views: Components of the compared images.
        first, second: `(pairs,)`, positions of the two images.
        share: `(pairs,)`, share of votes for the first.
        weight: `(pairs,)`, with mean 1.
        values: `(S,)` of the scale of ratings; None on the scale of chances.
        batch: Pairs per step.
        before: `(n, S)`, what the parent says about the images. Comparisons do not say where a scale begins: the EMD
            between what is said now and then, each averaged over the images of a step, keeps opinions where they were
            on the whole and leaves their order free. None without it.
    """

    views: Views
    first: Tensor
    second: Tensor
    share: Tensor
    weight: Tensor
    values: Tensor | None
    batch: int
    before: Tensor | None = None

    @classmethod
    def of(
        cls,
        network: QueryTransformer,
        comparisons: Comparisons,
        *,
        values: Tensor | None,
        recipe: Recipe,
        before: Tensor | None = None,
    ) -> ComparisonLoss:
        """Return the loss on some comparisons as this network sees their images."""
        return cls(
            views=[components_of(network, view) for view in comparisons.views],
            first=torch.from_numpy(comparisons.first),
            second=torch.from_numpy(comparisons.second),
            share=torch.from_numpy(comparisons.share).float(),
            weight=torch.from_numpy(comparisons.weight / comparisons.weight.mean()).float(),
            values=values,
            batch=recipe.batch // 2,  # each pair is two images
            before=before,
        )

    @property
    def count(self) -> int:
        """Pairs."""
        return len(self.share)

    def __call__(self, member: nn.Module, chosen: Tensor, gain: Tensor, generator: torch.Generator) -> Tensor:
        """Return the loss of some pairs, `()`."""
        components, mask = _pick(self.views, generator)
        images = torch.cat([self.first[chosen], self.second[chosen]])
        said: Tensor = member(take(components, images), mask[images])[0]  # (2 B, S)
        if self.values is None:
            odds = _difference(_log_odds(said))
        elif self.before is None:
            odds = gain.exp() * _difference(said @ self.values)
        else:  # the same but for rounding, in the order in which tuned weights have always been computed
            odds = _difference(gain.exp() * (said @ self.values))
        loss = nn.functional.binary_cross_entropy_with_logits(
            odds, self.share[chosen], weight=self.weight[chosen], reduction="mean"
        )
        if self.before is None:
            return loss
        return loss + emd(said.mean(dim=0, keepdim=True), self.before[images].mean(dim=0, keepdim=True))

    @torch.no_grad()
    def finish(self, member: nn.Module) -> None:
        """Shift a member on the scale of chances, so that the log-odds of its scores average 0 over the images."""
        if self.values is not None:
            return
        components, mask = self.views[0]
        chunks = torch.split(torch.arange(len(mask)), 64)
        middle = torch.cat([_log_odds(member(take(components, i), mask[i])[0]) for i in chunks]).mean()
        last = cast(nn.Linear, cast(QuerySet, member).first[-1])
        last.bias.add_(torch.tensor([0.5, -0.5]) * middle)


def _pick(views: Views, generator: torch.Generator) -> tuple[Components, Tensor]:
    """Return one of the views at random: the images as they are, or mirrored."""
    return views[int(torch.randint(len(views), (1,), generator=generator))]


def _difference(both: Tensor) -> Tensor:
    """Return what is said about the first images minus what is said about the second ones, `(2 B,)` to `(B,)`."""
    first, second = both.chunk(2)
    return first - second


def _log_odds(probabilities: Tensor) -> Tensor:
    """Return the log-odds of the upper of two bins, `(B, 2)` to `(B,)`."""
    return torch.logit(probabilities[:, 1], eps=1e-6)


def emd(predicted: Tensor, target: Tensor) -> Tensor:
    """Return the earth mover's distance with r = 2, averaged over images.

    Source: Hou, Yu & Samaras (2016), Squared earth mover's distance-based loss, arXiv 1611.05916.
    """
    difference = predicted.cumsum(dim=-1) - target.cumsum(dim=-1)
    return difference.square().mean(dim=-1).clamp(min=1e-12).sqrt().mean()


def rank_loss(predicted: Tensor, target: Tensor) -> Tensor:
    """Return the logistic loss over all pairs of a batch, weighted by how far apart the pair really is."""
    gap = target[:, None] - target[None, :]
    weight = gap.clamp(min=0)
    margin = predicted[:, None] - predicted[None, :]
    return (weight * torch.nn.functional.softplus(-margin)).sum() / weight.sum().clamp(min=1e-6)
