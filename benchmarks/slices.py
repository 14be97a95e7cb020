"""Figures of the recipe on slices of a rating table: by a column, by shape, by size of the subject's group.

    python benchmarks/slices.py $ABKIT_TESTDATA/oasis_beauty --column Category --cache FOLDER

Every image is scored by a model that saw no image of its subject (five folds). Intervals: 95 %, whole subjects
resampled. A slice is a small sample, and several are looked at: a slice that looks different may be so by chance.
"""

import argparse
from collections.abc import Callable
from pathlib import Path

import numpy as np
import photographs
from PIL import Image

from abkit_model.evaluation.metrics import clustered_bootstrap, conformal_half_width, spearman
from abkit_model.training.holdout import LEVEL, cross_validate
from abkit_model.training.ratings import RatingLabels
from abkit_model.training.request import Recipe

FEWEST = 30


def shape(path: Path) -> str:
    width, height = Image.open(path).size
    return "square" if abs(width / height - 1) < 0.05 else "wide" if width > height else "tall"


def pixels(path: Path) -> str:
    width, height = Image.open(path).size
    return f"{width} × {height}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--column", default="Category")
    parser.add_argument("--cache", type=Path)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    examples, names, column = photographs.load(options.folder, options.column, options.cache)
    images = options.folder / "images"
    answers = cross_validate(RatingLabels(examples), Recipe(seed=options.seed))
    held_out, folds = answers.distributions, answers.folds
    said, observed = held_out @ examples.values, examples.targets @ examples.values
    half = np.array([conformal_half_width(np.abs(said - observed)[folds != f], LEVEL) for f in folds], dtype=float)
    sizes = {group: examples.groups.count(group) for group in set(examples.groups)}
    kinds: dict[str, Callable[[int], str]] = {
        options.column: lambda i: column[i],
        "shape": lambda i: shape(images / names[i]),
        "pixels": lambda i: pixels(images / names[i]),
        "images of the subject": lambda i: "one" if sizes[examples.groups[i]] == 1 else "several",
        "opinions": lambda i: "divided" if spread[i] > np.median(spread) else "united",
    }
    spread = np.sqrt(np.maximum(examples.targets @ examples.values**2 - observed**2, 0))
    print("| slice | n | SRCC | mean error, steps | interval covers |\n| --- | --- | --- | --- | --- |")
    everything = np.arange(len(said))
    report("all", everything, said, observed, half, examples.groups)
    for kind, value in kinds.items():
        of = np.array([value(i) for i in everything])
        for name in sorted(set(of)):
            report(f"{kind}: {name}", np.flatnonzero(of == name), said, observed, half, examples.groups)


def report(name, chosen, said, observed, half, groups) -> None:
    if len(chosen) < FEWEST:
        print(f"| {name} | {len(chosen)} | not enough images | | |")
        return
    x, y, h = said[chosen], observed[chosen], half[chosen]
    srcc, bias, inside = clustered_bootstrap(
        lambda i: [spearman(x[i], y[i]), (x[i] - y[i]).mean(), (np.abs(x[i] - y[i]) <= h[i]).mean()],
        [groups[i] for i in chosen],
    )
    cells = [f"{e.value:.3f} [{e.low:.3f}, {e.high:.3f}]" for e in (srcc, bias, inside)]
    print(f"| {name} | {len(chosen)} | " + " | ".join(cells) + " |", flush=True)


if __name__ == "__main__":
    main()
