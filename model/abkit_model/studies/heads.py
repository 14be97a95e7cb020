"""The heads that are compared, each with its tuning: from a training fold to predictions for held-out images.

Every head has three settings to choose from and chooses inside the training fold: the closed forms by cross-validation
over all its parts, the trained ones by SRCC on two parts that were left out in turn.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, TypeAlias

import numpy as np
import torch
from torch import Tensor, nn

from abkit_model.data.dataset import Examples
from abkit_model.data.labels import discretised_normal
from abkit_model.errors import TrainingError
from abkit_model.evaluation.metrics import Floats, Positions, grouped_folds, spearman, spread
from abkit_model.query_transformer import Components, NetworkConfig, QuerySet, QueryTransformer
from abkit_model.training.components import components_of, measure, network_config, take
from abkit_model.training.loop import descend, one_thread
from abkit_model.training.losses import RatingLoss
from abkit_model.training.request import Recipe

#: Probabilities, activations and attention, as of the queries; the last two empty.
Answer = tuple[Tensor, Tensor, Tensor]
QUERIES = "learnable queries"
LEARNING_RATES = (5e-4, 1e-3, 2e-3)
INNER_FOLDS = 5
TUNED_ON = 2
#: Of the plain heads: units of the first hidden layer, and dropout before it; half of that before the next.
HIDDEN, DROPOUT = 64, 0.5


@dataclass(frozen=True, kw_only=True)
class Fold:
    """One training fold as all heads see it.

    Attributes:
        views: Components and masks of all images, measured on the training images only; as they are and mirrored.
        targets: `(n, S)` of all images; only those of `train` may be used.
        values: `(S,)`, the rating that each bin stands for.
        train: Positions to train on.
        test: Positions to predict.
        inner: `(len(train),)`, the inner part of each training image, grouped by subject.
        config: Sizes of the query transformer.
        recipe: Hyper-parameters of the training.
    """

    views: Sequence[tuple[Components, Tensor]]
    targets: Floats
    values: Floats
    train: Positions
    test: Positions
    inner: Positions
    config: NetworkConfig
    recipe: Recipe


#: Distributions `(M, n_test, S)` of the members of a head, and its number of trainable parameters in one member.
Head: TypeAlias = Callable[[Fold], tuple[Floats, int]]


def refuse_few_subjects(groups: Sequence[str], *, folds: int, seeds: Sequence[int]) -> None:
    """Refuse, before the work, subjects of which some fold would leave too few to deal into inner parts.

    Args:
        groups: Subject of each image.
        folds: Folds per repeat; 1 where nothing is held out.
        seeds: Seeds of the repeats.

    Raises:
        TrainingError: There are too few subjects, or such unequal ones that many of them share a fold.
    """
    subjects = np.unique(np.asarray(groups))
    held_out = 0 if folds == 1 else 1 + (INNER_FOLDS - 1) // (folds - 1)  # of subjects that are about equally large
    if len(subjects) < (needed := max(folds, INNER_FOLDS + held_out)):
        raise TrainingError(
            f"{len(subjects)} subject{'s are' if len(subjects) > 1 else ' is'} too few to compare heads on, "
            f"{needed} are needed",
            "add ratings of other subjects",
        )
    if folds == 1:
        return
    for seed in seeds:
        fold_of = grouped_folds(groups, folds=folds, seed=seed)
        left = min(len(np.unique(np.asarray(groups)[fold_of != number])) for number in range(folds))
        if left < INNER_FOLDS:
            raise TrainingError(
                f"{len(subjects)} subjects are too unequal to compare heads on: a fold with many small ones leaves "
                f"{left} of them, {INNER_FOLDS} are needed",
                "add ratings of other subjects, or leave out images of the largest",
            )


def prepare_fold(examples: Examples, fold_of: Positions, number: int, recipe: Recipe) -> Fold:
    """Measure scales and principal components on the training images and apply them to all."""
    train, test = np.flatnonzero(fold_of != number), np.flatnonzero(fold_of == number)
    config = network_config(examples.views[0], len(examples.values), recipe)
    network = QueryTransformer(replace(config, members=1))
    inside = examples.subset(train)
    measure(network, inside.views)
    return Fold(
        views=[components_of(network, view) for view in examples.views],
        targets=examples.targets,
        values=examples.values,
        train=train,
        test=test,
        inner=grouped_folds(inside.groups, folds=INNER_FOLDS, seed=recipe.seed),
        config=config,
        recipe=recipe,
    )


def ridge(fold: Fold) -> tuple[Floats, int]:
    """Fit a ridge regression on the whole embedding, with the penalty by inner cross-validation."""
    return _closed_form(fold, lambda A, B: A @ B.T / A.shape[1], (0.3, 1.0, 3.0))


def kernel_ridge(fold: Fold) -> tuple[Floats, int]:
    """Fit a ridge regression with a Gaussian kernel on the whole embedding."""

    def kernel(A: Floats, B: Floats) -> Floats:
        squares = (A**2).sum(axis=1)[:, None] + (B**2).sum(axis=1)[None, :] - 2 * A @ B.T
        return np.asarray(np.exp(-0.3 * squares / A.shape[1]))

    return _closed_form(fold, kernel, (0.05, 0.15, 0.5))


def _closed_form(
    fold: Fold, kernel: Callable[[Floats, Floats], Floats], penalties: Sequence[float]
) -> tuple[Floats, int]:
    X = [view.embedding.numpy().astype(np.float64) for view, _ in fold.views]
    means = fold.targets @ fold.values
    both = np.concatenate([x[fold.train] for x in X])
    gram, across = kernel(both, both), kernel(X[0][fold.test], both)
    y, part = np.tile(means[fold.train], len(X)), np.tile(fold.inner, len(X))

    def solve(keep: Positions, penalty: float, rows: Floats) -> Floats:
        center = y[keep].mean()
        dual = np.linalg.solve(gram[np.ix_(keep, keep)] + penalty * np.eye(len(keep)), y[keep] - center)
        return np.asarray(rows[:, keep] @ dual + center)

    def inner_srcc(penalty: float) -> float:
        guess = np.zeros(len(y))
        for p in np.unique(part):
            guess[part == p] = solve(np.flatnonzero(part != p), penalty, gram[part == p])
        return spearman(guess, y)

    # twice the images stand in the regression, so the penalty of one view counts twice
    penalty = max((len(X) * p for p in penalties), key=inner_srcc)
    everything = np.arange(len(y))
    answers = [solve(everything, penalty, across)]
    answers += [solve(np.flatnonzero(part != p), penalty, across) for p in np.unique(part)]
    sd = float(spread(fold.targets[fold.train], fold.values).mean())
    low, high = float(fold.values[0]), float(fold.values[-1])
    shaped = [[discretised_normal(float(np.clip(m, low, high)), sd, low, high) for m in a] for a in answers]
    return np.array(shaped), X[0].shape[1] + 1


def _trained(fold: Fold, make: Callable[[Fold], nn.Module], **changes: Any) -> tuple[Floats, int]:
    """Train an ensemble on all of the fold, with the learning rate that is best on parts left out."""
    recipe = replace(fold.recipe, **changes)
    means = fold.targets @ fold.values

    def inner_srcc(rate: float) -> float:
        figures = []
        for part in range(TUNED_ON):
            keep, out = fold.train[fold.inner != part], fold.train[fold.inner == part]
            (member,) = _members(fold, make, replace(recipe, learning_rate=rate), [part], keep)
            figures.append(spearman(_predict(fold, member, out) @ fold.values, means[out]))
        return float(np.mean(figures))

    with one_thread():
        tuned = replace(recipe, learning_rate=max(LEARNING_RATES, key=inner_srcc))
        members = _members(fold, make, tuned, range(recipe.members), fold.train)
        size = sum(p.numel() for p in members[0].parameters() if p.requires_grad)
        return np.stack([_predict(fold, member, fold.test) for member in members]), size


def _members(
    fold: Fold, make: Callable[[Fold], nn.Module], recipe: Recipe, numbers: Sequence[int], train: Positions
) -> list[nn.Module]:
    """Train members, each from the random start of its number."""
    members = []
    for number in numbers:
        torch.manual_seed(recipe.seed * 1000 + number)
        members.append(make(fold))
    generator = torch.Generator().manual_seed(recipe.seed * 1000 + numbers[0])
    targets, values = torch.from_numpy(fold.targets).float(), torch.from_numpy(fold.values).float()
    loss = RatingLoss(views=fold.views, targets=targets, values=values, recipe=recipe)
    descend(members, loss, recipe, generator, positions=torch.from_numpy(train))
    return members


def _predict(fold: Fold, member: nn.Module, images: Positions) -> Floats:
    """Predict the distributions `(n, S)` of some images."""
    view, mask = fold.views[0]
    chosen = torch.from_numpy(images)
    with torch.inference_mode():
        probabilities: Tensor = member(take(view, chosen), mask[chosen])[0]
    return probabilities.numpy().astype(np.float64)


class PooledHead(nn.Module):
    """A linear layer or an MLP on the pooled embedding, or on pooled tokens.

    With `softmax` it predicts the distribution, as NIMA does (Talebi & Milanfar 2018, arXiv 1709.05424). Without, it
    predicts the mean, as the LAION aesthetic predictors do, with one spread for all images.
    """

    values: Tensor

    def __init__(self, fold: Fold, hidden: tuple[int, ...] = (HIDDEN,), softmax: bool = True) -> None:
        super().__init__()
        self.register_buffer("values", torch.from_numpy(fold.values).float())
        self.softmax = softmax
        inputs = self.inputs(fold)
        layers: list[nn.Module] = [nn.Dropout(DROPOUT)]
        for width in hidden:
            layers += [nn.Linear(inputs, width), nn.ReLU(), nn.Dropout(DROPOUT / 2)]
            inputs = width
        self.layers = nn.Sequential(*layers)
        self.out = nn.Linear(inputs, len(self.values) if softmax else 1)
        self.center = nn.Parameter(self.values.mean())
        self.log_spread = nn.Parameter(torch.tensor(0.3))

    def forward(self, seen: Components, mask: Tensor) -> Answer:
        """Return probabilities `(B, S)`; no activations, no attention."""
        out = self.out(self.layers(self.read(seen, mask)))
        if not self.softmax:
            distance = (self.values - self.center - out) / self.log_spread.exp()  # (B, S)
            out = -0.5 * distance.square()
        return out.softmax(dim=-1), out[:, :0], out[:, :0]

    def inputs(self, fold: Fold) -> int:
        """Return how many numbers the layers see."""
        return fold.config.embedding_dim

    def read(self, seen: Components, mask: Tensor) -> Tensor:
        """Return what the layers see: the whole standardized embedding `(B, E)`."""
        return seen.embedding


class AttentionPoolingHead(PooledHead):
    """One learned query pools the tokens, next to the principal components of the embedding."""

    def __init__(self, fold: Fold) -> None:
        super().__init__(fold)
        self.query = nn.Parameter(torch.zeros(fold.config.components))

    def inputs(self, fold: Fold) -> int:
        """Return 2 P: pooled tokens and the components of the embedding."""
        return 2 * fold.config.components

    def read(self, seen: Components, mask: Tensor) -> Tensor:
        """Return what the layers see: `(B, 2 P)`."""
        logits = (seen.tokens @ self.query) * seen.tokens.shape[-1] ** -0.5  # (B, T)
        weight = logits.masked_fill(~mask, float("-inf")).softmax(dim=1)
        return torch.cat([torch.einsum("bt,btp->bp", weight, seen.tokens), seen.pooled], dim=1)


class MeanPoolingHead(AttentionPoolingHead):
    """The mean of the valid tokens instead: the query stays at zero."""

    def __init__(self, fold: Fold) -> None:
        super().__init__(fold)
        self.query.requires_grad_(False)


def _queries(fold: Fold) -> nn.Module:
    return QuerySet(fold.config)


#: Of heads that predict the mean only.
MEAN_LOSS: dict[str, Any] = {"loss": "mse", "rank_weight": 0.0}

HEADS: dict[str, Head] = {
    "ridge": ridge,
    "kernel ridge": kernel_ridge,
    "linear (LAION)": partial(_trained, make=partial(PooledHead, hidden=(), softmax=False), **MEAN_LOSS),
    "MLP (LAION)": partial(_trained, make=partial(PooledHead, hidden=(HIDDEN, 16), softmax=False), **MEAN_LOSS),
    "MLP + EMD (NIMA)": partial(_trained, make=PooledHead),
    "mean pooling": partial(_trained, make=MeanPoolingHead),
    "attention pooling": partial(_trained, make=AttentionPoolingHead),
    QUERIES: partial(_trained, make=_queries),
}
