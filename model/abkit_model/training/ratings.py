"""Training on ratings, with or without comparisons beside them: what is learned, held out, and judged."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from scipy import stats

from abkit_model.checkpoint import Scale
from abkit_model.data.dataset import Comparisons, Examples
from abkit_model.data.labels import MIN_IMAGES
from abkit_model.data.tokens import Features
from abkit_model.errors import TrainingError
from abkit_model.evaluation.intervals import coverage_by_stratum, fit_interval, held_out_half_widths
from abkit_model.evaluation.metrics import (
    Estimate,
    clustered_bootstrap,
    evaluate,
    spearman,
    spread,
)
from abkit_model.evaluation.pair_calibration import pair_calibration
from abkit_model.evaluation.trained_scorer import predict
from abkit_model.novelty import novelty_limit
from abkit_model.query_transformer import QueryTransformer
from abkit_model.scorer import Scorer
from abkit_model.training.components import components_of
from abkit_model.training.holdout import (
    FOLDS,
    LEVEL,
    HeldOut,
    HeldOutAnswers,
    cross_validate,
    reference_sample,
)
from abkit_model.training.losses import ComparisonLoss, RatingLoss
from abkit_model.training.request import Recipe
from abkit_model.training.terms.blend import blend
from abkit_model.training.terms.closed_form import share_of, solve_ratings

Floats = NDArray[np.float64]
Indices = NDArray[np.intp]


@dataclass(frozen=True)
class RatingLabels:
    """Rated images, and comparisons beside them where there are any.

    Attributes:
        examples: The rated images.
        comparisons: Pairs to learn from beside the ratings; no figure is made of them.
    """

    examples: Examples
    comparisons: Comparisons | None = None

    @property
    def views(self) -> Sequence[Features]:
        """The rated images."""
        return self.examples.views

    @property
    def looks(self) -> Sequence[Sequence[Features]]:
        """The rated and the compared images."""
        return [self.examples.views, *([self.comparisons.views] if self.comparisons else [])]

    @property
    def scale(self) -> Scale:
        """The scale of the ratings."""
        values = self.examples.values
        return Scale(float(values[0]), float(values[-1]), len(values))

    @property
    def groups(self) -> Sequence[str]:
        """The subjects."""
        return self.examples.groups

    def without(self, images: Indices) -> RatingLabels:
        """Return the other images, and the comparisons that show none of these."""
        hidden = set(self.views[0].subset(images).sha256)
        others = self.examples.subset(np.setdiff1d(np.arange(len(self.groups)), images))
        return RatingLabels(others, self.comparisons.without(hidden) if self.comparisons else None)

    def closed_form(
        self, network: QueryTransformer, recipe: Recipe, start: QueryTransformer | None
    ) -> QueryTransformer:
        """Return the network as it is: all is learned step by step."""
        return network

    def tuning(self, recipe: Recipe) -> Recipe:
        """Return the recipe with a quarter of the learning rate."""
        return replace(recipe, learning_rate=recipe.learning_rate / 4)

    @property
    def closed_form_share(self) -> float:
        """The share of the closed form for so many images; none beside comparisons, which it cannot learn from."""
        return share_of(len(self.groups)) if self.comparisons is None else 0.0

    def blend(self, network: QueryTransformer, recipe: Recipe) -> QueryTransformer:
        """Return the network with a ridge regression on the ratings blended in."""
        own, share = self.examples, recipe.closed_form_by(self.closed_form_share)
        if not share:
            return network
        closed = solve_ratings(network, own.views, own.targets, own.values, groups=own.groups, seed=recipe.seed)
        return blend(network, closed, share)

    def loss(self, network: QueryTransformer, recipe: Recipe, start: QueryTransformer | None) -> RatingLoss:
        """Return the loss on the ratings and, where there are any, on the comparisons beside them.

        Raises:
            TrainingError: Constant ratings.
        """
        if np.ptp(self.examples.targets @ self.examples.values) == 0:
            raise TrainingError("every image has the same mean rating: there is nothing to learn")
        values = torch.from_numpy(self.examples.values).float()
        views = [components_of(network, view) for view in self.views]
        beside = None
        if self.comparisons is not None:
            beside = ComparisonLoss.of(network, self.comparisons, values=values, recipe=recipe)
        targets = torch.from_numpy(self.examples.targets).float()
        return RatingLoss(views=views, targets=targets, values=values, recipe=recipe, beside=beside)

    def judge(self, answers: HeldOutAnswers, judged: NDArray[np.bool_], parent: Scorer | None, seed: int) -> HeldOut:
        """Return all that a card says about images that were held out.

        Args:
            answers: What was said about them.
            judged: `(n,)`, which images may count: those that a parent was trained on were never held out.
            parent: The parent, to be compared with.
            seed: Seed of the bootstrap and of the reference sample.
        """
        positions = np.flatnonzero(judged)
        own, answers = self.examples.subset(positions), answers.at(positions)
        few = len(positions) < MIN_IMAGES or len(set(own.groups)) < FOLDS or len(set(answers.folds.tolist())) < 2
        if few:
            return HeldOut.of_too_few(len(positions))
        said, observed = answers.distributions @ own.values, own.targets @ own.values
        figures = evaluate(answers.distributions, own.targets, own.values, own.groups, answers.folds, seed=seed)
        metrics: dict[str, Any] = {"grouped_folds": {"folds": FOLDS, **figures.to_dict()}}
        pairs = pair_calibration(said, observed, own.groups, answers.folds, seed=seed)
        if pairs is not None:
            metrics["pairs"] = pairs.to_dict()
        residuals, dissent = np.abs(said - observed), spread(answers.distributions, own.values)
        limit = novelty_limit(answers.distances)
        half = held_out_half_widths(residuals, dissent, answers.folds, LEVEL)
        novelty = answers.distances / (limit or float("nan"))
        covered = coverage_by_stratum(residuals, half, dissent, novelty, own.groups, seed=seed)
        if covered is not None:
            metrics["coverage"] = covered.to_dict()
        if parent is not None:
            former = predict(parent.network, own.views[0])[0] @ own.values
            (gap,) = clustered_bootstrap(
                lambda i: [spearman(said[i], observed[i]) - spearman(former[i], observed[i])], own.groups
            )
            metrics["against_parent"] = asdict(gap)
        return HeldOut(
            figures=figures,
            metrics=metrics,
            interval=fit_interval(residuals, dissent, answers.folds, LEVEL),
            novelty_limit=limit,
            reference=reference_sample(said, own.views[0], seed),
        )


def choose_queries(
    examples: Examples, recipe: Recipe, candidates: Sequence[int] = (1, 2, 4, 8, 16), *, folds: int = FOLDS
) -> tuple[int, dict[int, Estimate]]:
    """Choose the number of queries by nested validation; return the SRCC of each candidate with its 95 % interval too.

    The smallest number wins whose SRCC lies within one standard error, over folds, of the best: more queries than the
    images can teach only disperse attention. Intervals are Student's t over the folds, which share training images:
    they are too narrow rather than too wide. Where no fold can be judged, the smallest number is taken.

    Raises:
        TrainingError: Fewer subjects than folds.
    """
    labels, observed = RatingLabels(examples), examples.targets @ examples.values
    known: dict[int, Floats] = {}
    for queries in candidates:
        answers = cross_validate(labels, replace(recipe, queries=queries, members=1), folds=folds, deal=recipe.seed + 1)
        inside = [answers.folds == fold for fold in range(folds)]
        figures = np.array([spearman(answers.distributions[i] @ examples.values, observed[i]) for i in inside])
        # a fold of two images, or one whose images are rated alike, has no rank correlation
        finite = figures[np.isfinite(figures)]
        if len(finite) > 1:
            known[queries] = finite
    if not known:
        return min(candidates), {}
    middle = {k: float(v.mean()) for k, v in known.items()}
    standard_error = {k: float(v.std(ddof=1)) / len(v) ** 0.5 for k, v in known.items()}
    best = max(middle, key=lambda k: middle[k])
    chosen = min(k for k in middle if middle[k] >= middle[best] - standard_error[best])
    half = {k: float(stats.t.ppf(0.975, len(v) - 1)) * standard_error[k] for k, v in known.items()}
    return chosen, {k: Estimate(m, m - half[k], m + half[k]) for k, m in middle.items()}
