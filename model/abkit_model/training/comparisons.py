"""Training on comparisons alone: which of two images is preferred, and nothing on how well a single one is liked.

What is learned from nothing but comparisons has a scale of its own: the chance, from 0 to 1, that somebody prefers the
image over the average one of those that were compared. Queries that are tuned from a parent stay on its scale.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components, reverse_cuthill_mckee

from abkit_model.checkpoint import Interval, Scale
from abkit_model.data.comparisons import MIN_PAIRS
from abkit_model.data.dataset import Comparisons
from abkit_model.data.tokens import Features
from abkit_model.evaluation.comparison_agreement import ComparisonFigures, against_comparisons
from abkit_model.evaluation.pair_calibration import comparison_calibration
from abkit_model.evaluation.trained_scorer import predict
from abkit_model.novelty import novelty_limit
from abkit_model.query_transformer import QueryTransformer
from abkit_model.scorer import Scorer
from abkit_model.training.holdout import FOLDS, LEVEL, HeldOut, HeldOutAnswers, reference_sample
from abkit_model.training.losses import ComparisonLoss
from abkit_model.training.request import Recipe
from abkit_model.training.terms.blend import blend
from abkit_model.training.terms.closed_form import Pairs, share_of_pairs, solve_pairs

Floats = NDArray[np.float64]
Indices = NDArray[np.intp]

#: The scale of queries that learned from comparisons alone: not preferred, preferred.
CHANCE = Scale(0.0, 1.0, 2)
CHUNKS = 10
#: With more images than this a closed form costs more than the queries, and adds nothing that they cannot learn.
MOST_SOLVED = 2000
#: With fewer pairs the 95 % interval of the share picked right is wider than ±0.2, which says nothing.
MIN_JUDGED = 20


@dataclass(frozen=True)
class ComparisonLabels:
    """Compared images, and the scale that their scores are on.

    Attributes:
        comparisons: The pairs.
        scale: `CHANCE`, or the parent's.
    """

    comparisons: Comparisons
    scale: Scale = CHANCE

    @property
    def views(self) -> Sequence[Features]:
        """The compared images."""
        return self.comparisons.views

    @property
    def looks(self) -> Sequence[Sequence[Features]]:
        """The compared images."""
        return [self.comparisons.views]

    @property
    def groups(self) -> Sequence[str]:
        """Images that were compared with each other, as far as possible."""
        return neighborhoods(self.comparisons)

    def without(self, images: Indices) -> ComparisonLabels | None:
        """Return the pairs that show none of these images; None where there are too few."""
        left = self.comparisons.without(set(self.views[0].subset(images).sha256))
        return None if left is None or len(left.share) < MIN_PAIRS else replace(self, comparisons=left)

    def closed_form(
        self, network: QueryTransformer, recipe: Recipe, start: QueryTransformer | None
    ) -> QueryTransformer:
        """Return the network as it is: all is learned step by step."""
        return network

    def tuning(self, recipe: Recipe) -> Recipe:
        """Return the recipe as it is."""
        return recipe

    @property
    def closed_form_share(self) -> float:
        """The share of the closed form for so many pairs; none on a parent's scale, and none for very many images."""
        if self.scale != CHANCE or len(self.views[0].rows) > MOST_SOLVED:
            return 0.0
        return share_of_pairs(len(self.comparisons.share))

    def blend(self, network: QueryTransformer, recipe: Recipe) -> QueryTransformer:
        """Return the network with a Bradley–Terry model on the embedding blended in."""
        own, share = self.comparisons, recipe.closed_form_by(self.closed_form_share)
        if not share:
            return network
        weight = own.weight / own.weight.mean()
        pairs = Pairs(first=own.first, second=own.second, share=own.share, weight=weight)
        closed = solve_pairs(network, own.views, pairs, groups=self.groups, seed=recipe.seed)
        return blend(network, closed, share)

    def loss(self, network: QueryTransformer, recipe: Recipe, start: QueryTransformer | None) -> ComparisonLoss:
        """Return the loss on the pairs; with a parent, opinions are kept where they were on the whole."""
        values = before = None
        if start is not None:
            values = torch.from_numpy(self.scale.values).float()
            before = torch.from_numpy(predict(start, self.views[0])[0]).float()
        return ComparisonLoss.of(network, self.comparisons, values=values, recipe=recipe, before=before)

    def judge(self, answers: HeldOutAnswers, judged: NDArray[np.bool_], parent: Scorer | None, seed: int) -> HeldOut:
        """Return all that a card says about pairs whose two images were held out together.

        There is no conformal interval, because no comparison says how well a single image is liked.

        Args:
            answers: What was said about the images.
            judged: `(n,)`, which images may count: those that a parent was trained on were never held out.
            parent: The parent, to be compared with.
            seed: Seed of the bootstrap and of the reference sample.
        """
        scores = answers.distributions @ self.scale.values
        known = np.isfinite(scores) & judged
        pairs = self._judged(answers.folds, known)
        if pairs is None:
            return HeldOut.of_too_few(0)
        own, former = self._agreement(pairs, scores, parent)
        metrics: dict[str, Any] = {
            "comparison_folds": {
                "folds": FOLDS,
                "n": len(set(pairs.first.tolist()) | set(pairs.second.tolist())),
                "pairs": own.n,
                "picks_winner": asdict(own.picks_winner),
                "correlation": asdict(own.correlation),
            }
        }
        if former is not None:
            metrics["picks_against_parent"] = asdict(former.picks_difference)
        calibration = comparison_calibration(scores, answers.folds, pairs.first, pairs.second, pairs.share, seed=seed)
        if calibration is not None:
            metrics["pairs"] = {**calibration.to_dict(), "labels": "comparisons"}
        positions = np.flatnonzero(known)
        return HeldOut(
            agreement=own,
            metrics=metrics,
            interval=Interval(level=LEVEL, half_width=None, n=len(positions)),
            novelty_limit=novelty_limit(answers.distances[positions]),
            reference=reference_sample(scores[positions], self.views[0].subset(positions), seed),
        )

    def _judged(self, folds: Indices, known: NDArray[np.bool_]) -> Comparisons | None:
        """Return the pairs whose two images were held out together; None where too few of them were decided."""
        pairs = self.comparisons
        judged = (folds[pairs.first] == folds[pairs.second]) & known[pairs.first] & known[pairs.second]
        if (pairs.share[judged] != 0.5).sum() < MIN_JUDGED:
            return None
        share, weight = pairs.share[judged], pairs.weight[judged]
        return replace(pairs, first=pairs.first[judged], second=pairs.second[judged], share=share, weight=weight)

    def _agreement(
        self, pairs: Comparisons, scores: Floats, parent: Scorer | None
    ) -> tuple[ComparisonFigures, ComparisonFigures | None]:
        """Return the agreement of held-out scores and, where there is a parent, of its scores."""
        said = {"held out": [np.nan_to_num(scores)]}
        if parent:
            said["parent"] = [predict(parent.network, pairs.views[0])[0] @ parent.card.scale.values]
        found = {one.name: one for one in against_comparisons(said, pairs)}
        return found["held out"], found.get("parent")


def neighborhoods(comparisons: Comparisons) -> list[str]:
    """Return groups of images to hold out together: parts of the graph of comparisons, with many pairs inside of them.

    A pair can be judged only where both of its images were held out. Dealt at random into five folds, a fifth of the
    pairs would be; where each image was compared with few others, most are. Images are ordered so that those
    compared with each other stand near (reverse Cuthill–McKee: Cuthill & McKee 1969, doi 10.1145/800195.805928), and
    the order of each connected part is cut into chunks of a tenth of all images. Files of one content are one.

    >>> from abkit_model.data.tokens import Features
    >>> four, once = Features([], ["a", "b", "c", "d"]), np.ones(2)
    >>> chain = Comparisons([four], np.array([0, 2]), np.array([1, 3]), once, once)
    >>> groups = neighborhoods(chain)
    >>> groups[0] == groups[1], groups[2] == groups[3], groups[0] == groups[2]
    (True, True, False)
    """
    # of contents, not of names: a chunk that shared a copy with another would have to be held out with it
    contents, node = np.unique(comparisons.views[0].sha256, return_inverse=True)
    first, second = node[comparisons.first], node[comparisons.second]
    ends, count = (np.r_[first, second], np.r_[second, first]), len(contents)
    graph = coo_array((np.ones(len(ends[0])), ends), shape=(count, count)).tocsr()
    _, part = connected_components(graph, directed=False)
    near = np.argsort(reverse_cuthill_mckee(graph, symmetric_mode=True))
    order = np.lexsort((near, part))  # part after part
    place = np.empty(count, dtype=np.intp)
    place[order] = np.arange(count)
    begin = place[order][np.searchsorted(part[order], part)]  # where the part of each image begins
    size = max(2, count // CHUNKS)
    groups = [f"{p}/{i}" for p, i in zip(part, (place - begin) // size, strict=True)]
    return [groups[i] for i in node]
