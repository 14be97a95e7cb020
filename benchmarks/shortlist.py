"""Do P(A beats B) and P(best) hold on photographs of subjects that the scorer never saw?

    python benchmarks/shortlist.py $ABKIT_TESTDATA/oasis_beauty [--seed 0] [--cache FOLDER] [--chart FILE.png]

Protocol: five folds dealt by subject with the recipe that ships; pairs of one fold and of different subjects, judged
with the error spread of the other folds. Campaigns are made up: so many photographs of different subjects of one
fold; the fewest are kept that hold the best with a probability of 0.9, and it is counted how often they did.
95 % intervals resample whole subjects.
"""

import argparse
import tempfile
from pathlib import Path

import numpy as np

from abkit.reporting.charts.scorer import reliability_chart
from abkit.reporting.charts.theme import save_chart
from abkit_model.data.dataset import load_dataset
from abkit_model.data.tokens import TokenCache
from abkit_model.encoders.load import load_encoder
from abkit_model.evaluation.pair_calibration import pair_calibration, spread_of_errors
from abkit_model.selection import best_probabilities, pair_probability, smallest_set
from abkit_model.training.holdout import cross_validate
from abkit_model.training.ratings import RatingLabels
from abkit_model.training.request import Recipe

DEMANDED = 0.9


def campaigns(predicted, observed, groups, folds, spreads, size, count, rng):
    """Of each campaign: whether the set held the best, how many it took, what was predicted for it and the top 3."""
    rows = []
    for fold in np.unique(folds):
        inside = np.flatnonzero(folds == fold)
        subjects = np.unique(groups[inside])
        if len(subjects) < size:
            continue
        for _ in range(count):
            drawn = rng.choice(subjects, size, replace=False)
            chosen = np.array([rng.choice(inside[groups[inside] == subject]) for subject in drawn])
            chosen = chosen[np.argsort(-predicted[chosen])]
            chances = best_probabilities(predicted[chosen], spreads[fold])
            kept, best = smallest_set(chances, DEMANDED), observed[chosen].argmax()
            rows.append((best < kept, kept, chances[:kept].sum(), best < 3, chances[:3].sum()))
    return np.array(rows, dtype=float).mean(axis=0)


def with_interval(predicted, observed, groups, folds, spreads, size, resamples=200):
    rng = np.random.default_rng(0)
    value = campaigns(predicted, observed, groups, folds, spreads, size, 400, rng)
    names = np.unique(groups)
    drawn = []
    for _ in range(resamples):
        # A subject that is drawn twice counts once: a campaign has no two images of one subject.
        some = np.isin(groups, rng.choice(names, len(names)))
        drawn.append(campaigns(predicted[some], observed[some], groups[some], folds[some], spreads, size, 40, rng))
    low, high = np.quantile(drawn, [0.025, 0.975], axis=0)
    return [f"{v:.3f} [{a:.3f}, {b:.3f}]" for v, a, b in zip(value, low, high, strict=True)]


def same_subject(predicted, observed, groups, folds, spreads):
    """What is predicted and what is right for pairs of one subject: near-duplicates, like variants of one idea."""
    first, second = np.triu_indices(len(groups), k=1)
    same = groups[first] == groups[second]
    first, second = first[same], second[same]
    gap = predicted[first] - predicted[second]
    said = pair_probability(np.abs(gap), 0.0, np.array([spreads[fold] for fold in folds[first]]))
    right = (1 + np.sign(gap) * np.sign(observed[first] - observed[second])) / 2
    return len(first), float(said.mean()), float(right.mean())


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--cache", type=Path)
    parser.add_argument("--chart", type=Path)
    options = parser.parse_args()
    cache = TokenCache(options.cache or Path(tempfile.mkdtemp()))
    table, images = options.folder / "ratings_per_image.csv", options.folder / "images"
    examples = load_dataset(table, images, load_encoder(), group_column="subject", cache=cache).examples
    answers = cross_validate(RatingLabels(examples), Recipe(seed=options.seed))
    held, folds = answers.distributions, answers.folds
    predicted, observed, groups = held @ examples.values, examples.targets @ examples.values, np.array(examples.groups)
    figures = pair_calibration(predicted, observed, examples.groups, folds)
    print(f"error spread {figures.error_spread:.3f}, slope {figures.slope:.3f}, SD {figures.residual_std:.3f}")
    print(f"{figures.pairs:,} pairs of {figures.n} images, {figures.subjects} subjects; predicted {figures.said:.3f}")
    for name in ("right", "overconfidence", "brier", "ece"):
        one = getattr(figures, name)
        print(f"  {name:15} {one.value:+.3f} [{one.low:+.3f}, {one.high:+.3f}]")
    print(f"  a coin: brier {figures.coin_brier:.3f}, ece {figures.coin_ece:.3f}")
    for one in figures.bins:
        right = one.right
        print(f"  {one.low:.2f}–{one.high:.2f}  n {one.pairs:6,}  predicted {one.said:.3f}  right {right.value:.3f} "
              f"[{right.low:.3f}, {right.high:.3f}]")  # fmt: skip
    spreads = {
        fold: spread_of_errors(predicted[folds != fold], observed[folds != fold], folds[folds != fold])[0]
        for fold in np.unique(folds)
    }
    n, said, right = same_subject(predicted, observed, groups, folds, spreads)
    print(f"pairs of one subject: n {n:,}, predicted {said:.3f}, right {right:.3f}")
    print(
        "campaign size | set holds the best | images in the set | predicted | top 3 hold it | predicted for the top 3"
    )
    for size in (5, 10, 20):
        print(f"{size} | " + " | ".join(with_interval(predicted, observed, groups, folds, spreads, size)))
    if options.chart:
        print(save_chart(reliability_chart(figures), options.chart))


if __name__ == "__main__":
    main()
