"""Do targets with the raters' biases taken out (ITU-T P.910) make a better scorer?

    python benchmarks/rater_correction.py $ABKIT_TESTDATA/oasis_beauty [--cache DIR] [--repeats 3] [--jobs 2]

The default recipe is trained on distributions of all votes of an image, and of 20, 10 and 5 votes drawn at random
(another draw and other folds in each repeat): plain, corrected as P.910 does, and corrected with the biases of raters
of few votes drawn towards 0. What models say of subjects held out is judged against the mean of *all* votes of a
image, plain as people usually report it; beside it stands how near the targets themselves come to that mean.
Intervals are 95 %, paired, whole subjects resampled.
"""

import argparse
import csv
import gzip
import tempfile
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from multiprocessing import get_context
from pathlib import Path

import numpy as np

from abkit_model.data.dataset import load_dataset
from abkit_model.data.raters import corrected_distributions, rater_model, spread_over_bins
from abkit_model.data.rating_rows import read_rows
from abkit_model.data.tokens import TokenCache
from abkit_model.encoders import DEFAULT_ENCODER
from abkit_model.encoders.load import load_encoder
from abkit_model.evaluation.metrics import clustered_bootstrap, spearman
from abkit_model.training.holdout import cross_validate
from abkit_model.training.ratings import RatingLabels
from abkit_model.training.request import Recipe

TARGETS = ("plain", "P.910", "P.910, biases shrunk")
DRAWS = (5, 10, 20, None)


def joined(folder, out):
    """One row per vote, with the file and the subject of its image."""
    with (folder / "ratings_per_image.csv").open(newline="") as file:
        images = {row["item"]: row for row in csv.DictReader(file)}
    with gzip.open(folder / "ratings_long.csv.gz", "rt", newline="") as file, out.open("w", newline="") as table:
        writer = csv.writer(table)
        writer.writerow(["rater", "image", "score", "subject"])
        for row in csv.DictReader(file):
            image = images[row["item"]]
            writer.writerow([row["rater"], image["file"], row["beauty"], image["subject"]])
    return out


def draw(item, votes, rng):
    """Positions of `votes` votes of each image, drawn at random; of all when None."""
    if votes is None:
        return np.arange(len(item))
    order = rng.permutation(len(item))
    order = order[np.argsort(item[order], kind="stable")]
    counts = np.bincount(item)
    place = np.arange(len(item)) - np.repeat(np.cumsum(counts) - counts, counts)
    return order[place < votes]


def targets(item, rater, score, values):
    """Distributions of each kind."""
    _, rater = np.unique(rater, return_inverse=True)
    plain = spread_over_bins(item, score, np.ones(len(score)), values)
    models = [rater_model(item, rater, score, shrink_bias=shrink) for shrink in (False, True)]
    return [plain, *(corrected_distributions(item, rater, score, model, values) for model in models)]


_EXAMPLES = []


def _remember(examples):
    _EXAMPLES.append(examples)


def said(job):
    """Means that models trained on these targets give to images held out."""
    target, seed = job
    examples = replace(_EXAMPLES[0], targets=target)
    return cross_validate(RatingLabels(examples), Recipe(seed=seed)).distributions @ examples.values


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", type=Path)
    parser.add_argument("--cache", type=Path)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--jobs", type=int, default=1, help="trainings that run side by side")
    parser.add_argument("--labels-only", action="store_true", help="how near the targets come, without training")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        table = joined(arguments.folder, Path(scratch) / "votes.csv")
        rows = read_rows(table, scale=(1, 7))
        examples = None
        if not arguments.labels_only:
            cache = TokenCache(arguments.cache) if arguments.cache else None
            encoder = load_encoder(DEFAULT_ENCODER)
            dataset = load_dataset(
                table, arguments.folder / "images", encoder, group_column="subject", scale=(1, 7), cache=cache
            )
            if dataset.missing:
                raise SystemExit(f"{len(dataset.missing)} images are missing, the first: {dataset.missing[0]}")
            examples = dataset.examples
    number = {image: i for i, image in enumerate(dict.fromkeys(v.image for v in rows.votes))}
    item = np.array([number[v.image] for v in rows.votes])
    rater = np.array([v.rater for v in rows.votes])
    score = np.array([v.score for v in rows.votes])
    values = rows.scale.values
    observed = np.bincount(item, score) / np.bincount(item)
    print(f"{len(score)} votes of {len(observed)} images by {len(set(rater))} raters")
    if examples is not None and not np.allclose(examples.targets @ values, observed):
        raise SystemExit("the images are not in the order of the votes")
    kinds = [
        (votes, seed) for votes in DRAWS for seed in range(arguments.repeats if votes or examples is not None else 1)
    ]
    made = {}
    for votes, seed in kinds:
        chosen = draw(item, votes, np.random.default_rng(seed))
        made[votes, seed] = targets(item[chosen], rater[chosen], score[chosen], values)
    jobs = [(target, seed) for votes, seed in kinds for target in made[votes, seed]]
    context = get_context("spawn")
    with ProcessPoolExecutor(arguments.jobs, mp_context=context, initializer=_remember, initargs=(examples,)) as pool:
        answers = pool.map(said, jobs) if examples is not None else iter(())
        for votes in DRAWS:
            seeds = [seed for v, seed in kinds if v == votes]
            labels = {name: [made[votes, seed][k] @ values for seed in seeds] for k, name in enumerate(TARGETS)}
            report(votes, "the targets themselves", labels, observed, examples)
            if examples is not None:
                rows = [[next(answers) for _ in TARGETS] for _ in seeds]
                guesses = {name: [row[k] for row in rows] for k, name in enumerate(TARGETS)}
                report(votes, "subjects held out", guesses, observed, examples)


def report(votes, what, found, observed, examples):
    def figures(i):
        srcc = [np.mean([spearman(one[i], observed[i]) for one in found[name]]) for name in TARGETS]
        return np.array([*srcc, *(s - srcc[0] for s in srcc[1:])])

    shown = "all" if votes is None else str(votes)
    if examples is None:
        print(shown, what, dict(zip(TARGETS, figures(np.arange(len(observed))).round(4).tolist(), strict=False)))
        return
    estimates = clustered_bootstrap(figures, examples.groups, resamples=500)
    for k, name in enumerate(TARGETS):
        one, gain = estimates[k], estimates[len(TARGETS) + k - 1] if k else None
        line = f"{shown:>4} votes | {what:22} | {name:20} | {one.value:.3f} [{one.low:.3f}, {one.high:.3f}]"
        print(line + (f" | {gain.value:+.4f} [{gain.low:+.4f}, {gain.high:+.4f}]" if gain else ""), flush=True)


if __name__ == "__main__":
    main()
