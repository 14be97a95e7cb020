"""Ratings alone, choices alone, and both: agreement with held-out votes on pairs of paintings.

    python benchmarks/paintings.py $ABKIT_TESTDATA/pairwise_paintings \
        --ratings $ABKIT_TESTDATA/oasis_beauty --cache FOLDER

"choices" and "both" are linear in the embedding. With --ratings, queries learn too: from choices alone as `abkit model
train choices.csv` does, from choices with the shipped queries as `--parent`, and from ratings and choices at once as
`abkit model train ratings.csv --comparisons choices.csv` does.
Pairs form rings. A ring is cut into arcs of neighboring paintings; five folds are dealt by arc. Choices are learned
from pairs whose two paintings both lie in the training folds, and judged on pairs whose two paintings are both held
out, so that no painting is on both sides.
"""

import argparse
import csv
from collections import defaultdict
from pathlib import Path

import numpy as np
from scipy import stats
from scipy.special import expit

from abkit_model.data.dataset import load_comparisons, load_dataset
from abkit_model.data.tokens import TokenCache
from abkit_model.encoders.load import load_encoder
from abkit_model.evaluation.metrics import clustered_bootstrap, grouped_folds
from abkit_model.evaluation.trained_scorer import predict
from abkit_model.scorer import Scorer
from abkit_model.training.comparisons import CHANCE, ComparisonLabels
from abkit_model.training.loop import fit
from abkit_model.training.ratings import RatingLabels
from abkit_model.training.request import Recipe

PENALTIES = (0.03, 0.1, 0.3, 1.0)


def read(folder):
    votes = defaultdict(lambda: [0, 0])
    raters = defaultdict(dict)
    for row in csv.DictReader((folder / "choices.csv").open()):
        left, right = row["image_left"], row["image_right"]
        pair = (min(left, right), max(left, right))
        won = left if row["choice"] == "left" else right
        votes[pair][0] += won == pair[0]
        votes[pair][1] += 1
        raters[row["rater"]][pair] = won == pair[0]
    return votes, raters


def arcs(pairs, length=10):
    near = defaultdict(list)
    for a, b in pairs:
        near[a].append(b)
        near[b].append(a)
    order, seen = [], set()
    for start in sorted(near):
        ring, at = [], start
        while at is not None and at not in seen:
            seen.add(at)
            ring.append(at)
            at = next((n for n in near[at] if n not in seen), None)
        order += [(f"{start}/{i // length}", image) for i, image in enumerate(ring)]
    return {image: arc for arc, image in order}


def ceiling(raters, pairs, seed=0):
    rng = np.random.default_rng(seed)
    table = np.array([[one[p] for p in pairs] for one in raters.values() if len(one) == len(pairs)], dtype=float)
    halves = []
    for _ in range(200):
        order = rng.permutation(len(table))
        half = len(table) // 2
        halves.append(stats.pearsonr(table[order[:half]].mean(0), table[order[half:]].mean(0)).statistic)
    r = float(np.mean(halves))
    return 2 * r / (1 + r)  # Spearman–Brown


class Queries:
    """Queries that learn from choices alone, tuned from the shipped ones, and from ratings of photographs as well."""

    NAMES = ("choices, queries", "choices, queries tuned", "both, queries")

    def __init__(self, ratings, folder, number, cache):
        encoder, cache = load_encoder(), TokenCache(cache) if cache else None
        table, images = ratings / "ratings_per_image.csv", ratings / "images"
        self.examples = load_dataset(table, images, encoder, group_column="subject", cache=cache).examples
        self.comparisons, choices, _ = load_comparisons(folder / "choices.csv", folder, encoder, cache=cache)
        self.place = np.array([number[name] for name in choices.images])  # where the benchmark keeps each painting
        self.shipped = Scorer.load()

    def scores(self, inside, seed):
        """Scores of all paintings, in the benchmark's order, learned from pairs whose paintings are both inside."""
        digests = self.comparisons.views[0].sha256
        pairs = self.comparisons.without({digests[i] for i in range(len(digests)) if not inside[self.place[i]]})
        recipe, shipped = Recipe(seed=seed), self.shipped
        networks = (
            (fit(ComparisonLabels(pairs), recipe), CHANCE),
            (fit(ComparisonLabels(pairs, shipped.card.scale), recipe, start=shipped.network), shipped.card.scale),
            (fit(RatingLabels(self.examples, pairs), recipe), shipped.card.scale),
        )
        for name, (network, scale) in zip(self.NAMES, networks, strict=True):
            ordered = np.zeros(len(self.place))
            ordered[self.place] = predict(network, self.comparisons.views[0])[0] @ scale.values
            yield name, ordered


def main(folder, ratings, cache, repeats_of_queries):
    votes, raters = read(folder)
    pairs = sorted(votes)
    arc = arcs(pairs)
    images = sorted(arc)
    number = {p: i for i, p in enumerate(images)}
    scorer = Scorer.load()
    scores = scorer.score(folder / name for name in images)
    X = np.stack([s.embedding for s in scores]).astype(np.float64)
    rated = np.array([s.mean for s in scores])
    first, second = (np.array([number[p[k]] for p in pairs]) for k in (0, 1))
    share = np.array([votes[p][0] / votes[p][1] for p in pairs])
    weight = np.array([votes[p][1] for p in pairs], dtype=float)
    groups = [arc[p] for p in images]
    queries = Queries(ratings, folder, number, cache) if ratings else None
    names = ("ratings", "choices", "both") + (Queries.NAMES if queries else ())
    repeats = []
    for seed in range(repeats_of_queries if queries else 5):
        fold_of = grouped_folds(groups, seed=seed)
        guess = {name: np.full(len(pairs), np.nan) for name in names}
        for fold in range(5):
            inside, outside = fold_of != fold, fold_of == fold
            train = np.flatnonzero(inside[first] & inside[second])
            test = np.flatnonzero(outside[first] & outside[second])
            mean, scale = X[inside].mean(0), X[inside].std(0) + 1e-6
            Z = np.clip((X - mean) / scale, -3, 3)
            r = (rated - rated[inside].mean()) / rated[inside].std()
            both = np.column_stack([Z, r * np.sqrt(0.1 * Z.shape[1])])
            guess["ratings"][test] = rated[first[test]] - rated[second[test]]
            for name, learned in queries.scores(inside, seed) if queries else ():
                guess[name][test] = learned[first[test]] - learned[second[test]]
            for name, features in (("choices", Z), ("both", both)):
                penalty = tune(features, first, second, share, weight, train, fold_of)
                direction = fit_preferences(
                    features, first[train], second[train], share[train], weight[train], penalty=penalty
                )
                guess[name][test] = (features[first[test]] - features[second[test]]) @ direction
        repeats.append(guess)
    report(repeats, share, [f"{arc[p[0]]}" for p in pairs])
    print(f"reliability of the vote shares: {ceiling(raters, pairs):.3f}, so no correlation can exceed its root")


def fit_preferences(X, first, second, first_wins, weight, *, penalty):
    """Return the direction `(E,)` in embedding space along which preferred images lie: Bradley–Terry on differences.

    Ridge-penalized logistic regression on X[first] − X[second], solved by Newton's method in the span of the
    differences, so that its cost depends on the number of pairs and not on E.

    Args:
        X: `(items, E)`, standardized embeddings.
        first: (pairs,), number of the first image.
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


def tune(features, first, second, share, weight, train, fold_of):
    def inner(penalty):
        guesses, observed = [], []
        for fold in np.unique(fold_of[first[train]]):
            out = train[(fold_of[first[train]] == fold) & (fold_of[second[train]] == fold)]
            keep = train[(fold_of[first[train]] != fold) & (fold_of[second[train]] != fold)]
            direction = fit_preferences(features, first[keep], second[keep], share[keep], weight[keep], penalty=penalty)
            guesses.append((features[first[out]] - features[second[out]]) @ direction)
            observed.append(share[out])
        return stats.pearsonr(np.concatenate(guesses), np.concatenate(observed)).statistic

    return max(PENALTIES, key=inner)


def report(repeats, share, groups):
    names = list(repeats[0])

    def figures(i):
        out = []
        for name in names:
            r, hit = [], []
            for guess in repeats:
                g, s = guess[name][i], share[i]
                known = ~np.isnan(g)
                r.append(stats.pearsonr(g[known], s[known]).statistic)
                decided = known & (s != 0.5)
                hit.append(np.mean((g[decided] > 0) == (s[decided] > 0.5)))
            out += [np.mean(r), np.mean(hit)]
        return np.array(out)

    for k, estimate in enumerate(clustered_bootstrap(figures, groups, resamples=500)):
        what = "correlation with vote share" if k % 2 == 0 else "picks the winner"
        print(f"{names[k // 2]:24} {what:28} {estimate.value:.3f} [{estimate.low:.3f}, {estimate.high:.3f}]")
    print(
        f"pairs judged in a repeat: {int(np.mean([np.sum(~np.isnan(g['ratings'])) for g in repeats]))} of {len(share)}"
    )


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--ratings", type=Path)
    parser.add_argument("--cache", type=Path)
    parser.add_argument("--repeats", type=int, default=2, help="with --ratings, which take some minutes each")
    options = parser.parse_args()
    main(options.folder, options.ratings, options.cache, options.repeats)
