"""The closed form: a linear term on embeddings that tells creatives of a campaign apart, beside what a parent says.

An appeal is predicted as gain · parent's score + w · embedding, both centered inside campaigns. How far w may move from
zero, the pull to the parent, is found by validation inside the training data: whole groups of images are left out in
turn, and "do not move" is one of the candidates. Ratings and comparisons beside the outcomes are further rows of the
same regression; how much they count is found the same way, so that labels that contradict the clicks count nothing.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray
from scipy import linalg

from abkit_model.evaluation.outcome_agreement import centered

Floats = NDArray[np.float64]
Indices = NDArray[np.intp]

#: Variance that the linear term may have beforehand, in units of the appeals' own; 0 is the parent as it is.
REACHES = (0.0, 0.003, 0.01, 0.03, 0.1, 0.3, 1.0, 3.0, 10.0, 30.0)
#: How much a row of another kind of label may count, in units of an outcome's.
SHARES = (0.0, 0.1, 0.3, 1.0)
PARTS = 5
#: Rows of another kind of label belong to no part: they are learned from whichever part is left out.
NEVER = -1
SMALL = 1e-9
#: Scores that differ by less are the same.
ALIKE = 1e-5


@dataclass(frozen=True, kw_only=True)
class Rows:
    """Rows of one kind of label: appeals, or what stands for them.

    Attributes:
        image: `(rows,)`, position of the image among all images of the regression.
        cell: `(rows,)`, inside of which rows are compared.
        value: `(rows,)`, the appeal.
        variance: `(rows,)`, its variance, that between creatives included.
    """

    image: Indices
    cell: Indices
    value: Floats
    variance: Floats


@dataclass(frozen=True, kw_only=True)
class Term:
    """What was fitted.

    Attributes:
        weights: `(parts, E)`, the linear term, fitted without each part in turn: what an ensemble is made of.
        gain: `(parts,)`, appeal per step of the parent's score, at least 0; all 0 without a parent.
        reach: The chosen candidate of `REACHES`.
        shares: How much a row of each other kind of label counts.
        gained: Share of the variance of held-out appeals that the choice explains beyond the parent.
    """

    weights: Floats
    gain: Floats
    reach: float
    shares: Mapping[str, float] = field(default_factory=dict)
    gained: float = 0.0


def fit_term(
    embeddings: Floats,
    rows: Rows,
    parts: Indices,
    *,
    scores: Floats | None = None,
    beside: Mapping[str, Rows] | None = None,
) -> Term:
    """Fit the linear term, with its reach and the shares of other labels found by validation.

    1. Rotate embeddings to as many directions as there are images: nothing is lost, and less is solved.
    2. Leave out each part of the images in turn, and predict its appeals inside cells, for every reach.
    3. Take the reach with the smallest weighted squared error. Then the same for each other kind of label.
    4. Fit without each part once more, with all that was chosen.

    Args:
        embeddings: `(n, E)`, standardized, of all images of the regression.
        rows: The outcomes.
        parts: `(n,)`, part of each image, 0 and up; `NEVER` for images that have no outcome.
        scores: `(n,)`, what the parent says about the images; None without a parent.
        beside: Rows of other kinds of labels, by name.
    """
    basis = _rotation(embeddings)
    problem = _Problem.of(embeddings @ basis, rows, parts, scores)
    reach, error = problem.best_reach()
    start = problem.errors((0.0,))[0]
    shares: dict[str, float] = {}
    for name, other in (beside or {}).items():
        candidates = [problem.with_beside(other, share) for share in SHARES]
        found = [(*one.best_reach(), share, one) for share, one in zip(SHARES, candidates, strict=True)]
        reach, error, shares[name], problem = min(found, key=lambda one: one[1])
    fitted = [problem.solve(part, (reach,))[0] for part in range(problem.count)]
    return Term(
        weights=np.array([basis @ weights for weights, _ in fitted]),
        gain=np.array([gain for _, gain in fitted]),
        reach=reach,
        shares=shares,
        gained=max(0.0, 1 - error / start) if start > 0 else 0.0,
    )


@dataclass(frozen=True, kw_only=True)
class _Problem:
    """A regression with parts that can be left out.

    Attributes:
        seen: `(n, d)`, rotated embeddings.
        rows: The outcomes.
        parts: `(n,)`.
        scores: `(n,)`, the parent's, standardized; None without a parent.
        unit: Variance of the appeals, on the whole: what a reach is measured in.
        beside: Other rows, and how much each counts.
    """

    seen: Floats
    rows: Rows
    parts: Indices
    scores: Floats | None
    step: float
    unit: float
    beside: Sequence[tuple[Rows, float]] = ()

    @classmethod
    def of(cls, seen: Floats, rows: Rows, parts: Indices, scores: Floats | None) -> _Problem:
        step = 1.0
        if scores is not None:
            step = float(np.std(centered(scores[rows.image], rows.cell, 1 / rows.variance)))
            scores = scores / step if step > ALIKE else None  # one that says the same of all has nothing to say
        return cls(
            seen=seen, rows=rows, parts=parts, scores=scores, step=step, unit=float(1 / (1 / rows.variance).mean())
        )

    @property
    def count(self) -> int:
        return int(self.parts.max()) + 1

    def with_beside(self, rows: Rows, share: float) -> _Problem:
        return replace(self, beside=(*self.beside, (rows, share))) if share else self

    def best_reach(self) -> tuple[float, float]:
        """Return the reach with the smallest error, and the error."""
        errors = self.errors(REACHES)
        best = int(np.argmin(errors))  # of equal ones, the one that moves least
        return REACHES[best], float(errors[best])

    def errors(self, reaches: Sequence[float]) -> Floats:
        """Return the mean weighted squared error of held-out appeals inside cells, by reach."""
        own = self.rows
        said = np.zeros((len(reaches), len(own.image)))
        part = self.parts[own.image]
        for number in range(self.count):
            out = np.flatnonzero(part == number)
            for k, (weights, gain) in enumerate(self.solve(number, reaches)):
                said[k, out] = self.seen[own.image[out]] @ weights
                if self.scores is not None:
                    said[k, out] += gain * self.step * self.scores[own.image[out]]
        group = np.unique(np.stack([own.cell, part]), axis=1, return_inverse=True)[1].ravel()
        weight = 1 / own.variance
        missed = [centered(own.value - one, group, weight) for one in said]
        return np.array([float((weight * one**2).mean()) for one in missed])

    def solve(self, left_out: int, reaches: Sequence[float]) -> list[tuple[Floats, float]]:
        """Return the linear term `(d,)` and the gain per step of the parent's score, for each reach."""
        squares = np.zeros((self.seen.shape[1] + 1,) * 2)
        products = np.zeros(len(squares))
        for rows, share in ((self.rows, 1.0), *self.beside):
            keep = self.parts[rows.image] != left_out
            image, weight = rows.image[keep], share / rows.variance[keep]
            own = share == 1.0 and rows is self.rows
            former = self.scores[image] if self.scores is not None and own else np.zeros(len(image))
            columns = np.column_stack([self.seen[image], former])
            columns = _centered_columns(columns, rows.cell[keep], weight)
            value = centered(rows.value[keep], rows.cell[keep], weight)
            squares += (columns * weight[:, None]).T @ columns
            products += columns.T @ (weight * value)
        found = []
        for reach in reaches:
            penalty = np.full(len(squares), 1 / (max(reach, SMALL) * self.unit))
            penalty[-1] = 1 / self.unit  # the parent may be right on all of it
            if reach == 0:
                gain = products[-1] / (squares[-1, -1] + penalty[-1])
                found.append((np.zeros(len(squares) - 1), max(0.0, gain) / self.step))
                continue
            solved = linalg.solve(squares + np.diag(penalty), products, assume_a="pos")
            if solved[-1] < 0:  # a parent that contradicts the clicks has no say
                inner = slice(0, -1)
                rest = linalg.solve((squares + np.diag(penalty))[inner, inner], products[inner], assume_a="pos")
                solved = np.append(rest, 0.0)
            found.append((solved[:-1], float(solved[-1]) / self.step))
        return found


def _rotation(embeddings: Floats) -> Floats:
    """Return `(E, d)`, which turns embeddings into d coordinates of mean square 1 / d over all channels."""
    n, width = embeddings.shape
    if n >= width:
        return np.asarray(np.eye(width) / width**0.5)
    values, vectors = np.linalg.eigh(embeddings @ embeddings.T / width)
    kept = values > SMALL
    return np.asarray(embeddings.T @ (vectors[:, kept] / np.sqrt(values[kept])) / width)


def _centered_columns(columns: Floats, cell: Indices, weight: Floats) -> Floats:
    """Return columns `(rows, d)` minus their weighted mean inside cells."""
    numbers = np.unique(cell, return_inverse=True)[1]
    order = np.argsort(numbers, kind="stable")
    starts = np.flatnonzero(np.r_[True, np.diff(numbers[order]) > 0])
    sums = np.add.reduceat((columns * weight[:, None])[order], starts, axis=0)
    return np.asarray(columns - (sums / np.add.reduceat(weight[order], starts)[:, None])[numbers])
