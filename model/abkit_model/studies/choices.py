"""Learning from choices: A over B, from pairwise votes or from the outcomes of A/B tests.

`read_choices` reads them from a table (see `choice_table`); the rest learns from the arrays of a `ChoiceTable`.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit

from abkit_model.data.comparisons import ChoiceTable, read_choices
from abkit_model.errors import LabelError

__all__ = ["ChoiceTable", "Strengths", "bradley_terry", "fit_preferences", "read_choices"]

Floats = NDArray[np.float64]
Indices = NDArray[np.intp]


@dataclass(frozen=True)
class Strengths:
    """Bradley–Terry strengths of pictures, on a logit scale with mean 0.

    Attributes:
        strength: (items,); the difference of two is the log-odds that the first is preferred.
        se: (items,), posterior standard errors.
        iterations: Newton steps taken.
    """

    strength: Floats
    se: Floats
    iterations: int


def bradley_terry(
    first: Indices, second: Indices, first_wins: Floats, weight: Floats, items: int, *, prior_sd: float = 1.0
) -> Strengths:
    """Penalised maximum likelihood of P(first preferred) = logistic(s_first − s_second).

    A normal prior keeps strengths finite where a picture won or lost every comparison, and joins parts that were
    never compared. Source: Bradley & Terry (1952), doi 10.1093/biomet/39.3-4.324; Hunter (2004),
    doi 10.1214/aos/1079120141.

    Args:
        first: (pairs,), number of the first picture.
        second: (pairs,), number of the second.
        first_wins: (pairs,), share of votes for the first, or the probability that it is better: 0 … 1.
        weight: (pairs,), votes behind it, or how sure the outcome of an A/B test is.
        items: Number of pictures.
        prior_sd: Spread of strengths expected beforehand, in logits.

    Raises:
        LabelError: shares outside 0 … 1, negative weights, or a picture compared with itself.

    >>> bradley_terry(np.array([0]), np.array([1]), np.array([0.75]), np.array([1000.0]), 2).strength.round(2).tolist()
    [0.55, -0.55]
    """
    if not (np.isfinite(first_wins).all() and (first_wins >= 0).all() and (first_wins <= 1).all()):
        raise LabelError("the share of choices for the first picture must lie between 0 and 1")
    if not (np.isfinite(weight).all() and (weight >= 0).all()):
        raise LabelError("the weight of a choice must not be negative")
    if (first == second).any():
        raise LabelError("a picture is compared with itself")
    strength = np.zeros(items)
    precision = np.eye(items) / prior_sd**2
    hessian = precision.copy()
    steps = 0
    while steps < 50:
        steps += 1
        expected = expit(strength[first] - strength[second])
        surprise = weight * (first_wins - expected)
        gradient = np.bincount(first, surprise, items) - np.bincount(second, surprise, items) - strength / prior_sd**2
        curvature = weight * expected * (1 - expected)
        hessian = precision.copy()
        np.add.at(hessian, (first, first), curvature)
        np.add.at(hessian, (second, second), curvature)
        np.add.at(hessian, (first, second), -curvature)
        np.add.at(hessian, (second, first), -curvature)
        step = np.linalg.solve(hessian, gradient)
        strength = strength + step
        if np.abs(step).max() < 1e-9:
            break
    # only differences are known: the common level, and its uncertainty, are taken out
    centred = np.eye(items) - 1 / items
    covariance = centred @ np.linalg.inv(hessian) @ centred
    return Strengths(strength - strength.mean(), np.sqrt(np.diag(covariance)), steps)


def fit_preferences(
    X: Floats, first: Indices, second: Indices, first_wins: Floats, weight: Floats, *, penalty: float
) -> Floats:
    """Direction `(E,)` in embedding space along which preferred pictures lie: Bradley–Terry on score differences.

    Ridge-penalised logistic regression on X[first] − X[second], solved by Newton's method in the span of the
    differences, so that its cost depends on the number of pairs and not on E.

    Args:
        X: `(items, E)`, standardised embeddings.
        first: (pairs,), number of the first picture.
        second: (pairs,), number of the second.
        first_wins: (pairs,), share of choices for the first.
        weight: (pairs,), how much each counts.
        penalty: Of the squared length of the direction, relative to E.
    """
    difference = X[first] - X[second]  # (pairs, E)
    gram = difference @ difference.T / (penalty * X.shape[1])
    dual = np.zeros(len(first))
    for _ in range(50):
        margin = gram @ dual
        expected = expit(margin)
        curvature = np.maximum(weight * expected * (1 - expected), 1e-12)
        # at the optimum dual = weight · (observed − expected); this is its Newton step
        target = margin + weight * (first_wins - expected) / curvature
        updated = np.linalg.solve(gram + np.diag(1 / curvature), target)
        moved = float(np.abs(updated - dual).max())
        dual = updated
        if moved < 1e-9:
            break
    return np.asarray(difference.T @ dual / (penalty * X.shape[1]))
