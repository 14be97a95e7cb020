"""Training on outcomes: which creatives drew more than the others of their campaign, weighted by how certain that is.

What is learned from nothing but outcomes has a scale of its own: the logarithm of the rate that is expected of an image
against the average one of its campaign, so that 0.1 stands for about 10 % more clicks. Queries that are tuned from a
parent, or learn from ratings beside the outcomes, stay on the scale of these.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from abkit_model.checkpoint import Interval, Scale
from abkit_model.data.dataset import Comparisons, Examples, Missing, Outcomes
from abkit_model.data.outcomes import MIN_CREATIVES, OutcomeTable
from abkit_model.data.tokens import Features
from abkit_model.errors import TrainingError
from abkit_model.evaluation.outcome_agreement import Judged, against_outcomes, difference, spread_within
from abkit_model.evaluation.trained_scorer import predict
from abkit_model.novelty import novelty_limit
from abkit_model.query_transformer import QueryTransformer
from abkit_model.scorer import Scorer
from abkit_model.training.components import components_of
from abkit_model.training.holdout import FOLDS, LEVEL, HeldOut, HeldOutAnswers, reference_sample
from abkit_model.training.losses import ComparisonLoss, RatingLoss
from abkit_model.training.outcome_loss import OutcomeLoss
from abkit_model.training.request import Recipe

Floats = NDArray[np.float64]
Indices = NDArray[np.intp]

#: The scale of queries that learned from outcomes alone: e² is 7.4 times the clicks of the average image.
LOG_RATE = Scale(-2.0, 2.0, 2)
#: Fewer rows say nothing about how well scores agree with outcomes.
MIN_JUDGED = 20


@dataclass(frozen=True, kw_only=True)
class OutcomeLabels:
    """Outcomes of images, and ratings and comparisons beside them where there are any.

    Attributes:
        outcomes: The images, and what became of them.
        scale: `LOG_RATE`, or that of the parent or the ratings.
        ratings: Rated images to learn from beside the outcomes; no figure is made of them.
        comparisons: Pairs to learn from beside the outcomes; no figure is made of them.
    """

    outcomes: Outcomes
    scale: Scale = LOG_RATE
    ratings: Examples | None = None
    comparisons: Comparisons | None = None

    @property
    def views(self) -> Sequence[Features]:
        """The images that have outcomes."""
        return self.outcomes.views

    @property
    def looks(self) -> Sequence[Sequence[Features]]:
        """The images with outcomes, those that are rated, and those that are compared."""
        return [one.views for one in (self.outcomes, self.ratings, self.comparisons) if one is not None]

    @property
    def groups(self) -> Sequence[str]:
        """Families of images, together with the others of their campaigns where that leaves enough to hold out."""
        return held_out_groups(self.outcomes)

    def without(self, images: Indices) -> OutcomeLabels | None:
        """Return the labels that show none of some images; None where too few outcomes are left."""
        hidden = set(self.views[0].subset(images).sha256)
        left = self.outcomes.without(images)
        if left is None or len(left.family) < MIN_CREATIVES // 2:
            return None
        ratings = self.ratings
        if ratings is not None:
            ratings = ratings.subset(np.array([i for i, s in enumerate(ratings.views[0].sha256) if s not in hidden]))
        comparisons = self.comparisons.without(hidden) if self.comparisons else None
        return replace(self, outcomes=left, ratings=ratings, comparisons=comparisons)

    def tuning(self, recipe: Recipe) -> Recipe:
        """Return the recipe with a quarter of the learning rate."""
        return replace(recipe, learning_rate=recipe.learning_rate / 4)

    def loss(self, network: QueryTransformer, recipe: Recipe, start: QueryTransformer | None) -> OutcomeLoss:
        """Return the loss on the outcomes, with those on the ratings and comparisons beside them.

        Raises:
            TrainingError: Inside their campaigns, all appeals are the same.
        """
        own, values = self.outcomes, torch.from_numpy(self.scale.values).float()
        spread = spread_within(own.appeal, own.variance, own.cell)
        before = None if start is None else torch.from_numpy(predict(start, self.views[0])[0]).float()
        ratings = comparisons = None
        if self.ratings is not None:
            views = [components_of(network, view) for view in self.ratings.views]
            targets = torch.from_numpy(self.ratings.targets).float()
            ratings = RatingLoss(views=views, targets=targets, values=values, recipe=recipe)
        if self.comparisons is not None:
            comparisons = ComparisonLoss.of(network, self.comparisons, values=values, recipe=recipe)
        if not np.ptp(own.appeal) > 0:
            raise TrainingError("every creative has the same appeal: there is nothing to learn")
        return OutcomeLoss.of(
            [components_of(network, view) for view in self.views],
            own,
            values=values,
            spread=spread,
            recipe=recipe,
            before=before,
            beside=[one for one in (ratings, comparisons) if one is not None],
        )

    def judge(self, answers: HeldOutAnswers, judged: NDArray[np.bool_], parent: Scorer | None, seed: int) -> HeldOut:
        """Return all that a card says of images that were held out, inside campaigns and folds.

        There is no conformal interval: an appeal says how an image did beside others, and noisily at that.

        Args:
            answers: What was said of the images.
            judged: `(n,)`, which images may count: those that a parent was trained on were never held out.
            parent: The parent, to be compared with.
            seed: Seed of the bootstrap and of the reference sample.
        """
        scores = answers.distributions @ self.scale.values
        known = np.isfinite(scores) & judged
        rows = self.rows(answers.folds, known)
        if len(rows) < MIN_JUDGED:
            return HeldOut.of_too_few(int(known.sum()))
        own, held = self.outcomes, self._judged(rows, answers.folds)
        figures = against_outcomes(scores[own.image[rows]], held, seed=seed)
        metrics: dict[str, Any] = {"outcome_folds": {"folds": FOLDS, **(figures.to_dict() if figures else {})}}
        if parent is not None:
            former = predict(parent.network, self.views[0])[0] @ parent.card.scale.values
            image = own.image[rows]
            within, concordance = difference(scores[image], former[image], held, seed=seed)
            metrics["outcomes_against_parent"] = within.to_dict()
            metrics["concordance_against_parent"] = concordance.to_dict()
        positions = np.flatnonzero(known)
        return HeldOut(
            outcomes=figures,
            metrics=metrics,
            interval=Interval(LEVEL, None, len(positions)),
            novelty_limit=novelty_limit(answers.distances[positions]),
            reference=reference_sample(scores[positions], self.views[0].subset(positions), seed),
        )

    def rows(self, folds: Indices, known: NDArray[np.bool_]) -> Indices:
        """Return the rows that can be judged: of known images, held out together with another of their cell."""
        own = self.outcomes
        rows = np.flatnonzero(known[own.image])
        group = np.stack([own.cell[rows], folds[own.image[rows]]])
        _, number, size = np.unique(group, axis=1, return_inverse=True, return_counts=True)
        return rows[size[number.ravel()] > 1]

    def _judged(self, rows: Indices, folds: Indices) -> Judged:
        own = self.outcomes
        spread = spread_within(own.appeal, own.variance, own.cell)
        weight = 1 / np.maximum(spread + own.variance[rows], 1e-9)
        group = np.unique(np.stack([own.cell[rows], folds[own.image[rows]]]), axis=1, return_inverse=True)[1]
        return Judged(
            appeal=own.appeal[rows],
            weight=weight / weight.mean(),
            group=group.ravel(),
            family=[own.family[i] for i in own.image[rows]],
        )


def held_out_groups(outcomes: Outcomes) -> list[str]:
    """Return groups of images to hold out together: families and whole campaigns, or families alone.

    An image in a fold must be new to the model that judges it: so is its family and, where campaigns do not share
    families, its campaign. Where they do, everything hangs together, and only families are held out; inside a
    campaign nothing is learned about the campaign itself, because all is centered there.
    """
    linked = _linked(outcomes)
    largest = max(np.unique(linked, return_counts=True)[1])
    if len(set(linked)) >= FOLDS and largest <= len(linked) / 3:
        return linked
    return list(outcomes.family)


def _linked(outcomes: Outcomes) -> list[str]:
    """Return a group of each image: images of one family or of one campaign share theirs, however far that goes."""
    root = {family: family for family in outcomes.family}

    def top(family: str) -> str:
        while root[family] != family:
            family = root[family]
        return family

    first: dict[int, str] = {}
    for cell, image in zip(outcomes.cell.tolist(), outcomes.image.tolist(), strict=True):
        family = outcomes.family[image]
        root[top(family)] = top(first.setdefault(cell, family))
    return [top(family) for family in outcomes.family]


def card_data(labels: OutcomeLabels, table: OutcomeTable, missing: Missing) -> dict[str, Any]:
    """Return what a card says of the outcomes that queries learned from."""
    own = labels.outcomes
    weight = 1 / np.maximum(spread_within(own.appeal, own.variance, own.cell) + own.variance, 1e-9)
    digests = sorted(own.views[0].sha256)
    events = own.events[np.isfinite(own.events)]
    return {
        "layout": "outcomes",
        "table_sha256": table.sha256,
        "images_sha256": hashlib.sha256("".join(digests).encode()).hexdigest(),
        "images": len(digests),
        "metric": table.metric,
        "campaigns": len({table.cells[c][0] for c in own.cell.tolist()}),
        "families": len(set(own.family)),
        "rows": len(own.image),
        "events": float(events.sum()) if len(events) else None,
        "randomized_share": float(weight[own.randomized].sum() / weight.sum()),
        "spread": float(spread_within(own.appeal, own.variance, own.cell) ** 0.5),
        "log_rate": labels.scale == LOG_RATE,
        "rows_refused": len(table.rejected),
        "images_missing": len(missing),
        "notes": list(table.notes),
    }
