"""Training on outcomes: which creatives drew more than the others of their campaign, weighted by how certain that is.

What is learned from nothing but outcomes has a scale of its own: the logarithm of the rate that is expected of an image
against the average one of its campaign, so that 0.1 stands for about 10 % more clicks. Queries that are tuned from a
parent, or learn from ratings beside the outcomes, stay on the scale of these.
"""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, cast

import numpy as np
import torch
from numpy.typing import NDArray

from abkit_model.checkpoint import Interval, Scale
from abkit_model.data.dataset import Comparisons, Examples, Outcomes
from abkit_model.data.outcomes import HALF, MIN_CREATIVES
from abkit_model.data.tokens import Features
from abkit_model.errors import TrainingError
from abkit_model.evaluation.metrics import grouped_folds
from abkit_model.evaluation.outcome_agreement import Judged, against_outcomes, centered, difference, spread_within
from abkit_model.evaluation.pair_calibration import pair_calibration
from abkit_model.evaluation.trained_scorer import predict
from abkit_model.novelty import novelty_limit
from abkit_model.query_transformer import QueryTransformer
from abkit_model.scorer import Scorer
from abkit_model.training.holdout import FOLDS, LEVEL, HeldOut, HeldOutAnswers, reference_sample
from abkit_model.training.request import Recipe
from abkit_model.training.terms.linear_term import add_linear_term, flatten, say_the_same, without_linear_term
from abkit_model.training.terms.outcome_term import NEVER, PARTS, Rows, Term, fit_term

Floats = NDArray[np.float64]
Indices = NDArray[np.intp]

#: The scale of queries that learned from outcomes alone: e² is 7.4 times the clicks of the average image.
LOG_RATE = Scale(-2.0, 2.0, 2)
#: Fewer rows say nothing about how well scores agree with outcomes.
MIN_JUDGED = 20
SMALLEST = 1e-9
SMALLEST_COUNT = 1e-3
#: Of the conditional likelihood of counts; the fourth changes nothing any more.
NEWTON_STEPS = 3
#: Predicted appeals are cut off here in a step, so that no step runs away.
STEEPEST = 3.0


@dataclass(frozen=True, kw_only=True)
class OutcomeLabels:
    """Outcomes of images, and ratings and comparisons beside them where there are any.

    Attributes:
        outcomes: The images, and what became of them.
        scale: `LOG_RATE`, or that of the parent or the ratings.
        ratings: Rated images to learn from beside the outcomes; no figure is made of them.
        comparisons: Pairs to learn from beside the outcomes; no figure is made of them.
        anew: Whether what a parent learned from outcomes is learned anew: the outcomes are among these here, and would
            count twice.
    """

    outcomes: Outcomes
    scale: Scale = LOG_RATE
    anew: bool = False
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
        """Return the recipe as it is."""
        return recipe

    def loss(self, network: QueryTransformer, recipe: Recipe, start: QueryTransformer | None) -> None:
        """Return None: the closed form leaves nothing to learn step by step."""

    def closed_form(
        self, network: QueryTransformer, recipe: Recipe, start: QueryTransformer | None
    ) -> QueryTransformer:
        """Return the network with a linear term beside what it says, both as the outcomes ask for.

        1. Fit appeals as gain · parent's score + w · embedding, with the pull to the parent found by validation.
        2. Draw the parent's opinions together by the share that it has in this prediction.
        3. Add the linear term, so that scores are spread inside campaigns as the parent's were.

        Without a parent scores are the predicted appeals themselves or, with ratings beside, on the scale of these.
        Where nothing beats the parent as it is, it stays as it is.

        Raises:
            TrainingError: Inside their campaigns, all appeals are the same.
        """
        own = self.outcomes
        base = without_linear_term(start) if start is not None and self.anew else start
        members_say = None if base is None else predict(base, own.views[0])[1]  # (n, M, S)
        before = None if members_say is None else members_say.mean(axis=1) @ self.scale.values
        term = self.fit_term(network, recipe, before)
        if base is not None and term.reach == 0:
            return copy.deepcopy(base)
        said = torch.from_numpy(self._embeddings(network)[: len(own.family)])
        members = network.config.members
        parts = [[k for k in range(len(term.gain)) if k % members == m % len(term.gain)] for m in range(members)]
        weights = torch.from_numpy(np.array([term.weights[k].mean(axis=0) for k in parts])).float()
        values = torch.from_numpy(self.scale.values).float()
        step = 1.0
        if start is not None and base is not None and before is not None and members_say is not None:
            if self.scale != LOG_RATE:
                former = before if not self.anew else predict(start, own.views[0])[0] @ self.scale.values
                moved = before * term.gain.mean() + (said @ weights.mean(dim=0)).numpy()
                step = _spread_inside(former, own) / max(_spread_inside(moved, own), SMALLEST)
            network = copy.deepcopy(base).requires_grad_(True)
            opinions = flatten(network, torch.from_numpy(members_say).float(), float(term.gain.mean() * step))
        else:
            opinion = np.full(self.scale.bins, 1 / self.scale.bins)
            if self.ratings is not None:
                opinion = self.ratings.targets.mean(axis=0)
                means = self.ratings.targets @ self.ratings.values
                step = float(means.std()) / max(_spread_inside((said @ weights.mean(dim=0)).numpy(), own), SMALLEST)
            opinions = torch.from_numpy(opinion).float()[None]
            say_the_same(network, opinions[0])
        tilt = next(network.query_sets()).tilt
        worth = ((opinions * values * tilt).sum(dim=1) - (opinions @ values) * (opinions @ tilt)).mean()
        weights = weights * step / worth.clamp(min=1e-6)
        return add_linear_term(network, weights, weights @ said.mean(dim=0))

    def choice(self, network: QueryTransformer, recipe: Recipe, start: QueryTransformer | None) -> dict[str, Any]:
        """Return what a card says about the fit: how far it moved from the parent, and which other labels it heeded.

        Args:
            network: A network with the measures of these labels, or of the parent.
            recipe: How it was fitted.
            start: The parent.
        """
        base = without_linear_term(start) if start is not None and self.anew else start
        before = None if base is None else predict(base, self.views[0])[0] @ self.scale.values
        term = self.fit_term(network, recipe, before)
        return {
            "moved": term.reach > 0,
            "own_share": self._own_share(network, term, before),
            "pull": 1 / term.reach if term.reach else None,
            "explained": term.gained,
            "log_rate_per_step_of_parent": float(term.gain.mean()) if base is not None else None,
            "shares": dict(term.shares),
        }

    def _own_share(self, network: QueryTransformer, term: Term, before: Floats | None) -> float:
        """Return how much of the variance of the prediction inside campaigns is learned here; the rest is the parent's.

        It is what the pull to the parent comes to: few or noisy outcomes leave the parent nearly as it is.
        """
        own = self.outcomes
        learned = self._embeddings(network)[: len(own.family)].astype(np.float64) @ term.weights.mean(axis=0)
        here = _spread_inside(learned, own) ** 2
        parents = 0.0 if before is None else _spread_inside(term.gain.mean() * before, own) ** 2
        return here / (here + parents) if here + parents > 0 else 0.0

    def fit_term(self, network: QueryTransformer, recipe: Recipe, before: Floats | None) -> Term:
        """Fit the linear term on the outcomes, with ratings and comparisons beside them.

        Args:
            network: A network with the measures of these labels, or of the parent.
            recipe: Its seed deals the parts of the validation.
            before: `(n,)`, what the parent says about the images that have outcomes; None without a parent.

        Raises:
            TrainingError: Inside their campaigns, all appeals are the same.
        """
        own = self.outcomes
        spread = spread_within(own.appeal, own.variance, own.cell)
        if not centered(own.appeal, own.cell, np.ones(len(own.cell))).any():
            raise TrainingError("inside their campaigns, all appeals are the same: there is nothing to learn")
        rows = Rows(
            image=own.image, cell=own.cell, value=own.appeal, variance=np.maximum(spread + own.variance, SMALLEST)
        )
        groups = held_out_groups(own)
        inner = grouped_folds(groups, folds=min(PARTS, len(set(groups))), seed=recipe.seed)
        place = dict(zip(own.views[0].sha256, inner.tolist(), strict=True))
        others = [place.get(digest, NEVER) for views in self.looks[1:] for digest in views[0].sha256]
        scores = None if before is None else np.r_[before, np.zeros(len(others))]  # outcomes alone ask for it
        seen, parts = self._embeddings(network).astype(np.float64), np.r_[inner, np.array(others, dtype=np.intp)]
        beside = self._beside(float(1 / (1 / rows.variance).mean()))
        if not (np.isfinite(own.events) & np.isfinite(own.expected)).all():
            return fit_term(seen, rows, parts, scores=scores, beside=beside)
        said, term = np.zeros(len(own.family)), None
        for _ in range(NEWTON_STEPS):
            term = fit_term(seen, _working_rows(own, said, spread), parts, scores=scores, beside=beside)
            said = seen[: len(said)] @ term.weights.mean(axis=0)
            said += 0 if before is None else term.gain.mean() * before
        return cast(Term, term)

    def _beside(self, unit: float) -> dict[str, Rows]:
        """Return ratings and comparisons as rows of the regression: as widely spread as appeals, and as uncertain."""
        found: dict[str, Rows] = {}
        begin = len(self.outcomes.family)
        if self.ratings is not None:
            means = self.ratings.targets @ self.ratings.values
            n = len(means)
            value = means / max(float(means.std()), SMALLEST) * unit**0.5
            one = np.zeros(n, dtype=np.intp)
            found["ratings"] = Rows(image=begin + np.arange(n), cell=one, value=value, variance=np.full(n, unit))
            begin += n
        if self.comparisons is not None:
            pairs = self.comparisons
            # log-odds of the votes, with half a vote for each side; each image of a pair has half of their variance
            won, lost = pairs.share * pairs.weight + 0.5, (1 - pairs.share) * pairs.weight + 0.5
            odds = np.log(won / lost) / 2
            noise = (1 / won + 1 / lost) / 2
            size = max(float(odds.var() - noise.mean()), 0.1 * float(odds.var()), SMALLEST)
            found["comparisons"] = Rows(
                image=begin + np.r_[pairs.first, pairs.second],
                cell=np.tile(np.arange(len(odds)), 2),
                value=np.r_[odds, -odds] * (unit / size) ** 0.5,
                variance=np.tile(unit + noise * unit / size, 2),
            )
        return found

    def _embeddings(self, network: QueryTransformer) -> NDArray[np.float32]:
        """Return standardized embeddings `(n, E)` of all images that are learned from: the mean of their views."""
        found, clip = [], network.config.clip
        for views in self.looks:
            seen = torch.from_numpy(np.mean([view.embeddings for view in views], axis=0))
            found.append(((seen - network.embedding_mean) / network.embedding_scale).clamp(-clip, clip))
        return torch.cat(found).numpy()

    def judge(self, answers: HeldOutAnswers, judged: NDArray[np.bool_], parent: Scorer | None, seed: int) -> HeldOut:
        """Return all that a card says about images that were held out, inside campaigns and folds.

        There is no conformal interval: an appeal says how an image did beside others, and noisily at that. P(A beats
        B) is held against the outcomes of pairs inside campaigns; their noise makes it cautious.

        Args:
            answers: What was said about the images.
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
        image = own.image[rows]
        figures = against_outcomes(scores[image], held, seed=seed)
        metrics: dict[str, Any] = {"outcome_folds": {"folds": FOLDS, **(figures.to_dict() if figures else {})}}
        pairs = pair_calibration(scores[image], held.appeal, held.family, held.group, seed=seed)
        if pairs is not None:
            metrics["pairs"] = {**pairs.to_dict(), "labels": "outcomes"}
        if parent is not None:
            former = predict(parent.network, self.views[0])[0] @ parent.card.scale.values
            within, concordance = difference(scores[image], former[image], held, seed=seed)
            metrics["outcomes_against_parent"] = within.to_dict()
            metrics["concordance_against_parent"] = concordance.to_dict()
        positions = np.flatnonzero(known)
        return HeldOut(
            outcomes=figures,
            metrics=metrics,
            interval=Interval(level=LEVEL, half_width=None, n=len(positions)),
            novelty_limit=novelty_limit(answers.distances[positions]),
            reference=reference_sample(scores[positions], self.views[0].subset(positions), seed),
        )

    def rows(self, folds: Indices, known: NDArray[np.bool_]) -> Indices:
        """Return the rows that can be judged: of known images, held out together with another of their cell."""
        own = self.outcomes
        rows = np.flatnonzero(known[own.image])
        group = self._groups(rows, folds)
        return rows[np.bincount(group)[group] > 1]

    def _groups(self, rows: Indices, folds: Indices) -> Indices:
        """Return a label for each row: equal where two images of one cell were held out together."""
        own = self.outcomes
        return np.unique(np.stack([own.cell[rows], folds[own.image[rows]]]), axis=1, return_inverse=True)[1].ravel()

    def _judged(self, rows: Indices, folds: Indices) -> Judged:
        own = self.outcomes
        spread = spread_within(own.appeal, own.variance, own.cell)
        weight = 1 / np.maximum(spread + own.variance[rows], SMALLEST)
        return Judged(
            appeal=own.appeal[rows],
            weight=weight / weight.mean(),
            group=self._groups(rows, folds),
            family=[own.family[i] for i in own.image[rows]],
        )


def _spread_inside(scores: Floats, outcomes: Outcomes) -> float:
    """Return the standard deviation of scores `(n,)` inside cells."""
    return float(np.std(centered(scores[outcomes.image], outcomes.cell, np.ones(len(outcomes.image)))))


def _working_rows(outcomes: Outcomes, said: Floats, spread: float) -> Rows:
    """Return the rows of one Newton step on the conditional Poisson likelihood of counts.

    Given the events of a cell, they fall on its images in proportion to expected events times exp(appeal). About what
    is said now, that is a regression of said + (events - mean) / mean, with the variance 1 / mean, more where that in
    the table says so, and the spread between creatives. Logarithms of few counts lean, and this does not.

    Args:
        outcomes: Rows with counts.
        said: `(n,)`, appeals as they are predicted now.
        spread: Variance between creatives inside cells.
    """
    own = outcomes
    appeal = centered(said[own.image], own.cell, np.ones(len(own.image)))
    mean = own.expected * np.exp(np.clip(appeal, -STEEPEST, STEEPEST))
    total = np.maximum(np.bincount(own.cell, mean), SMALLEST)
    mean = np.maximum(mean * (np.bincount(own.cell, own.events) / total)[own.cell], SMALLEST_COUNT)
    dispersion = np.maximum(own.variance * (own.expected + HALF), 1)
    value = appeal + (own.events - mean) / mean
    return Rows(image=own.image, cell=own.cell, value=value, variance=np.maximum(spread + dispersion / mean, SMALLEST))


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
