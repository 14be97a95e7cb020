"""State anew what the shipped queries know about themselves: interval, its coverage by stratum, and novelty.

python benchmarks/restate_shipped.py $ABKIT_TESTDATA/oasis_beauty OUT [--cache FOLDER]

1. Five folds of the photographs, dealt by subject as in the training; queries with the recipe on the card learn from
   four of them and say what they make of the fifth.
2. From these answers: the normalized conformal interval, and its coverage by thirds of dissent and of novelty.
3. The limit of novelty: the distance that 95 % of the photographs held out stay below, each measured against the
   photographs of the other folds.
4. OUT gets the shipped weights, to the last bit, with the new card and the reference of textures.
"""

import argparse
import json
from pathlib import Path

import numpy as np

from abkit_model import checkpoint as checkpoints
from abkit_model.data.tokens import TokenCache
from abkit_model.training.restate import restate


def main(data: Path, out: Path, cache: Path | None) -> None:
    """Write the new checkpoint, and print what changed."""
    shipped = checkpoints.default_checkpoint()
    before = checkpoints.load(shipped)
    tokens = TokenCache(cache, 12 * 2**30) if cache else None
    card = restate(shipped, data / "ratings_per_image.csv", data / "images", out, cache=tokens)
    after = checkpoints.load(out)
    same = [np.array_equal(value, after.weights[name]) for name, value in before.weights.items()]
    if len(same) != len(after.weights) or not all(same):
        raise SystemExit("the weights changed: this must not be shipped")
    print(f"digest {before.card.digest[:12]} → {card.digest[:12]}, the same weights")
    print(f"interval {before.card.interval}\n      → {card.interval}")
    print(f"limit of novelty {before.card.novelty_limit} → {card.novelty_limit}")
    print(json.dumps(card.metrics["coverage"], indent=1))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--cache", type=Path, help="where encoded images are kept")
    options = parser.parse_args()
    main(options.data, options.out, options.cache)
