"""How many queries: by nested validation, with a figure for how differently they look."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import torch
from scipy import stats

from abkit_model.data.dataset import Examples
from abkit_model.data.tokens import Features
from abkit_model.errors import TrainingError
from abkit_model.evaluation.metrics import Estimate, grouped_folds, spearman
from abkit_model.evaluation.trained_scorer import predict
from abkit_model.query_transformer import QueryTransformer
from abkit_model.training.loop import Recipe, fit


def choose_queries(
    examples: Examples, recipe: Recipe, candidates: Sequence[int] = (1, 2, 4, 8, 16), *, folds: int = 5
) -> tuple[int, dict[int, Estimate]]:
    """The number of queries by nested validation, and the SRCC of each candidate with its 95 % interval.

    The smallest number wins whose SRCC lies within one standard error, over folds, of the best: more queries than the
    pictures can teach only disperse attention. Intervals are Student's t over the folds, which share training
    pictures: they are too narrow rather than too wide. Where no fold can be judged, the smallest number is taken.

    Raises:
        TrainingError: fewer subjects than folds.
    """
    try:
        held_out = grouped_folds(examples.groups, folds=folds, seed=recipe.seed + 1)
    except ValueError as error:
        raise TrainingError(
            f"too few subjects to choose the number of queries: {error}", "say the number, or add ratings of others"
        ) from error
    observed = examples.targets @ examples.values
    by_fold: dict[int, list[float]] = {k: [] for k in candidates}
    for queries, figures in by_fold.items():
        for fold in range(folds):
            network = fit(
                examples.subset(np.flatnonzero(held_out != fold)), replace(recipe, queries=queries, members=1)
            )
            inside = np.flatnonzero(held_out == fold)
            guess = predict(network, examples.subset(inside).views[0])[0] @ examples.values
            figures.append(spearman(guess, observed[inside]))
    # a fold of two pictures, or one whose pictures are rated alike, has no rank correlation
    known = {k: np.array([f for f in v if np.isfinite(f)]) for k, v in by_fold.items()}
    known = {k: v for k, v in known.items() if len(v) > 1}
    if not known:
        return min(candidates), {}
    middle = {k: float(v.mean()) for k, v in known.items()}
    standard_error = {k: float(v.std(ddof=1)) / len(v) ** 0.5 for k, v in known.items()}
    best = max(middle, key=lambda k: middle[k])
    chosen = min(k for k in middle if middle[k] >= middle[best] - standard_error[best])
    half = {k: float(stats.t.ppf(0.975, len(v) - 1)) * standard_error[k] for k, v in known.items()}
    return chosen, {k: Estimate(m, m - half[k], m + half[k]) for k, m in middle.items()}


def diversity(network: QueryTransformer, features: Features) -> float | None:
    """How differently the queries of a member look: 1 minus the mean cosine of their attention maps, 0 … 1.

    None for a single query.
    """
    if network.config.queries < 2:
        return None
    seen = features.batch(range(min(64, len(features.rows))))
    with torch.inference_mode():
        maps = network(seen.tokens, seen.mask, seen.embedding, attention=True).attention  # (B, M, L, H, K, T)
    looks = torch.nn.functional.normalize(maps[:, :, -1].mean(dim=2), dim=-1)  # (B, M, K, T)
    cosine = looks @ looks.transpose(-1, -2)
    K = cosine.shape[-1]
    return float(1 - (cosine.sum(dim=(-1, -2)) - K).mean() / (K * (K - 1)))
