"""Are queries that were tuned for a segment better there than the global ones they started from?

    python benchmarks/segments.py $ABKIT_TESTDATA/oasis_beauty --column Category --cache FOLDER

Protocol: each value of the column is a segment once. The parent learns from the photographs of all other values (of
subjects that the segment does not show), so that it never saw what it is judged on. It is tuned for the segment as
`abkit model train --parent` does, in five folds grouped by subject, and the tuned queries are held against the parent
on the photographs held out. 95 % intervals are paired and resample whole subjects.
"""

import argparse
from pathlib import Path

import numpy as np
import photographs

from abkit.workflows.models.segment import MIN_IMAGES, MIN_SUBJECTS
from abkit_model.evaluation.metrics import clustered_bootstrap, spearman
from abkit_model.evaluation.trained_scorer import predict
from abkit_model.training.holdout import cross_validate
from abkit_model.training.loop import fit
from abkit_model.training.ratings import RatingLabels
from abkit_model.training.request import Recipe


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--column", default="Category")
    parser.add_argument("--cache", type=Path)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    examples, _, of = photographs.load(options.folder, options.column, options.cache)
    groups = np.array(examples.groups)
    print("| segment | n | subjects | parent's SRCC | tuned SRCC | tuned − parent |")
    print("| --- | --- | --- | --- | --- | --- |")
    for segment in sorted(set(of)):
        inside = np.flatnonzero(of == segment)
        subjects = set(groups[inside])
        if len(inside) < MIN_IMAGES or len(subjects) < MIN_SUBJECTS:
            print(f"| {segment} | {len(inside)} | {len(subjects)} | not enough data | | |")
            continue
        others = np.flatnonzero((of != segment) & ~np.isin(groups, list(subjects)))
        report(segment, examples.subset(inside), examples.subset(others), Recipe(seed=options.seed))


def report(segment, own, others, recipe):
    parent = fit(RatingLabels(others), recipe)
    held_out = cross_validate(RatingLabels(own), recipe, start=parent).distributions
    former = predict(parent, own.views[0])[0] @ own.values
    tuned, observed = held_out @ own.values, own.targets @ own.values
    figures = clustered_bootstrap(
        lambda i: [one := spearman(former[i], observed[i]), other := spearman(tuned[i], observed[i]), other - one],
        own.groups,
    )
    words = " | ".join(f"{f.value:.3f} [{f.low:.3f}, {f.high:.3f}]" for f in figures)
    print(f"| {segment} | {len(observed)} | {len(set(own.groups))} | {words} |", flush=True)


if __name__ == "__main__":
    main()
