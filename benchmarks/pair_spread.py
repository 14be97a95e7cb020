"""Which spread of errors makes P(A beats B) hold: the one that ships, and what else could be taken?

    python benchmarks/pair_spread.py $ABKIT_TESTDATA/oasis_beauty [--seed 0] [--cache FOLDER]

Protocol: as benchmarks/shortlist.py (five folds dealt by subject, pairs of one fold and of different subjects, spreads
from the other folds). Beside the spread about the line of ratings on scores stand the standard deviation of rating −
score, and a spread of its own for each image, in proportion to the spread of opinions that is predicted for it.
Then: does anything that a score comes with go with the size of its error? 95 % intervals resample whole subjects.
"""

import argparse
import tempfile
from pathlib import Path

import numpy as np
import torch

from abkit_model.data.dataset import load_dataset
from abkit_model.data.tokens import TokenCache
from abkit_model.encoders.load import load_encoder
from abkit_model.evaluation.metrics import clustered_bootstrap, grouped_folds, spearman, spread
from abkit_model.evaluation.pair_calibration import BINS, spread_of_errors
from abkit_model.evaluation.trained_scorer import predict
from abkit_model.selection import pair_probability
from abkit_model.training.holdout import FOLDS
from abkit_model.training.loop import fit
from abkit_model.training.ratings import RatingLabels
from abkit_model.training.request import Recipe

RESAMPLES = 1000


def held_out(examples, recipe):
    """Of each image: mean, predicted spread of opinions, disagreement of the query sets, distance, fold."""
    folds = grouped_folds(examples.groups, folds=FOLDS, seed=recipe.seed)
    found = np.zeros((4, len(folds)))
    for fold in range(FOLDS):
        network = fit(RatingLabels(examples.subset(np.flatnonzero(folds != fold))), recipe)
        inside = np.flatnonzero(folds == fold)
        view = examples.views[0].subset(inside)
        ensemble, members = predict(network, view)
        with torch.inference_mode():
            distance = network.distance(torch.from_numpy(view.embeddings)).numpy()
        disagreement = (members @ examples.values).std(axis=1, ddof=1)
        found[:, inside] = ensemble @ examples.values, spread(ensemble, examples.values), disagreement, distance
    return (*found, folds)


def spreads(mean, opinions, observed, folds):
    """By name: a spread for each image, from the images of the other folds."""
    shipped, residual, own = np.zeros((3, len(folds)))
    for fold in range(FOLDS):
        inside, others = folds == fold, folds != fold
        shipped[inside] = spread_of_errors(mean[others], observed[others], folds[others])[0]
        residual[inside] = (observed - mean)[others].std(ddof=1)
        typical = np.sqrt((opinions[others] ** 2).mean())
        own[inside] = shipped[inside] * opinions[inside] / typical
    return {
        "about the line (ships)": shipped,
        "SD of rating - score": residual,
        "own for each image": own,
    }


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--cache", type=Path)
    options = parser.parse_args()
    cache = TokenCache(options.cache or Path(tempfile.mkdtemp()))
    table, images = options.folder / "ratings_per_image.csv", options.folder / "images"
    examples = load_dataset(table, images, load_encoder(), group_column="subject", cache=cache).examples
    mean, opinions, disagreement, distance, folds = held_out(examples, Recipe(seed=options.seed))
    observed = examples.targets @ examples.values
    names, member = np.unique(examples.groups, return_inverse=True)
    a, b = np.triu_indices(len(folds), k=1)
    keep = (folds[a] == folds[b]) & (member[a] != member[b])
    a, b = a[keep], b[keep]
    gap = mean[a] - mean[b]
    right = (1 + np.sign(gap) * np.sign(observed[a] - observed[b])) / 2
    _, slope = spread_of_errors(mean, observed, folds)
    print(f"{len(a):,} pairs, slope {slope:.2f}")
    said = {
        name: pair_probability(np.abs(gap), 0.0, np.sqrt((one[a] ** 2 + one[b] ** 2) / 2))
        for name, one in spreads(mean, opinions, observed, folds).items()
    }
    rng = np.random.default_rng(0)
    drawn = rng.multinomial(len(names), np.full(len(names), 1 / len(names)), size=RESAMPLES)
    value = figures(said, right, np.ones(len(a)))
    low, high = np.quantile(
        [figures(said, right, (t[member[a]] * t[member[b]]).astype(float)) for t in drawn], (0.025, 0.975), axis=0
    )
    for k, name in enumerate(said):
        words = [
            f"{what} {value[k, j]:+.4f} [{low[k, j]:+.4f}, {high[k, j]:+.4f}]"
            for j, what in enumerate(("over-confidence", "ECE", "Brier", "Brier − shipped"))
        ]
        print(f"{name:24} | " + " | ".join(words))
    error = np.abs(observed - mean)
    for name, column in (("opinions", opinions), ("query sets", disagreement), ("distance", distance)):
        (rank,) = clustered_bootstrap(lambda i, x=column: [spearman(x[i], error[i])], examples.groups)
        print(f"rank correlation of |error| with {name}: {rank.value:+.3f} [{rank.low:+.3f}, {rank.high:+.3f}]")


def figures(said, right, weight):
    """Over-confidence, calibration error, Brier score, and Brier score minus the first one's, of each."""
    rows, total = [], weight.sum()
    for one in said.values():
        place = np.minimum(((one - 0.5) * 2 * BINS).astype(int), BINS - 1)
        gaps = np.bincount(place, weight * (one - right), BINS)
        rows.append((weight @ (one - right) / total, np.abs(gaps).sum() / total, weight @ (one - right) ** 2 / total))
    rows = np.array(rows)
    return np.column_stack([rows, rows[:, 2] - rows[0, 2]])


if __name__ == "__main__":
    main()
