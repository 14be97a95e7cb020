"""How often do images that did not change raise an alarm? Random splits of one folder, judged as in a drift check.

    python benchmarks/drift_splits.py FOLDER [--images 100] [--splits 700] [--seed 11] [--cache FOLDER]

All images are scored by the shipped queries once. Then so many times two windows of so many images are drawn
without overlap, and their input and scores are judged with the default settings. Whatever is not `stable` is a false
alarm. The intervals are exact (Clopper–Pearson, 95 %), though splits of one folder share images: read them as a
lower bound of the uncertainty.
"""

import argparse
from collections import Counter
from pathlib import Path

import numpy as np
from scipy import stats

from abkit.config import DriftSettings
from abkit.stats.monitoring.budget import one_comparison
from abkit.stats.monitoring.triage import triage
from abkit.store.scores import CreativeSample
from abkit.workflows.drift.layers.images import judge_input, judge_scores
from abkit_model.data.tokens import TokenCache, extract
from abkit_model.evaluation.trained_scorer import predict
from abkit_model.scorer import Scorer

ENDINGS = (".jpg", ".jpeg", ".png", ".webp")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--images", type=int, default=100)
    parser.add_argument("--splits", type=int, default=700)
    parser.add_argument("--seed", type=int, default=11)
    parser.add_argument("--cache", type=Path)
    options = parser.parse_args()
    scorer = Scorer.load()
    paths = sorted(p for p in options.folder.rglob("*") if p.suffix.lower() in ENDINGS)
    features, rejected = extract(paths, scorer.encoder, cache=TokenCache(options.cache) if options.cache else None)
    scores = predict(scorer.network, features)[0] @ scorer.card.scale.values
    embeddings = features.embeddings
    print(f"{len(scores)} images ({len(rejected)} cannot be read), weights {scorer.card.digest[:12]}")
    budget = one_comparison(DriftSettings().alpha)
    rng, settings, found = np.random.default_rng(options.seed), DriftSettings(), Counter()
    for _ in range(options.splits):
        order = rng.permutation(len(scores))[: 2 * options.images]
        before, now = (
            CreativeSample(ids=(), scores=scores[half], embeddings=embeddings[half]) for half in np.split(order, 2)
        )
        rows = [*judge_input(before, now, settings, budget), *judge_scores(before, now, settings, budget)]
        found[triage([row.finding for row in rows]).decision] += 1
    for decision, count in found.most_common():
        interval = stats.binomtest(count, options.splits).proportion_ci()
        share = f"{count / options.splits:.2%} [{interval.low:.2%}, {interval.high:.2%}]"
        print(f"{decision:8} {count} of {options.splits} splits of {options.images} images: {share}")


if __name__ == "__main__":
    main()
